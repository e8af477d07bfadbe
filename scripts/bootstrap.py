"""Prepares a fresh machine for `make`: a pinned uv in .tools/, the locked environment, tmux,
bubblewrap.

Needs nothing but Python's standard library; not even pip or venv. Safe to run at any time: what is
there already is left alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
UV_VERSION = (0, 13, 9)
OLDEST, TOO_NEW = (3, 11), (3, 15)


class Wheel(NamedTuple):
    """A pinned wheel of uv."""

    url: str
    sha256: str


UV_WHEELS = {
    "x86_64": Wheel(
        "https://files.pythonhosted.org/packages/3d/aa/26d64642d808de4a652579ef950d7cd2d37f080a8babf9c67c6b75fc4c3f/uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "aarch64": Wheel(
        "https://files.pythonhosted.org/packages/57/15/94b6cd62ac3ff6550288328e8035288875197cbc183f51554b266a69877b/uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
}


class CannotSetUp(Exception):
    """One sentence: what is missing and what to do."""


def main() -> int:
    """Prepare everything. Exits 1 with a sentence when something has to be done by hand."""
    try:
        check_python(sys.version_info[:2])
        uv = provide_uv()
        sync(uv)
        provide_tmux(shutil.which, os.geteuid(), subprocess.run)
        provide_bubblewrap(shutil.which, os.geteuid(), subprocess.run)
    except CannotSetUp as problem:
        print(f"set-up: {problem}", file=sys.stderr)
        return 1
    return 0


def say(text: str) -> None:
    """One line for a step that takes a while."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def check_python(version: tuple[int, int]) -> None:
    """Raises CannotSetUp when Mato does not run on this Python."""
    if not OLDEST <= version < TOO_NEW:
        found = ".".join(map(str, version))
        raise CannotSetUp(
            f"python3 is {found} and Mato runs on 3.11 to 3.14; run `make PYTHON=python3.12` (or "
            "another that is here)"
        )


def provide_uv() -> Path:
    """A uv at least as new as the pinned one: .tools/uv, made when missing."""
    uv = TOOLS / "uv"
    if is_new_enough(uv):
        return uv
    TOOLS.mkdir(exist_ok=True)
    found = shutil.which("uv")
    if found and is_new_enough(Path(found)):
        uv.unlink(missing_ok=True)
        uv.symlink_to(found)
        return uv
    wheel = UV_WHEELS.get(platform.machine())
    if wheel is None:
        raise CannotSetUp(
            f"there is no uv pinned for {platform.machine()}; install uv {dotted()} or newer"
        )
    say(f"fetching uv {dotted()} (17 MB)")
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        unpack(fetch(wheel, Path(folder)), uv)
    if not is_new_enough(uv):
        raise CannotSetUp(f"uv was fetched and does not run here; install uv {dotted()} or newer")
    return uv


def dotted() -> str:
    """The pinned version of uv, as people write it."""
    return ".".join(map(str, UV_VERSION))


def is_new_enough(uv: Path) -> bool:
    """Whether this uv runs and is not older than the pinned one."""
    try:
        said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    version = re.match(r"uv (\d+)\.(\d+)\.(\d+)", said)
    return version is not None and tuple(map(int, version.groups())) >= UV_VERSION


def fetch(wheel: Wheel, folder: Path) -> Path:
    """The wheel's file in `folder`, its hash checked: by pip where there is one, else directly."""
    for way in (_by_pip, _directly) if find_spec("pip") else (_directly,):
        file = way(wheel, folder)
        if file is not None:
            break
    else:
        raise CannotSetUp(f"uv cannot be fetched; check the network, or install uv {dotted()}")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != wheel.sha256:
        raise CannotSetUp(
            f"what came as uv is not the pinned file (sha256 {found[:16]}… instead of "
            f"{wheel.sha256[:16]}…); nothing of it was kept"
        )
    return file


def _by_pip(wheel: Wheel, folder: Path) -> Path | None:
    """Knows the proxies, certificates and indexes that are configured here; may be broken."""
    pins = folder / "pins.txt"
    pins.write_text(f"uv=={dotted()} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--dest", folder, "--requirement", pins], capture_output=True, check=False
    )
    return next(folder.glob("*.whl"), None) if done.returncode == 0 else None


def _directly(wheel: Wheel, folder: Path) -> Path | None:
    file = folder / wheel.url.rpartition("/")[2]
    try:
        with urllib.request.urlopen(wheel.url, timeout=30) as answer, file.open("wb") as out:  # noqa: S310 (pinned)
            shutil.copyfileobj(answer, out)
    except (OSError, urllib.error.URLError) as error:
        say(f"{wheel.url.split('/')[2]} cannot be reached: {error}")
        return None
    return file


def unpack(wheel: Path, uv: Path) -> None:
    """Take the one program out of the wheel."""
    new = wheel.parent / "uv.new"
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        with archive.open(member) as source, new.open("wb") as out:
            shutil.copyfileobj(source, out)
    new.chmod(0o755)
    new.replace(uv)


def sync(uv: Path) -> None:
    """The environment in .venv exactly as uv.lock says, every file checked by hash."""
    arguments = [uv, "sync", "--locked", "--python", sys.executable]
    if (ROOT / ".venv").exists():
        arguments.append("--quiet")
    else:
        say("making the environment in .venv (about 100 packages)")
    # An active environment of somebody else's is not the one to fill.
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if SYSTEM_CERTIFICATES.exists():
        # uv's own roots do not know a company's; the system's do.
        env.setdefault("UV_SYSTEM_CERTS", "true")
    log = None if sys.stderr.isatty() else subprocess.PIPE
    done = subprocess.run(arguments, cwd=ROOT, env=env, stderr=log, text=True, check=False)
    if done.returncode:
        print(done.stderr or "", end="", file=sys.stderr)
        raise CannotSetUp("the environment could not be made; uv says why above")


def provide_tmux(
    which: Callable[[str], str | None],
    user: int,
    run: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    """tmux: installed where that is allowed, else asked for."""
    if which("tmux"):
        return
    if user != 0 or not which("apt-get"):
        raise CannotSetUp(
            "tmux is missing; run `sudo apt-get install tmux` (or your system's way) and try again"
        )
    if failed := _install("tmux", run):
        raise CannotSetUp(f"`{failed}` failed; install tmux by hand and try again")


def provide_bubblewrap(
    which: Callable[[str], str | None],
    user: int,
    run: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    """bubblewrap: installed where that is allowed; without it Mato runs, in a weaker sandbox."""
    if which("bwrap"):
        return
    if user != 0 or not which("apt-get"):
        say(
            "bubblewrap is missing, so commands of agents are confined less; `sudo apt-get install "
            "bubblewrap` (or your system's way) mends that"
        )
    elif failed := _install("bubblewrap", run):
        say(f"`{failed}` failed, so commands of agents are confined less; install it by hand")


def _install(package: str, run: Callable[..., subprocess.CompletedProcess[bytes]]) -> str:
    """ "" where that went well, else the command that failed."""
    say(f"installing {package} (apt-get)")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package],
    ):
        if run(command, env=env, stdout=subprocess.DEVNULL, check=False).returncode:
            return " ".join(command)
    return ""


if __name__ == "__main__":
    sys.exit(main())

"""Which tier this machine offers: found by trial runs, never by looking for a program."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from mato.sandbox import launcher, seccomp

Tier = Literal["full", "partial", "none"]
"""``full``: bubblewrap and seccomp; ``partial``: Landlock and seccomp; ``none``: nothing."""
TIERS: tuple[Tier, ...] = ("full", "partial", "none")
_TRIAL_S = 5.0


class Offer(msgspec.Struct, frozen=True):
    """What was found."""

    tier: Tier
    """The best that works."""
    works: tuple[Tier, ...]
    reasons: tuple[str, ...]
    """Why a better tier does not work here, for people."""
    bubblewrap: str = ""
    """The program."""
    disable_userns: bool = False
    """Whether it can forbid further user namespaces; seccomp does that too."""
    landlock: int = 0
    """Landlock's version; 0: there is none."""


def probe() -> Offer:
    """Try both mechanisms. Blocks for some 50 ms; for a thread."""
    if not seccomp.known():
        reason = f"there is no filter of system calls for {platform.machine()}"
        return Offer("none", ("none",), (reason,))
    reasons: list[str] = []
    works: list[Tier] = []
    program, disable, why = _try_bubblewrap()
    if why:
        reasons.append(f"full: {why}")
    else:
        works.append("full")
    version = launcher.abi()
    why = _try_landlock() if version else "this kernel has no Landlock"
    if why:
        reasons.append(f"partial: {why}")
    else:
        works.append("partial")
    works.append("none")
    return Offer(works[0], tuple(works), tuple(reasons), program, disable, version)


def _try_bubblewrap() -> tuple[str, bool, str]:
    program = shutil.which("bwrap", path=os.defpath + ":/usr/local/bin") or shutil.which("bwrap")
    if program is None:
        return "", False, "bubblewrap is not installed (apt-get install bubblewrap)"
    base = [program, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    base += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108
    why = ""
    for disable in (True, False):
        code = seccomp.program(sockets=True)
        handle = os.memfd_create("filter")
        try:
            os.write(handle, code)
            os.lseek(handle, 0, os.SEEK_SET)
            command = [*base, *(["--disable-userns"] if disable else [])]
            command += ["--seccomp", str(handle), "--", "/bin/sh", "-c", "exit 42"]
            why = _trial(command, 42, handle)
        finally:
            os.close(handle)
        if not why:
            return program, disable, ""
    return program, False, why


def _try_landlock() -> str:
    spec = {"read": ["/"], "write": [], "seccomp": seccomp.program(sockets=False).hex()}
    return _trial([*command_of(spec), "/bin/sh", "-c", "exit 42"], 42)


def command_of(spec: Mapping[str, object]) -> list[str]:
    """The beginning of a command line that confines what follows by Landlock."""
    written = msgspec.json.encode(spec).decode()
    return [sys.executable, "-I", "-S", str(Path(launcher.__file__)), written]


def _trial(command: list[str], expected: int, *handles: int) -> str:
    """ "" where the command ended as expected, else what it said."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_S,
            pass_fds=handles,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(command[0]).name} does not run: {error}"
    if done.returncode == expected:
        return ""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1][:200] if said else f"{Path(command[0]).name} ended with {done.returncode}"

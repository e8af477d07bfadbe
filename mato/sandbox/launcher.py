"""Restricts itself with Landlock and seccomp, then becomes the command of its arguments.

Run as a script, ``python -I -S launcher.py SPEC COMMAND…``, with nothing but ctypes, so that its
start costs as little as Python's own. SPEC is JSON:
``{"read": […], "write": […], "seccomp": "hex"}``.
It ends with 126 where it could not be restricted: a command never runs unconfined by mistake.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""System calls of landlock(7); the same numbers on all machines."""
_READ = 0b1101
"""Execute, read a file, read a folder."""
_OF_FILES = 0b1100_0000_0000_0111
"""What can be granted on a file: execute, write, read, truncate, device ioctls."""
_DROP_BOUND, _CAPABILITIES = 24, 0x20080522
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


class _Rules(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock that the kernel speaks; 0 where it has none."""
    return max(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1), 0)


def _called(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _restrict(read: list[str], write: list[str]) -> None:
    version = abi()
    if not version:
        raise OSError("this kernel has no Landlock")
    # Rights that an older kernel does not know cannot be taken away there.
    everything = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    rules = _Rules(everything, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _called(_libc.syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0))
    for paths, access in ((read, _READ), (write, everything)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
                granted = access if Path(path).is_dir() else access & _OF_FILES & everything
                beneath = _Beneath(granted, folder)
                _called(_libc.syscall(_ADD, ruleset, 1, ctypes.byref(beneath), 0))
                os.close(folder)
    _called(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _called(_libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _drop_capabilities() -> None:
    """Take root's rights from root: they reach around the rules (environments of others)."""
    for number in range(64):
        if _libc.prctl(_DROP_BOUND, number, 0, 0, 0) < 0:
            break
    header = _CapHeader(_CAPABILITIES, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _called(_libc.capset(ctypes.byref(header), nothing))


def _filter(program: bytes) -> None:
    filters = _Program(len(program) // 8, program)
    _called(_libc.prctl(_SECCOMP, _FILTER, ctypes.byref(filters), 0, 0))


def main(arguments: list[str]) -> int:
    """Become the command, restricted; returns only where that failed."""
    spec = json.loads(arguments[0])
    try:
        _restrict(spec["read"], spec["write"])
        _drop_capabilities()
        _filter(bytes.fromhex(spec["seccomp"]))
    except OSError as error:
        sys.stderr.write(f"the command was not run: it could not be confined ({error})\n")
        return 126
    try:
        os.execvp(arguments[1], arguments[1:])  # noqa: S606 (that is what it is for)
    except OSError as error:
        sys.stderr.write(f"{arguments[1]}: {error.strerror}\n")
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

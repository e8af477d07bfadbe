"""Opens paths beneath a folder, with the kernel as the only judge of what "beneath" means.

openat2(2) with RESOLVE_BENEATH resolves and opens in one step, so there is no moment between a
check and its use in which a folder can be swapped for a link.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

_OPENAT2 = 437
"""The number is the same on every architecture that Linux has had since 5.6."""
_NO_MAGIC_LINKS = 0x02
_NO_LINKS = 0x04
_BENEATH = 0x08
_ATTEMPTS = 200
"""openat2 answers EAGAIN when a rename anywhere meets a `..`: it was not sure, so ask again."""

_KERNEL_FILESYSTEMS = frozenset(
    {
        0x9FA0,  # proc
        0x62656572,  # sysfs
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x73636673,  # securityfs
        0xF97CFF8C,  # selinuxfs
        0x27E0EB,  # cgroup
        0x63677270,  # cgroup2
        0xCAFE4A11,  # bpf
    }
)
"""What looks like files there is the kernel's own state, other processes' secrets included."""

_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    """struct open_how."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


class NotPlain(OSError):
    """Neither a plain file nor a folder: a pipe, socket, device or part of the kernel's state."""


def open_beneath(
    folder: int, path: str, flags: int, mode: int = 0, *, follow_links: bool = True
) -> int:
    """A file descriptor of `path`, resolved beneath the folder `folder`; never of a pipe or device.

    Links are followed as long as they stay beneath. The caller closes it.

    Raises:
        NotPlain: it is neither a plain file nor a folder.
        OSError: as the kernel says; EXDEV where the path leads out.
        ValueError: a NUL or a lone surrogate in `path`.
    """
    if "\0" in path:
        raise ValueError("a path cannot hold a NUL character")
    encoded = path.encode()  # strictly: os.fsencode would turn surrogates into other bytes
    # O_NONBLOCK: opening a pipe must not wait for its other end; plain files ignore it.
    how = _How(
        flags | os.O_CLOEXEC | (0 if flags & os.O_PATH else os.O_NOCTTY | os.O_NONBLOCK),
        mode,
        _BENEATH | _NO_MAGIC_LINKS | (0 if follow_links else _NO_LINKS),
    )
    descriptor = _openat2(folder, encoded, how)
    try:
        refuse_special(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _openat2(folder: int, path: bytes, how: _How) -> int:
    for _ in range(_ATTEMPTS):
        result: int = _libc.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(folder),
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if result >= 0:
            return result
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):
            raise OSError(code, os.strerror(code))
    raise OSError(errno.EAGAIN, "folders on its way are being renamed all the time")


def refuse_special(descriptor: int) -> None:
    """Let only plain files and folders pass.

    Raises:
        NotPlain: it is something else.
    """
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise NotPlain(errno.EINVAL, "neither a plain file nor a folder")
    # struct statfs starts with the type, a word long, and is at most 120 bytes on 64-bit Linux.
    answer = ctypes.create_string_buffer(256)
    if _libc.fstatfs(ctypes.c_int(descriptor), answer) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF in _KERNEL_FILESYSTEMS:
        raise NotPlain(errno.EINVAL, "part of the kernel's own state")


def true_path(root: int, opened: int) -> str:
    """Where an open file or folder lies beneath `root`, links resolved; "" where nobody can say."""
    try:
        above = os.readlink(f"/proc/self/fd/{root}")  # noqa: PTH115 (as the kernel writes it)
        found = os.readlink(f"/proc/self/fd/{opened}")  # noqa: PTH115
    except OSError:
        return ""
    return found.removeprefix(f"{above.rstrip('/')}/") if found != above else ""

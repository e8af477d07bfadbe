"""The system calls that a confined command may not make, as a classic BPF program.

The kernel runs the program for every call (seccomp(2), linux/filter.h); both tiers use it.
"""

from __future__ import annotations

import errno
import platform
import struct

import msgspec

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Places in struct seccomp_data; arguments have 8 bytes each, the low half first."""
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32 = 0x40000000
"""Bit of the x32 numbers: other names for the same calls, so none of them is let through."""
_NAMESPACES = 0x7E020080
"""All CLONE_NEW* flags: mount, cgroup, uts, ipc, user, pid, net, time."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16

# Everything that reaches around names and namespaces, or into the kernel itself.
_NEVER = [
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "open_by_handle_at",
    "name_to_handle_at",
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "syslog",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "kcmp",
]


class _Machine(msgspec.Struct, frozen=True):
    arch: int
    """AUDIT_ARCH_*."""
    numbers: dict[str, int]


_SHARED = {
    # From 424 on all machines have the same numbers.
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "clone3": 435, "pidfd_getfd": 438, "mount_setattr": 442,
}  # fmt: skip
_MACHINES = {
    "x86_64": _Machine(0xC000003E, _SHARED | {
        "ioctl": 16, "socket": 41, "clone": 56, "unshare": 272,
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "setns": 308,
        "open_by_handle_at": 304, "name_to_handle_at": 303, "keyctl": 250, "add_key": 248,
        "request_key": 249, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
        "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
        "delete_module": 176, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163,
        "quotactl": 179, "settimeofday": 164, "clock_settime": 227, "clock_adjtime": 305,
        "adjtimex": 159, "sethostname": 170, "setdomainname": 171, "syslog": 103,
        "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    }),
    "aarch64": _Machine(0xC00000B7, _SHARED | {
        "ioctl": 29, "socket": 198, "clone": 220, "unshare": 97,
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "setns": 268,
        "open_by_handle_at": 265, "name_to_handle_at": 264, "keyctl": 219, "add_key": 217,
        "request_key": 218, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "kexec_load": 104, "kexec_file_load": 294, "init_module": 105, "finit_module": 273,
        "delete_module": 106, "reboot": 142, "swapon": 224, "swapoff": 225, "acct": 89,
        "quotactl": 60, "settimeofday": 170, "clock_settime": 112, "clock_adjtime": 266,
        "adjtimex": 171, "sethostname": 161, "setdomainname": 162, "syslog": 116,
        "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    }),
}  # fmt: skip


def known(machine: str = "") -> bool:
    """Whether there is a program for this kind of processor."""
    return (machine or platform.machine()) in _MACHINES


def program(*, sockets: bool, machine: str = "") -> bytes:
    """The filter as an array of struct sock_filter.

    With `sockets` the families that a network namespace confines (and Unix sockets) are left;
    without, no socket can be made at all but a connected pair.
    """
    found = _MACHINES[machine or platform.machine()]
    numbers = found.numbers
    denied = _fail(errno.EPERM)
    body: list[tuple[int, int, int, int]] = []
    for name in _NEVER:
        if name in numbers:
            body += [_jump(_EQUAL, numbers[name], 0, 1), denied]
    # A request of 64 bits counts by its low half: the kernel looks at no more of it.
    body += _when(numbers["ioctl"], _argument_is(1, _TIOCSTI) + _argument_is(1, _TIOCLINUX))
    for name in ("clone", "unshare"):
        flags = [_load(_argument(0)), _jump(_ANY_BIT, _NAMESPACES, 0, 1), denied]
        body += _when(numbers[name], flags)
    # clone3 hides its flags behind a pointer; without it, libraries fall back to clone.
    body += [_jump(_EQUAL, numbers["clone3"], 0, 1), _fail(errno.ENOSYS)]
    refused = _fail(errno.EAFNOSUPPORT if sockets else errno.EPERM)
    families = (_UNIX, _INET, _INET6, _NETLINK) if sockets else ()
    body += _when(
        numbers["socket"],
        [
            _load(_argument(0)),
            *(_jump(_EQUAL, family, len(families) - at, 0) for at, family in enumerate(families)),
            refused,
        ],
    )
    head = [
        _load(_ARCH),
        _jump(_EQUAL, found.arch, 1, 0),
        _give(_KILL),
        _load(_NUMBER),
    ]
    if found.arch == _MACHINES["x86_64"].arch:
        head += [_jump(_AT_LEAST, _X32, 0, 1), _fail(errno.ENOSYS)]
    return b"".join(struct.pack("=HBBI", *each) for each in [*head, *body, _give(_ALLOW)])


def _when(number: int, then: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """`then` for one call, with the call's number loaded again behind it."""
    return [_jump(_EQUAL, number, 0, len(then) + 1), *then, _load(_NUMBER)]


def _argument_is(place: int, value: int) -> list[tuple[int, int, int, int]]:
    return [_load(_argument(place)), _jump(_EQUAL, value, 0, 1), _fail(errno.EPERM)]


def _argument(place: int) -> int:
    return _ARGUMENTS + 8 * place


def _load(offset: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, offset)


def _jump(test: int, value: int, hit: int, miss: int) -> tuple[int, int, int, int]:
    return (test, hit, miss, value)


def _give(verdict: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, verdict)


def _fail(number: int) -> tuple[int, int, int, int]:
    return _give(_FAIL | number)

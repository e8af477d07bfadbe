"""Attempts to get out, run as a script inside: ``python3 attempts.py NAME WHAT``.

It prints ``tried`` before and ``done`` after what it was told to do, so that an attempt which
could not even begin is not taken for one that was blocked. Nothing but the standard library, and
nothing that does harm where it succeeds.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import pty
import signal
import socket
import stat
import sys
import termios
from collections.abc import Callable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def write(what: str) -> None:
    path = Path(what)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("planted\n")


def read(what: str) -> None:
    if "private" not in Path(what).read_text(errors="replace"):
        raise OSError("it is another file")


def write_through_link(what: str) -> None:
    link = Path("link")
    link.symlink_to(what)
    (link / "through-link").write_text("planted\n")


def replace_folder(what: str) -> None:
    Path(what).rename("moved")
    Path(what, "hooks").mkdir(parents=True)
    Path(what, "hooks/pre-commit").write_text("planted\n")


def link_planted(what: str) -> None:
    Path("evil").mkdir(exist_ok=True)
    path = Path(what)
    if path.is_dir():
        path.rmdir()
    path.symlink_to("evil")


def connect_tcp(what: str) -> None:
    socket.create_connection(("127.0.0.1", int(what)), timeout=2).close()


def send_udp(what: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"private", ("127.0.0.1", int(what)))
    # Sent is not received: whoever listens outside knows.


def connect_unix(what: str) -> None:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.settimeout(2)
        connecting.connect(what.replace("@", "\0", 1) if what.startswith("@") else what)


def raw_socket(_: str) -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def vsock(_: str) -> None:
    socket.socket(40, socket.SOCK_STREAM).close()


def send_signal(what: str) -> None:
    os.kill(int(what), signal.SIGTERM)


def trace(what: str) -> None:
    _checked(_libc.ptrace(16, int(what), 0, 0))  # PTRACE_ATTACH


def environ(what: str) -> None:
    read(f"/proc/{what}/environ")


def own_environ(_: str) -> None:
    if "private" not in os.environ.get("CHECK_TOKEN", ""):
        raise OSError("it is not there")


def type_into_terminal(_: str) -> None:
    slave = pty.openpty()[1]
    if os.fork() == 0:
        try:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            fcntl.ioctl(slave, termios.TIOCSTI, b"x")
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.wait()[1]:
        raise OSError("refused")


def open_terminal(_: str) -> None:
    os.close(os.open("/dev/tty", os.O_RDWR))


def unshare_user(_: str) -> None:
    _checked(_libc.unshare(_NEW_USER))


def unshare_net(_: str) -> None:
    _checked(_libc.unshare(_NEW_NET))


def mount(_: str) -> None:
    # Of no kind that there is: who may mount is told so (ENODEV), and nothing is mounted.
    if (
        _libc.mount(b"none", b".", b"mato-check", 0, None) < 0
        and ctypes.get_errno() != errno.ENODEV
    ):
        _checked(-1)


def make_device(_: str) -> None:
    os.mknod("device", stat.S_IFBLK | 0o600, os.makedev(7, 0))


def io_uring(_: str) -> None:
    _checked(_libc.syscall(425, 1, ctypes.create_string_buffer(256)))


def keys(_: str) -> None:
    number = 250 if platform.machine() == "x86_64" else 219
    _checked(_libc.syscall(number, 0, -3, 0))  # KEYCTL_GET_KEYRING_ID of the session


def gain_rights(_: str) -> None:
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        raise OSError("no new privileges")


def capabilities(_: str) -> None:
    if "CapEff:\t0000000000000000" in Path("/proc/self/status").read_text():
        raise OSError("no capabilities")


ATTEMPTS: tuple[Callable[[str], None], ...] = (
    write, read, write_through_link, replace_folder, link_planted, connect_tcp, send_udp,
    connect_unix, raw_socket, vsock, send_signal, trace, environ, own_environ, type_into_terminal,
    open_terminal, unshare_user, unshare_net, mount, make_device,
    io_uring, keys, gain_rights, capabilities,
)  # fmt: skip


def main(name: str, what: str) -> int:
    """Try it; exit 1 where it was refused."""
    print("tried", flush=True)
    try:
        next(each for each in ATTEMPTS if each.__name__ == name)(what)
    except OSError as error:
        print(error.strerror or error)
        return 1
    except Exception as error:
        print(error)
        return 1
    print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

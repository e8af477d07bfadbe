"""Who is at the other end of a Unix socket, as the kernel says."""

from __future__ import annotations

import socket
import struct

_UCRED = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)


def credentials(connection: socket.socket) -> tuple[int, int]:
    """(pid, uid) of the process that connected, at the time it did."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return pid, uid

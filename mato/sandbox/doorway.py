"""Opens doors inside a sandbox without a network, hands them out, and becomes the command.

Run as a script, ``python -I -S doorway.py CONTROL PORT,… COMMAND…``: it listens on the ports of its
own loopback and sends those sockets through the Unix socket CONTROL. Whoever listens there serves
them from outside; nothing of this stays inside.
"""

from __future__ import annotations

import os
import socket
import sys


def main(arguments: list[str]) -> int:
    """Become the command; returns only where that failed."""
    try:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(arguments[0])
            doors = [socket.create_server(("127.0.0.1", int(p))) for p in arguments[1].split(",")]
            socket.send_fds(control, [b"doors"], [door.fileno() for door in doors])
            control.recv(1)
        for door in doors:
            door.close()
    except OSError as error:
        sys.stderr.write(f"the command was not run: its network could not be opened ({error})\n")
        return 126
    try:
        os.execvp(arguments[2], arguments[2:])  # noqa: S606 (that is what it is for)
    except OSError as error:
        sys.stderr.write(f"{arguments[2]}: {error.strerror}\n")
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.mato.daemon.breaking`: a daemon that unreadable parameters fail inside.

The control of the fuzzing.
"""

from __future__ import annotations

from mato.daemon import __main__, connection

if __name__ == "__main__":
    connection.UNREADABLE = ()  # pyright: ignore[reportAttributeAccessIssue] - the point
    __main__.main()

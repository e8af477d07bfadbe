"""`python -m mato.daemon`: leaves the terminal behind, then lives as the daemon.

Run with four folders (config, state, cache, runtime), or none: then the environment says where.
With ``--no-resume`` agents that were in the middle of a turn stay paused.
One line of JSON on stdout tells the starter how it went: ``{"started": true}``, ``{"started":
false}`` when another daemon serves already, or ``{"error": "…", "code": …}``.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Detach and serve; the process that was started ends at once."""
    # Nothing costly is imported yet, so the two forks cost little.
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():  # no leader of a session: it can never get a terminal again
        os._exit(0)
    os.umask(0o077)
    os.chdir("/")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from mato.daemon.life import live

    sys.exit(live(sys.argv[1:]))


if __name__ == "__main__":
    main()

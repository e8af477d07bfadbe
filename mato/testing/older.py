"""`python -m mato.testing.older`: a real daemon that speaks protocol 1 and knows its methods only.

It is this Mato with an older number: what journals and frames looked like then, a recorded answer
of such a daemon has to show.
"""

from __future__ import annotations

from mato.protocol import version

METHODS = frozenset(
    {
        "hello",
        "session.new",
        "session.list",
        "session.rename",
        "session.arrange",
        "agent.spawn",
        "agent.prompt",
        "agent.stop",
        "agent.kill",
        "agent.wait",
        "agent.reconfigure",
        "agent.looked",
        "inbox.list",
        "inbox.answer",
        "journal.events",
        "journal.blob",
        "subscribe",
        "profile.list",
        "daemon.status",
        "daemon.stop",
    }
)
"""All of protocol 1."""


def _no_restart(_: object) -> bool:
    """It did not know yet that an end may be a restart."""
    return False


def _forget(_: object, __: object) -> None:
    """Whatever it is told of that."""


def main() -> None:
    """As `mato.daemon`, at the oldest protocol."""
    # Before anything has taken the number into its own names.
    version.PROTOCOL = version.OLDEST  # pyright: ignore[reportConstantRedefinition] - the point

    from mato.daemon import __main__, desk
    from mato.protocol import methods

    for method in methods.METHODS.keys() - METHODS:
        del methods.METHODS[method]
    never = property(_no_restart, _forget)
    desk.FrontDesk.restarts = never  # pyright: ignore[reportAttributeAccessIssue] - as above
    __main__.main()


if __name__ == "__main__":
    main()

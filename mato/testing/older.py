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


def main() -> None:
    """As `mato.daemon`, at the oldest protocol."""
    # Before anything has taken the number into its own names.
    version.PROTOCOL = version.OLDEST  # pyright: ignore[reportConstantRedefinition] - the point

    from mato.daemon import __main__, server
    from mato.protocol import methods

    for method in methods.METHODS.keys() - METHODS:
        del methods.METHODS[method]
    close = server.Server.close

    async def close_for_good(self: server.Server, reason: str, restart: bool = False) -> None:
        """It did not know yet that an end may be a restart."""
        await close(self, reason)

    server.Server.close = close_for_good
    __main__.main()


if __name__ == "__main__":
    main()

"""`python -m tests.faults.negligent`: a real daemon that leaves children behind."""

from __future__ import annotations

from typing import Any


def main() -> None:
    """As `mato.daemon`, with that fault."""
    from mato.daemon import __main__, children, supervisor

    async def nothing(self: children.Children, session: str, call: str) -> None:
        """The child goes on."""

    def nobody(agents: Any, agent: Any) -> list[Any]:
        return []

    children.Children._give_up = nothing
    supervisor.descendants = nobody
    __main__.main()


if __name__ == "__main__":
    main()

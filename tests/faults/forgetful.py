"""`python -m tests.faults.forgetful`: a real daemon that forgets for which call an agent is."""

from __future__ import annotations


def main() -> None:
    """As `mato.daemon`, with that fault."""
    from mato.daemon import __main__, children

    children._of_call = lambda session, call: None
    __main__.main()


if __name__ == "__main__":
    main()

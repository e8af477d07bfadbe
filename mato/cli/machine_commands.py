"""What concerns this machine and its folders, by typer: doctor, the model, trust."""

from __future__ import annotations

from typing import Annotated

import typer

from mato_sessions.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def doctor(
    as_json: Json = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Try to break out of the sandbox, in every way.")
    ] = False,
) -> int:
    """Check this machine and say what to do where something is wrong."""
    if sandbox:
        from mato.cli import sandboxing

        return sandboxing.run(as_json)
    from mato.cli import doctor as checks

    return checks.run(as_json)


def model() -> int:
    """Fetch the small embedded model, once (491 MB), and print where it is."""
    from mato.models.embedded import fetch

    return fetch.main()


def trust(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]")] = ".",
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no longer.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="All trusted folders.")] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Only show; exit 1 when it is not trusted.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Show what in a folder could instruct or execute, and trust it as it is now."""
    from mato.cli import trusting

    if sum((remove, listing, show)) > 1:
        raise UsageError("--list, --show and --remove are three things; say one")
    if listing:
        return trusting.listing(as_json)
    if remove:
        return trusting.remove(folder)
    return trusting.trust(folder, only_show=show, yes=yes, as_json=as_json)

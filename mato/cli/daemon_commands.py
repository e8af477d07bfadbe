"""`mato daemon …` by typer."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The background process that keeps agents and journal.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
NoResume = Annotated[
    bool, typer.Option("--no-resume", help="Leave cut turns paused until `mato resume`.")
]


@app.command()
def start(no_resume: NoResume = False) -> int:
    """Start the daemon, unless one runs; agents go on with the turns that were cut."""
    from mato.cli import background

    return background.start(resume=not no_resume)


@app.command()
def status(as_json: Json = False) -> int:
    """Say whether a daemon runs and what it does; exit 4 when none does."""
    from mato.cli import requests

    return requests.daemon_status(as_json)


@app.command()
def stop() -> int:
    """Stop the daemon in good order; turns at work stay open for the next one."""
    from mato.cli import background

    return background.stop()


@app.command()
def restart(
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="How long answers and tools may take to end."
        ),
    ] = 600.0,
    now: Annotated[bool, typer.Option("--now", help="Cut what runs short.")] = False,
    no_resume: NoResume = False,
) -> int:
    """Let what runs come to its end, then start the daemon anew; no turn is lost."""
    from mato.cli import background

    return background.restart(0.0 if now else wait, resume=not no_resume)


@app.command()
def logs(
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, help="How many, from the end.")
    ] = 50,
) -> int:
    """Print the end of the daemon's log."""
    from mato.cli import background

    return background.logs(lines)

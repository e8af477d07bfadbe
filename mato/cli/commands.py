"""Every command with its options and help, by typer: thin calls of the rooms beside this one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mato.cli import (
    agent_commands,
    agents,
    audit,
    auth,
    daemon_commands,
    grants,
    machine_commands,
    mcp,
    policy,
    records,
    undoing,
)
from mato_sessions.errors import UnknownName, UsageError

HELP = """
A terminal workspace in which many AI agents work at once.

`mato` alone (or with a folder) starts the daemon if needed and opens the folder's last session,
or a new one. A session is named by its name or id, an agent as SESSION:AGENT.
`mato demo` opens three agents at work on a sample project.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 unknown name, 4 no daemon,
5 timed out, 6 journal, 7 the turn did not end well, 130 interrupted, 141 the reader of a pipe
has gone.
"""

app = typer.Typer(
    name="mato",
    help=HELP,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(daemon_commands.app, name="daemon")
app.add_typer(policy.app, name="policy")
app.add_typer(agents.app, name="agents")
app.add_typer(grants.app, name="grants")
app.add_typer(mcp.app, name="mcp")
app.add_typer(auth.app, name="auth")
GROUPS = ("agents", "auth", "daemon", "grants", "mcp", "policy")
"""Commands with commands of their own."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Target = Annotated[str, typer.Argument(metavar="S[:AGENT]", help="A session, or an agent in it.")]
Session = Annotated[str, typer.Argument(metavar="S", help="A session's name or id.")]
Call = Annotated[str, typer.Argument(metavar="CALL", help="A call's id, or a unique beginning.")]
Name = Annotated[str, typer.Option("--name", help="The session's name (else from the task).")]
Profiles = Annotated[
    list[str] | None,
    typer.Option("--agent", metavar="PROFILE", help="Agent profile; again for several agents."),
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="M", help="litellm's name of a model, or `embedded`.")
]
BaseUrl = Annotated[
    str, typer.Option("--base-url", metavar="U", help="Endpoint of an OpenAI-compatible server.")
]
ModeName = Annotated[
    Literal["read", "ask", "edit", "full"] | None,
    typer.Option("--mode", help="What agents may do without asking (default: ask)."),
]
Folder = Annotated[str, typer.Option("--cwd", metavar="D", help="The workspace (default: here).")]
Unconfined = Annotated[
    bool,
    typer.Option("--unconfined", help="Let commands run by the mode where there is no sandbox."),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="B",
        help="What each agent may use: cost=0.5,tokens=20000,wall=10m,calls=50,depth=1 or some.",
    ),
]
Until = Literal["ended", "starting", "idle", "working", "blocked", "done", "failed", "stopped"]


def run(argv: list[str]) -> int:
    """Run a command line through typer; returns the exit code."""
    known = [
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    ]
    first = argv[0] if argv else ""
    if not argv or (not first.startswith("-") and first not in [*known, *GROUPS]):
        return _open_path(argv, known)
    if first == "--version":
        return _version()
    try:
        result = typer.main.get_command(app).main(argv, prog_name="mato", standalone_mode=False)
    except typer.TyperException as error:
        from mato.cli.output import note

        said = " ".join(error.format_message().replace("Value error, ", "").split())
        about = f"mato {first}" if first in [*known, *GROUPS] else "mato"
        note(f"mato: {said} (`{about} --help` shows how)")
        return 2
    except (typer.Abort, EOFError):
        return 130
    except SystemExit as stop:
        # Its own answer to a reader that has gone; `mato.entry` has one for all commands.
        raise BrokenPipeError from stop
    except typer.Exit as stop:
        return stop.exit_code
    return result if isinstance(result, int) else 0


def _open_path(argv: list[str], known: list[str]) -> int:
    from mato.cli import starting

    if len(argv) > 1 or (argv and not Path(argv[0]).is_dir()):
        import difflib

        near = difflib.get_close_matches(argv[0], [*known, *GROUPS, "demo"], n=1)
        hint = f"did you mean `mato {near[0]}`?" if near else "`mato --help` lists the commands"
        raise UnknownName(f"there is no command and no folder {argv[0]!r}; {hint}")
    return starting.open_path(argv[0] if argv else ".")


def _version() -> int:
    from mato import __version__

    print(f"mato {__version__} (Python {sys.version.split()[0]})")
    return 0


@app.command()
def new(
    task: Annotated[str, typer.Argument(metavar="[TASK]", help="The first prompt.")] = "",
    name: Name = "",
    agent: Profiles = None,
    model: ModelName = "",
    base_url: BaseUrl = "",
    mode: ModeName = None,
    cwd: Folder = "",
    unconfined: Unconfined = False,
    budget: Budget = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not open it here.")] = False,
    as_json: Json = False,
) -> int:
    """Open a session with one or more agents; with a TASK they start to work."""
    from mato.cli import starting

    profiles = tuple(agent or ())
    wish = starting.Wish(task, name, profiles, model, base_url, mode, cwd, unconfined, budget)
    return starting.new(wish, detach=detach, as_json=as_json)


@app.command("run")
def run_task(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The prompt; - reads stdin.")],
    name: Name = "",
    agent: Profiles = None,
    model: ModelName = "",
    base_url: BaseUrl = "",
    mode: ModeName = None,
    cwd: Folder = "",
    unconfined: Unconfined = False,
    budget: Budget = None,
    as_json: Json = False,
) -> int:
    """Run a task without the workspace: stream to stdout, exit by the outcome."""
    from mato.cli import headless, starting

    if task == "-":
        task = sys.stdin.buffer.read().decode("utf-8", "replace")
    profiles = tuple(agent or ())
    wish = starting.Wish(task, name, profiles, model, base_url, mode, cwd, unconfined, budget)
    return headless.run(wish, as_json=as_json)


@app.command()
def ls(
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
) -> int:
    """List the sessions, those that wait for you first."""
    from mato.cli import requests

    return requests.ls(as_json, everything)


@app.command()
def attach(session: Annotated[str, typer.Argument(metavar="[S]")] = "") -> int:
    """Open a session in this terminal (default: the one last active)."""
    from mato.cli import starting

    return starting.attach(session)


@app.command()
def send(
    target: Target, text: Annotated[str, typer.Argument(metavar="TEXT", help="- reads stdin.")]
) -> int:
    """Send a prompt; prints its turn's id once the turn has started."""
    from mato.cli import requests

    return requests.send(target, text)


@app.command()
def wait(
    target: Target,
    until: Annotated[
        Until, typer.Option("--until", help="`ended`: idle, done, failed or stopped.")
    ],
    turn: Annotated[str, typer.Option("--turn", metavar="T", help="Only from this turn on.")] = "",
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Exit 5 after it.")
    ] = None,
) -> int:
    """Wait until an agent, or every agent of a session, is in a state."""
    from mato.cli import requests

    return requests.wait(target, until, turn, timeout)


@app.command()
def capture(target: Target) -> int:
    """Print an agent's transcript as plain text."""
    from mato.cli import watching

    return watching.capture(target)


@app.command()
def log(
    session: Session,
    after: Annotated[int, typer.Option("--after", metavar="SEQ", min=0)] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come.")] = False,
    as_json: Json = False,
) -> int:
    """Print the events of a session, one a line."""
    from mato.cli import watching

    return watching.log(session, after=after, follow=follow, as_json=as_json)


@app.command()
def inbox(
    history: Annotated[
        bool, typer.Option("--history", help="What was decided, and why, newest first.")
    ] = False,
    session: Annotated[
        str, typer.Option("--session", metavar="S", help="With --history: only of this one.")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=1000, help="With --history.")
    ] = 50,
    as_json: Json = False,
) -> int:
    """List the tool calls that wait for your decision, or what was decided."""
    from mato.cli import deciding, requests

    if session and not history:
        raise UsageError("--session goes with --history; the inbox is one for all sessions")
    return deciding.history(session, limit, as_json) if history else requests.inbox(as_json)


@app.command()
def approve(
    call: Call,
    session: Annotated[
        bool, typer.Option("--session", help="And what is like it: `mato inbox` says what.")
    ] = False,
    for_: Annotated[
        str, typer.Option("--for", metavar="TIME", help="With --session: how long (8h).")
    ] = "",
) -> int:
    """Allow a waiting tool call: once, or for the session what the agent asks like it."""
    from mato.cli import requests

    if for_ and not session:
        raise UsageError("--for says how long --session holds; give both")
    return grants.approve(call, for_) if session else requests.answer(call, allowed=True)


@app.command()
def deny(call: Call) -> int:
    """Refuse a waiting tool call; the agent is told and goes on."""
    from mato.cli import requests

    return requests.answer(call, allowed=False)


@app.command()
def resolve(
    call: Call,
    decision: Annotated[
        Literal["done", "again", "give-up"],
        typer.Argument(help="It took effect; run it again; neither, go on without it."),
    ],
) -> int:
    """Decide what became of a tool call that a daemon's end cut off."""
    from mato.cli import recovering

    return recovering.resolve(call, decision)


for _command in (
    agent_commands.resume,
    agent_commands.rename,
    agent_commands.stop,
    agent_commands.kill,
    machine_commands.doctor,
    machine_commands.model,
    machine_commands.trust,
    records.verify,
    records.backup,
    records.restore,
    records.archive,
    records.gc,
    undoing.undo,
    audit.audit,
):
    app.command()(_command)

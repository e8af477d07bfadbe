"""`mato grants`: what agents may do until when without being asked, and taking that back."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from mato_sessions.errors import UsageError

app = typer.Typer(
    help="List what you have allowed agents for a session, or take it back.",
    invoke_without_command=True,
)

BY = "revoked by mato grants"


@app.callback()
def listing(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> int:
    """List what you have allowed agents for a session; `revoke` takes it back."""
    from mato.cli import output
    from mato.cli.requests import request

    if context.invoked_subcommand is not None:
        if as_json:
            raise UsageError("--json is for the listing; leave it out")
        return 0
    now_us = time.time_ns() // 1000
    found = [
        (session, agent, grant)
        for session in request("session.list", {})["sessions"]
        for agent in session["agents"]
        for grant in agent.get("grants", ())
        if grant["expires_us"] > now_us
    ]
    if as_json:
        output.say_json([_json(*each) for each in found])
        return 0
    if not found:
        output.note("nothing is allowed beyond single calls; `mato approve CALL --session` does so")
        return 0
    for session, agent, grant in found:
        left = output.ago(now_us, grant["expires_us"])
        left = "ends now" if left == "now" else f"{left} left"
        output.say(f"{grant['grant']}  {session['name']}:{agent['name']}  {left}")
        for line in output.wrapped(f"{grant['action']}  {grant['words']}", output.width() - 4):
            output.say(f"  {line}")
        given = output.ago(grant["at_us"], now_us)
        output.say(f"  {grant['by']}, {'just now' if given == 'now' else f'{given} ago'}")
    return 0


def _json(session: dict[str, Any], agent: dict[str, Any], grant: dict[str, Any]) -> dict[str, Any]:
    from mato.cli import output

    return {
        "grant": grant["grant"],
        "session": session["id"],
        "session_name": session["name"],
        "agent": agent["id"],
        "agent_name": agent["name"],
        "action": grant["action"],
        "patterns": grant["patterns"],
        "words": grant["words"],
        "call": grant["call"],
        "by": grant["by"],
        "given": output.iso(grant["at_us"]),
        "expires": output.iso(grant["expires_us"]),
    }


@app.command()
def revoke(
    grant: Annotated[
        str, typer.Argument(metavar="[GRANT]", help="A grant's id, or a unique beginning.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every grant of every agent.")] = False,
) -> int:
    """Take a grant back: what it allowed asks again at once."""
    from mato.cli import output
    from mato.cli.requests import request

    if everything == bool(grant):
        raise UsageError("name a grant, or say --all (one of the two)")
    revoked = request("grant.revoke", {"grant": grant, "by": BY})["grants"]
    if not revoked:
        output.note("there was no grant to take back")
    for each in revoked:
        output.say(f"took {each} back; what it allowed asks again")
    return 0


def approve(call: str, for_: str) -> int:
    """Allow a waiting call and what is like it, until the session's agent ends or time is over."""
    from mato.cli import output
    from mato.cli.duration import seconds
    from mato.cli.requests import request

    params: dict[str, Any] = {
        "call": call, "allowed": True, "rule": "approved by mato approve --session",
        "scope": "session",
    }  # fmt: skip
    if for_:
        params["for_s"] = seconds(for_, "time")
    request("inbox.answer", params)
    output.note("`mato grants` lists it, `mato grants revoke` takes it back")
    return 0

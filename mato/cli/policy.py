"""`mato policy`: what the rules in force say to a call, and whether they say what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from mato_sessions.errors import ConfigError, UsageError
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode

TYPE_CHECKING = False  # rules and judge are loaded only where they are asked
if TYPE_CHECKING:
    from mato.permissions.policy import Decision

app = typer.Typer(help="Say what the permission rules let a tool do here.", no_args_is_help=True)

_T = TypeVar("_T")

_ACTIONS: dict[str, Action] = {
    "shell": "execute",
    "edit": "write",
    "write": "write",
    "read": "read",
    "list": "read",
    "search": "read",
    "execute": "execute",
    "reach": "reach",
    "spawn": "spawn",
    "plan": "note",
    "note": "note",
}


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[case]]` of a file for `mato policy test`."""

    tool: str
    resource: str
    expect: str
    mode: Mode = "ask"
    tier: str = "none"
    private: bool = False
    untrusted: bool = False
    agent: str = ""


class Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file for `mato policy test`."""

    case: tuple[Case, ...]


@app.command()
def explain(
    tool: Annotated[
        str,
        typer.Argument(metavar="CALL | TOOL", help="A call's id, or shell, write, edit, read …"),
    ],
    resource: Annotated[
        str, typer.Argument(metavar="[RESOURCE]", help="With TOOL: a path or command line.")
    ] = "",
    mode: Annotated[str, typer.Option("--mode", help="With TOOL: read, ask, edit or full.")] = "",
    tier: Annotated[str, typer.Option("--tier", help="With TOOL: full, partial or none.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> int:
    """Say what was decided about a call, and would be now; or of one that you make up.

    CALL is one of the record (`mato audit`, `mato inbox`, `mato log`). TOOL and RESOURCE are held
    against the rules of this folder. Nothing is run.
    """
    from mato.cli import output
    from mato.shell import judge

    if not resource:
        if tool in _ACTIONS:
            raise UsageError(f"{tool} on what? give a path or command line after it")
        if mode or tier:
            raise UsageError("a call of the record has a mode and a tier; leave the options out")
        from mato.cli import explaining

        return explaining.explain(tool, as_json=as_json)
    wish = {"tool": tool, "resource": resource, "expect": "", "mode": mode or "ask"}
    case = _convert({**wish, "tier": tier or "none"}, Case, "mode")
    decision = _decide(case)
    verdict = judge(resource) if _action(tool) == "execute" else None
    if as_json:
        said: dict[str, Any] = {"effect": decision.effect, "rule": decision.rule}
        if verdict is not None:
            said |= {"command": verdict.kind, "reason": verdict.reason}
        output.say_json(said)
        return 0
    output.say(f"{decision.effect}: {decision.rule}")
    if verdict is not None:
        output.say(f"the command: {verdict.kind}, {verdict.reason}")
    return 0


@app.command()
def test(
    file: Annotated[str, typer.Argument(metavar="FILE", help="TOML with [[case]] tables.")],
) -> int:
    """Hold the rules of this folder against cases. Exit 1 if one of them comes out otherwise."""
    from mato.cli import output
    from mato.config.load import read_toml

    if not Path(file).exists():
        raise ConfigError(f"there is no file {file!r}; give one with [[case]] tables")
    cases = _convert(read_toml(Path(file)), Cases, file).case
    wrong = 0
    for number, case in enumerate(cases, 1):
        if case.expect not in ("allow", "ask", "deny"):
            raise ConfigError(f"case {number} of {file!r} expects {case.expect!r}, not allow…deny")
        decision = _decide(case)
        if decision.effect != case.expect:
            wrong += 1
            output.say(
                f"case {number}: {case.tool} {case.resource}: expected {case.expect},"
                f" is {decision.effect} ({decision.rule})"
            )
    output.say(f"{len(cases) - wrong} of {len(cases)} cases are as expected")
    return 1 if wrong else 0


def _decide(case: Case) -> Decision:
    from mato.config.paths import find
    from mato.permissions.desk import Policy
    from mato.permissions.reading import rules
    from mato.permissions.taint import Taint, taint

    match case.tier:
        case "full" | "partial" | "none":
            policy = Policy(rules(find(), Path.cwd()), agent=case.agent, tier=case.tier)
        case _:
            raise ConfigError(f"no tier is called {case.tier!r}; it is full, partial or none")
    action = _action(case.tool)
    name = "command" if action == "execute" else "path"
    marks = Taint(case.private, case.untrusted) | taint({name: case.resource}, action)
    return policy.decide(case.mode, action, case.resource, marks)


def _action(tool: str) -> Action:
    if tool not in _ACTIONS:
        raise ConfigError(f"no tool is called {tool!r}; there are {', '.join(_ACTIONS)}")
    return _ACTIONS[tool]


def _convert(data: dict[str, Any], into: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(data, into)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where!r} is not understood: {error}") from error

"""One event of every kind, fixed for ever; run this file to write their golden bytes anew."""

from __future__ import annotations

import json
from pathlib import Path

from mato_sessions import codec
from mato_sessions.events import (
    AgentConnected,
    AgentDecided,
    AgentExited,
    AgentOffered,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
    ArgumentsStreamed,
    BlobRef,
    Body,
    Event,
    EvidenceKept,
    FileCheckpointed,
    FileContested,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    OutputStreamed,
    PermissionAnswered,
    PermissionAsked,
    PermissionGranted,
    PermissionRevoked,
    PlanUpdated,
    ReasoningStreamed,
    SessionArchived,
    SessionArranged,
    SessionOpened,
    SessionRenamed,
    TextStreamed,
    ToolDescribed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    TurnUndone,
    UnknownSaid,
    UsageReported,
)
from mato_sessions.events.agent import Allowance, Hole, LaunchSpec, Limits
from mato_sessions.events.foreign import Choice, Option, SlashCommand
from mato_sessions.events.model import Call
from mato_sessions.events.permission import Pattern
from mato_sessions.events.session import PaneNode, SplitNode, WindowNode
from mato_sessions.events.tool import PlanItem
from mato_sessions.events.turn import TextBlock
from tests.sessions.happenings import chained

GOLDEN = Path(__file__).with_name("golden") / "events.json"

_BLOB = BlobRef("ab" * 32, 20_000)
_TEXT = 'Zeile 1\n\t"Ü" \\ \x1b[31m \u2028 \U0001f600 \ud800 </b>'
_ARGUMENTS = {"z": [1, 2.5, True, None, -0.0], "a": {"é": 10**20, "e": "\x00"}, "": float("inf")}

_SPEC = LaunchSpec(
    profile="default",
    model="openai/gpt-5",
    base_url="http://127.0.0.1:1/v1",
    mode="edit",
    cwd="/w",
    env_names=("OPENAI_API_KEY",),
    limits=Limits(model_calls=None, cost_usd=1),
    tools=("read", "shell"),
)
_FOREIGN = LaunchSpec(
    profile="other",
    model="",
    cwd="/w",
    argv=("other-agent", "--acp"),
    flags=("no-fs",),
    foreign="s-1",
    hole=Hole(
        read=("/opt/models",),
        write=("~/.other/",),
        network=("api.example.org",),
        env=("OTHER_KEY",),
    ),
)
_TREE = SplitNode("row", (1, 2), (PaneNode("p-1", "a-1"), PaneNode("p-2", "a-2")))

BODIES: tuple[Body, ...] = (
    SessionOpened(name="fix", cwd="/w", mode="ask", trusted=True, mato="0.1.0"),
    SessionRenamed(name=_TEXT),
    SessionArranged(windows=(WindowNode("w-1", "main", _TREE),)),
    AgentSpawned(name="one", agent_kind="native", spec=_SPEC),
    AgentSpawned(name="two", agent_kind="acp", spec=_FOREIGN),
    AgentStateChanged(state="blocked", evidence="asks: shell"),
    AgentReconfigured(mode="full"),
    AgentConnected(
        foreign="s-2",
        how="fresh",
        name="other",
        release="1.2",
        can=("load",),
        lost="s-1",
        why="gone",
    ),
    AgentOffered(
        options=(Option("m", "Model", "model", "x", (Choice("x", "X", "fast"),)),),
        commands=(SlashCommand("init", _TEXT, "file"),),
    ),
    AgentDecided(call="c-1", title=_TEXT, against=True),
    UnknownSaid(what="brand_new", raw='{"a": 1}'),
    EvidenceKept(lines=_BLOB, count=3, left_out_bytes=9),
    ToolDescribed(call="c-1", title="$ ls", arguments=_ARGUMENTS),
    TurnQueued(blocks=(TextBlock("later"),)),
    TurnReturned(reason="stopped"),
    TurnPrompted(blocks=(TextBlock(_TEXT), TextBlock(""))),
    ModelAsked(
        request="r-1",
        attempt=1,
        model="m",
        parameters={"temperature": 0},
        system=_BLOB,
        tools=_BLOB,
        messages=(1, 2, 9),
    ),
    ReasoningStreamed(stream="r-1/1/reasoning", attempt=1, offset=0, text="hm", pieces=((0, 2),)),
    TextStreamed(stream="r-1/1/text", attempt=1, offset=2, text=_TEXT),
    ArgumentsStreamed(
        stream="r-1/1/c-1", attempt=1, offset=0, text='{"a"', call="c-1", name="shell"
    ),
    ModelAnswered(
        request="r-1",
        attempt=1,
        text="ok",
        calls=(Call("c-1", "shell", "{}"),),
        finish="tool_calls",
        first_us=10,
        latency_us=20,
    ),
    ModelFailed(request="r-1", attempt=2, fault="server", message="503", retry_in_s=2),
    UsageReported(request="r-1", attempt=1, model="m", input=5, output=3, cost_usd=0.1),
    ToolProposed(
        call="c-1", name="shell", arguments=_ARGUMENTS, key="k", policy="ask", title="$ make"
    ),
    PermissionAsked(call="c-1", tool="shell", action="execute", resource="make", arguments={}),
    PermissionAnswered(call="c-1", allowed=False, by="cancel", rule="the turn ended"),
    ToolStarted(call="c-1", attempt=1),
    FileCheckpointed(call="c-1", path="a.py", before=None),
    FileCheckpointed(call="c-1", path="a.py", before=_BLOB, permissions=0o644),
    OutputStreamed(call="c-1", attempt=1, offset=0, text="x"),
    ToolFinished(call="c-1", attempt=1, content="x", output=_BLOB, exit_code=0, duration_us=1),
    ToolFailed(call="c-2", attempt=0, message="no", cause="denied"),
    ToolUnknown(call="c-3", attempt=1, message="not known"),
    PlanUpdated(items=(PlanItem("look", "in_progress"),)),
    TurnEnded(reason="end_turn"),
    AgentExited(reason="killed"),
    codec.decode("future.thing", 7, b'{"a": 1}'),
    SessionArchived(archived=True),
    TurnUndone(files=("src/app.py",)),
    PermissionAsked(
        call="c-4",
        tool="shell",
        action="execute",
        resource="pytest -q",
        arguments={"command": "pytest -q"},
        why="mode ask: commands ask",
        private=True,
        untrusted=True,
        patterns=(Pattern("tests"), Pattern("command", "git commit")),
        lasting="the project's own tests",
    ),
    PermissionGranted(
        grant="g-1",
        call="c-4",
        action="execute",
        patterns=(Pattern("tests"),),
        words="the project's own tests",
        by="approved in the pane",
        expires_us=1_800_000_000_000_000,
    ),
    PermissionAnswered(
        call="c-4", allowed=True, by="grant", rule="allowed before", private=True, grant="g-1"
    ),
    PermissionRevoked(grant="g-1", by="revoked by mato grants"),
    AgentSpawned(
        name="two",
        agent_kind="native",
        spec=_SPEC,
        parent="a-1",
        depth=1,
        above=("one",),
        call="c-1",
        task="t-2",
        private=True,
        untrusted=True,
    ),
    ToolFinished(call="c-1", attempt=1, content="x", private=True, untrusted=True),
    ToolFailed(call="c-2", attempt=1, message="no", cause="limit"),
    FileContested(path="src/app.py", other="a-2", by="other:coder"),
    PermissionAsked(call="c-4", tool="spawn", action="spawn", resource="reader", arguments={}),
    AgentReconfigured(budget=Allowance(tokens=20_000, wall_s=600.0)),
    AgentSpawned(
        name="three",
        agent_kind="native",
        spec=LaunchSpec(profile="p", model="m", budget=Allowance(cost_usd=0.5, depth=0)),
    ),
    ToolFinished(call="c-1", attempt=1, content="x", exit_code=0, put_back=(".envrc",)),
)


def events() -> list[Event]:
    """The events, chained."""
    return chained([("a-1", "t-1", body) for body in BODIES])


def rendered() -> list[dict[str, str]]:
    """Their bytes, as text where they are text."""
    return [
        {
            "envelope": codec.Envelope.of(event).encode().decode(),
            "body": codec.encode(event.body).decode(),
            "hash": event.hash.hex(),
            "line": codec.to_json_line(event).decode(),
            "packed": codec.pack(event).hex(),
        }
        for event in events()
    ]


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(rendered(), indent=1, ensure_ascii=False) + "\n")

"""Generates what may happen to an agent, as events and live pieces, for property tests.

A story is what one session's daemon would publish, in its order: live pieces come before the
stretch that journals them, and some are never journaled because the turn was cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from mato_sessions import chain, codec
from mato_sessions.codec import Envelope
from mato_sessions.events import (
    AgentExited,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
    ArgumentsStreamed,
    Body,
    Event,
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
    SessionArranged,
    SessionOpened,
    SessionRenamed,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
    TurnReturned,
    UsageReported,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.base import BlobRef
from mato_sessions.events.model import Call
from mato_sessions.events.permission import Pattern
from mato_sessions.events.session import PaneNode, WindowNode
from mato_sessions.events.tool import PlanItem
from mato_sessions.events.turn import TextBlock
from mato_sessions.pieces import Piece

SESSION = "s-1"
AGENT = "a-1"
OTHER = "a-2"
BLOB = BlobRef("0" * 64, 0)

TEXT = st.text(min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(
    st.text(max_size=5), st.integers() | st.text(max_size=8) | st.none(), max_size=3
)


def chained(
    bodies: list[tuple[str | None, str | None, Body]], *, session: str = SESSION, first: int = 1
) -> list[Event]:
    """(agent, turn, body) of each event as a writer would number and chain it."""
    teller = Teller(session=session, position=first - 1)
    for agent, turn, body in bodies:
        teller.turn = turn
        teller.say(body, agent)
    return teller.events


@dataclass
class Teller:
    """Numbers events and pieces as they are told."""

    session: str = SESSION
    position: int = 0
    seq: int = 0
    mono_us: int = 0
    epoch: int = 1
    turn: str | None = None
    head: bytes = b""
    story: list[Event | Piece] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        return [step for step in self.story if isinstance(step, Event)]

    def say(self, body: Body, agent: str | None = AGENT, kind: str = "") -> Event:
        self.seq += 1
        self.position += 1
        self.mono_us += 1000
        envelope = Envelope(
            session=self.session,
            seq=self.seq,
            at_us=1_700_000_000_000_000 + self.mono_us,
            mono_us=self.mono_us,
            boot="testboot",
            epoch=self.epoch,
            agent=agent,
            turn=self.turn,
            cause=None,
            kind=kind or body.kind,
            version=body.version,
        )
        digest = chain.digest(codec.encode(body))
        self.head = chain.link(self.head or chain.genesis(self.session), envelope.encode(), digest)
        event = envelope.event(self.position, body, self.head)
        self.story.append(event)
        return event

    def show(self, kind: str, stream: str, attempt: int, offset: int, text: str, **of: str) -> None:
        self.mono_us += 10
        self.story.append(
            Piece(
                kind=kind,  # type: ignore[arg-type]
                session=self.session,
                agent=AGENT,
                turn=self.turn,
                stream=stream,
                attempt=attempt,
                offset=offset,
                text=text,
                mono_us=self.mono_us,
                at_us=1_700_000_000_000_000 + self.mono_us,
                **of,
            )
        )


STREAMS = {
    "reasoning": ReasoningStreamed,
    "text": TextStreamed,
    "arguments": ArgumentsStreamed,
    "output": OutputStreamed,
}


@dataclass
class _Growing:
    kind: str
    stream: str
    attempt: int
    of: dict[str, str]
    text: str = ""
    journaled: int = 0

    def body(self) -> Body:
        made = STREAMS[self.kind]
        text, offset = self.text[self.journaled :], self.journaled
        self.journaled = len(self.text)
        fields: dict[str, object] = {"attempt": self.attempt, "offset": offset, "text": text}
        if self.kind == "output":
            return made(call=self.of["call"], **fields)  # type: ignore[arg-type]
        if self.kind == "arguments":
            fields |= self.of
        return made(stream=self.stream, **fields)  # type: ignore[arg-type]


def _grow(draw: st.DrawFn, teller: Teller, streams: list[_Growing], settled: bool) -> None:
    """Pieces of all streams, interleaved, each journaled now and then; at the end if `settled`."""
    for _ in range(draw(st.integers(0, 4)) if streams else 0):
        stream = draw(st.sampled_from(streams))
        text = draw(TEXT)
        teller.show(stream.kind, stream.stream, stream.attempt, len(stream.text), text, **stream.of)
        stream.text += text
        if draw(st.booleans()):
            teller.say(stream.body())
    for stream in streams:
        if settled and stream.journaled < len(stream.text):
            teller.say(stream.body())


def _answer(draw: st.DrawFn, teller: Teller, request: str) -> list[Call] | None:
    """A request with its attempts. The calls to run, or None: the turn was cut."""
    for attempt in range(1, draw(st.integers(1, 3)) + 1):
        asked = ModelAsked(
            request=request, attempt=attempt, model="m", system=BLOB, tools=BLOB, messages=()
        )
        teller.say(asked)
        base = f"{request}/{attempt}"
        reasoning = _Growing("reasoning", f"{base}/reasoning", attempt, {})
        text = _Growing("text", f"{base}/text", attempt, {})
        written = [
            _Growing(
                "arguments",
                f"{base}/c{request}{attempt}{n}",
                attempt,
                {"call": f"c{request}{attempt}{n}", "name": "shell"},
            )
            for n in range(draw(st.integers(0, 2)))
        ]
        outcome = draw(st.sampled_from(["answered", "answered", "failed", "cut"]))
        flushed = draw(st.booleans())
        _grow(draw, teller, [reasoning, text, *written], settled=flushed)
        if outcome == "cut":
            return None
        if outcome == "failed":
            wait = draw(st.none() | st.floats(0, 60))
            failed = ModelFailed(
                request=request, attempt=attempt, fault="server", message="503", retry_in_s=wait
            )
            teller.say(failed)
            if wait is None:
                return None
            continue
        calls = [Call(one.of["call"], "shell", one.text) for one in written]
        # A model's client may not have kept the reasoning.
        kept = draw(st.booleans())
        answered = ModelAnswered(
            request=request,
            attempt=attempt,
            text=text.text,
            reasoning=reasoning.text if kept else "",
            calls=tuple(calls),
            finish="stop",
            first_us=5,
            latency_us=20,
        )
        teller.say(answered)
        if draw(st.booleans()):
            usage = UsageReported(
                request=request,
                attempt=attempt,
                model="m",
                input=draw(st.integers(0, 9)),
                output=draw(st.integers(0, 9)),
                cost_usd=draw(st.none() | st.sampled_from([0.25, 0.5])),
            )
            teller.say(usage)
        return calls
    return None


def _run(draw: st.DrawFn, teller: Teller, call: Call) -> None:
    """A call from its proposal to wherever it gets."""
    name, arguments = call.call, draw(ARGUMENTS)
    teller.say(
        ToolProposed(
            call=name,
            name=call.name,
            arguments=arguments,
            key=f"k{name}",
            policy="ask",
            title="$ make",
        )
    )
    if draw(st.booleans()):
        teller.say(
            PermissionAsked(
                call=name, tool="shell", action="execute", resource="make", arguments=arguments
            )
        )
        answer = draw(st.sampled_from(["allowed", "granted", "denied", "cancel", None]))
        if answer is None:
            return
        if answer == "granted":
            teller.say(
                PermissionGranted(
                    grant=f"g{name}",
                    call=name,
                    action="execute",
                    patterns=(Pattern("command", "make"),),
                    words="make",
                    by="approved in the pane",
                    expires_us=draw(st.integers(0, 2**40)),
                )
            )
            if draw(st.booleans()):
                teller.say(PermissionRevoked(grant=f"g{name}", by="taken back"))
            answer = "allowed"
        teller.say(
            PermissionAnswered(
                call=name,
                allowed=answer == "allowed",
                by="cancel" if answer == "cancel" else "person",
                rule="approved in the pane" if answer == "allowed" else "denied",
            )
        )
        if answer == "denied":
            teller.say(ToolFailed(call=name, attempt=0, message="denied", cause="denied"))
        if answer != "allowed":
            return
    teller.say(ToolStarted(call=name, attempt=1))
    output = _Growing("output", f"{name}/1/output", 1, {"call": name})
    _grow(draw, teller, [output], settled=draw(st.booleans()))
    match draw(st.sampled_from(["finished", "failed", "unknown", "lost"])):
        case "finished":
            teller.say(
                ToolFinished(call=name, attempt=1, content=output.text, exit_code=0, duration_us=7)
            )
        case "failed":
            cause = draw(st.sampled_from(["error", "arguments", "cancelled", "timeout"]))
            teller.say(ToolFailed(call=name, attempt=1, message="no", cause=cause))
        case "unknown":
            teller.say(ToolUnknown(call=name, attempt=1, message="not known"))
        case _:
            pass


def _aside(draw: st.DrawFn, teller: Teller, number: int) -> None:
    """Something that happens beside the turn."""
    turn, teller.turn = teller.turn, None
    match draw(st.integers(0, 7)):
        case 0:
            teller.say(AgentStateChanged(state="working", evidence="prompted"))
        case 1:
            model = draw(st.none() | st.just("m2"))
            teller.say(AgentReconfigured(model=model, mode=draw(st.none() | st.just("edit"))))
        case 2:
            teller.say(SessionRenamed(name="other"), None)
        case 3:
            window = WindowNode("w-1", "main", PaneNode("p-1", AGENT))
            teller.say(SessionArranged(windows=(window,)), None)
        case 4:
            body = codec.decode("future.thing", 1, b'{"a":1}')
            teller.say(body, draw(st.sampled_from([None, AGENT])), kind="future.thing")
        case 5:
            teller.turn = "t-other"
            teller.say(TurnPrompted(blocks=(TextBlock("hi"),)), OTHER)
        case 6:
            teller.turn = f"t-queued-{number}"
            teller.say(TurnQueued(blocks=(TextBlock("later"),)))
            if draw(st.booleans()):
                teller.say(TurnReturned(reason="stopped"))
        case _:
            teller.turn = turn
            teller.say(PlanUpdated(items=(PlanItem(draw(TEXT), "pending"),)))
    teller.turn = turn


@st.composite
def stories(draw: st.DrawFn) -> list[Event | Piece]:
    """What a daemon publishes of a session, ending with all turns ended."""
    teller = Teller()
    opened = SessionOpened(name="n", cwd="/w", mode="ask", trusted=False, mato="0.1.0")
    teller.say(opened, None)
    for agent in (AGENT, OTHER):
        spec = LaunchSpec(profile="default", model="m")
        teller.say(AgentSpawned(name=f"name of {agent}", agent_kind="native", spec=spec), agent)
    for number in range(draw(st.integers(1, 3))):
        teller.turn = f"t-{number}"
        blocks = (TextBlock(draw(TEXT)),)
        if draw(st.booleans()):
            teller.say(TurnQueued(blocks=blocks))
            if draw(st.booleans()):
                _aside(draw, teller, number)
        teller.say(TurnPrompted(blocks=blocks))
        reason = "end_turn"
        for request in range(draw(st.integers(1, 2))):
            calls = _answer(draw, teller, f"r{number}{request}")
            if draw(st.booleans()):
                _aside(draw, teller, 10 * number + request)
            if calls is None:
                reason = "cancelled"
                break
            for call in calls:
                _run(draw, teller, call)
        if draw(st.booleans()):
            # The daemon ended, and the next one closes the turn.
            teller.epoch += 1
            reason = "interrupted"
        teller.say(TurnEnded(reason=reason))  # type: ignore[arg-type]
    teller.turn = None
    if draw(st.booleans()):
        teller.say(AgentExited(reason="killed"))
    return teller.story


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Event], list[Event | Piece]]:
    """The events of a story, and them with live pieces that come when they want.

    A piece may be missing, come twice, or come late; never before it was said.
    """
    story = draw(stories())
    delivered: list[Event | Piece] = []
    late: list[Piece] = []
    for step in story:
        if isinstance(step, Piece):
            fate = draw(st.sampled_from(["shown", "shown", "shown", "late", "lost", "twice"]))
            if fate in {"shown", "twice"}:
                delivered.append(step)
            if fate in {"late", "twice"}:
                late.append(step)
        else:
            delivered.append(step)
            while late and draw(st.booleans()):
                delivered.append(late.pop(draw(st.integers(0, len(late) - 1))))
    delivered += late
    return [step for step in story if isinstance(step, Event)], delivered

"""What a person reads of an agent, for each kind of event."""

from __future__ import annotations

from typing import Any

import pytest

from mato_sessions import codec
from mato_sessions.calls import OUTPUT_KEPT
from mato_sessions.entries import (
    AnyEntry,
    CallEntry,
    NoticeEntry,
    PlanEntry,
    PromptEntry,
    ReasoningEntry,
    TextEntry,
    TurnEndEntry,
)
from mato_sessions.events import (
    AgentExited,
    AgentReconfigured,
    AgentSpawned,
    AgentStateChanged,
    ArgumentsStreamed,
    BlobRef,
    Body,
    ModelAnswered,
    ModelFailed,
    OutputStreamed,
    PermissionAnswered,
    PermissionAsked,
    PlanUpdated,
    Purged,
    ReasoningStreamed,
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
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.model import Call
from mato_sessions.events.tool import PlanItem
from mato_sessions.events.turn import TextBlock
from mato_sessions.pieces import Piece
from mato_sessions.transcript import Transcript
from tests.sessions.happenings import AGENT, OTHER, SESSION, Teller

BLOB = BlobRef("0" * 64, 9)


class Scene:
    """A transcript and the teller that fills it."""

    def __init__(self) -> None:
        self.transcript = Transcript(AGENT)
        self.teller = Teller(turn="t-1")

    def say(self, *bodies: Body, agent: str | None = AGENT, kind: str = "") -> Scene:
        for body in bodies:
            self.transcript.apply(self.teller.say(body, agent, kind))
        return self

    def show(self, kind: Any, stream: str, offset: int, text: str, **fields: Any) -> Scene:
        piece = {"session": SESSION, "agent": AGENT, "turn": "t-1", "attempt": 1} | fields
        self.transcript.delta(Piece(kind=kind, stream=stream, offset=offset, text=text, **piece))
        return self

    @property
    def entries(self) -> list[AnyEntry]:
        return self.transcript.entries

    def call(self) -> CallEntry:
        [entry] = [entry for entry in self.entries if isinstance(entry, CallEntry)]
        return entry


def prompted(text: str = "do it") -> TurnPrompted:
    return TurnPrompted(blocks=(TextBlock(text),))


def reasoned(text: str, offset: int = 0, attempt: int = 1) -> ReasoningStreamed:
    return ReasoningStreamed(
        stream=f"r/{attempt}/reasoning", attempt=attempt, offset=offset, text=text
    )


def wrote(text: str, offset: int = 0, attempt: int = 1) -> TextStreamed:
    return TextStreamed(stream=f"r/{attempt}/text", attempt=attempt, offset=offset, text=text)


def argued(text: str, offset: int = 0) -> ArgumentsStreamed:
    return ArgumentsStreamed(
        stream="r/1/c", attempt=1, offset=offset, text=text, call="c", name="shell"
    )


def answered(text: str = "", reasoning: str = "", *calls: Call, attempt: int = 1) -> ModelAnswered:
    return ModelAnswered(
        request="r",
        attempt=attempt,
        text=text,
        reasoning=reasoning,
        calls=calls,
        finish="stop",
        first_us=100,
        latency_us=400,
    )


def proposed(**fields: Any) -> ToolProposed:
    whole = {"arguments": {"command": "make"}, "key": "k", "policy": "ask", "title": "$ make"}
    return ToolProposed(call="c", name="shell", **(whole | fields))


ASKED = PermissionAsked(
    call="c", tool="shell", action="execute", resource="make", arguments={"a": 1}, preview="+x"
)


def test_a_turn_reads_from_prompt_to_end() -> None:
    scene = Scene().say(prompted(), reasoned("hm"), wrote("he"), wrote("llo", 2))
    prompt, reasoning, text = scene.entries
    assert isinstance(prompt, PromptEntry)
    assert (prompt.text, prompt.status, prompt.seq, prompt.turn) == ("do it", "sent", 1, "t-1")
    assert isinstance(reasoning, ReasoningEntry)
    assert (reasoning.text, reasoning.open) == ("hm", False)
    assert (reasoning.started_us, reasoning.ended_us) == (2000, 2000)
    assert isinstance(text, TextEntry)
    assert (text.text, text.open) == ("hello", True)
    scene.say(answered("hello", "hm"), TurnEnded(reason="end_turn", detail="fine"))
    end = scene.entries[-1]
    assert isinstance(end, TurnEndEntry)
    assert (end.reason, end.detail, end.duration_us) == ("end_turn", "fine", 5000)
    assert (text.open, text.partial) == (False, False)
    assert [entry.key for entry in scene.entries] == [
        "prompt/t-1",
        "stream/r/1/reasoning",
        "stream/r/1/text",
        "end/t-1",
    ]


def test_an_answer_that_was_not_streamed_makes_its_entries() -> None:
    scene = Scene().say(answered("hello", "hm", Call("c", "shell", '{"a"')))
    reasoning, text, call = scene.entries
    assert isinstance(reasoning, ReasoningEntry)
    assert (reasoning.started_us, reasoning.ended_us, reasoning.open) == (700, 1000, False)
    assert isinstance(text, TextEntry)
    assert text.text == "hello"
    assert isinstance(call, CallEntry)
    assert (call.status, call.name, call.arguments_text) == ("proposed", "shell", '{"a"')


def test_reasoning_that_was_not_streamed_stands_before_its_text() -> None:
    scene = Scene().say(prompted(), wrote("he"), answered("hello", "hm"))
    assert [type(entry) for entry in scene.entries] == [PromptEntry, ReasoningEntry, TextEntry]


def test_reasoning_opens_again_when_more_of_it_comes() -> None:
    scene = Scene().say(reasoned("a"), wrote("x"))
    reasoning = scene.entries[0]
    assert isinstance(reasoning, ReasoningEntry)
    assert not reasoning.open
    scene.say(reasoned("b", 1))
    assert reasoning.open


def test_streamed_text_that_the_answer_leaves_out_stays() -> None:
    scene = Scene().say(reasoned("hm"), wrote("x")).show("reasoning", "r/1/reasoning", 2, "!")
    scene.say(answered())
    reasoning, text = scene.entries
    assert isinstance(reasoning, ReasoningEntry)
    assert (reasoning.text, reasoning.open) == ("hm", False)
    assert isinstance(text, TextEntry)
    assert (text.text, text.open, text.partial) == ("x", False, False)


def test_live_pieces_show_before_their_stretch_and_make_room_for_events() -> None:
    scene = Scene().say(prompted()).show("text", "r/1/text", 0, "he", at_us=5)
    text = scene.entries[-1]
    assert isinstance(text, TextEntry)
    assert (text.text, text.seq, text.at_us) == ("he", 0, 5)
    scene.say(AgentReconfigured(mode="edit"))
    assert [entry.seq for entry in scene.entries] == [1, 2, 0]
    scene.say(wrote("he")).show("text", "r/1/text", 2, "llo")
    text = scene.entries[-1]
    assert isinstance(text, TextEntry)
    assert (text.text, text.seq, text.open) == ("hello", 3, True)
    assert text.revision > 0


def test_what_was_never_journaled_goes_when_the_turn_ends() -> None:
    scene = Scene().say(prompted(), wrote("kept"))
    scene.show("text", "r/1/text", 4, " lost").show("reasoning", "r/1/reasoning", 0, "lost")
    assert len(scene.entries) == 3
    scene.say(TurnEnded(reason="interrupted"))
    prompt, text, end = scene.entries
    assert isinstance(text, TextEntry)
    assert (text.text, text.partial, text.open) == ("kept", True, False)
    scene.show("text", "r/1/text", 4, " late").show("text", "r/2/text", 0, "late")
    assert scene.entries == [prompt, text, end]


def test_pieces_of_another_agent_and_of_an_answer_that_is_over_are_dropped() -> None:
    scene = Scene().say(prompted(), answered("hello"))
    scene.show("text", "r/1/text", 5, "!").show("text", "r/9/text", 0, "x", agent=OTHER)
    scene.say(wrote("!", 5))
    assert [getattr(entry, "text", "") for entry in scene.entries] == ["do it", "hello"]


def test_a_failed_attempt_keeps_its_partial_text_and_the_next_opens_another() -> None:
    failed = ModelFailed(
        request="r", attempt=1, fault="rate_limit", message="429 slow down", retry_in_s=2.04
    )
    scene = Scene().say(prompted(), wrote("par"), argued("{"), failed, wrote("whole", attempt=2))
    _, partial, call, notice, text = scene.entries
    assert isinstance(partial, TextEntry)
    assert (partial.text, partial.partial, partial.open) == ("par", True, False)
    assert isinstance(call, CallEntry)
    assert (call.status, call.arguments_text) == ("failed", "{")
    assert isinstance(notice, NoticeEntry)
    assert (notice.level, notice.text) == ("warning", "asks again in 2 s: 429 slow down")
    assert isinstance(text, TextEntry)
    assert text.text == "whole"
    scene.say(ModelFailed(request="r", attempt=2, fault="auth", message="wrong key"))
    last = scene.entries[-1]
    assert isinstance(last, NoticeEntry)
    assert (last.level, last.text) == ("error", "wrong key")


def test_a_call_goes_through_its_states() -> None:
    scene = Scene().say(argued('{"comm'))
    entry = scene.call()
    assert (entry.status, entry.name, entry.arguments_text) == ("writing", "shell", '{"comm')
    scene.show("arguments", "r/1/c", 6, 'and"', call="c", name="shell")
    assert entry.arguments_text == '{"command"'
    scene.say(proposed())
    assert (entry.status, entry.title, entry.arguments_text) == ("proposed", "$ make", "")
    scene.show("arguments", "r/1/c", 10, ":", call="c").say(argued(":", 10))
    assert (entry.status, entry.arguments_text) == ("proposed", "")
    scene.say(answered("", "", Call("c", "shell", "{}")))
    assert (entry.status, entry.arguments_text) == ("proposed", "")
    scene.say(ASKED)
    assert (entry.status, entry.resource, entry.preview) == ("waiting", "make", "+x")
    assert entry.arguments == {"command": "make"}
    scene.say(PermissionAnswered(call="c", allowed=True, by="person", rule="in the pane"))
    assert (entry.status, entry.decided) == ("proposed", "in the pane")
    scene.say(ToolStarted(call="c", attempt=1))
    assert (entry.status, entry.started_us) == ("running", 7000)
    scene.show("output", "c/1/output", 0, "li", call="c")
    scene.say(OutputStreamed(call="c", attempt=1, offset=0, text="line"))
    assert entry.output == "line"
    done = ToolFinished(
        call="c",
        attempt=1,
        content="all",
        summary="exit 1",
        diff="+x",
        output=BLOB,
        exit_code=1,
        duration_us=8,
    )
    scene.say(done)
    assert (entry.status, entry.output, entry.summary) == ("finished", "all", "exit 1")
    assert (entry.diff, entry.whole, entry.exit_code, entry.duration_us) == ("+x", BLOB, 1, 8)
    scene.say(OutputStreamed(call="c", attempt=1, offset=4, text="late"))
    scene.show("output", "c/1/output", 8, "late", call="c")
    assert entry.output == "all"


def test_arguments_that_could_not_be_read_stay_as_written() -> None:
    scene = Scene().say(argued('{"a'), proposed(arguments={}))
    assert (scene.call().arguments_text, scene.call().status) == ('{"a', "proposed")


def test_a_call_that_is_first_seen_when_it_is_asked_about_has_its_entry() -> None:
    entry = Scene().say(ASKED).call()
    assert (entry.status, entry.name, entry.arguments) == ("waiting", "shell", {"a": 1})


@pytest.mark.parametrize(
    ("by", "status", "summary"), [("person", "denied", ""), ("cancel", "failed", "cancelled")]
)
def test_a_denied_call_says_so(by: Any, status: str, summary: str) -> None:
    answer = PermissionAnswered(call="c", allowed=False, by=by, rule="denied by mato deny")
    scene = Scene().say(proposed(), ASKED, answer)
    entry = scene.call()
    assert (entry.status, entry.decided, entry.summary) == (status, answer.rule, summary)
    scene.say(ToolFailed(call="c", attempt=0, message="not allowed", cause="denied"))
    assert (entry.status, entry.output, entry.summary) == ("denied", "not allowed", "denied")
    scene.say(PermissionAnswered(call="c", allowed=True, by="person", rule="too late"))
    assert (entry.status, entry.decided) == ("denied", "too late")


@pytest.mark.parametrize(
    ("body", "status", "summary"),
    [
        (ToolFailed(call="c", attempt=1, message="no", cause="timeout"), "failed", "timed out"),
        (ToolFailed(call="c", attempt=1, message="no", cause="limit"), "failed", "at its limit"),
        (ToolFailed(call="c", attempt=1, message="no"), "failed", ""),
        (ToolUnknown(call="c", attempt=1, message="no"), "unknown", ""),
    ],
)
def test_what_a_call_had_printed_stays_when_it_fails(body: Body, status: str, summary: str) -> None:
    printed = OutputStreamed(call="c", attempt=1, offset=0, text="line\n")
    scene = Scene().say(proposed(), ToolStarted(call="c", attempt=1), printed)
    scene.show("output", "c/1/output", 5, "not journaled", call="c").say(body)
    entry = scene.call()
    assert (entry.status, entry.output, entry.summary) == (status, "line\nno", summary)


def test_another_attempt_starts_with_empty_output() -> None:
    scene = Scene().say(
        proposed(),
        ToolStarted(call="c", attempt=1),
        OutputStreamed(call="c", attempt=1, offset=0, text="old"),
        ToolStarted(call="c", attempt=2),
    )
    scene.show("output", "c/1/output", 3, "older", call="c")
    scene.show("output", "c/2/output", 0, "new", call="c", attempt=2)
    assert scene.call().output == "new"
    scene.say(OutputStreamed(call="c", attempt=2, offset=0, text="newer"))
    assert scene.call().output == "newer"


def test_a_running_call_keeps_the_end_of_a_long_output() -> None:
    scene = Scene().say(proposed(), ToolStarted(call="c", attempt=1))
    scene.say(OutputStreamed(call="c", attempt=1, offset=0, text="a" * OUTPUT_KEPT + "end"))
    assert len(scene.call().output) == OUTPUT_KEPT
    assert scene.call().output.endswith("end")


@pytest.mark.parametrize(
    ("bodies", "status", "output"),
    [
        ([argued("{")], "failed", ""),
        ([proposed()], "failed", ""),
        ([proposed(), ASKED], "failed", ""),
        ([proposed(), ToolStarted(call="c", attempt=1)], "unknown", ""),
        (
            [
                proposed(),
                ToolStarted(call="c", attempt=1),
                OutputStreamed(call="c", attempt=1, offset=0, text="x"),
            ],
            "unknown",
            "x",
        ),
    ],
)
@pytest.mark.parametrize(
    "end", [TurnEnded(reason="interrupted"), AgentExited(reason="killed"), prompted()]
)
def test_a_call_does_not_go_on_when_its_turn_is_over(
    bodies: list[Body], status: str, output: str, end: Body
) -> None:
    entry = Scene().say(*bodies, end).call()
    assert (entry.status, entry.output) == (status, output)
    assert entry.summary


def test_the_fate_of_a_call_may_be_told_after_its_turn() -> None:
    scene = Scene().say(
        proposed(),
        ToolStarted(call="c", attempt=1),
        OutputStreamed(call="c", attempt=1, offset=0, text="x"),
        TurnEnded(reason="interrupted"),
        ToolUnknown(call="c", attempt=1, message="was running"),
    )
    assert scene.call().output == "x\nwas running"


def test_a_queued_prompt_is_read_where_its_turn_starts() -> None:
    scene = Scene().say(prompted("one"))
    scene.teller.turn = "t-2"
    scene.say(TurnQueued(blocks=(TextBlock("two"), TextBlock("lines"))))
    queued = scene.entries[-1]
    assert isinstance(queued, PromptEntry)
    assert (queued.status, queued.text) == ("queued", "two\nlines")
    scene.teller.turn = "t-1"
    scene.say(answered("done"), TurnEnded(reason="end_turn"))
    scene.teller.turn = "t-2"
    scene.say(prompted("two"))
    keys = [entry.key for entry in scene.entries]
    assert keys == ["prompt/t-1", "stream/r/1/text", "end/t-1", "prompt/t-2"]
    assert scene.transcript.changed() == [0, 1, 2, 3]
    assert scene.transcript.changed() == []


def test_a_returned_prompt_says_why() -> None:
    scene = Scene().say(TurnQueued(blocks=(TextBlock("x"),)), TurnReturned(reason="stopped"))
    [entry] = scene.entries
    assert isinstance(entry, PromptEntry)
    assert (entry.status, entry.note, entry.text) == ("returned", "stopped", "x")
    scene.teller.turn = "t-9"
    scene.say(TurnReturned(reason="unseen"))
    assert len(scene.entries) == 2


def test_a_turn_that_its_daemons_end_cut_lasted_until_its_last_sign() -> None:
    scene = Scene().say(prompted(), wrote("x"))
    scene.teller.epoch = 2
    scene.teller.mono_us = 10_000_000
    scene.say(TurnEnded(reason="interrupted"))
    end = scene.entries[-1]
    assert isinstance(end, TurnEndEntry)
    assert end.duration_us == 1000
    scene.say(TurnEnded(reason="interrupted", detail="again"))
    assert (scene.entries[-1], end.detail, end.duration_us) == (end, "again", 1000)


def test_the_plan_of_a_turn_changes_in_place() -> None:
    scene = Scene().say(PlanUpdated(items=(PlanItem("a", "pending"),)), wrote("x"))
    scene.transcript.changed()
    scene.say(PlanUpdated(items=(PlanItem("a", "completed"),)))
    plan = scene.entries[0]
    assert isinstance(plan, PlanEntry)
    assert plan.items == (PlanItem("a", "completed"),)
    assert scene.transcript.changed() == [0]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (AgentReconfigured(model="m", model_source="flag"), "model m (flag)"),
        (AgentReconfigured(model="m", base_url="http://h"), "model m, at http://h"),
        (AgentReconfigured(mode="edit"), "mode edit"),
        (AgentReconfigured(), "as before"),
    ],
)
def test_a_new_model_or_mode_is_told(body: Body, text: str) -> None:
    [entry] = Scene().say(body).entries
    assert isinstance(entry, NoticeEntry)
    assert entry.text == f"from the next turn on: {text}"


def test_unknown_events_and_new_names_are_told_to_agents_of_that_session() -> None:
    unknown = codec.decode("future.thing", 1, b"{}")
    scene = Scene().say(SessionRenamed(name="x"), unknown, agent=None, kind="future.thing")
    assert scene.entries == []
    scene.say(AgentStateChanged(state="idle", evidence="spawned"))
    scene.say(SessionRenamed(name="x"), agent=None)
    scene.say(unknown, agent=None, kind="future.thing").say(unknown, kind="future.thing")
    scene.say(SessionOpened(name="n", cwd="/", mode="ask", trusted=False, mato="1"), agent=None)
    scene.say(prompted(), agent=OTHER)
    texts = [entry.text for entry in scene.entries if isinstance(entry, NoticeEntry)]
    assert texts[0] == "the session is now called x"
    assert [text.split(":")[1] for text in texts[1:]] == [" future.thing version 1"] * 2
    assert len(scene.entries) == 3


def test_states_and_launches_make_no_entry() -> None:
    scene = Scene().say(
        AgentSpawned(name="a", agent_kind="native", spec=LaunchSpec(profile="p", model="m")),
        AgentStateChanged(state="idle", evidence="spawned"),
    )
    assert scene.entries == []


def test_what_was_purged_is_told_once_a_turn() -> None:
    scene = Scene()
    for turn in ("t-1", "t-2"):
        scene.teller.turn = turn
        for kind in ("turn.prompted", "text.streamed", "turn.ended"):
            scene.say(Purged(sha256="0" * 64), kind=kind)
    told = [(entry.turn, entry.text) for entry in scene.entries if isinstance(entry, NoticeEntry)]
    assert told == [
        ("t-1", "what was said and done here has been purged"),
        ("t-2", "what was said and done here has been purged"),
    ]
    assert len(scene.entries) == 2

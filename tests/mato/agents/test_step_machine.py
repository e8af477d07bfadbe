"""The step machine under a virtual runtime: every order of facts, no clock, no I/O."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mato.agents.base import TakeUp
from mato.agents.native import conversation
from mato.agents.native.machine import QUEUE_LIMIT, step
from mato.agents.native.state import State, fold
from mato.agents.native.stepping import Setup, Step
from mato.agents.native.steps import (
    AlarmRang,
    AskModel,
    AskPerson,
    AwaitWork,
    Begin,
    CancelCame,
    CancelWork,
    CloseCame,
    Command,
    HaltCame,
    Input,
    Inspected,
    LookAtWorld,
    LookCame,
    Looked,
    ModelBroke,
    ModelDone,
    ModelWaits,
    PersonAnswered,
    PromptCame,
    QuestionFailed,
    QuestionReady,
    Ready,
    ReconfigureCame,
    Record,
    Refuse,
    ResumeCame,
    RetryDue,
    RunTool,
    SetAlarm,
    SuspendCame,
    ToolDone,
    Wake,
    WorkGone,
)
from mato.models.base import ModelChoice, Usage
from mato.permissions.desk import Policy
from mato_sessions.events import (
    BlobRef,
    Body,
    Event,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
)
from mato_sessions.events.agent import Limits
from mato_sessions.events.model import Call
from mato_sessions.events.turn import TextBlock

REF = BlobRef("0" * 64, 1)
GO_ON = TakeUp("go_on")
ENDS = ("tool.finished", "tool.failed", "tool.unknown")


POLICIES: dict[str, Any] = {"read": "idempotent", "note": "idempotent", "write": "probe"}
"""Of the tools, which are named by their action; all others have ``ask``."""


def inspect(call: Call) -> Inspected:
    """Tools named by their action; arguments are the resource, as it is or in JSON."""
    found = call.arguments
    if found.startswith("{"):
        found = json.loads(found)["on"]
    proposed = ToolProposed(
        call=call.call,
        name=call.name,
        arguments={"on": found},
        key=call.call,
        policy=POLICIES.get(call.name, "ask"),
        title=call.name,
    )
    if call.name == "odd":
        return Inspected(proposed, complaint="no such tool")
    return Inspected(proposed, call.name, found)  # type: ignore[arg-type]


class World:
    """A runtime without time: commands wait until a test lets them happen."""

    def __init__(self, limits: Limits | None = None, mode: Any = "full") -> None:
        self.setup = Setup(REF, REF, {}, limits or Limits(), inspect, Policy().decide)
        self.state = State(ModelChoice("m"), mode)
        self.events: list[Event] = []
        self.line: list[Command] = []
        """Commands in their order that are not executed yet."""
        self.asked: list[AskModel] = []
        self.waking: list[Wake] = []
        self.questions: list[str] = []
        self.running: list[RunTool] = []
        self.looking: list[LookAtWorld] = []
        self.leaving = False
        self.draining = False
        self.epoch = 1
        self.refused: list[str] = []
        self.alarm_us: int | None = None
        self.now_us = 1
        self.calls = 0
        self.turns = 0

    def give(self, fact: Input | Event) -> None:
        """Step, and put what follows in line."""
        self.state, commands = step(self.setup, self.state, fact)
        self.line.extend(commands)

    def take(self, make: Callable[[int], Input]) -> None:
        """Give an input and execute everything that follows at once, as the local runtime does."""
        self.give(make(self.now_us))
        self.settle()

    def settle(self) -> None:
        while self.line:
            self.execute_one()

    def execute_one(self) -> None:
        command = self.line.pop(0)
        match command:
            case Record(bodies=bodies, turn=turn):
                for event in [self.journal(body, turn) for body in bodies]:
                    self.give(event)
            case AskModel():
                self.asked.append(command)
            case Wake():
                self.waking.append(command)
            case AskPerson(call=call):
                self.questions.append(call)
            case RunTool():
                self.running.append(command)
            case LookAtWorld():
                self.looking.append(command)
            case CancelWork():
                self.asked.clear()
                self.waking.clear()
                self.questions.clear()
                self.running.clear()
                self.looking.clear()
                self.leaving = True
            case AwaitWork():
                self.waking.clear()
                self.questions.clear()
                self.looking.clear()
                self.draining = True
            case SetAlarm(at_us=at_us):
                self.alarm_us = at_us
            case Refuse(turn=turn):
                self.refused.append(turn)

    def journal(self, body: Body, turn: str | None) -> Event:
        self.now_us += 1
        seq = len(self.events) + 1
        event = Event(
            position=seq,
            session="s",
            seq=seq,
            at_us=self.now_us,
            mono_us=self.now_us,
            boot="b",
            epoch=self.epoch,
            agent="a",
            turn=turn,
            cause=None,
            kind=body.kind,
            version=1,
            body=body,
            hash=b"",
        )
        self.events.append(event)
        return event

    # ------------------------------------------------------------ what the world does

    def start(self, take_up: TakeUp = GO_ON) -> World:
        self.take(lambda now: Begin(now, take_up))
        self.take(Ready)
        return self

    def prompt(self, text: str = "hello") -> str:
        self.turns += 1
        turn = f"t-{self.turns}"
        self.take(lambda now: PromptCame(turn, (TextBlock(text),), now))
        return turn

    def answer(
        self,
        *calls: tuple[str, str],
        text: str = "",
        finish: str = "",
        usage: Usage | None = None,
        redacted: bool = False,
    ) -> list[str]:
        asked = self.asked.pop(0)
        made: list[Call] = []
        for name, resource in calls:
            self.calls += 1
            made.append(Call(f"c-{self.calls}", name, resource, redacted))
        ids = [call.call for call in made]
        self.take(
            lambda now: ModelDone(
                asked.request,
                asked.attempt,
                text,
                "",
                tuple(made),
                finish or ("tool_calls" if calls else "stop"),
                usage or Usage(),
                1,
                2,
                now,
            )
        )
        return ids

    def fail(self, fault: Any = "server", retry_after_s: float | None = None) -> None:
        asked = self.asked.pop(0)
        self.take(
            lambda now: ModelBroke(
                asked.request, asked.attempt, fault, "it broke", retry_after_s, now
            )
        )

    def wake(self) -> None:
        wake = self.waking.pop(0)
        self.take(lambda now: RetryDue(wake.request, wake.attempt, now))

    def question(self, works: bool = True) -> str:
        call = self.questions.pop(0)
        if works:
            self.take(lambda now: QuestionReady(call, "preview", now))
        else:
            self.take(lambda now: QuestionFailed(call, "cannot", now))
        return call

    def person(self, call: str, allowed: bool, decision: Any = None) -> None:
        self.take(lambda now: PersonAnswered(call, allowed, "test", now, decision))

    def look(self, found: Any = None) -> None:
        looking = self.looking.pop(0)
        body = ToolFinished(call=looking.call, attempt=looking.attempt, content="it stood there")
        self.take(lambda now: Looked(looking.call, found or body, now))

    def finish_tool(self, place: int = 0, works: bool = True) -> None:
        run = self.running.pop(place)
        body: ToolFinished | ToolFailed
        if works:
            body = ToolFinished(call=run.call, attempt=run.attempt, content=f"did {run.call}")
        else:
            body = ToolFailed(call=run.call, attempt=run.attempt, message="oh no")
        self.take(lambda now: ToolDone(body, now))

    def gone(self) -> None:
        self.leaving = False
        self.take(WorkGone)

    # ------------------------------------------------------------ what can be seen

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def bodies(self, kind: str) -> list[Any]:
        return [event.body for event in self.events if event.kind == kind]

    def states(self) -> list[str]:
        return [body.state for body in self.bodies("agent.state_changed")]

    def reasons(self) -> list[str]:
        return [body.reason for body in self.bodies("turn.ended")]


def test_a_turn_without_calls_ends_after_one_answer() -> None:
    world = World().start()
    world.prompt()
    world.answer(text="hi")
    assert world.reasons() == ["end_turn"]
    assert world.states() == ["starting", "idle", "working", "done"]


def test_what_the_model_waits_for_is_shown_only_while_it_is_asked() -> None:
    world = World().start()
    world.prompt()
    [asked] = world.asked
    world.take(lambda now: ModelWaits(asked.request, 1, "queued behind 1", now))
    assert world.bodies("agent.state_changed")[-1].evidence == "queued behind 1"
    world.take(lambda now: ModelWaits(asked.request, 1, "", now))
    assert world.bodies("agent.state_changed")[-1].evidence == "the model answers"
    world.take(CancelCame)
    world.take(lambda now: ModelWaits(asked.request, 1, "too late", now))
    world.gone()
    world.take(lambda now: ModelWaits(asked.request, 1, "much too late", now))
    assert world.bodies("agent.state_changed")[-1].evidence == "turn ended: cancelled"
    assert world.states() == ["starting", "idle", "working", "working", "working", "done"]


def test_results_lead_to_the_next_request_with_all_their_seqs() -> None:
    world = World().start()
    world.prompt()
    first, second = world.answer(("read", "a"), ("read", "b"))
    assert [run.call for run in world.running] == [first, second]
    world.finish_tool(1)
    assert not world.asked
    world.finish_tool(0, works=False)
    [asked] = world.asked
    found = conversation.messages(event for event in world.events if event.seq in asked.seqs)
    assert [message.role for message in found] == ["user", "assistant", "tool", "tool"]
    assert [message.call for message in found[2:]] == [first, second]
    world.answer(text="done")
    assert world.reasons() == ["end_turn"]


def test_a_write_holds_back_only_later_calls_of_the_same_resource() -> None:
    world = World().start()
    world.prompt()
    first, _, third, fourth = world.answer(
        ("write", "a.py"), ("read", "./a.py"), ("read", "b.py"), ("execute", "a.py b")
    )
    assert [run.call for run in world.running] == [first, third, fourth]
    world.finish_tool(1)
    assert len(world.running) == 2
    world.finish_tool(0)
    assert len(world.running) == 2
    world.finish_tool(0)
    world.finish_tool(0)
    assert world.asked


def test_a_held_write_is_asked_about_only_when_its_turn_comes() -> None:
    world = World(mode="ask").start()
    world.prompt()
    first, second = world.answer(("write", "a"), ("write", "a"))
    assert world.questions == [first]
    world.question()
    world.person(first, True)
    world.finish_tool()
    assert world.questions == [second]
    assert world.states()[-1] == "working"


def test_asking_blocks_and_an_answer_unblocks() -> None:
    world = World(mode="ask").start()
    world.prompt()
    first, second = world.answer(("execute", "x"), ("execute", "y"))
    world.question()
    world.question()
    assert world.states()[-1] == "blocked"
    world.person(first, True)
    assert world.states()[-1] == "blocked"
    world.person(first, True)
    world.person("c-unknown", True)
    assert world.kinds().count("permission.answered") == 1
    world.person(second, False)
    assert world.states()[-1] == "working"
    assert [run.call for run in world.running] == [first]
    world.finish_tool()
    assert world.asked
    [failed] = world.bodies("tool.failed")
    assert (failed.call, failed.cause) == (second, "denied")


def test_a_call_that_cannot_work_is_not_asked_about() -> None:
    world = World(mode="ask").start()
    world.prompt()
    world.answer(("write", "x"))
    world.question(works=False)
    assert "permission.asked" not in world.kinds()
    assert world.asked


def test_what_mode_and_arguments_forbid_goes_back_to_the_model() -> None:
    world = World(mode="read").start()
    world.prompt()
    world.answer(("write", "x"), ("odd", ""), ("read", "y"))
    assert [run.name for run in world.running] == ["read"]
    world.finish_tool()
    assert [body.cause for body in world.bodies("tool.failed")] == ["arguments", "denied"]
    assert world.asked


def test_redacted_calls_are_marked() -> None:
    world = World().start()
    world.prompt()
    world.answer(("read", "x"), redacted=True)
    assert world.bodies("tool.proposed")[0].redacted


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_tokens"), ("refusal", "refusal"), ("stop", "end_turn")],
)
def test_finishes_have_their_reasons(finish: str, reason: str) -> None:
    world = World().start()
    world.prompt()
    world.answer(text="x", finish=finish)
    assert world.reasons() == [reason]


def test_faults_are_retried_with_growing_pauses_and_then_fail_the_turn() -> None:
    world = World().start()
    world.prompt()
    delays: list[float] = []
    for attempt in range(1, 6):
        assert world.asked[0].attempt == attempt
        world.fail()
        if world.waking:
            delays.append(world.waking[0].after_s)
            world.wake()
    assert len(delays) == 4
    assert delays == sorted(delays)
    assert world.reasons() == ["failed"]
    assert world.bodies("turn.ended")[0].detail == "it broke"
    assert world.states()[-1] == "failed"


def test_retry_after_is_honoured_and_an_unbearable_one_ends_the_turn() -> None:
    world = World().start()
    world.prompt()
    world.fail("rate_limit", retry_after_s=20.0)
    assert world.waking[0].after_s >= 20.0
    world.wake()
    world.fail("rate_limit", retry_after_s=3600.0)
    assert world.reasons() == ["failed"]


def test_a_wrong_key_is_not_retried() -> None:
    world = World().start()
    world.prompt()
    world.fail("auth")
    assert world.reasons() == ["failed"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(model_calls=1), "max_turn_requests"),
        (Limits(tokens=10), "token_limit"),
        (Limits(cost_usd=0.1), "cost_limit"),
        (Limits(wall_s=0.00001), "time_limit"),
    ],
)
def test_limits_end_the_turn_before_the_next_request(limits: Limits, reason: str) -> None:
    world = World(limits).start()
    world.prompt()
    world.answer(("read", "x"), usage=Usage(input=9, output=9, cost_usd=0.2))
    world.now_us += 100
    world.finish_tool()
    assert world.reasons() == [reason]
    assert not world.asked


def test_the_alarm_stops_a_turn_but_not_while_only_a_person_is_waited_for() -> None:
    world = World(Limits(wall_s=10), mode="ask").start()
    world.prompt()
    assert world.alarm_us is not None
    world.answer(("execute", "x"))
    [call] = world.questions
    world.question()
    assert world.alarm_us is None
    world.now_us += 3_600_000_000
    world.person(call, True)
    assert world.alarm_us is not None
    assert world.alarm_us > world.now_us
    world.take(AlarmRang)  # too early: it is set again
    assert world.alarm_us is not None
    assert not world.leaving
    world.now_us, world.alarm_us = world.alarm_us, None
    world.take(AlarmRang)
    assert world.leaving
    world.gone()
    assert world.reasons() == ["time_limit"]
    assert world.alarm_us is None
    world.take(AlarmRang)
    assert world.reasons() == ["time_limit"]


def test_cancel_answers_what_waits_at_once_and_the_rest_when_it_is_gone() -> None:
    world = World(mode="ask").start()
    world.prompt()
    first, second, third = world.answer(("execute", "x"), ("execute", "y"), ("read", "z"))
    world.question()
    world.person(first, True)
    world.question()
    world.take(CancelCame)
    [answered] = [body for body in world.bodies("permission.answered") if body.by == "cancel"]
    assert answered.call == second
    assert not world.reasons()
    world.take(CancelCame)
    world.gone()
    assert world.reasons() == ["cancelled"]
    ended = {event.body.call for event in world.events if event.kind in ENDS}  # type: ignore[attr-defined]
    assert ended == {first, second, third}
    world.take(CancelCame)
    world.gone()
    assert world.reasons() == ["cancelled"]


def test_results_that_come_while_the_turn_is_being_stopped_are_kept() -> None:
    world = World().start()
    world.prompt()
    world.answer(("read", "x"))
    run = world.running[0]
    world.take(CancelCame)
    done = ToolFinished(call=run.call, attempt=1, content="just in time")
    world.take(lambda now: ToolDone(done, now))
    world.take(lambda now: ToolDone(done, now))
    world.gone()
    assert world.kinds().count("tool.finished") == 1
    assert not world.asked


def test_an_answer_or_fault_that_comes_too_late_changes_nothing_more() -> None:
    world = World().start()
    world.prompt()
    asked = world.asked[0]
    world.take(CancelCame)
    world.asked = [asked]
    world.fail()
    world.asked = [asked]
    world.answer(text="late, but whole")
    assert world.kinds().count("model.answered") == 1
    world.gone()
    world.asked = [asked]
    world.answer(text="much too late")
    world.asked = [asked]
    world.fail()
    world.take(lambda now: RetryDue(asked.request, 1, now))
    assert world.kinds().count("model.answered") == 1
    assert world.reasons() == ["cancelled"]


def test_a_retry_that_is_due_while_the_turn_is_stopped_is_not_made() -> None:
    world = World().start()
    world.prompt()
    world.fail()
    wake = world.waking[0]
    world.take(CancelCame)
    world.take(lambda now: RetryDue(wake.request, wake.attempt, now))
    world.gone()
    assert world.kinds().count("model.asked") == 1


def test_prompts_queue_and_start_in_their_order() -> None:
    world = World().start()
    world.prompt("one")
    for _ in range(QUEUE_LIMIT):
        world.prompt("more")
    over = world.prompt("too many")
    assert world.refused == [over]
    while world.asked:
        world.answer(text="ok")
    started = [event.turn for event in world.events if event.kind == "turn.prompted"]
    assert started == [f"t-{number}" for number in range(1, QUEUE_LIMIT + 2)]
    assert world.states() == ["starting", "idle", "working", "done"]


def test_cancel_returns_what_is_queued() -> None:
    world = World().start()
    world.prompt("one")
    queued = world.prompt("two")
    world.take(CancelCame)
    later = world.prompt("three")
    world.gone()
    assert [event.turn for event in world.events if event.kind == "turn.returned"] == [queued]
    assert world.asked
    assert world.state.turn is not None
    assert world.state.turn.turn == later


def test_close_ends_the_turn_and_then_the_agent() -> None:
    world = World().start()
    world.prompt("one")
    world.prompt("two")
    world.take(lambda now: CloseCame("killed", now))
    world.take(lambda now: CloseCame("again", now))
    refused = world.prompt("three")
    world.gone()
    assert world.kinds()[-2:] == ["agent.state_changed", "agent.exited"]
    assert world.states()[-1] == "stopped"
    assert world.refused == [refused]
    before = len(world.events)
    world.take(lambda now: CloseCame("again", now))
    world.take(lambda now: ReconfigureCame(ModelChoice("x"), None, now))
    assert len(world.events) == before


def test_close_without_a_turn_ends_the_agent_at_once() -> None:
    world = World().start()
    world.take(lambda now: CloseCame("killed", now))
    assert world.kinds()[-1] == "agent.exited"


def test_suspend_leaves_the_turn_open_and_takes_no_more() -> None:
    world = World().start()
    world.prompt()
    world.prompt()
    world.take(SuspendCame)
    assert not world.state.quiet
    world.gone()
    assert world.state.quiet
    refused = world.prompt()
    assert world.reasons() == []
    assert world.refused == [refused]
    assert "turn.returned" not in world.kinds()
    assert world.states()[-1] == "blocked"
    assert world.bodies("agent.state_changed")[-1].evidence.startswith("paused: ")


def test_suspend_between_turns_is_over_at_once() -> None:
    world = World().start()
    world.take(SuspendCame)
    assert world.state.quiet
    assert world.states() == ["starting", "idle"]


def test_looking_makes_done_idle_and_nothing_else() -> None:
    world = World().start()
    world.take(LookCame)
    world.prompt()
    world.take(LookCame)
    world.answer(text="x")
    world.take(LookCame)
    world.take(LookCame)
    assert world.states() == ["starting", "idle", "working", "done", "idle"]


def test_model_and_mode_change_for_what_comes_next() -> None:
    world = World(mode="read").start()
    world.prompt()
    world.take(lambda now: ReconfigureCame(ModelChoice("other", "http://x", "flag"), "full", now))
    world.take(lambda now: ReconfigureCame(None, None, now))
    world.answer(("write", "x"))
    assert world.running
    world.finish_tool()
    assert world.asked[0].choice.model == "m"
    world.answer(text="ok")
    world.take(lambda now: ReconfigureCame(None, "read", now))
    world.prompt()
    assert world.asked[0].choice == ModelChoice("other", "http://x", "flag")
    assert world.state.mode == "read"


def taken_up(world: World, cut_at: int | None = None, take_up: TakeUp = GO_ON) -> World:
    """The world after a crash: the journal so far, and nothing else."""
    again = World(world.setup.limits, "full")
    again.events = world.events[:cut_at]
    again.now_us = world.now_us
    again.turns, again.calls = world.turns, world.calls
    again.epoch = world.epoch + 1
    for event in again.events:
        again.state = fold(again.state, event)
    return again.start(take_up)


def test_a_turn_of_an_agent_that_failed_by_itself_is_ended_as_interrupted() -> None:
    world = World(mode="ask").start()
    world.prompt()
    first, second, third = world.answer(("execute", "x"), ("execute", "y"), ("execute", "z"))
    world.question()
    world.person(first, True)
    world.question()
    queued = world.prompt("later")
    again = taken_up(world, take_up=TakeUp("end"))
    assert again.reasons() == ["interrupted"]
    assert [body.call for body in again.bodies("tool.unknown")] == [first]
    assert [body.call for body in again.bodies("tool.failed")] == [second, third]
    assert [event.turn for event in again.events if event.kind == "turn.returned"] == [queued]
    assert again.states()[-1] == "done"
    again.prompt("go on")
    [asked] = again.asked
    found = conversation.messages(event for event in again.events if event.seq in asked.seqs)
    assert [m.role for m in found] == ["user", "assistant", "tool", "tool", "tool", "user"]


def test_a_journal_that_ended_well_is_taken_up_as_it_is() -> None:
    world = World().start()
    world.prompt()
    world.answer(text="x")
    events = len(world.events)
    assert len(taken_up(world).events) == events
    world.take(lambda now: CloseCame("over", now))
    events = len(world.events)
    assert len(taken_up(world).events) == events


def test_a_state_that_was_left_standing_is_set_right() -> None:
    world = World().start()
    world.prompt()
    world.answer(text="x")
    ended = world.kinds().index("turn.ended")
    assert taken_up(world, ended + 1).states()[-1] == "idle"
    assert taken_up(World().start(), 1).states() == ["starting", "idle"]


# ---------------------------------------------------------------- going on after a daemon's end


def test_an_answer_that_was_cut_is_asked_for_anew_and_marked() -> None:
    world = World().start()
    world.prompt()
    again = taken_up(world)
    [failed] = again.bodies("model.failed")
    assert (failed.fault, failed.attempt, failed.retry_in_s) == ("interrupted", 1, 0.0)
    assert again.states()[-1] == "working"
    again.wake()
    assert [(a.request, a.attempt) for a in again.asked] == [(failed.request, 2)]
    again.answer(text="whole")
    assert again.reasons() == ["end_turn"]
    assert len(again.bodies("usage.reported")) == 1


@pytest.mark.parametrize("upto", ["turn.prompted", "model.answered", "tool.proposed"])
def test_what_had_not_begun_is_begun(upto: str) -> None:
    world = World().start()
    world.prompt()
    world.answer(("execute", "x"))
    cut_at = world.kinds().index(upto) + 1
    again = taken_up(world, cut_at)
    if upto == "turn.prompted":
        again.answer(("execute", "x"))
    assert "model.failed" not in again.kinds()
    assert len(again.bodies("model.asked")) == 1, "a journaled answer is not asked for again"
    [run] = again.running
    assert (run.attempt, json.loads(run.arguments)) == (1, {"on": "x"})
    again.finish_tool()
    again.answer(text="done")
    assert again.reasons() == ["end_turn"]


@pytest.mark.parametrize(
    ("finish", "reason"), [("stop", "end_turn"), ("length", "max_tokens"), ("refusal", "refusal")]
)
def test_an_answer_that_ends_its_turn_ends_it_after_a_crash_too(finish: str, reason: str) -> None:
    world = World().start()
    world.prompt()
    world.answer(text="x", finish=finish)
    again = taken_up(world, world.kinds().index("turn.ended"))
    assert again.reasons() == [reason]
    assert not again.asked


def test_a_fault_that_ended_the_turn_ends_it_and_a_wait_begins_anew() -> None:
    world = World().start()
    world.prompt()
    world.fail("auth")
    assert taken_up(world, world.kinds().index("turn.ended")).reasons() == ["failed"]
    world = World().start()
    world.prompt()
    world.fail("rate_limit", 7.0)
    [wake] = taken_up(world).waking
    assert wake.after_s >= 7.0


def test_results_that_are_all_there_lead_to_the_next_request() -> None:
    world = World().start()
    world.prompt()
    world.answer(("read", "x"))
    world.finish_tool()
    cut_at = world.kinds().index("tool.finished") + 1
    again = taken_up(world, cut_at)
    assert [a.request for a in again.asked] == [world.asked[0].request]
    assert not again.running


def test_a_cut_call_goes_on_by_its_policy() -> None:
    world = World().start()
    world.prompt()
    read, write, execute = world.answer(("read", "x"), ("write", "y"), ("execute", "z"))
    again = taken_up(world)
    assert [(run.call, run.attempt) for run in again.running] == [(read, 2)]
    assert [(look.call, look.attempt) for look in again.looking] == [(write, 1)]
    [lost] = again.bodies("tool.unknown")
    assert (lost.call, lost.attempt) == (execute, 1)
    [asked] = again.bodies("permission.asked")
    assert (asked.call, asked.question) == (execute, "recovery")
    assert asked.decisions == ("done", "again", "give_up")
    assert again.states()[-1] == "blocked"
    again.finish_tool()
    again.look()
    assert [body.call for body in again.bodies("tool.finished")] == [read, write]
    assert not again.asked, "a person has not decided yet"
    again.person(execute, True)
    assert [(run.call, run.attempt) for run in again.running] == [(execute, 2)]
    again.finish_tool()
    assert again.asked


@pytest.mark.parametrize(
    ("allowed", "decision", "kind"),
    [
        (False, "done", "tool.finished"),
        (False, "give_up", "tool.failed"),
        (False, None, "tool.failed"),
        (True, "again", "tool.started"),
    ],
)
def test_a_person_decides_what_became_of_a_call(allowed: bool, decision: Any, kind: str) -> None:
    world = World().start()
    world.prompt()
    [call] = world.answer(("execute", "x"))
    again = taken_up(world)
    again.person(call, allowed, decision)
    [answered] = again.bodies("permission.answered")[-1:]
    assert answered.decision == (decision or "give_up")
    assert again.kinds()[again.kinds().index("permission.asked") + 2 :].count(kind) == 1
    assert bool(again.running) == (kind == "tool.started")
    assert again.states()[-1] == "working"
    before = len(again.events)
    again.person(call, True, "again")
    assert len(again.events) == before, "decided once"


def test_what_a_look_finds_is_taken_as_it_is() -> None:
    for found, then in (("absent", "tool.started"), ("unclear", "tool.unknown")):
        world = World().start()
        world.prompt()
        [call] = world.answer(("write", "x"))
        again = taken_up(world)
        seen = len(again.events)
        again.look(found)
        assert again.events[seen].kind == then
        assert bool(again.running) == (found == "absent")
        waits = again.state.turn is not None and again.state.turn.waiting
        assert waits == (found == "unclear")
        assert again.state.turn is not None
        assert again.state.turn.open(call) is not None


def test_a_call_whose_arguments_held_a_secret_never_runs_from_the_journal() -> None:
    for upto in ("model.answered", "permission.asked", "tool.started"):
        world = World(mode="ask").start()
        world.prompt()
        [call] = world.answer(("execute", "[redacted]"), redacted=True)
        world.question()
        world.person(call, True)
        again = taken_up(world, world.kinds().index(upto) + 1)
        assert not again.running
        assert not again.questions
        [lost] = again.bodies("tool.unknown")
        assert lost.attempt == (upto == "tool.started")
        done = ("done",) if lost.attempt else ()
        assert again.bodies("permission.asked")[-1].decisions == (*done, "give_up")
        again.person(call, False, "give_up")
        assert again.asked


def test_a_question_that_was_open_stays_open() -> None:
    world = World(mode="ask").start()
    world.prompt()
    [call] = world.answer(("execute", "x"))
    world.question()
    again = taken_up(world)
    assert len(again.bodies("permission.asked")) == 1
    assert again.states()[-1] == "blocked"
    third = taken_up(again)
    third.person(call, True)
    assert [(run.call, run.attempt) for run in third.running] == [(call, 1)]


def test_an_undecided_call_is_asked_about_once_and_through_every_crash() -> None:
    world = World().start()
    world.prompt()
    [call] = world.answer(("execute", "x"))
    again = taken_up(world)
    for cut in ("tool.unknown", "permission.asked"):
        third = taken_up(again, again.kinds().index(cut) + 1)
        assert len(third.bodies("tool.unknown")) == 1
        assert len(third.bodies("permission.asked")) == 1
        third.person(call, False, "done")
        assert third.asked


def test_what_was_queued_starts_after_the_turn_that_goes_on() -> None:
    world = World().start()
    world.prompt("one")
    queued = world.prompt("two")
    again = taken_up(world)
    again.wake()
    again.answer(text="x")
    assert again.state.turn is not None
    assert again.state.turn.turn == queued
    third = taken_up(again, again.kinds().index("turn.ended") + 1)
    assert third.state.turn is not None
    assert third.state.turn.turn == queued


def test_paused_nothing_happens_until_it_is_resumed() -> None:
    world = World().start()
    world.prompt()
    [call] = world.answer(("execute", "x"))
    world.prompt("two")
    again = taken_up(world, take_up=TakeUp("pause", "no key"))
    assert again.kinds()[len(world.events) :] == ["agent.state_changed"]
    assert again.bodies("agent.state_changed")[-1].evidence == "paused: no key"
    refused = again.prompt("three")
    assert again.refused == [refused]
    again.person(call, True)
    assert "tool.unknown" not in again.kinds()
    again.take(ResumeCame)
    again.take(ResumeCame)
    assert again.kinds().count("tool.unknown") == 1
    again.person(call, True)
    assert again.running


def test_a_paused_turn_can_be_stopped_and_its_agent_ended() -> None:
    for come in (CancelCame, lambda now: CloseCame("over", now)):
        world = World().start()
        world.prompt()
        [call] = world.answer(("execute", "x"))
        world.prompt("two")
        again = taken_up(world, take_up=TakeUp("pause", "no key"))
        again.take(come)
        again.gone()
        assert [body.call for body in again.bodies("tool.unknown")] == [call]
        assert again.reasons() == ["cancelled"]
        assert again.kinds().count("turn.returned") == 1
        assert again.state.exited == (come is not CancelCame)
        check_journal(again, complete=True)
        if come is CancelCame:
            again.prompt("three")
            assert again.asked


def test_stopping_while_a_person_has_to_decide_ends_the_turn() -> None:
    world = World().start()
    world.prompt()
    world.answer(("execute", "x"), ("write", "y"))
    again = taken_up(world)
    again.take(CancelCame)
    again.gone()
    assert again.reasons() == ["cancelled"]
    assert len(again.bodies("tool.unknown")) == 2
    check_journal(again, complete=True)


def test_a_drain_lets_what_runs_come_to_its_end_and_begins_nothing() -> None:
    world = World().start()
    world.prompt()
    first, second = world.answer(("execute", "x"), ("execute", "y"))
    world.take(lambda now: SuspendCame(now, True))
    assert len(world.running) == 2
    world.finish_tool()
    world.finish_tool()
    world.gone()
    assert world.state.quiet
    assert not world.asked
    again = taken_up(world)
    assert "tool.unknown" not in again.kinds()
    assert [body.call for body in again.bodies("tool.finished")] == [first, second]
    assert again.asked


def test_a_drain_takes_the_end_of_a_turn() -> None:
    world = World().start()
    world.prompt()
    world.take(lambda now: SuspendCame(now, True))
    world.answer(text="that is all")
    assert world.reasons() == ["end_turn"]
    assert world.state.quiet


def test_the_time_of_a_turn_counts_through_restarts_but_not_between_them() -> None:
    world = World(Limits(wall_s=1)).start()
    world.prompt()
    world.now_us += 400_000
    world.answer(("execute", "x"))
    again = taken_up(world, take_up=TakeUp("pause", "later"))
    again.now_us += 5_000_000
    again.take(ResumeCame)
    turn = again.state.turn
    assert turn is not None
    assert 390_000 < turn.ran_us < 410_000
    again.person(turn.calls[0].call, True)
    assert again.alarm_us is not None
    assert 590_000 < again.alarm_us - again.now_us < 610_000


def test_there_is_no_turn_to_ask_for_between_turns() -> None:
    world = World().start()
    with pytest.raises(ValueError, match="no turn"):
        _ = Step(world.setup, world.state, 0).turn


# ---------------------------------------------------------------- every order of facts

CALL = st.tuples(
    st.sampled_from(["read", "write", "execute", "note", "odd"]), st.sampled_from(["a", "b", ""])
)


def act(world: World, data: st.DataObject) -> None:
    """One thing that can happen now, chosen by hypothesis; a command may stay in line meanwhile."""
    choices: list[Callable[[], Any]] = []
    if world.line:
        choices += [world.execute_one] * 4
    waiting = [each.call for each in world.state.turn.calls] if world.state.turn else []

    def later(make: Callable[[int], Input]) -> Callable[[], None]:
        return lambda: world.give(make(world.now_us))

    def prompt() -> None:
        world.turns += 1
        world.give(PromptCame(f"t-{world.turns}", (TextBlock("hi"),), world.now_us))

    choices += [prompt, later(LookCame)]
    if world.asked:
        # Effects give their outcome once, whatever is in line.
        choices += [
            lambda: world.answer(*data.draw(st.lists(CALL, max_size=4))),
            lambda: world.answer(text="x", finish=data.draw(st.sampled_from(["stop", "length"]))),
            lambda: world.fail(data.draw(st.sampled_from(["server", "auth", "cut"]))),
        ]
    if world.waking:
        choices.append(world.wake)
    if world.questions:
        choices.append(lambda: world.question(data.draw(st.booleans())))
    if waiting:
        call = data.draw(st.sampled_from(waiting))
        allowed = data.draw(st.booleans())
        decision = data.draw(st.sampled_from([None, "done", "again", "give_up"]))
        choices.append(later(lambda now: PersonAnswered(call, allowed, "r", now, decision)))
    if world.looking:
        choices.append(lambda: world.look(data.draw(st.sampled_from([None, "absent", "unclear"]))))
    if world.running:
        place = data.draw(st.integers(0, len(world.running) - 1))
        choices.append(lambda: world.finish_tool(place, data.draw(st.booleans())))
    if world.leaving:
        choices.append(world.gone)
    choices.append(later(CancelCame))
    choices.append(later(lambda now: HaltCame("too dear", now)))
    if world.state.paused:
        choices.append(later(ResumeCame))
    if world.alarm_us is not None:
        choices.append(later(AlarmRang))
    mode: Any = data.draw(st.sampled_from(["read", "ask", "edit", "full"]))
    choices.append(later(lambda now: ReconfigureCame(None, mode, now)))
    data.draw(st.sampled_from(choices))()


class Slow(World):
    """A world in which journaling takes time: inputs come while commands are still in line."""

    def take(self, make: Callable[[int], Input]) -> None:
        self.give(make(self.now_us))


def check_journal(world: World, complete: bool) -> None:
    """What holds for every journal that the machine writes, by however many daemons."""
    started: Counter[str] = Counter()
    again: Counter[str] = Counter()
    ended: dict[str, str] = {}
    proposed: dict[str, str] = {}
    answered: set[str] = set()
    open_turn: str | None = None
    for event in world.events:
        body: Any = event.body
        match event.kind:
            case "turn.prompted":
                assert open_turn is None
                open_turn = event.turn
            case "turn.ended":
                assert open_turn == event.turn
                assert set(ended) == set(proposed)
                open_turn = None
            case "model.asked":
                assert body.request not in answered, "an answer is not asked for twice"
            case "model.answered":
                answered.add(body.request)
            case "tool.proposed":
                assert event.turn == open_turn
                proposed[body.call] = body.policy
            case "permission.answered":
                again[body.call] += body.decision == "again"
            case "tool.started":
                assert ended.get(body.call) in (None, "tool.unknown"), "it never runs again"
                started[body.call] += 1
                assert body.attempt == started[body.call]
                if proposed[body.call] == "ask":
                    assert started[body.call] <= 1 + again[body.call]
                ended.pop(body.call, None)
            case "tool.finished" | "tool.failed" | "tool.unknown":
                assert ended.get(body.call) in (None, "tool.unknown"), "it ended before"
                if event.kind == "tool.finished":
                    assert started[body.call]
                ended[body.call] = event.kind
            case _:
                pass
    if complete:
        assert open_turn is None
        assert set(ended) == set(proposed)


def run_random(world: World, data: st.DataObject) -> World:
    """A random life; the machine's promises are checked at each step."""
    world.give(Begin(0))
    world.settle()
    world.give(Ready(0))
    world.settle()
    live_on(world, data, data.draw(st.integers(0, 60)))
    return world


def live_on(world: World, data: st.DataObject, steps: int) -> None:
    """Some more of it."""
    effects: Counter[str] = Counter()
    for _ in range(steps):
        running, asked = list(world.running), list(world.asked)
        act(world, data)
        journaled_starts = {(b.call, b.attempt) for b in world.bodies("tool.started")}
        journaled_asks = {(body.request, body.attempt) for body in world.bodies("model.asked")}
        for run in world.running:
            if run not in running:
                effects[f"{run.call}/{run.attempt}"] += 1
                assert (run.call, run.attempt) in journaled_starts
        for ask in world.asked:
            if ask not in asked:
                effects[f"{ask.request}/{ask.attempt}"] += 1
                assert (ask.request, ask.attempt) in journaled_asks
    assert all(count == 1 for count in effects.values())


LIFE = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@LIFE
@given(st.data())
def test_in_every_order_each_call_ends_once_and_no_effect_comes_before_its_start(
    data: st.DataObject,
) -> None:
    kind = data.draw(st.sampled_from([World, Slow]))
    world = run_random(kind(Limits(model_calls=6, wall_s=1), data.draw(MODES)), data)
    check_journal(world, complete=False)
    # Whatever happened: a close ends everything.
    world.give(CloseCame("the end", world.now_us))
    world.settle()
    while world.leaving or world.line:
        if world.leaving:
            world.gone()
        world.settle()
    assert world.kinds()[-1] == "agent.exited"
    check_journal(world, complete=True)


MODES: Any = st.sampled_from(["read", "ask", "edit", "full"])


@LIFE
@given(st.data())
def test_a_crash_anywhere_leaves_a_journal_that_is_gone_on_with(data: st.DataObject) -> None:
    world = run_random(World(Limits(model_calls=6), data.draw(MODES)), data)
    for _ in range(data.draw(st.integers(1, 3))):
        how: Any = data.draw(st.sampled_from(["go_on", "go_on", "pause", "end"]))
        cut_at = data.draw(st.integers(1, len(world.events)))
        world = taken_up(world, cut_at, TakeUp(how, "for a reason"))
        check_journal(world, complete=how == "end")
        if data.draw(st.booleans()):
            world.take(ResumeCame)
        live_on(world, data, data.draw(st.integers(0, 20)))
        world.settle()
        check_journal(world, complete=False)
    bring_to_an_end(world)
    check_journal(world, complete=True)
    assert not world.state.queue
    world.prompt("go on")
    [asked] = world.asked
    found = conversation.messages(event for event in world.events if event.seq in asked.seqs)
    check_messages(found)
    assert found[-1].role == "user"


def bring_to_an_end(world: World) -> None:
    """Everything that waits happens, every question is answered, until nothing is left to do."""
    world.settle()
    world.take(ResumeCame)
    for _ in range(1000):
        turn = world.state.turn
        waits = [c for c in turn.calls if c.status in ("waiting", "deciding")] if turn else []
        if world.leaving:
            world.gone()
        elif world.asked:
            world.answer(text="x")
        elif world.waking:
            world.wake()
        elif world.questions:
            world.question()
        elif world.looking:
            world.look("unclear")
        elif world.running:
            world.finish_tool()
        elif waits:
            world.person(waits[0].call, False)
        elif world.state.paused:  # it went in circles
            world.take(ResumeCame)
        else:
            break
    assert world.state.turn is None, "a turn is open for ever"


@LIFE
@given(st.data())
def test_an_orderly_stop_at_any_moment_leaves_a_turn_that_is_gone_on_with(
    data: st.DataObject,
) -> None:
    world = run_random(World(Limits(model_calls=6), data.draw(MODES)), data)
    world.settle()
    drain = data.draw(st.booleans())
    world.take(lambda now: SuspendCame(now, drain))
    asked = len(world.bodies("model.asked"))
    started = len(world.bodies("tool.started"))
    while world.leaving or world.draining:
        if world.draining and world.running:
            world.finish_tool()
        elif world.draining and world.asked:
            world.answer(("execute", "x"))
        else:
            world.draining = False
            world.gone()
    assert world.state.quiet or world.state.exited
    assert len(world.bodies("model.asked")) == asked, "nothing new is begun"
    assert len(world.bodies("tool.started")) == started
    check_journal(world, complete=False)
    again = taken_up(world)
    bring_to_an_end(again)
    check_journal(again, complete=True)


def check_messages(found: Any) -> None:
    """What every provider wants of a conversation."""
    expected: list[str] = []
    previous = ""
    for message in found:
        if expected:
            assert (message.role, message.call) == ("tool", expected.pop(0))
        else:
            assert message.role != "tool"
            assert message.role != previous
        assert message.calls or message.text.strip()
        expected += [each.call for each in message.calls]
        previous = message.role
    assert not expected
    if found:
        assert found[0].role == "user"


@LIFE
@given(st.data())
def test_folding_gives_the_state_that_stepping_gave(data: st.DataObject) -> None:
    world = run_random(World(Limits(model_calls=6), data.draw(MODES)), data)
    world.settle()
    folded = State(ModelChoice("m"), "full")
    for event in world.events:
        folded = fold(folded, event)
    live = world.state
    assert folded.thread == live.thread
    assert folded.recorded == live.recorded == live.shown
    assert [each.turn for each in folded.queue] == [each.turn for each in live.queue]
    assert (folded.turn is None) == (live.turn is None)
    if folded.turn is not None and live.turn is not None:
        kept = ("turn", "seq", "request", "attempt", "requests", "tokens", "cost_usd")
        for name in kept:
            assert getattr(folded.turn, name) == getattr(live.turn, name)
        assert folded.turn.wrote == live.turn.wrote
        assert folded.turn.outcome == live.turn.outcome
        assert [c.call for c in folded.turn.calls] == [c.call for c in live.turn.calls]


def test_partial_text_of_a_stopped_turn_is_part_of_the_conversation() -> None:
    world = World().start()
    world.prompt("one")
    asked = world.asked[0]
    for offset, part in ((0, "half "), (5, "of it")):
        body = TextStreamed(stream=f"{asked.request}/1/text", attempt=1, offset=offset, text=part)
        world.give(world.journal(body, "t-1"))
    world.take(CancelCame)
    world.gone()
    world.prompt("two")
    [asked] = world.asked
    found = conversation.messages(event for event in world.events if event.seq in asked.seqs)
    assert [(m.role, m.text) for m in found] == [
        ("user", "one"),
        ("assistant", "half of it"),
        ("user", "two"),
    ]


def _failing(world: World, times: int, resource: str = "x") -> None:
    for _ in range(times):
        world.answer(("execute", resource))
        world.finish_tool(works=False)


def test_a_turn_whose_call_fails_the_same_way_three_times_waits_for_a_person() -> None:
    world = World().start()
    world.prompt()
    _failing(world, 2)
    assert world.asked
    _failing(world, 1)
    assert not world.asked
    last = world.bodies("agent.state_changed")[-1]
    assert last.state == "blocked"
    assert last.evidence.startswith("paused: loops: 'execute' failed the same way 3 times")
    # Let go on, it may fail as often again; the count begins anew.
    world.take(ResumeCame)
    assert world.states()[-1] == "working"
    _failing(world, 2)
    assert world.asked
    _failing(world, 1)
    assert not world.asked
    world.take(CancelCame)
    world.gone()
    assert world.reasons() == ["cancelled"]
    check_journal(world, complete=True)


def test_two_calls_that_fail_in_turns_make_a_loop_as_well() -> None:
    world = World().start()
    world.prompt()
    for resource in "ababa":
        assert world.asked
        _failing(world, 1, resource)
    assert not world.asked
    assert "3 times" in world.bodies("agent.state_changed")[-1].evidence


def test_a_used_up_budget_pauses_before_the_next_request_and_what_runs_comes_to_its_end() -> None:
    world = World().start()
    world.prompt()
    world.answer(("execute", "x"))
    world.take(lambda now: HaltCame("too dear", now))
    assert world.states()[-1] == "working"
    world.finish_tool()
    assert not world.asked
    last = world.bodies("agent.state_changed")[-1]
    assert (last.state, last.evidence) == ("blocked", "paused: too dear")
    world.take(ResumeCame)
    world.answer()
    assert world.reasons() == ["end_turn"]
    check_journal(world, complete=True)


def test_a_halted_agent_pauses_instead_of_another_attempt_and_with_a_queued_prompt() -> None:
    world = World().start()
    world.prompt("one")
    world.prompt("two")
    world.take(lambda now: HaltCame("too dear", now))
    world.answer()
    assert world.reasons() == ["end_turn"]
    assert not world.asked
    assert world.states()[-1] == "blocked"
    world.take(ResumeCame)
    assert world.asked


def test_other_arguments_or_another_failure_make_no_loop() -> None:
    world = World().start()
    world.prompt()
    for resource in "abcdef":
        _failing(world, 1, resource)
    for _ in range(5):
        world.answer(("execute", "x"))
        world.finish_tool()
    assert world.asked


def test_a_loop_is_still_one_for_the_next_daemon_until_a_person_lets_it_go_on() -> None:
    world = World().start()
    world.prompt()
    _failing(world, 3)
    again = taken_up(world)
    assert not again.asked
    assert again.states()[-1] == "blocked"
    again.take(ResumeCame)
    assert again.asked
    third = taken_up(again)
    assert third.states()[-1] == "working"

"""The step machine under a virtual runtime: every order of facts, no clock, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mato.agents.native import conversation
from mato.agents.native.machine import QUEUE_LIMIT, step
from mato.agents.native.state import State, fold
from mato.agents.native.stepping import Setup, Step
from mato.agents.native.steps import (
    AlarmRang,
    AskModel,
    AskPerson,
    Begin,
    CancelCame,
    CancelWork,
    CloseCame,
    Command,
    Input,
    Inspected,
    LookCame,
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
    RetryDue,
    RunTool,
    SetAlarm,
    SuspendCame,
    ToolDone,
    Wake,
    WorkGone,
)
from mato.models.base import ModelChoice, Usage
from mato.permissions.policy import decide
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
ENDS = ("tool.finished", "tool.failed", "tool.unknown")


def inspect(call: Call) -> Inspected:
    """Tools named by their action; arguments are the resource."""
    proposed = ToolProposed(
        call=call.call, name=call.name, arguments={}, key=call.call, policy="ask", title=call.name
    )
    if call.name == "odd":
        return Inspected(proposed, complaint="no such tool")
    return Inspected(proposed, call.name, call.arguments)  # type: ignore[arg-type]


class World:
    """A runtime without time: commands wait until a test lets them happen."""

    def __init__(self, limits: Limits | None = None, mode: Any = "full") -> None:
        self.setup = Setup(REF, REF, {}, limits or Limits(), inspect, decide)
        self.state = State(ModelChoice("m"), mode)
        self.events: list[Event] = []
        self.line: list[Command] = []
        """Commands in their order that are not executed yet."""
        self.asked: list[AskModel] = []
        self.waking: list[Wake] = []
        self.questions: list[str] = []
        self.running: list[RunTool] = []
        self.leaving = False
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
            case CancelWork():
                self.asked.clear()
                self.waking.clear()
                self.questions.clear()
                self.running.clear()
                self.leaving = True
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
            epoch=1,
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

    def start(self) -> World:
        self.take(Begin)
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
            made.append(Call(f"c-{self.calls}", name, resource))
        ids = [call.call for call in made]
        self.take(
            lambda now: ModelDone(
                asked.request,
                asked.attempt,
                text,
                "",
                tuple(made),
                frozenset(ids if redacted else ()),
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

    def person(self, call: str, allowed: bool) -> None:
        self.take(lambda now: PersonAnswered(call, allowed, "test", now))

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


def test_suspend_interrupts_and_takes_no_more() -> None:
    world = World().start()
    world.prompt()
    queued = world.prompt()
    world.take(SuspendCame)
    world.gone()
    refused = world.prompt()
    assert world.reasons() == ["interrupted"]
    assert world.refused == [refused]
    assert [event.turn for event in world.events if event.kind == "turn.returned"] == [queued]
    assert world.states()[-1] == "done"


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


def taken_up(world: World, cut_at: int | None = None) -> World:
    """The world after a crash: the journal so far, and nothing else."""
    again = World(world.setup.limits, "full")
    again.events = world.events[:cut_at]
    again.now_us = world.now_us
    again.turns, again.calls = world.turns, world.calls
    for event in again.events:
        again.state = fold(again.state, event)
    return again.start()


def test_a_journal_with_an_open_turn_is_taken_up_as_interrupted() -> None:
    world = World(mode="ask").start()
    world.prompt()
    first, second, third = world.answer(("execute", "x"), ("execute", "y"), ("execute", "z"))
    world.question()
    world.person(first, True)
    world.question()
    queued = world.prompt("later")
    again = taken_up(world)
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
        choices.append(later(lambda now: PersonAnswered(call, allowed, "r", now)))
    if world.running:
        place = data.draw(st.integers(0, len(world.running) - 1))
        choices.append(lambda: world.finish_tool(place, data.draw(st.booleans())))
    if world.leaving:
        choices.append(world.gone)
    choices.append(later(CancelCame))
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
    """What holds for every journal that the machine writes."""
    started: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    proposed: set[str] = set()
    open_turn: str | None = None
    state: str | None = None
    for event in world.events:
        body: Any = event.body
        match event.kind:
            case "turn.prompted":
                assert open_turn is None
                open_turn = event.turn
            case "turn.ended":
                assert open_turn == event.turn
                assert set(ended) == proposed
                open_turn = None
            case "tool.proposed":
                assert event.turn == open_turn
                proposed.add(body.call)
            case "tool.started":
                assert body.call in proposed
                assert not ended[body.call]
                started[body.call] += 1
            case "tool.finished":
                assert started[body.call] == 1
                ended[body.call] += 1
            case "tool.failed" | "tool.unknown":
                ended[body.call] += 1
            case "agent.state_changed":
                assert body.state != state
                state = body.state
            case _:
                pass
    assert all(count == 1 for count in started.values())
    assert all(count == 1 for count in ended.values())
    if complete:
        assert open_turn is None
        assert set(ended) == proposed


def run_random(world: World, data: st.DataObject) -> World:
    """A random life; the machine's promises are checked at each step."""
    world.give(Begin(0))
    world.settle()
    world.give(Ready(0))
    world.settle()
    effects: Counter[str] = Counter()
    for _ in range(data.draw(st.integers(0, 60))):
        running, asked = list(world.running), list(world.asked)
        act(world, data)
        journaled_starts = {body.call for body in world.bodies("tool.started")}
        journaled_asks = {(body.request, body.attempt) for body in world.bodies("model.asked")}
        for run in world.running:
            if run not in running:
                effects[run.call] += 1
                assert run.call in journaled_starts
        for ask in world.asked:
            if ask not in asked:
                effects[f"{ask.request}/{ask.attempt}"] += 1
                assert (ask.request, ask.attempt) in journaled_asks
    assert all(count == 1 for count in effects.values())
    return world


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
def test_a_crash_anywhere_leaves_a_journal_that_is_taken_up_and_prompted_on(
    data: st.DataObject,
) -> None:
    world = run_random(World(Limits(model_calls=6), data.draw(MODES)), data)
    again = taken_up(world, data.draw(st.integers(1, len(world.events))))
    check_journal(again, complete=True)
    assert again.kinds().count("turn.queued") >= again.kinds().count("turn.returned")
    again.prompt("go on")
    again.settle()
    [asked] = again.asked
    found = conversation.messages(event for event in again.events if event.seq in asked.seqs)
    check_messages(found)
    assert found[-1].role == "user"


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

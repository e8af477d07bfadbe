"""What goes into the step machine besides events, and what comes out of it: closed unions."""

from __future__ import annotations

from typing import Literal

import msgspec

from mato.agents.base import TakeUp
from mato.models.base import Fault, ModelChoice, Usage
from mato_sessions.events import (
    Body,
    PermissionGranted,
    ToolFailed,
    ToolFinished,
    ToolProposed,
)
from mato_sessions.events.model import Call
from mato_sessions.events.permission import Action, Decision
from mato_sessions.events.session import Mode
from mato_sessions.events.turn import Block, StopReason

# ---------------------------------------------------------------- in


class Begin(msgspec.Struct, frozen=True):
    """The runtime is about to get ready. History, where there is any, has been folded."""

    now_us: int
    take_up: TakeUp = TakeUp()


class ResumeCame(msgspec.Struct, frozen=True):
    """Somebody lets a paused agent go on."""

    now_us: int


class Ready(msgspec.Struct, frozen=True):
    """The runtime can execute commands."""

    now_us: int


class PromptCame(msgspec.Struct, frozen=True):
    """Somebody sent a prompt, which is to be the turn `turn`."""

    turn: str
    blocks: tuple[Block, ...]
    now_us: int


class CancelCame(msgspec.Struct, frozen=True):
    """Somebody wants the turn to end and queued prompts back."""

    now_us: int
    reason: StopReason = "cancelled"
    detail: str = ""


class HaltCame(msgspec.Struct, frozen=True):
    """A budget is used up: the model is not asked again before a person says so."""

    why: str
    now_us: int


class SuspendCame(msgspec.Struct, frozen=True):
    """The daemon ends in good order. The turn stays open; the next daemon goes on with it."""

    now_us: int
    drain: bool = False
    """What runs may come to its end; nothing new is begun."""


class CloseCame(msgspec.Struct, frozen=True):
    """The agent is to end for good."""

    reason: str
    now_us: int


class LookCame(msgspec.Struct, frozen=True):
    """A person has seen the end of the last turn."""

    now_us: int


class UndoneCame(msgspec.Struct, frozen=True):
    """A person had files put back to what they were before a turn that has ended."""

    turn: str
    files: tuple[str, ...]
    now_us: int


class ReconfigureCame(msgspec.Struct, frozen=True):
    """Another model from the next turn on, another mode from the next call on."""

    choice: ModelChoice | None
    mode: Mode | None
    now_us: int


class ModelDone(msgspec.Struct, frozen=True):
    """The model answered `AskModel`."""

    request: str
    attempt: int
    text: str
    reasoning: str
    calls: tuple[Call, ...]
    finish: str
    usage: Usage
    first_us: int
    latency_us: int
    now_us: int


class ModelBroke(msgspec.Struct, frozen=True):
    """The model did not answer `AskModel`, or not to the end."""

    request: str
    attempt: int
    fault: Fault
    message: str
    retry_after_s: float | None
    now_us: int


class ModelWaits(msgspec.Struct, frozen=True):
    """What `AskModel` waits for; "" when the answer has begun."""

    request: str
    attempt: int
    text: str
    now_us: int


class RetryDue(msgspec.Struct, frozen=True):
    """The time of a `Wake` has come."""

    request: str
    attempt: int
    now_us: int


class QuestionReady(msgspec.Struct, frozen=True):
    """`AskPerson` has found out what there is to show."""

    call: str
    preview: str
    now_us: int


class QuestionFailed(msgspec.Struct, frozen=True):
    """`AskPerson` found that the call cannot work: there is nothing to ask."""

    call: str
    message: str
    now_us: int


class PersonAnswered(msgspec.Struct, frozen=True):
    """A person decided a waiting call."""

    call: str
    allowed: bool
    rule: str
    now_us: int
    decision: Decision | None = None
    """Of a call that was cut off. None: `allowed` says it (again, or give up)."""
    granted: PermissionGranted | None = None
    """What the same yes allows besides."""


class Looked(msgspec.Struct, frozen=True):
    """`LookAtWorld` found out what became of a call that was cut off."""

    call: str
    found: ToolFinished | Literal["absent", "unclear"]
    """It took effect; it did not; nobody can say."""
    now_us: int


class ToolDone(msgspec.Struct, frozen=True):
    """A tool came to an end by itself."""

    body: ToolFinished | ToolFailed
    now_us: int


class WorkGone(msgspec.Struct, frozen=True):
    """`CancelWork` or `AwaitWork` is done: nothing of the turn runs, all results are in."""

    now_us: int


class AlarmRang(msgspec.Struct, frozen=True):
    """The time of a `SetAlarm` has come."""

    now_us: int


Input = (
    Begin
    | ResumeCame
    | Ready
    | PromptCame
    | CancelCame
    | HaltCame
    | SuspendCame
    | CloseCame
    | LookCame
    | UndoneCame
    | ReconfigureCame
    | ModelDone
    | ModelBroke
    | ModelWaits
    | RetryDue
    | QuestionReady
    | QuestionFailed
    | PersonAnswered
    | Looked
    | ToolDone
    | WorkGone
    | AlarmRang
)

# ---------------------------------------------------------------- out


class Record(msgspec.Struct, frozen=True):
    """Journal the bodies, all or nothing, and step with each of the events that they become."""

    bodies: tuple[Body, ...]
    turn: str | None
    cause: int | None = None


class AskModel(msgspec.Struct, frozen=True):
    """Ask the model; its `model.asked` is journaled. Gives `ModelDone` or `ModelBroke`."""

    request: str
    attempt: int
    choice: ModelChoice
    seqs: tuple[int, ...]
    """The events to make the messages from."""


class Wake(msgspec.Struct, frozen=True):
    """Give `RetryDue` after some time."""

    request: str
    attempt: int
    after_s: float


class AskPerson(msgspec.Struct, frozen=True):
    """Find out what a person has to see. Gives `QuestionReady` or `QuestionFailed`."""

    call: str
    name: str
    arguments: str
    """As the journal has them; see `RunTool`."""


class RunTool(msgspec.Struct, frozen=True):
    """Run the call; its `tool.started` is journaled. Gives `ToolDone`."""

    call: str
    name: str
    attempt: int
    arguments: str
    """As the journal has them, for a runtime that does not have them as the model wrote them."""


class LookAtWorld(msgspec.Struct, frozen=True):
    """Find out what became of a call that was cut off. Gives `Looked`; changes nothing."""

    call: str
    name: str
    attempt: int
    arguments: str


class CancelWork(msgspec.Struct, frozen=True):
    """End model, tools, questions and wakes of this turn. Gives `WorkGone` afterwards."""


class AwaitWork(msgspec.Struct, frozen=True):
    """Let model and tools of this turn come to their end, begin nothing. Gives `WorkGone`."""


class SetAlarm(msgspec.Struct, frozen=True):
    """Give `AlarmRang` at that time; replaces the former alarm. None: no alarm."""

    at_us: int | None


class Refuse(msgspec.Struct, frozen=True):
    """The prompt that was to be `turn` is not taken."""

    turn: str
    message: str


Command = (
    Record
    | AskModel
    | Wake
    | AskPerson
    | RunTool
    | LookAtWorld
    | CancelWork
    | AwaitWork
    | SetAlarm
    | Refuse
)

# ---------------------------------------------------------------- what tools say


class Inspected(msgspec.Struct, frozen=True):
    """What a call is, found out from its name and arguments alone."""

    proposed: ToolProposed
    action: Action = "execute"
    resource: str = ""
    complaint: str = ""
    """Why it cannot run (no such tool, arguments that do not fit); for the model."""


class Ending(msgspec.Struct, frozen=True):
    """Why the turn ends."""

    reason: StopReason
    detail: str = ""

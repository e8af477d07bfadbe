"""The tool calls of an ACP agent: what it says about one, in any order, becomes facts; pure.

An agent may tell of a call that it never began, ask about it before or after, leave title and
arguments out or change them, and end its turn with the call open. Whatever it says, a call is
proposed once, started once and ended once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from mato.agents.acp import raw
from mato.agents.acp.call import HARMLESS, KINDS, Call
from mato.tools.difference import counts
from mato_sessions.events import (
    AgentDecided,
    Body,
    ToolDescribed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
)

_TURN_OVER = "the turn ended and the agent said no more about this call"
DENIED = "Not allowed."


class Output(msgspec.Struct, frozen=True):
    """The next stretch of what a call prints."""

    call: str
    text: str


class Calls:
    """All calls of one turn. `new_id` gives Mato's ids, `root` is the workspace's path."""

    def __init__(self, new_id: Callable[[], str], root: str) -> None:
        self._new_id = new_id
        self._root = root
        self._calls: dict[str, Call] = {}
        self._latest: dict[str, tuple[str, str]] = {}
        # Title and arguments as the record has them, by Mato's id.
        self._told = False

    def find(self, call: str) -> Call | None:
        """The call with Mato's own id."""
        return next((each for each in self._calls.values() if each.call == call), None)

    def open(self) -> list[Call]:
        """Calls that have not ended, in the order in which they were heard of."""
        return [each for each in self._calls.values() if each.state != "ended"]

    def heard(self, update: dict[str, Any], now_us: int) -> list[Body | Output]:
        """What the agent says about a call (ACP tool_call, tool_call_update)."""
        call = self._merged(update)
        status = update.get("status")
        match status:
            case "in_progress":
                return [*self._began(call, now_us), *self._printed(call)]
            case "completed" | "failed":
                return self._over(call, now_us, failed=status == "failed")
            case _:
                # A status that the protocol does not have changes none.
                return self._described(call) + self._printed(call)

    def asks(self, update: dict[str, Any]) -> tuple[Call, list[Body | Output]]:
        """The call that the agent asks about, and the facts that come before the question."""
        call = self._merged(update)
        return call, self._proposed(call) or self._described(call)

    def own(self, kind: str, title: str, given: dict[str, Any]) -> tuple[Call, list[Body | Output]]:
        """A call of which the agent speaks by no id: what it wants of Mato's files and commands."""
        call = Call(call=self._new_id(), foreign="", title=title, kind=kind, given=given)
        self._calls[f"\0{call.call}"] = call
        return call, self._proposed(call)

    def covers(self, own: Call) -> bool:
        """Whether an open call that was allowed after a question is about what `own` is to do."""
        for each in self.open():
            if not each.foreign or not each.asked or each.refused or each.kind != own.kind:
                continue
            if own.kind == "execute" and each.command and each.command == own.command:
                return True
            if own.kind == "edit" and each.path and each.path.endswith(own.path):
                theirs = each.path.removesuffix(own.path)
                if theirs.rstrip("/") in ("", self._root):
                    return True
        return False

    def allowed(self, call: Call, now_us: int) -> list[Body | Output]:
        """It may run: what follows is done by the agent, so its start is on disk before."""
        call.asked = True
        return self._started(call, now_us)

    def refused(self, call: Call, message: str) -> list[Body | Output]:
        """It may not run."""
        call.asked = call.refused = True
        if call.state == "ended":
            return []
        attempt = 1 if call.state == "started" else 0
        call.state = "ended"
        return [ToolFailed(call=call.call, attempt=attempt, message=message, cause="denied")]

    def end(self, cause: Literal["cancelled", "error"], why: str = "") -> list[Body | Output]:
        """The turn is over: nothing stays open."""
        facts: list[Body | Output] = []
        for call in self.open():
            if call.state == "held":
                facts += self._proposed(call)
            attempt = 1 if call.state == "started" else 0
            call.state = "ended"
            message = call.said or why or _TURN_OVER
            facts.append(
                ToolFailed(call=call.call, attempt=attempt, message=raw.cut(message), cause=cause)
            )
        self._calls.clear()
        self._latest.clear()
        return facts

    # ---------------------------------------------------------------- small parts

    def _merged(self, update: dict[str, Any]) -> Call:
        foreign = raw.text(update.get("toolCallId")) or "(no id)"
        call = self._calls.get(foreign)
        if call is None:
            call = self._calls[foreign] = Call(call=self._new_id(), foreign=foreign)
        if title := raw.text(update.get("title")):
            call.title = title
        if kind := raw.text(update.get("kind")):
            call.kind = kind if kind in KINDS else "other"
        if isinstance(update.get("content"), list):
            call.content = raw.items(update["content"])
        if places := raw.items(update.get("locations")):
            found = tuple(raw.text(raw.mapping(each).get("path")) for each in places)
            call.places = tuple(path for path in found if path) or call.places
        if update.get("rawInput") not in (None, {}, []):
            call.given = update["rawInput"]
        if update.get("rawOutput") is not None:
            call.made = update["rawOutput"]
        return call

    def _proposed(self, call: Call) -> list[Body | Output]:
        if call.state != "held":
            return []
        call.state = "proposed"
        self._said(call)
        return [
            ToolProposed(
                call=call.call,
                name=call.kind,
                arguments=call.arguments,
                key=call.call,
                policy="ask",
                title=call.name,
            )
        ]

    def _said(self, call: Call) -> tuple[str, str]:
        said = (call.name, raw.dumped(call.arguments, 1 << 20))
        before, self._latest[call.call] = self._latest.get(call.call, said), said
        return before

    def _described(self, call: Call) -> list[Body | Output]:
        if call.state not in ("proposed", "started"):
            return []
        before = self._said(call)
        name, arguments = self._latest[call.call]
        if (name, arguments) == before:
            return []
        return [
            ToolDescribed(
                call=call.call,
                title=name if name != before[0] else None,
                arguments=call.arguments if arguments != before[1] else None,
            )
        ]

    def _started(self, call: Call, now_us: int) -> list[Body | Output]:
        facts = self._proposed(call)
        if call.state != "proposed":
            return facts
        call.state = "started"
        call.began_us = now_us
        return [*facts, ToolStarted(call=call.call, attempt=1)]

    def _began(self, call: Call, now_us: int) -> list[Body | Output]:
        if call.state == "ended":
            return self._despite(call)
        facts = self._described(call) + self._started(call, now_us)
        return [*facts, *self._unasked(call)]

    def _unasked(self, call: Call) -> list[Body | Output]:
        """The fact that it acts without asking, once."""
        if call.asked or call.action in HARMLESS or self._told:
            return []
        self._told = True
        return [AgentDecided(call=call.call, title=call.name)]

    def _despite(self, call: Call) -> list[Body | Output]:
        """The fact that it does what it was told not to do, once a call."""
        if not call.refused:
            return []
        call.refused = False
        return [AgentDecided(call=call.call, title=call.name, against=True)]

    def _printed(self, call: Call) -> list[Body | Output]:
        said = call.said
        if call.state != "started" or not said.startswith(call.shown) or said == call.shown:
            return []
        new = said[len(call.shown) :]
        call.shown = said
        return [Output(call.call, new)]

    def _over(self, call: Call, now_us: int, *, failed: bool) -> list[Body | Output]:
        if call.state == "ended":
            return [] if failed else self._despite(call)
        facts = self._described(call)
        if failed and call.state in ("held", "proposed"):
            facts += self._proposed(call)
            call.state = "ended"
            message = raw.cut(call.outcome or "the agent says only that it failed")
            return [*facts, ToolFailed(call=call.call, attempt=0, message=message)]
        facts += self._started(call, now_us)
        if not failed:
            facts += self._unasked(call)
        call.state = "ended"
        duration = max(0, now_us - call.began_us)
        if failed:
            message = raw.cut(call.outcome or "the agent says only that it failed")
            failure = ToolFailed(call=call.call, attempt=1, message=message, duration_us=duration)
            return [*facts, failure]
        diff = call.diff(self._root)
        code = call.exit_code
        summary = counts(diff) if diff else "" if code is None else f"exit {code}"
        finished = ToolFinished(
            call=call.call,
            attempt=1,
            content=raw.cut(call.outcome),
            summary=summary,
            diff=diff,
            exit_code=code,
            duration_us=duration,
        )
        return [*facts, finished]

"""What an ACP agent may do: its questions meet the policy, then a person; it hears once or no."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from mato.agents.acp import raw
from mato.agents.acp.call import Call
from mato.agents.acp.calls import DENIED, Output
from mato.agents.acp.turn import Scribe
from mato.agents.base import Given
from mato.permissions.policy import Decision
from mato.permissions.taint import taint
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.events import Body, PermissionAnswered, PermissionAsked, PermissionGranted
from mato_sessions.events.permission import By
from mato_sessions.events.session import Mode

_OVER = "the turn ended while it waited"


class Answer(msgspec.Struct, frozen=True):
    """What a person said."""

    allowed: bool
    rule: str
    granted: PermissionGranted | None = None
    """What was allowed beyond this call."""


class Permits:
    """Questions of one agent. `mode` says what holds now, `root` is the workspace's path."""

    def __init__(self, given: Given, scribe: Scribe, root: str, mode: Callable[[], Mode]) -> None:
        self._given = given
        self._scribe = scribe
        self._root = root
        self._mode = mode
        self._waiting: dict[str, asyncio.Future[Answer | None]] = {}
        # By Mato's id of the call; None: the turn ended.
        self._none = asyncio.Event()
        self._none.set()
        self.over = True
        """No turn runs, or it is being ended: every question is answered with that."""

    async def request(self, params: dict[str, Any]) -> dict[str, Any]:
        """Answer `session/request_permission`."""
        outcome: dict[str, Any] = {"outcome": "cancelled"}
        if self.over:
            return {"outcome": outcome}
        calls = self._scribe.translator.calls
        options = raw.items(params.get("options"))
        call, facts = calls.asks(raw.mapping(params.get("toolCall")))
        await self._scribe.write(facts)
        if choose(options, allowed=True) is None:
            rule = "it offers no way to allow this just once"
            no = PermissionAnswered(call=call.call, allowed=False, by="mode", rule=rule)
            await self._scribe.write([no, *calls.refused(call, f"{DENIED} ({rule})")])
            allowed: bool | None = False
        else:
            allowed = await self.decide(call, call.diff(self._root))
        option = choose(options, allowed=allowed is True)
        if allowed is None or option is None:
            return {"outcome": outcome}
        return {"outcome": {"outcome": "selected", "optionId": option}}

    async def decide(self, call: Call, preview: str = "") -> bool | None:
        """Whether the call may run, which is on record then; None where the turn ended first."""
        waiting = self._waiting.get(call.call)
        if waiting is not None:  # the same question twice has one answer
            answer = await asyncio.shield(waiting)
            return None if answer is None else answer.allowed
        if call.state == "ended":
            return False
        arguments = call.arguments
        resource = self._beneath(call.resource) if call.action != "execute" else call.resource
        decision = self._given.policy.decide(self._mode(), call.action, resource, taint(arguments))
        if (
            decision.effect == "allow"
            and decision.by == "mode"
            and call.action in ("read", "write")
            and self._outside(resource)
        ):
            decision = replace(decision, effect="ask", rule="outside of the workspace")
        if decision.effect == "ask":
            return await self._by_person(call, _asked(call, arguments, resource, preview, decision))
        allowed = decision.effect == "allow"
        by: By = decision.by if decision.by in ("rule", "grant", "killed") else "mode"
        answered = PermissionAnswered(
            call=call.call,
            allowed=allowed,
            by=by,
            rule=decision.rule,
            private=decision.marks.private,
            untrusted=decision.marks.untrusted,
            grant=decision.grant,
        )
        await self._scribe.write([answered, *self._then(call, decision.rule, allowed=allowed)])
        return allowed

    async def _by_person(self, call: Call, asked: PermissionAsked) -> bool | None:
        answer = await self._ask(call, asked)
        if answer is None:
            return None
        granted = answer.granted
        answered = PermissionAnswered(
            call=call.call,
            allowed=answer.allowed,
            by="person",
            rule=answer.rule,
            grant=granted.grant if granted else "",
        )
        given = [granted] if granted else []
        then = self._then(call, answer.rule, allowed=answer.allowed)
        await self._scribe.write([*given, answered, *then, *self._on()])
        return answer.allowed

    def _then(self, call: Call, rule: str, *, allowed: bool) -> list[Body | Output]:
        calls = self._scribe.translator.calls
        if allowed:
            return calls.allowed(call, self._given.clock.mono_us())
        return calls.refused(call, f"{DENIED} ({rule})")

    async def offer(self, call: Call) -> bool | None:
        """Ask a person whether the call, which harms nothing, is wanted."""
        asked = PermissionAsked(
            call=call.call, tool=call.kind, action="note", resource=call.name, arguments={}
        )
        return await self._by_person(call, asked)

    def answer(self, call: str, answer: Answer) -> None:
        """Hand in a person's answer.

        Raises:
            UnknownName: it does not wait (any more).
        """
        waiting = self._waiting.get(call)
        if waiting is None or waiting.done():
            raise UnknownName(
                f"call {call!r} has just been answered, or its turn has ended; `mato inbox` lists "
                "those that wait"
            )
        waiting.set_result(answer)

    async def settle(self) -> None:
        """Answer everything that waits with the end of the turn; returns when that is on record."""
        self.over = True
        for each in self._waiting.values():
            if not each.done():
                each.set_result(None)
        await self._none.wait()

    async def _ask(self, call: Call, asked: PermissionAsked) -> Answer | None:
        waiting: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting[call.call] = waiting
        self._none.clear()
        try:
            await self._scribe.write([asked])
            await self._scribe.show("blocked", f"asks: {call.name}")
            answer = await waiting
            if answer is None:
                over = PermissionAnswered(call=call.call, allowed=False, by="cancel", rule=_OVER)
                await self._scribe.write([over])
        finally:
            del self._waiting[call.call]
            if not self._waiting:
                self._none.set()
        return answer

    def _on(self) -> list[Body]:
        """The fact that the agent works again, unless another question waits."""
        return [] if self._waiting else self._scribe.showing("working", "answered")

    def _beneath(self, path: str) -> str:
        """A path as rules name it: relative to the workspace where it is in there."""
        if not path.startswith("/"):
            return path
        tidy = posixpath.normpath(path)
        return posixpath.relpath(tidy, self._root) if self._inside(tidy) else tidy

    def _inside(self, path: str) -> bool:
        return path == self._root or path.startswith(f"{self._root}/")

    def _outside(self, path: str) -> bool:
        return not self._inside(posixpath.normpath(posixpath.join(self._root, path)))


def choose(options: Sequence[Any], *, allowed: bool) -> str | None:
    """The id of the option to answer with, or None where there is none of that sort.

    Only ``allow_once``: what is allowed always may stand in the agent's own settings, out of
    Mato's sight.
    """
    found = [raw.mapping(each) for each in options]
    for kind in ("allow_once",) if allowed else ("reject_once", "reject_always"):
        for each in found:
            key = raw.text(each.get("optionId"))
            if each.get("kind") == kind and key:
                return key
    return None


def refuse_unless_permission(decision: object) -> None:
    """An ACP agent asks only whether it may.

    Raises:
        UsageError: the answer is one to what became of a call.
    """
    if decision is not None:
        raise UsageError("this call waits for permission; `mato approve` or `mato deny` answers it")


def _asked(
    call: Call, arguments: dict[str, Any], resource: str, preview: str, decision: Decision
) -> PermissionAsked:
    return PermissionAsked(
        call=call.call,
        tool=call.kind,
        action=call.action,
        resource=resource,
        arguments=arguments,
        preview=preview,
        why=decision.rule,
        private=decision.marks.private,
        untrusted=decision.marks.untrusted,
        patterns=decision.patterns,
        lasting=decision.lasting,
    )

"""The calls that wait for a person: one list for all agents, and one answer for each call."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from difflib import get_close_matches
from typing import Any, Literal

import msgspec

from mato_sessions.errors import UnknownName
from mato_sessions.events.permission import Action

_REMEMBERED = 1000
"""Answered calls that are still known as such, for the one who answers second."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A call that waits, with what a person needs to decide."""

    call: str
    session: str
    agent: str
    tool: str
    action: Action
    resource: str
    arguments: dict[str, Any]
    preview: str = ""
    at_us: int = 0
    """When it was asked (wall clock)."""


class Answer(msgspec.Struct, frozen=True):
    """How it was decided; the fields of `permission.answered`."""

    allowed: bool
    by: Literal["person", "cancel"]
    rule: str


class Inbox:
    """Waiting calls in the order in which they were asked. Journals nothing: its users do."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[Request, asyncio.Future[Answer]]] = OrderedDict()
        self._answered: OrderedDict[str, str] = OrderedDict()

    def waiting(self, session: str | None = None) -> tuple[Request, ...]:
        """All that wait (of one session), the oldest first."""
        return tuple(
            request
            for request, answer in self._waiting.values()
            if not answer.done() and session in (None, request.session)
        )

    def ask(self, request: Request) -> asyncio.Future[Answer]:
        """Put a call on the list, at once; awaiting the result waits for its answer.

        So the list has it before anyone can be told of it. Cancelling the result, or the task that
        awaits it, takes the call off the list.

        Raises:
            ValueError: the call is waiting already.
        """
        call = request.call
        if call in self._waiting:
            raise ValueError(f"{call!r} is waiting already")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answered.pop(call, None)
        self._waiting[call] = (request, answer)
        answer.add_done_callback(lambda done: self._forget(call, done))
        return answer

    def _forget(self, call: str, answer: asyncio.Future[Answer]) -> None:
        # An answer has taken it off already, and the same call may have been asked again.
        if self._waiting.get(call, (None, None))[1] is answer:
            del self._waiting[call]

    def answer(self, call: str, allowed: bool, rule: str) -> Request:
        """Decide a waiting call; gives what was asked. The first answer counts.

        Raises:
            UnknownName: no such call waits; the message says whether it was answered before.
        """
        return self._resolve(call, Answer(allowed, "person", rule))

    def cancel(self, call: str, rule: str = "the turn ended while it waited") -> None:
        """Let a call go unanswered, which denies it. Nothing happens where it does not wait."""
        if call in self._waiting and not self._waiting[call][1].done():
            self._resolve(call, Answer(False, "cancel", rule))

    def _resolve(self, call: str, answer: Answer) -> Request:
        request, future = self._waiting.pop(call, (None, None))
        if request is None or future is None or future.done():  # done: cancelled just now
            raise UnknownName(self._unknown(call))
        future.set_result(answer)
        self._answered[call] = answer.rule
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)
        return request

    def _unknown(self, call: str) -> str:
        if call in self._answered:
            return f"call {call!r} was already answered ({self._answered[call]})"
        near = get_close_matches(call, self._waiting, n=1)
        if near:
            return f"no call {call!r} is waiting; did you mean {near[0]!r}?"
        if self._waiting:
            return f"no call {call!r} is waiting; `mato inbox` lists those that are"
        return f"no call {call!r} is waiting; the inbox is empty"

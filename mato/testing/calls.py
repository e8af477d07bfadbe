"""What must hold of tool calls: an effect runs once for each attempt, and only after its start."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mato_sessions.codec import Envelope


class Effect(msgspec.Struct, frozen=True):
    """An effect on the world that a tool began; a harness lists them in the order they began."""

    call: str
    key: str
    attempt: int


class _Call(msgspec.Struct):
    """What the journal says of one call."""

    key: str
    policy: str
    started: list[int] = []
    unknown: bool = False
    ended: int | None = None
    """The attempt that ended; 0: it never ran."""
    again: int = 0
    """How often a person has decided to run it again."""


class Calls:
    """The calls of a journal; every envelope with its body is noted, position ascending."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        """What the events alone show to be wrong."""
        self._calls: dict[str, _Call] = {}
        self._of_turn: defaultdict[tuple[str, str | None], list[str]] = defaultdict(list)

    def note(self, envelope: Envelope, body: dict[str, Any]) -> None:
        """Take the next event; `body` is its JSON."""
        match envelope.kind:
            case "tool.proposed":
                self._propose(envelope, body["call"], body["key"], body["policy"])
            case "tool.started":
                self._start(body["call"], body["attempt"])
            case "tool.finished" | "tool.failed":
                self._end(body["call"], body["attempt"], envelope.kind)
            case "tool.unknown":
                if call := self._calls.get(body["call"]):
                    call.unknown = True
            case "permission.answered":
                if (call := self._calls.get(body["call"])) and body.get("decision") == "again":
                    call.again += 1
            case "turn.ended":
                self._end_turn(envelope)
            case _:
                pass

    def _propose(self, envelope: Envelope, name: str, key: str, policy: str) -> None:
        if name in self._calls:
            self.broken.append(f"the call {name} was proposed twice")
            return
        self._calls[name] = _Call(key, policy)
        self._of_turn[envelope.session, envelope.turn].append(name)

    def _start(self, name: str, attempt: int) -> None:
        call = self._calls.get(name)
        if call is None:
            self.broken.append(f"the call {name} started and was never proposed")
            return
        if call.ended is not None:
            self.broken.append(f"the call {name} started again after its end")
        if attempt != len(call.started) + 1:
            self.broken.append(f"the call {name} started attempt {attempt} after {call.started}")
        call.started.append(attempt)
        if call.policy == "ask" and len(call.started) > 1 + call.again:
            self.broken.append(
                f"the call {name} has policy ask and started {len(call.started)} times; a person"
                f" decided `again` {call.again} times"
            )

    def _end(self, name: str, attempt: int, kind: str) -> None:
        call = self._calls.get(name)
        if call is None:
            self.broken.append(f"the call {name} has {kind} and was never proposed")
            return
        if call.ended is not None:
            self.broken.append(f"the call {name} ended twice")
        if kind == "tool.finished" and attempt not in call.started:
            self.broken.append(f"the call {name} finished attempt {attempt}, which never started")
        call.ended = attempt

    def _end_turn(self, envelope: Envelope) -> None:
        if envelope.turn is None:
            return
        for name in self._of_turn[envelope.session, envelope.turn]:
            call = self._calls[name]
            if call.ended is None and not call.unknown:
                self.broken.append(f"the turn {envelope.turn} ended and its call {name} did not")

    def judge(self, effects: Sequence[Effect]) -> Iterator[str]:
        """What is wrong with the effects, held against the calls."""
        for (key, attempt), count in Counter((one.key, one.attempt) for one in effects).items():
            if count > 1:
                yield f"attempt {attempt} of the key {key} took effect {count} times"
        begun: Counter[str] = Counter()
        for effect in effects:
            call = self._calls.get(effect.call)
            if call is None or effect.attempt not in call.started:
                yield (
                    f"the call {effect.call} took effect in attempt {effect.attempt} without a"
                    " committed start"
                )
                continue
            if effect.key != call.key:
                yield f"the call {effect.call} took effect under the key {effect.key!r}"
            if call.ended is not None and effect.attempt > call.ended:
                yield (
                    f"the call {effect.call} took effect in attempt {effect.attempt} after it had"
                    f" ended with attempt {call.ended}"
                )
            begun[effect.call] += 1
            if call.policy == "ask" and begun[effect.call] > 1 + call.again:
                yield (
                    f"the call {effect.call} has policy ask and took effect {begun[effect.call]}"
                    f" times; a person decided `again` {call.again} times"
                )

"""What must hold of tool calls: an effect runs once for each attempt, and only after its start."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from mato_sessions.codec import Envelope

_STEPS = ("tool.started", "tool.finished", "tool.failed", "tool.unknown")


class Effect(msgspec.Struct, frozen=True):
    """An effect on the world that a tool began; a harness lists them in the order they began."""

    call: str
    key: str
    attempt: int


class _Call(msgspec.Struct):
    """What the journal says of one call."""

    name: str
    key: str
    policy: str
    state: str
    attempt: int
    """The newest that any event names; 0 before."""
    seq: int
    """Of the event that brought it to its state."""
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
        self._calls: dict[tuple[str, str], _Call] = {}
        """By session and call: a call's id is unique within its session."""
        self._of_turn: defaultdict[tuple[str, str | None], list[str]] = defaultdict(list)

    def note(self, envelope: Envelope, body: dict[str, Any]) -> None:
        """Take the next event; `body` is its JSON."""
        name = body.get("call", "")
        call = self._calls.get((envelope.session, name))
        match envelope.kind:
            case "tool.proposed":
                self._propose(envelope, name, body["key"], body["policy"])
            case "tool.started" | "tool.finished" | "tool.failed" | "tool.unknown" if call is None:
                self.broken.append(f"the call {name} has {envelope.kind} and was never proposed")
            case "tool.started" if call is not None:
                self._start(call, body["attempt"])
            case "tool.finished" | "tool.failed" if call is not None:
                self._end(call, body["attempt"], envelope.kind)
            case "tool.unknown" if call is not None:
                call.unknown = True
            case "permission.answered" if call is not None and body.get("decision") == "again":
                call.again += 1
            case "turn.ended":
                self._end_turn(envelope)
            case _:
                pass
        if call is not None and envelope.kind in _STEPS:
            call.state = envelope.kind.removeprefix("tool.")
            call.attempt = max(call.attempt, body["attempt"])
            call.seq = envelope.seq

    def _propose(self, envelope: Envelope, name: str, key: str, policy: str) -> None:
        if (envelope.session, name) in self._calls:
            self.broken.append(f"the call {name} was proposed twice")
            return
        self._calls[envelope.session, name] = _Call(name, key, policy, "proposed", 0, envelope.seq)
        self._of_turn[envelope.session, envelope.turn].append(name)

    def _start(self, call: _Call, attempt: int) -> None:
        if call.ended is not None:
            self.broken.append(f"the call {call.name} started again after its end")
        if attempt != len(call.started) + 1:
            self.broken.append(
                f"the call {call.name} started attempt {attempt} after {call.started}"
            )
        call.started.append(attempt)
        if call.policy == "ask" and len(call.started) > 1 + call.again:
            self.broken.append(
                f"the call {call.name} has policy ask and started {len(call.started)} times; a"
                f" person decided `again` {call.again} times"
            )

    def _end(self, call: _Call, attempt: int, kind: str) -> None:
        if call.ended is not None:
            self.broken.append(f"the call {call.name} ended twice")
        if kind == "tool.finished" and attempt not in call.started:
            self.broken.append(
                f"the call {call.name} finished attempt {attempt}, which never started"
            )
        call.ended = attempt

    def _end_turn(self, envelope: Envelope) -> None:
        if envelope.turn is None:
            return
        for name in self._of_turn[envelope.session, envelope.turn]:
            call = self._calls[envelope.session, name]
            if call.ended is None and not call.unknown:
                self.broken.append(f"the turn {envelope.turn} ended and its call {name} did not")

    def compare(self, rows: Iterable[tuple[str, str, str, int, str, str, int]]) -> Iterator[str]:
        """What is wrong with the journal's own table of calls.

        `rows`: session, call, state, attempt, key, policy, seq.
        """
        told = {(session, call): tuple(rest) for session, call, *rest in rows}
        for key in sorted({*told, *self._calls}):
            call = self._calls.get(key)
            events = call and (call.state, call.attempt, call.key, call.policy, call.seq)
            if told.get(key) != events:
                yield f"the table says {told.get(key)} of the call {key}, its events {events}"

    def judge(self, effects: Sequence[Effect]) -> Iterator[str]:
        """What is wrong with the effects, held against the calls."""
        for (key, attempt), count in Counter((one.key, one.attempt) for one in effects).items():
            if count > 1:
                yield f"attempt {attempt} of the key {key} took effect {count} times"
        begun: Counter[str] = Counter()
        named: defaultdict[str, list[_Call]] = defaultdict(list)
        for call in self._calls.values():
            named[call.name].append(call)
        for effect in effects:
            # With the same id in several sessions, the key says which it was.
            same = sorted(named[effect.call], key=lambda one: one.key != effect.key)
            call = same[0] if same else None
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

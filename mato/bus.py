"""What has just happened, for everyone who watches: a ring of packed events and the open tails.

Nobody has a queue of their own. The bus keeps the newest events once, packed once, and each reader
comes with its cursor; one that is too far behind reads the journal instead. Likewise for streams:
the bus keeps the text of each open stream that no journaled stretch covers yet, and a reader takes
what lies beyond its own offset. So a slow reader costs nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from mato_sessions import codec
from mato_sessions.events import (
    Event,
    ModelAnswered,
    ModelFailed,
    OutputStreamed,
    ToolFailed,
    ToolFinished,
    ToolUnknown,
    TurnEnded,
)
from mato_sessions.events.stream import Streamed
from mato_sessions.pieces import Piece

RING_EVENTS = 8192
RING_BYTES = 8 * 1024 * 1024
TAIL_CHARACTERS = 256 * 1024
"""Of one open stream. An agent journals its pieces every 250 ms, so this is never filled by one
that works; what does not fit is seen when it is journaled."""


_FACTS = frozenset({"session", "agent", "turn", "permission", "usage"})


def is_fact(kind: str) -> bool:
    """Whether listings and the inbox are made of this kind (see `Journal.since`)."""
    return kind.partition(".")[0] in _FACTS or kind == "tool.proposed"


class Packed(NamedTuple):
    """An event as it travels."""

    position: int
    session: str
    seq: int
    is_fact: bool
    """Of the kinds that go to everybody."""
    raw: bytes


@dataclass(slots=True)
class _Tail:
    """The part of an open stream that is not journaled yet."""

    piece: Piece
    """The newest piece: its identity."""
    start: int
    """Offset of the first character kept."""
    parts: deque[str] = field(default_factory=lambda: deque[str]())
    end: int = 0

    def add(self, piece: Piece) -> bool:
        """Take in a piece that continues the tail; what overlaps is known already."""
        known = self.end - piece.offset
        text = piece.text[known:] if known >= 0 else ""
        if not text or self.end - self.start + len(text) > TAIL_CHARACTERS:
            return False
        self.parts.append(text)
        self.end += len(text)
        self.piece = piece
        return True

    def trim(self, upto: int) -> None:
        """Forget what has been journaled."""
        if upto >= self.end:
            self.parts.clear()
            self.start = self.end = upto
            return
        while self.parts and self.start + len(self.parts[0]) <= upto:
            self.start += len(self.parts.popleft())
        if self.start < upto:
            self.parts[0] = self.parts[0][upto - self.start :]
            self.start = upto

    def after(self, offset: int) -> Piece | None:
        """The text from `offset` (or from where it is kept) on, as one piece."""
        begin = max(offset, self.start)
        if begin >= self.end:
            return None
        kept, parts = self.end, list[str]()
        for part in reversed(self.parts):
            parts.append(part)
            kept -= len(part)
            if kept <= begin:
                break
        text = "".join(reversed(parts))[begin - kept :]
        return msgspec.structs.replace(self.piece, offset=begin, text=text)


class Watcher:
    """A reader's bell: `ring` is called when something came that it may care for."""

    def __init__(self, ring: Callable[[], None], sessions: Iterable[str], facts: bool) -> None:
        self.ring = ring
        self.sessions = frozenset(sessions)
        self.facts = facts


class Bus:
    """One for the daemon. All methods are called on its loop and never wait."""

    def __init__(self, position: int) -> None:
        self.position = position
        """Everything up to here has been published."""
        self._floor = position
        # Positions after the floor are in the ring.
        self._ring: deque[Packed] = deque()
        self._bytes = 0
        self._tails: dict[str, dict[str, _Tail]] = {}
        self._watchers: set[Watcher] = set()

    def watch(self, watcher: Watcher) -> None:
        self._watchers.add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)

    def publish(self, events: Sequence[Event]) -> None:
        """Take in committed events, position ascending. The journal's listener."""
        touched: set[str] = set()
        facts = False
        for event in events:
            raw = codec.pack(event)
            fact = is_fact(event.kind)
            packed = Packed(event.position, event.session, event.seq, fact, raw)
            self._ring.append(packed)
            self._bytes += len(raw)
            self.position = event.position
            self._settle(event)
            touched.add(event.session)
            facts = facts or fact
        while self._ring and (len(self._ring) > RING_EVENTS or self._bytes > RING_BYTES):
            old = self._ring.popleft()
            self._bytes -= len(old.raw)
            self._floor = old.position
        for watcher in tuple(self._watchers):
            if (facts and watcher.facts) or not touched.isdisjoint(watcher.sessions):
                watcher.ring()

    def piece(self, piece: Piece) -> None:
        """Show a streamed piece at once. One that does not continue its stream waits in vain:
        its journaled stretch brings it."""
        tails = self._tails.setdefault(piece.session, {})
        tail = tails.get(piece.stream)
        if tail is None:
            tail = tails[piece.stream] = _Tail(piece, piece.offset, end=piece.offset)
        if not tail.add(piece):
            return
        for watcher in tuple(self._watchers):
            if piece.session in watcher.sessions:
                watcher.ring()

    def covers(self, position: int) -> bool:
        """Whether everything after `position` is still in the ring."""
        return position >= self._floor

    def after(
        self, position: int, wanted: Callable[[Packed], bool], limit_bytes: int
    ) -> tuple[list[Packed], int]:
        """Wanted events after `position` (which the ring covers), and how far that looked."""
        newer: list[Packed] = []
        for packed in reversed(self._ring):
            if packed.position <= position:
                break
            newer.append(packed)
        chosen: list[Packed] = []
        size = 0
        for packed in reversed(newer):
            if wanted(packed):
                if chosen and size + len(packed.raw) > limit_bytes:
                    return chosen, position
                chosen.append(packed)
                size += len(packed.raw)
            position = packed.position
        return chosen, position

    def open_text(self, session: str, shown: dict[str, int]) -> list[Piece]:
        """Open text of a session beyond the offsets in `shown` (stream → offset).

        Moves the offsets on, and drops those of streams that have ended.
        """
        tails = self._tails.get(session, {})
        for stream in [stream for stream in shown if stream not in tails]:
            del shown[stream]
        pieces: list[Piece] = []
        for stream, tail in tails.items():
            if (piece := tail.after(shown.get(stream, 0))) is not None:
                pieces.append(piece)
                shown[stream] = tail.end
        return pieces

    def forget(self, session: str, agent: str) -> None:
        """Drop the open tails of an agent that is no more."""
        tails = self._tails.get(session, {})
        for stream in [key for key, tail in tails.items() if tail.piece.agent == agent]:
            del tails[stream]
        if not tails:
            self._tails.pop(session, None)

    def _settle(self, event: Event) -> None:
        """Journaled text leaves the tails; streams that have ended leave altogether."""
        tails = self._tails.get(event.session)
        if not tails:
            return
        match event.body:
            case Streamed() as body:
                if tail := tails.get(body.stream):
                    tail.trim(body.offset + len(body.text))
            case OutputStreamed() as body:
                if tail := tails.get(f"{body.call}/{body.attempt}/output"):
                    tail.trim(body.offset + len(body.text))
            case (
                ModelAnswered(request=request, attempt=attempt)
                | ModelFailed(request=request, attempt=attempt)
            ):
                _drop(tails, f"{request}/{attempt}/")
            case ToolFinished(call=call) | ToolFailed(call=call) | ToolUnknown(call=call):
                _drop(tails, f"{call}/")
            case TurnEnded():
                for stream in [key for key, tail in tails.items() if tail.piece.turn == event.turn]:
                    del tails[stream]
            case _:
                return
        if not tails:
            del self._tails[event.session]


def _drop(tails: dict[str, _Tail], beginning: str) -> None:
    for stream in [key for key in tails if key.startswith(beginning)]:
        del tails[stream]

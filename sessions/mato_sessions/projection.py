"""What a fold over events is: state that events change, which can be saved and taken up again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from mato_sessions.events import Event


class Projection(Protocol):
    """A fold that owns its state. Pure: the same events give the same state, wherever and when.

    ``fold(all) = restore(snapshot(fold(prefix))) + rest`` for every split.
    """

    def apply(self, event: Event) -> None:
        """Take in the next event, position ascending. Kinds it does not care for change nothing."""
        ...

    def snapshot(self) -> bytes:
        """The whole state."""
        ...

    def restore(self, data: bytes) -> None:
        """Replace the state by one that `snapshot` of the same Mato gave."""
        ...


P = TypeVar("P", bound=Projection)


def fold(projection: P, events: Iterable[Event]) -> P:
    """`projection` after `events`."""
    for event in events:
        projection.apply(event)
    return projection

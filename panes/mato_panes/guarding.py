"""Keys decide only what has been in sight for a moment: none that was meant for something else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

GUARD_S = 0.3
"""How long what is asked must have been in its place before a key can decide it."""


class Guard:
    """Knows since when each question stands where it stands; pure, times are given.

    Times are those of `textual.events.Event.time`: a key counts by when it was pressed, however
    late it is handled.
    """

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}
        self._places: dict[str, Hashable] = {}

    def drawn(self, places: Mapping[str, Hashable], now_s: float, *, by_hand: bool = False) -> None:
        """A picture shows these questions, each at its place.

        `by_hand`: the person's own key or mouse has moved them, which takes nobody by surprise;
        what was not in sight before has appeared all the same.
        """
        for question, place in places.items():
            moved = self._places.get(question) != place and not by_hand
            if question not in self._places or moved:
                self._since_s[question] = now_s
        for question in self._places.keys() - places.keys():
            del self._since_s[question]
        self._places = dict(places)

    def lets(self, question: str, pressed_s: float) -> bool:
        """Whether a key that was pressed then may decide the question."""
        since_s = self._since_s.get(question)
        return since_s is not None and pressed_s - since_s >= GUARD_S

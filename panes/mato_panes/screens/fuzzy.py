"""Finding what a few typed letters mean: letters in order, beginnings of words first."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_QUERY = 48
LONGEST_TEXT = 160
"""What is longer is looked at so far only: the work grows with the square."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well a text fits, and which of its characters were meant."""

    score: int
    places: tuple[int, ...]


def match(query: str, text: str) -> Match | None:
    """How `query` is best found in `text`, without regard to case; None where it is not.

    A beginning of a word counts most, then letters that follow one another; gaps cost.
    """
    wanted = [letter for letter in query.casefold() if not letter.isspace()][:LONGEST_QUERY]
    letters = [character.casefold() for character in text[:LONGEST_TEXT]]
    if not wanted:
        return Match(0, ())
    # For each place where the letters so far can end, the best way to get there.
    ends: dict[int, Match] = {-1: Match(0, ())}
    for letter in wanted:
        further: dict[int, Match] = {}
        for at, character in enumerate(letters):
            if character != letter:
                continue
            ways = [_add(ends[last], last, at, text) for last in ends if last < at]
            if ways:
                further[at] = max(ways, key=lambda way: way.score)
        ends = further
    return max(ends.values(), key=lambda way: way.score, default=None)


def _add(way: Match, last: int, at: int, text: str) -> Match:
    score = way.score
    if way.places and at == last + 1:
        score += 8
    elif way.places:
        score -= min(at - last, 6)
    if at == 0 or not text[at - 1].isalnum():
        score += 12 if at else 14
    return Match(score, (*way.places, at))

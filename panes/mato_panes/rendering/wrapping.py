"""Breaks styled text into lines of at most so many cells, at spaces where there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, get_character_cell_size

from mato_panes.rendering.line import Line, Span, plain

PROSE_CELLS = 110
"""Prose is not set wider than this, however wide the pane: the eye loses the line."""
LEAST_CELLS = 2
"""A wide character needs two cells; text is never broken narrower than this."""


def wrap(
    spans: Sequence[Span],
    width: int,
    *,
    first: Line = (),
    rest: Line | None = None,
    words: bool = True,
    keep: bool = False,
) -> list[Line]:
    """The spans as lines of at most `width` cells, each after its prefix.

    `first` goes before the first line and `rest` (the same when None) before the others; both are
    left out where they would take all the room. Words are kept whole where `words` is set and one
    fits in a line. Spaces at a break are dropped with `words`, unless `keep` is set, and kept
    without. `width` is at least `LEAST_CELLS`. Always at least one line.
    """
    rest = first if rest is None else rest
    taken = max(_cells(first), _cells(rest))
    if width - taken < LEAST_CELLS:
        first = rest = ()
        taken = 0
    room = max(LEAST_CELLS, width - taken)
    text = spans[0][0] if len(spans) == 1 else plain(tuple(spans))
    if text.isascii():
        if len(text) <= room:
            return [(*first, *(span for span in spans if span[0]))]
        ranges = _ascii_breaks(text, room, words, keep)
    elif cell_len(text) <= room:
        return [(*first, *(span for span in spans if span[0]))]
    else:
        ranges = _breaks(text, room, words, keep)
    if len(spans) == 1:
        role = spans[0][1]
        pieces: Iterator[Line] = (((text[start:end], role),) for start, end in ranges)
    else:
        pieces = _slices(spans, ranges)
    lines = [(*rest, *piece) for piece in pieces]
    if lines and first is not rest:
        lines[0] = (*first, *lines[0][len(rest) :])
    return lines or [first]


def _cells(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def _ascii_breaks(text: str, room: int, words: bool, keep: bool) -> Iterator[tuple[int, int]]:
    """(start, end) of each line, where every character takes one cell."""
    start, length = 0, len(text)
    while length - start > room:
        cut = text.rfind(" ", start, start + room + (not keep)) if words else -1
        if cut <= start or text[start:cut].isspace():
            yield start, start + room
            start += room
            if not words:
                continue
        elif keep:
            yield start, cut + 1
            start = cut + 1
        else:
            yield start, _trimmed(text, start, cut)
            start = cut
        while start < length and text[start] == " " and words and not keep:
            start += 1
    if start < length:
        yield start, length


def _breaks(text: str, room: int, words: bool, keep: bool) -> Iterator[tuple[int, int]]:
    """(start, end) of each line, by the width of each character.

    Marks without a width stay with what they are on. Wide characters (Chinese, Japanese) may be
    parted from their neighbours, as their readers expect.
    """
    start = used = 0
    chance = -1  # where the line may be broken
    index, length = 0, len(text)
    while index < length:
        character = text[index]
        size = get_character_cell_size(character)
        if used + size > room and size:
            if words and character == " " and not keep:
                cut = index
            elif words and chance > start and not text[start:chance].isspace():
                cut = chance
            else:
                cut = index
            yield start, (_trimmed(text, start, cut) if words and not keep else cut)
            if words and not keep:
                while cut < length and text[cut] == " ":
                    cut += 1
            start = index = cut
            used, chance = 0, -1
            continue
        if character == " " or size == 2:
            chance = index
        used += size
        index += 1
        if size == 2 or (keep and character == " "):
            chance = index
    if start < length:
        yield start, length


def _trimmed(text: str, start: int, end: int) -> int:
    """`end` moved left over the spaces before it, not beyond `start`."""
    while end > start and text[end - 1] == " ":
        end -= 1
    return end


def _slices(spans: Sequence[Span], ranges: Iterator[tuple[int, int]]) -> Iterator[Line]:
    """For each range of the spans' joined text, what it holds of the spans."""
    index = offset = 0  # the span that is looked at, and where it begins
    for start, end in ranges:
        line: list[Span] = []
        while index < len(spans):
            text, role = spans[index]
            piece = text[max(0, start - offset) : max(0, end - offset)]
            if piece:
                line.append((piece, role))
            if offset + len(text) > end:
                break
            offset += len(text)
            index += 1
        yield tuple(line)

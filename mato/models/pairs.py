"""Text that endpoints cut in the middle of a character is put together again.

JSON writes a character beyond U+FFFF as two escapes (RFC 8259 §7), and some endpoints end a piece
of a stream between them. Half of a pair is no text: nothing could encode it.
"""

from __future__ import annotations


class Pairs:
    """One stream of pieces. The first half of a pair is held back until its second half comes."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be given on now."""
        text = self._held + text
        cut = len(text) - (text[-1:] >= "\ud800" and text[-1:] <= "\udbff")
        self._held = text[cut:]
        return whole(text[:cut])

    def rest(self) -> str:
        """What is left at the end of the stream: U+FFFD for a half that stayed alone, or ""."""
        rest, self._held = whole(self._held), ""
        return rest


def whole(text: str) -> str:
    """`text` with its pairs joined, and U+FFFD for halves that stand alone."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

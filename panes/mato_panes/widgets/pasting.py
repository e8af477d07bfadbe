"""What is pasted: short clean text as it is, everything else as a mark that stands for it."""

from __future__ import annotations

import re

from mato.text import display
from mato_panes.rendering import words

LONG_CHARACTERS = 2_000
LONG_LINES = 12

_MARK = re.compile(r"\[pasted [^\[\]\n]{1,40} #\d{1,6}\]")


class Pastes:
    """Texts that marks in a draft stand for; they are sent character for character."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._number = 0

    def taken(self, text: str) -> str:
        """What goes into the draft for `text`: itself, or a mark.

        Long text would make the editor slow. Text with characters that act on a terminal, or that
        the editor takes for line ends, would be shown or sent as something else.
        """
        lines = text.count("\n") + 1
        if len(text) <= LONG_CHARACTERS and lines <= LONG_LINES and display(text) == text:
            return text
        size = len(text.encode("utf-8", "surrogatepass"))
        amount = words.size(size) if size >= LONG_CHARACTERS else words.counted(lines, "line")
        self._number += 1
        mark = f"[pasted {amount} #{self._number}]"
        self._texts[mark] = text
        return mark

    def expanded(self, draft: str) -> str:
        """The draft with every mark replaced by its text; a mark that was edited stays as it is."""
        return _MARK.sub(lambda match: self._texts.get(match[0], match[0]), draft)

    def marks(self, line: str) -> list[tuple[int, int]]:
        """(start, end) of each mark in a line of the draft."""
        found = _MARK.finditer(line)
        return [match.span() for match in found if match[0] in self._texts]

    def clear(self) -> None:
        """The draft is gone."""
        self._texts.clear()

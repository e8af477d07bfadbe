"""Markdown as it streams: each finished source line is rendered once, only the last one again.

Line ends of the source are kept, as models mean them. What was rendered changes in two cases only,
both bounded: a fence gets its colours when it closes, and a growing table is laid out anew. The
result does not depend on how the text was cut into pieces.
"""

from __future__ import annotations

import re

from mato.text import display
from mato_panes.rendering import code, table
from mato_panes.rendering.inline import inline
from mato_panes.rendering.line import BLANK, Line, Role, Span
from mato_panes.rendering.wrapping import PROSE_CELLS, wrap

PIECE = 2_000
"""A source line longer than this is rendered in pieces, so that a token never costs more."""
TABLE_ROWS = 80

# Lines come from outside: no pattern here can go back and forth over a long run of blanks.
_FENCE = re.compile(r" {0,12}(`{3,}|~{3,}) *([\w+#.-]*)")
_HEADING = re.compile(r" {0,3}#{1,6} +(\S.*)")
_ITEM = re.compile(r"( *)([-*+•]|\d{1,9}[.)]) +(\S.*)")
_QUOTE = re.compile(r" {0,3}> ?(.*)")
_RULE = re.compile(r" {0,3}(?:-{3,}|\*{3,}|_{3,}|(?:- ){2,}-|(?:\* ){2,}\*)\s*")
_BULLETS = "•◦▪·"


class Markdown:
    """Takes text as it comes; `lines` are those of finished source lines, `tail` of the last."""

    def __init__(self, width: int, indent: int = 0, role: Role = "text") -> None:
        self.lines: list[Line] = []
        self.tail: list[Line] = []
        self._width = width
        self._measure = min(width, PROSE_CELLS)
        self._margin: Line = ((" " * indent, "text"),) if indent else ()
        self._role: Role = role
        self._pending = ""
        self._hang: Line | None = None  # the prefix of a source line that goes on
        self._gap = False
        self._fence = ""  # the mark that closes the open fence
        self._language = ""
        self._source: list[str] = []  # the fence's lines so far
        self._rows: list[list[str]] = []  # the table's rows so far
        self._block = 0  # where the open fence or table begins in `lines`

    def feed(self, text: str) -> None:
        """Take the next stretch of the text."""
        pending = self._pending + text
        start = 0
        while (end := pending.find("\n", start)) >= 0:
            self._take(pending[start:end])
            start = end + 1
        # In pieces here too, so that a line without end costs what its last piece costs. A CR may
        # be half of a line end: it does not count until more is known.
        rest = pending[start:]
        line = rest.removesuffix("\r")
        self._pending = self._cut(line) + rest[len(line) :]
        # What may become the mark of a fence is not shown, it would only flicker.
        hidden = not self._pending or self._pending.lstrip(" ").startswith(("```", "~~~"))
        self.tail = [] if hidden else self._rendered(self._pending)

    def close(self) -> None:
        """The text has ended: its last line is finished as well."""
        if self._pending:
            self._take(self._pending)
            self._pending = ""
        self.tail = []

    def _cut(self, line: str) -> str:
        """Render whole pieces of a long line; what remains of it."""
        start = 0
        while len(line) - start > PIECE:
            cut = line.rfind(" ", start + PIECE // 2, start + PIECE) + 1 or start + PIECE
            self._commit(line[start:cut], whole=False)
            start = cut
        return line[start:]

    def _take(self, line: str) -> None:
        self._commit(self._cut(line.removesuffix("\r")), whole=True)

    def _commit(self, line: str, *, whole: bool) -> None:
        """Render a finished line, or a piece of one, for good."""
        if self._fence:
            self._commit_code(line, whole=whole)
            return
        if self._hang is None:
            if not line.strip(" \t"):
                self._gap = bool(self.lines)
                self._rows = []
                return
            if whole and (fence := _FENCE.match(line)) and "`" not in line[fence.end(1) :]:
                self._open(fence[1], fence[2])
                return
            if whole and line.lstrip().startswith("|") and len(line) <= PIECE:
                self._commit_row(line)
                return
            self._rows = []
        hang = self._hang
        self.lines.extend(self._rendered(line))
        self._gap = False
        if whole:
            self._hang = None
        elif hang is None:
            self._hang = self._prefix(display(line))[1]

    def _rendered(self, line: str) -> list[Line]:
        """A line outside a table, rendered; nothing is remembered."""
        shown = display(line.removesuffix("\r")).expandtabs(4)
        if self._fence:
            return wrap([(shown, "fence")], self._width, first=self._bar(), words=False)
        if self._hang is not None:
            return wrap(inline(shown, self._role), self._measure, first=self._hang)
        if not shown.strip():
            return []
        lines: list[Line] = [BLANK] if self._gap else []
        if heading := _HEADING.fullmatch(shown):
            if self.lines and not self._gap:
                lines.append(BLANK)
            spans = inline(heading[1].rstrip("# ") or heading[1], "heading")
            return [*lines, *wrap(spans, self._measure, first=self._margin)]
        if _RULE.fullmatch(shown):
            rule: Span = ("─" * max(2, min(24, self._width - 4)), "faint")
            return [*lines, (*self._margin, rule)]
        first, rest, content, role = self._prefix(shown)
        return [*lines, *wrap(inline(content, role), self._measure, first=first, rest=rest)]

    def _prefix(self, shown: str) -> tuple[Line, Line, str, Role]:
        """Prefix of the first and of further lines, the content after it, and its role."""
        margin = self._margin
        if quote := _QUOTE.fullmatch(shown):
            bar: Line = (*margin, ("▎ ", "faint"))
            return bar, bar, quote[1], "quote"
        if item := _ITEM.fullmatch(shown):
            level = min(4, len(item[1]) // 2)
            mark = item[2] if item[2][0].isdigit() else _BULLETS[min(level, 3)]
            space = "  " * level
            first: Line = (*margin, (f"{space}{mark} ", "bullet"))
            rest: Line = (*margin, (space + " " * (len(mark) + 1), "text"))
            return first, rest, item[3], self._role
        depth = min(len(shown) - len(shown.lstrip(" ")), 16)
        indent: Line = (*margin, (" " * depth, "text")) if depth else margin
        return indent, indent, shown[depth:], self._role

    def _bar(self) -> Line:
        return (*self._margin, ("│ ", "code-bar"))

    def _open(self, mark: str, language: str) -> None:
        if self._gap:
            self.lines.append(BLANK)
            self._gap = False
        self._fence, self._language = mark, language
        self._source = []
        self._rows = []
        self._block = len(self.lines)

    def _commit_code(self, line: str, *, whole: bool) -> None:
        mark = line.strip()
        if whole and len(mark) >= len(self._fence) and not mark.strip(self._fence[0]):
            self._colour()
            self._fence = ""
            return
        self.lines.extend(self._rendered(line))
        if len(self._source) <= code.LIMIT_CHARACTERS:
            self._source.append(display(line.removesuffix("\r")).expandtabs(4))

    def _colour(self) -> None:
        """The fence has closed: the same lines again, in colour."""
        spans = code.highlighted(self._source, self._language) if self._source else None
        self._source = []
        if spans is None:
            return
        del self.lines[self._block :]
        for line in spans:
            self.lines.extend(wrap(line, self._width, first=self._bar(), words=False))

    def _commit_row(self, line: str) -> None:
        if not self._rows:
            if self._gap:
                self.lines.append(BLANK)
                self._gap = False
            self._block = len(self.lines)
        row = table.row(display(line).expandtabs(4))
        self._rows.append(row)
        laid: list[Line] | None = None
        if len(self._rows) <= TABLE_ROWS and len(row) <= 24:
            laid = table.table(self._rows, self._width, self._margin)
        if laid is None:
            # Too wide or too long: this row as it was written, those before stay as they are.
            self.lines.extend(self._rendered(line))
            self._rows = []
            return
        del self.lines[self._block :]
        self.lines.extend(laid)

"""How the command line prints: cleaned text, tables that fit, JSON that no terminal obeys."""

from __future__ import annotations

import os
import sys
import time

from mato.text import Shown, display

TYPE_CHECKING = False  # hot commands load this file
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GLYPHS = {
    "starting": "◌",
    "idle": "○",
    "working": "●",
    "blocked": "▲",
    "done": "✓",
    "failed": "✗",
    "stopped": "■",
}
"""A sign for each agent state; always beside its word, never instead of it."""


def say(text: str) -> None:
    """One line to stdout, cleaned; line ends in `text` become visible."""
    print(display(text, newline=False))


def note(text: str) -> None:
    """One line to stderr, cleaned."""
    print(display(text, newline=False), file=sys.stderr)


def harmless_json(line: str) -> str:
    """The same JSON with every character that a terminal could act on as a ``\\u`` escape."""
    if line.isascii() and line.isprintable():
        return line
    return "".join(c if c.isascii() and c.isprintable() else _harmless(c) for c in line)


def _harmless(character: str) -> str:
    return character if display(character) == character else _escape(character)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def say_json(value: object) -> None:
    """`value` as one line of JSON."""
    import json

    print(harmless_json(json.dumps(value, ensure_ascii=False, separators=(",", ":"))))


def iso(at_us: int) -> str:
    """`at_us` as ISO 8601 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_us // 1_000_000))


def ago(at_us: int, now_us: int) -> str:
    """The time since `at_us` in one unit: ``now``, ``42s``, ``5m``, ``3h``, ``12d``."""
    seconds = max(0, (now_us - at_us) // 1_000_000)
    if seconds < 5:
        return "now"
    for limit, unit, size in ((60, "s", 1), (3600, "m", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def tokens(count: int) -> str:
    """A number of tokens in four characters: ``950``, ``12k``, ``3.4M``."""
    if count < 1000:
        return str(count)
    if count < 999_500:
        return f"{count / 1000:.0f}k" if count >= 9950 else f"{count / 1000:.1f}k"
    return f"{count / 1_000_000:.1f}M"


def size(count_bytes: int) -> str:
    """A number of bytes in a few characters: ``950 B``, ``12 kB``, ``3.4 MB``."""
    amount, unit = float(count_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"


def cost(usd: float | None) -> str:
    """Money as people read it; an unknown price is a dash."""
    if usd is None:
        return "–"
    return f"${usd:.2f}" if usd >= 0.01 or usd == 0 else "<$0.01"


def command() -> str:
    """How a person calls this `mato`: by its name where PATH finds it, else by its path."""
    import shutil

    # make's PATH has the environment's folder in front, the person's shell has not.
    by_name = shutil.which("mato") and "MAKELEVEL" not in os.environ
    return "mato" if by_name else sys.argv[0]


def home_short(path: str) -> str:
    """`path` with the home folder as ``~``."""
    home = os.environ.get("HOME", "")
    if home and (path == home or path.startswith(home + "/")):
        return "~" + path[len(home) :]
    return path


def width() -> int:
    """Columns to print into: the terminal's, else 80; never under 40."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        given = os.environ.get("COLUMNS", "")
        columns = int(given) if given.isdecimal() else 0
    # 0 is what a terminal says that does not know.
    return max(40, columns or 80)


_NARROW = frozenset(map(chr, range(0xA1, 0x300))) - {"\xad"} | frozenset("◌○●▲✓✗■…–·")


def cells(text: str) -> int:
    """Terminal cells that cleaned text takes."""
    # The tables of widths cost more to load than most listings to print.
    if text.isascii() or all(c.isascii() or c in _NARROW for c in text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fit(text: str, room: int) -> Shown:
    """Cleaned, one line, cut with an ellipsis and padded to exactly `room` cells.

    Of a long text no more than its beginning is read: a listing has many of them.
    """
    window = text[: room * 8 + 64]
    shown = display(window, newline=False)
    if len(window) < len(text) or cells(shown) > room:
        shown = _cut(shown, room)
    return Shown(shown + " " * (room - cells(shown)))


def _cut(shown: Shown, room: int) -> Shown:
    """The longest beginning that leaves a cell for the ellipsis, with the ellipsis."""
    if room < 1:
        return Shown("")
    taken = 0
    for at, character in enumerate(shown):
        taken += cells(character)
        if taken >= room:
            return Shown(shown[:at] + "…")
    return Shown(shown + "…")


def wrapped(text: str, room: int) -> list[str]:
    """Cleaned text in lines of at most `room` cells, where it has blanks to break at."""
    shown = display(text, newline=False)
    if cells(shown) <= room:
        return [shown]
    import textwrap

    return textwrap.wrap(shown, room, break_long_words=False, break_on_hyphens=False) or [""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], give: int) -> None:
    """Print rows under a head, in columns as wide as needed; column `give` shrinks to fit."""
    body = [[display(cell, newline=False) for cell in row] for row in rows]
    sizes = [max(cells(row[i]) for row in [list(head), *body]) for i in range(len(head))]
    gaps = 2 * (len(head) - 1)
    over = sum(sizes) + gaps - width()
    if over > 0:
        taken = min(over, max(0, sizes[give] - 8))
        sizes[give] -= taken
        widest = max(range(len(sizes)), key=sizes.__getitem__)
        sizes[widest] = max(8, sizes[widest] - (over - taken))
    for row in [list(head), *body]:
        print("  ".join(fit(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip())

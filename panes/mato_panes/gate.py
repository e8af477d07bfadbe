"""The last gate before the terminal: no control byte that stands in text is ever written.

Text is cleaned by `mato.text.display()` where it comes in. This is the second wall, for the path
that somebody forgot. It stands where text and style are still apart, so that a control byte in the
text is hostile for certain, and keeps its own list on purpose: one mistake does not open both.

What reaches a terminal from a Textual app, and what happens to it here:

- screen updates, whole or partial, inline or not: `Strip.render`, gated;
- tracebacks, exit messages and any other printing of Rich: `Console._render_buffer`, gated;
- a style rendered on its own: `Strip.render_style`, gated;
- the clipboard (OSC 52, base64), pointer shape (a CSS keyword), modes, cursor: the app's own bytes;
- `Driver.write` by our own code, past the strips: must go through `terminal_text()`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from rich.color import ColorSystem

# Controls, soft hyphen, bidi, zero width, fillers, annotations, tags, selectors, surrogates and
# noncharacters. Inside a strip a newline or tab moves the cursor, so both are controls as well.
_FORBIDDEN = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff"
)
_IN_STRIP = re.compile(f"[{_FORBIDDEN}]+")
_IN_PRINT = re.compile(f"(?![\n\t])[{_FORBIDDEN}]")
_LINK = re.compile(r"([a-z][a-z0-9+.-]*)://[!-~]+")

_strip_render = Strip.render
_strip_render_style = Strip.render_style
_console_render_buffer = Console._render_buffer  # pyright: ignore[reportPrivateUsage] - Rich has no public place where segments become bytes

_link_schemes: frozenset[str] = frozenset()


def install(*, link_schemes: Iterable[str] = ()) -> None:
    """Put the gate in front of every terminal of this process; again and again is the same.

    `link_schemes` are those that OSC 8 hyperlinks may have (`{"https"}`); none by default, and the
    last call decides. Install before the app is made: a strip that is already rendered is cached.
    """
    global _link_schemes
    _link_schemes = frozenset(link_schemes)
    Strip.render = _gated_render
    Strip.render_style = classmethod(_gated_render_style)  # pyright: ignore[reportAttributeAccessIssue] - a class method is replaced by one
    Console._render_buffer = _gated_render_buffer  # pyright: ignore[reportPrivateUsage] - see above


def uninstall() -> None:
    """Take the gate away again: for the tests that show what it holds back."""
    Strip.render = _strip_render
    Strip.render_style = _strip_render_style
    Console._render_buffer = _console_render_buffer  # pyright: ignore[reportPrivateUsage] - see above


def terminal_text(text: str) -> str:
    """The text with the same number of cells and nothing that acts on a terminal.

    What has no width is dropped, so that columns stay where the layout put them.
    """
    if text.isascii() and text.isprintable():
        return text
    cleaned = _IN_STRIP.sub("", text)
    if cleaned == text:
        return text
    return set_cell_size(cleaned, cell_len(text))


def allowed_link(link: str) -> bool:
    """Whether a hyperlink may be written as OSC 8: plain ASCII, with a scheme that was allowed."""
    match = _LINK.fullmatch(link)
    return match is not None and match[1] in _link_schemes


def _clean_style(style: Style | None) -> Style | None:
    if style is None or not style.link or allowed_link(style.link):
        return style
    return style.update_link(None)


def _gated_render(self: Strip, console: Console) -> str:
    if (cached := self._render_cache) is not None:  # pyright: ignore[reportPrivateUsage] - the cache of the method replaced
        return cached
    # Segments with a style pass `render_style`, which is gated; the others are written as they are.
    segments = list(self)
    if all(style is not None or terminal_text(text) is text for text, style, _ in segments):
        return _strip_render(self, console)
    gated = [Segment(terminal_text(text), style) for text, style, _ in segments]
    return _strip_render(Strip(gated, self.cell_length), console)


def _gated_render_style(
    cls: type[Strip], style: Style, text: str, color_system: ColorSystem
) -> str:
    return _strip_render_style(_clean_style(style) or style, terminal_text(text), color_system)


def _gated_render_buffer(self: Console, buffer: Iterable[Segment]) -> str:
    # Segments of Rich's own controls (cursor, modes) keep their bytes; they hold no foreign text.
    return _console_render_buffer(
        self,
        (
            segment
            if segment.control
            else Segment(_IN_PRINT.sub("\ufffd", segment.text), _clean_style(segment.style))
            for segment in buffer
        ),
    )

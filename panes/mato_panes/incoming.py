"""What a terminal sends, as Textual's events; a bracketed paste is one, whatever is in it.

Textual's parser ends a paste at the first escape in it that looks like a key: the rest would be
typed, and an enter in it pressed. Here a paste goes around the parser.

A terminal that passes on the mark of a paste's end from within the pasted text (tmux 3.3a does)
makes it look shorter than it is. So what follows the end without a pause still belongs to the
paste: nobody's finger is that fast.
"""

from __future__ import annotations

import re
from typing import Literal

from textual._xterm_parser import XTermParser
from textual.constants import ESCAPE_DELAY
from textual.events import Paste
from textual.message import Message

START = "\x1b[200~"
END = "\x1b[201~"
BURST_S = 0.03
"""Without input for so long, a paste that has ended is over."""
UNENDED_S = 5.0
"""Without input for so long, a paste whose end has not come is over."""
LARGEST = 16 * 1024 * 1024
"""Characters of one event; a longer paste comes as several."""

_PART = len(START) - 1
"""Characters of a mark that may be all that has come of it."""
_MOUSE = re.compile(r"\x1b\[<\d+;-?\d+;-?\d+[Mm]")
_FOCUS = re.compile(r"\x1b\[[IO]")


class Incoming:
    """Feed it what was read, with the time; wait no longer than `patience`, then say `quiet`."""

    def __init__(self, *, debug: bool = False) -> None:
        self.patience: float | None = None
        """How long to wait for more; None: for ever."""
        self._parser = XTermParser(debug)
        self._place: Literal["outside", "inside", "after"] = "outside"
        self._held = ""
        """Outside and inside: the last characters, with which a mark may have begun. After a
        paste: all that has come since its end."""
        self._pasted: list[str] = []
        self._size = 0
        self._over_s = 0.0  # when the paste that has ended is over

    def feed(self, text: str, now_s: float) -> list[Message]:
        """The events that `text` completes."""
        events: list[Message] = []
        while text:
            if self._place == "outside":
                text = self._outside(text, events)
            elif self._place == "inside":
                text = self._inside(text, now_s)
            else:
                text = self._after(text, now_s, events)
            if self._place != "outside" and self._size + len(self._held) > LARGEST:
                events += self._given()
        if self._place == "after":
            self.patience = max(self._over_s - now_s, 0.0)
        else:
            # Outside of pastes an escape may be a key, or begin a sequence.
            self.patience = ESCAPE_DELAY if self._place == "outside" else UNENDED_S
        return events

    def quiet(self) -> list[Message]:
        """The events of nothing having come for as long as `patience` said."""
        if self._place == "inside":
            self._take(self._held)
        events = self._given()
        self._place, self._held = "outside", ""
        self.patience = None
        return [*events, *self._parser.tick()]

    def _outside(self, text: str, events: list[Message]) -> str:
        """Give the parser all that comes before a paste; what remains of `text` is the paste's."""
        known = self._held + text
        at = known.find(START)
        if at < 0:
            events += self._parser.feed(text)
            self._held = known[-_PART:]
            return ""
        # The parser may have the beginning of the mark already. It gets the rest of it, and of a
        # paste of nothing, so that it waits for nothing afterwards.
        stop = at + len(START)
        events += self._parser.feed(known[len(self._held) : stop])
        list(self._parser.feed(END))
        self._place, self._held = "inside", ""
        return known[stop:]

    def _inside(self, text: str, now_s: float) -> str:
        """Take what is pasted; what remains of `text` comes after its end."""
        known = self._held + text
        at = known.find(END)
        if at < 0:
            self._take(known[:-_PART])
            self._held = known[-_PART:]
            return ""
        self._take(known[:at])
        self._place, self._held = "after", ""
        self._over_s = now_s + BURST_S
        return known[at + len(END) :]

    def _after(self, text: str, now_s: float, events: list[Message]) -> str:
        """Keep what follows a paste at once; what remains of `text` is in another paste."""
        known = self._held + text
        at = known.find(START)
        if at >= 0:
            self._held = known[:at]
            events += self._settled()
            self._place = "inside"
            return known[at + len(START) :]
        self._held = known
        # Somebody who moves the mouse all the time shall not hold the paste back for ever.
        if _FOCUS.sub("", _MOUSE.sub("", text)):
            self._over_s = now_s + BURST_S
        elif now_s >= self._over_s:
            events += self._given()
            self._place = "outside"
        return ""

    def _take(self, text: str) -> None:
        self._pasted.append(text)
        self._size += len(text)

    def _settled(self) -> list[Message]:
        """Take what has followed a paste as pasted, but for what no key has made."""
        # An empty text would be the end of input to the parser.
        told = "".join(_FOCUS.findall(self._held))
        events = list(self._parser.feed(told)) if told else []
        self._take(_FOCUS.sub("", _MOUSE.sub("", self._held)).replace(END, ""))
        self._held = ""
        return events

    def _given(self) -> list[Message]:
        """What was pasted, as an event; none outside of a paste, or where it is empty."""
        if self._place == "outside":
            return []
        events = self._settled() if self._place == "after" else []
        text = "".join(self._pasted).replace("\x00", "")
        self._pasted.clear()
        self._size = 0
        return [*([Paste(text)] if text else []), *events]

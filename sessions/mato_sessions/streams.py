"""One stream of text, as it grows from live pieces and journaled stretches of the same text."""

from __future__ import annotations

import msgspec


class Stream(msgspec.Struct, kw_only=True):
    """What is known of a stream: a journaled beginning, and a live end that may still be missing.

    Offsets count characters. Whatever comes twice is dropped, in both directions; after the last
    journaled stretch `settled` is the same whether there were live pieces or not.
    """

    key: str
    """Of the entry that shows it."""
    answer: str
    """``REQUEST/ATTEMPT`` that it is a part of; "" for output."""
    attempt: int
    keep: int = 0
    """Only so many characters of the journaled text are kept, from its end. 0: all."""
    settled: str = ""
    """The journaled text."""
    settled_end: int = 0
    """Offset after it."""
    live: str = ""
    """What was shown beyond it."""
    ended_us: int = 0
    """mono_us of the last journaled stretch."""

    @property
    def text(self) -> str:
        """All that can be shown."""
        text = self.settled + self.live
        return text[-self.keep :] if self.keep else text

    def settle(self, offset: int, text: str) -> bool:
        """Take in a journaled stretch. True when it shows something new.

        A stretch beyond a gap is appended all the same: journaled text is never dropped.
        """
        skip = self.settled_end - offset
        if not text or skip >= len(text):
            return False
        added = text[skip:] if skip > 0 else text
        end = offset + len(text)
        passed = end - self.settled_end
        news = passed > len(self.live)
        self.live = self.live[passed:] if skip >= 0 else ""
        self.settled += added
        if self.keep:
            self.settled = self.settled[-self.keep :]
        self.settled_end = end
        return news

    def show(self, offset: int, text: str) -> bool:
        """Take in a live piece. True when it shows something new.

        A piece beyond a gap is dropped: its journaled stretch is on its way.
        """
        end = self.settled_end + len(self.live)
        if offset > end or offset + len(text) <= end:
            return False
        self.live += text[end - offset :]
        return True

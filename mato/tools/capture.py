"""Keeps what a command prints: beginning and end for the model, the whole for the record."""

from __future__ import annotations

import codecs
from collections.abc import Callable

WHOLE_BYTES = 16 * 1024 * 1024
SHOWN_BYTES = 16 * 1024
_SIDE = SHOWN_BYTES // 2
_LIVE_BYTES = 1024 * 1024
"""More than this nobody reads while it runs past; the rest is in the whole."""


class Capture:
    """Takes bytes as they come; bounded whatever comes."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._kept = bytearray()
        self._tail = b""
        self.size_bytes = 0
        """Of everything that was printed."""

    def take(self, data: bytes) -> None:
        """Keep the next piece and show it, whole characters at a time."""
        live = data[: max(_LIVE_BYTES - self.size_bytes, 0)]
        stops = self.size_bytes < _LIVE_BYTES <= self.size_bytes + len(data)
        self.size_bytes += len(data)
        self._kept += data[: WHOLE_BYTES - len(self._kept)]
        self._tail = (self._tail + data)[-_SIDE:]
        if live and (text := self._decoder.decode(live)):
            self._emit(text)
        if stops:
            self._emit("\n[more output comes; it is kept, but not shown while it runs]\n")

    def end(self) -> None:
        """No more comes: show what is left of a cut character."""
        if self.size_bytes <= _LIVE_BYTES and (text := self._decoder.decode(b"", final=True)):
            self._emit(text)

    @property
    def whole(self) -> bytes | None:
        """What belongs into a blob: None where the model gets everything anyway."""
        return bytes(self._kept) if self.size_bytes > SHOWN_BYTES else None

    def content(self) -> str:
        """Everything, or beginning and end with a note between them."""
        if self.size_bytes <= SHOWN_BYTES:
            return self._kept.decode(errors="replace")
        # Whole lines where they are not too long, whole characters always.
        head = self._kept[:_SIDE].decode(errors="ignore")
        tail = self._tail.decode(errors="ignore")
        head = head[: head.rfind("\n") + 1] or head
        first = tail.find("\n") + 1
        tail = tail[first:] or tail
        left_out = self.size_bytes - len(head.encode()) - len(tail.encode())
        kept = ""
        if self.size_bytes > WHOLE_BYTES:
            kept = f"; only the first {WHOLE_BYTES:,} bytes were kept"
        return f"{head}\n[… {left_out:,} bytes are left out here{kept} …]\n{tail}"

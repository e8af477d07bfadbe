"""What went over the wire, word for word, beside the journal: redacted, in batches, bounded."""

from __future__ import annotations

import json

from mato.agents.base import Sink
from mato_sessions.clock import Clock
from mato_sessions.events import EvidenceKept

_BATCH = 256 * 1024
"""Characters after which a batch is kept at once."""
STDERR = 256 * 1024
"""Characters of stderr that one batch keeps; agents may print without end."""
TAIL = 2000


class Evidence:
    """Collects lines. `keep` journals them; the owner calls it, `full` says when it is time."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._lines: list[str] = []
        self._size = 0
        self._err = 0
        self._left_out = 0
        self.tail = ""
        """The end of what it has printed on stderr."""

    @property
    def full(self) -> bool:
        """Whether a batch has come together."""
        return self._size >= _BATCH

    def add(self, way: str, text: str) -> None:
        """A line that came (in), went (out), or was printed on stderr (err)."""
        if way == "err":
            self.tail = (self.tail + text)[-TAIL:]
            if self._err + len(text) > STDERR:
                self._left_out += len(text)
                return
            self._err += len(text)
        line = json.dumps({"at_us": self._clock.wall_us(), "way": way, "text": text})
        self._lines.append(line)
        self._size += len(line)

    async def keep(self, turn: str | None = None) -> None:
        """Journal what has come together since the last time."""
        if not self._lines:
            return
        lines, left_out = self._lines, self._left_out
        self._lines, self._size, self._err, self._left_out = [], 0, 0, 0
        # The journal takes secrets out of blobs as it does out of facts.
        ref = await self._sink.blob("\n".join([*lines, ""]).encode("utf-8", "replace"))
        kept = EvidenceKept(lines=ref, count=len(lines), left_out_bytes=left_out)
        await self._sink.record(kept, turn=turn)

"""What of a document is in sight, and where the reader is."""

from __future__ import annotations

from mato_panes.rendering.document import Document
from mato_panes.rendering.viewport import Viewport
from mato_sessions.entries import AnyEntry, TextEntry


def text(said: str) -> TextEntry:
    return TextEntry(key=said, seq=1, turn="t", at_us=0, text=said, open=False)


def test_a_key_that_comes_before_new_entries_were_taken_in_finds_the_old_ones() -> None:
    entries: list[AnyEntry] = [text(f"line {number}") for number in range(50)]
    document = Document(entries, 40)
    viewport = Viewport(document, 10)
    entries.append(text("new"))
    viewport.start()
    viewport.follow()
    assert len(viewport.rows()) == 10
    document.update([50])
    assert viewport.rows()[-1].entry == 50
    del entries[20:]
    viewport.start()
    document.update([])
    assert viewport.rows()[-1].entry <= 19

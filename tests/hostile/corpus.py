"""Loads the hostile texts: the project's own, by list and by rule, long ones, and the kit's.

The data file is plain ASCII with JSON escapes, so that looking at it is safe; surrogates U+DC80 to
U+DCFF in it stand for raw bytes, as in PEP 383. Very long texts are made here.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.sequences import sequences

HERE = Path(__file__).parent
KIT_FILE = "escapes/corpus.jsonl"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One text that a model, a tool, a file name or a child process might send."""

    name: str
    """Unique within the corpus: `class/name`."""
    cls: str
    """What it attacks with: c0, c1, csi, esc, osc, string, bidi, invisible, tags …"""
    text: str
    """The text; it may hold lone surrogates."""
    why: str
    """What it does where nothing stops it."""


def hostile_texts() -> tuple[Hostile, ...]:
    """Every hostile text there is, own ones first; order and names are stable."""
    return (*own_texts(), *made_texts(), *_long_texts(), *_kit_texts())


def own_texts() -> tuple[Hostile, ...]:
    """What `corpus.jsonl` holds."""
    lines = (HERE / "corpus.jsonl").read_text(encoding="ascii").splitlines()
    return tuple(
        Hostile(f"{row['cls']}/{row['name']}", row["cls"], row["text"], row["why"])
        for row in map(json.loads, lines)
    )


def made_texts() -> tuple[Hostile, ...]:
    """What `tests.hostile.sequences` makes by rule; named `made/number-class`."""
    return tuple(
        Hostile(f"made/{number}-{cls}", cls, text, "made by rule")
        for number, (cls, text) in enumerate(sequences())
    )


def _long_texts() -> Iterator[Hostile]:
    yield Hostile("long/line", "long", "A" * 200_000, "one line of 200,000 characters")
    yield Hostile("long/words", "long", "word " * 40_000, "one line that can be wrapped")
    yield Hostile("long/lines", "long", "x\n" * 20_000, "20,000 lines")
    yield Hostile("long/escapes", "long", "\x1b[31m" * 20_000, "nothing but sequences")
    yield Hostile("long/title", "long", "\x1b]0;" + "A" * 100_000, "a title that never ends")
    yield Hostile("long/marks", "long", "e" + "\u0301" * 100_000, "100,000 marks on one letter")


def _kit_texts() -> Iterator[Hostile]:
    """The test kit's corpus, where there is one: `$MATO_KIT`, or a checkout next to this one."""
    root = Path(__file__).parents[2]
    kit = Path(os.environ.get("MATO_KIT") or root.parent / "shared" / "kit")
    path = kit / KIT_FILE
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = base64.b64decode(row["b64"]).decode("utf-8", "surrogateescape")
        yield Hostile(f"kit/{row['id']}", row["cls"], text, row["why"])

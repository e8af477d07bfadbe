"""What it costs to look for the shapes of secrets, beside the search for held keys alone."""

from __future__ import annotations

import secrets
import sysconfig
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.report import Figure, Result, Yardstick
from mato_sessions.redact import Redactor

HELD = 3
"""Keys that the redactors hold: a person's for three services."""
FILES = 40
OUTPUT = 4096
"""Characters of an output that is passed as one text."""
PIECE = 24
"""Characters of a model's answer that come at once."""
ROUNDS = 5


def measure() -> Result:
    """Each text with and without shapes in turn, the fastest of some rounds."""
    keys = [f"sk-ant-api03-{secrets.token_urlsafe(60)}" for _ in range(HELD)]
    source = "".join(_sources())
    lines = source.splitlines(keepends=True)
    outputs = _cut(source, OUTPUT)
    pieces = _cut(source[: len(source) // 8], PIECE)
    known, shaped = _redactor(keys, rules=False), _redactor(keys, rules=True)
    touched = sum(shaped.text(line) is not line for line in lines)
    figures = [
        _figure("a line of source", lines, known.text, shaped.text),
        _figure("4 kB of source at once", outputs, known.text, shaped.text),
        _figure("a piece of a stream", pieces, known.stream().feed, shaped.stream().feed),
    ]
    return Result(
        tuple(figures),
        (
            f"{len(lines):,} lines of Python's own modules, {100 * touched / len(lines):.2f} % of"
            f" them touched; {HELD} keys held; fastest of {ROUNDS} rounds, processor time",
        ),
    )


def _sources() -> Iterable[str]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    return (file.read_text("utf-8") for file in sorted(folder.glob("*.py"))[:FILES])


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _redactor(keys: Iterable[str], *, rules: bool) -> Redactor:
    redactor = Redactor(rules=rules)
    for key in keys:
        redactor.hold(key)
    return redactor


def _figure(
    name: str, texts: Sequence[str], known: Callable[[str], str], shaped: Callable[[str], str]
) -> Figure:
    rounds = [(_took_us(texts, known), _took_us(texts, shaped)) for _ in range(ROUNDS)]
    bare, ruled = (min(taken) for taken in zip(*rounds, strict=True))
    return Figure(name, ruled, "µs", Yardstick("held keys alone", bare))


def _took_us(texts: Sequence[str], clean: Callable[[str], str]) -> float:
    begun = time.process_time()
    for text in texts:
        clean(text)
    return 1e6 * (time.process_time() - begun) / len(texts)

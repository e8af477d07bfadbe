"""What a benchmark has to say, and how it is printed: a narrow table for people, JSON for the rest.

Absolute figures depend on the machine and are told, never judged. The ratio to a yardstick that was
measured in the same run is what can be compared between machines and days.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

WIDTH = 80
Unit = Literal["ms", "µs", "%", "/s", "", "kB/s", "MB"]


class Yardstick(msgspec.Struct, frozen=True):
    """What a figure is compared with."""

    name: str
    value: float


class Figure(msgspec.Struct, frozen=True):
    """One measured value."""

    name: str
    value: float
    unit: Unit
    against: Yardstick | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the yardstick; None without one, or where it is 0."""
        if self.against is None or not self.against.value:
            return None
        return self.value / self.against.value


class Outcome(msgspec.Struct, frozen=True):
    """One benchmark of a run."""

    name: str
    title: str
    seconds: float
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    """One sentence each: what was measured, and with how many samples."""
    error: str = ""
    """Why there are no figures."""


class Result(msgspec.Struct, frozen=True):
    """What a benchmark gives back to the run."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least so many per cent of them do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile needs values, and there are none")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float:
    """The 50th percentile."""
    return percentile(values, 50)


def spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a part of the median: how restless a run was."""
    middle = median(values)
    half = (percentile(values, 75) - percentile(values, 25)) / 2
    return half / middle if middle else 0.0


def table(outcomes: Iterable[Outcome]) -> str:
    """All figures, a line each, at most `WIDTH` columns wide."""
    lines: list[str] = []
    for outcome in outcomes:
        lines += ["", f"{outcome.title}  ({outcome.seconds:.0f} s)"[:WIDTH]]
        if outcome.error:
            failed = f"  failed: {outcome.error}"
            lines += textwrap.wrap(failed, WIDTH, subsequent_indent="    ")
        lines += [_line(figure) for figure in outcome.figures]
        for note in outcome.notes:
            lines += textwrap.wrap(f"  · {note}", WIDTH, subsequent_indent="    ")
    return "\n".join(lines[1:])


def to_json(outcomes: Sequence[Outcome], machine: dict[str, str | float]) -> bytes:
    """The run as a JSON document; each figure with its ratio."""
    document = {
        "machine": machine,
        "benchmarks": [
            {
                "name": outcome.name,
                "title": outcome.title,
                "seconds": round(outcome.seconds, 2),
                "error": outcome.error,
                "notes": outcome.notes,
                "figures": [
                    {
                        "name": figure.name,
                        "value": figure.value,
                        "unit": figure.unit,
                        "against": figure.against,
                        "ratio": figure.ratio,
                    }
                    for figure in outcome.figures
                ],
            }
            for outcome in outcomes
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def amount(value: float) -> str:
    """A figure as people read it: three digits, no more."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def _line(figure: Figure) -> str:
    line = f"  {figure.name:<26.26} {amount(figure.value):>8} {figure.unit:<4}"
    if figure.against is not None:
        ratio = "–" if figure.ratio is None else f"{amount(figure.ratio)}×"
        line += f" {ratio:>7}  {figure.against.name} {amount(figure.against.value)}"
    return line[:WIDTH].rstrip()

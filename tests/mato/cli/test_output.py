"""Printing: harmless JSON, tables that fit, units that people read."""

from __future__ import annotations

import json
import os
import sys
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mato.cli import output
from mato.text import display


@given(st.text())
def test_harmless_json_is_the_same_value_and_all_printable(text: str) -> None:
    line = json.dumps({"text": text}, ensure_ascii=False)
    harmless = output.harmless_json(line)
    assert display(harmless, newline=False) == harmless
    assert json.loads(harmless) == {"text": text}


def test_harmless_json_keeps_other_scripts_readable() -> None:
    assert output.harmless_json('"žluťoučký 山 🌲"') == '"žluťoučký 山 🌲"'


@given(st.text(), st.integers(min_value=0, max_value=60))
def test_fit_takes_exactly_its_room(text: str, room: int) -> None:
    shown = output.fit(text, room)
    assert cell_len(shown) == room
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (12_345, "12k"),
        (999_499, "999k"),
        (3_400_000, "3.4M"),
    ],
)
def test_tokens_are_short(count: int, shown: str) -> None:
    assert output.tokens(count) == shown


@pytest.mark.parametrize(
    ("usd", "shown"), [(None, "–"), (0.0, "$0.00"), (0.001, "<$0.01"), (1.239, "$1.24")]
)
def test_an_unknown_price_is_no_zero(usd: float | None, shown: str) -> None:
    assert output.cost(usd) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(1, "now"), (42, "42s"), (300, "5m"), (7300, "2h"), (200_000, "2d")]
)
def test_ago_has_one_unit(seconds: int, shown: str) -> None:
    assert output.ago(0, seconds * 1_000_000) == shown


def test_a_table_fits_the_terminal_and_shrinks_the_column_that_may(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows: list[Sequence[str]] = [("working", "fix-the-login-bug", "~/" + "deep/" * 30)]
    output.table(("STATE", "SESSION", "FOLDER"), rows, give=2)
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    assert "fix-the-login-bug" in lines[1]
    assert lines[1].endswith("…")


@pytest.mark.parametrize("columns", ["", "0", "wide", "-3"])
def test_a_width_that_is_none_counts_as_80(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        assert output.width() == 80


def test_hostile_text_prints_without_a_control_byte(
    hostile_texts: Sequence[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for hostile in hostile_texts:
        output.say(hostile.text)
        output.note(hostile.text)
    printed = capsys.readouterr()
    for stream in (printed.out, printed.err):
        acting = {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert not [c for c in stream if c != "\n" and unicodedata.category(c) in acting]


def test_a_long_hostile_text_costs_no_more_than_its_beginning() -> None:
    """Cutting it character by character, and measuring it each time, took a second for each."""
    long = "山\u202e\x1b]0;x\x07" * 2000
    began = time.process_time()
    for _ in range(50):
        assert cell_len(output.fit(long, 80)) == 80
    assert time.process_time() - began < 2

"""Diffs that patch(1) takes, at any size."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato.tools.base import ToolError
from mato.tools.difference import counts, unified
from mato.tools.edit import replace_once

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "-- x", "++ y", "\u2028", "é\r"]), max_size=30)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def applied(before: str, diff: str) -> str:
    """What a reader of the format makes of it; every line taken for given is checked."""
    old = before.split("\n")
    old = [f"{line}\n" for line in old[:-1]] + [old[-1]] * bool(old[-1])
    new: list[str] = []
    at = 0
    lines = diff.split("\n")[2:-1]
    for number, line in enumerate(lines):
        if match := re.match(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@$", line):
            start = int(match[1]) - (match[2] != "0")
            new += old[at:start]
            at = start
            assert len(new) == int(match[3]) - (match[4] != "0")
            continue
        if line.startswith("\\"):
            continue
        whole = lines[number + 1 : number + 2] != ["\\ No newline at end of file"]
        text = line[1:] + "\n" * whole
        if line[0] in " -":
            assert old[at] == text
            at += 1
        if line[0] in " +":
            new.append(text)
    return "".join(new + old[at:])


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_a_diff_turns_before_into_after(before: str, after: str):
    diff = unified("f", before, after)
    assert (diff == "") == (before == after)
    if diff:
        assert applied(before, diff) == after


def test_a_change_too_large_to_compare_is_shown_as_replaced_and_still_applies():
    before = "start\n" + "".join(f"old {i}\n" for i in range(1500)) + "end\nlast"
    after = "start\n" + "".join(f"new {i}\n" for i in range(1500)) + "end\nlast"
    diff = unified("f", before, after)
    assert applied(before, diff) == after
    assert counts(diff) == "+1500 −1500"


def test_a_small_edit_of_a_huge_file_gives_a_small_diff():
    lines = [f"line {i}\n" for i in range(200_000)]
    before = "".join(lines)
    lines[100_000] = "changed\n"
    diff = unified("f", before, "".join(lines))
    assert diff.startswith("--- a/f\n+++ b/f\n@@ -99998,7 +99998,7 @@\n line 99997\n")
    assert counts(diff) == "+1 −1"


def test_a_diff_longer_than_48_kib_is_cut_and_says_so():
    diff = unified("f", "", "".join(f"{'x' * 90}\n" for _ in range(5000)))
    assert len(diff) < 50_000
    assert diff.endswith("… the rest of this diff is not shown\n")
    assert counts(diff).endswith(" and more")


def test_patch_takes_a_diff(tmp_path: Path):
    before, after = "a\nb\nc\nd\ne\nf\ng\nh", "a\nB\nc\nd\ne\nf\ng\nh\ni\n"
    (tmp_path / "f").write_text(before)
    diff = unified("f", before, after) + unified("new", None, "one\n")
    subprocess.run(["patch", "-p1"], input=diff, text=True, cwd=tmp_path, check=True)
    assert (tmp_path / "f").read_text() == after
    assert (tmp_path / "new").read_text() == "one\n"


def test_a_name_with_control_bytes_stays_on_its_line():
    assert unified("a\n+b", None, "x\n").split("\n")[1] == '+++ "b/a\\n+b"'


@given(TEXTS, TEXTS.filter(bool), TEXTS, TEXTS)
@settings(deadline=None)
def test_an_edit_replaces_the_one_occurrence_or_changes_nothing(
    head: str, old: str, new: str, tail: str
):
    text = head + old + tail
    occurrences = sum(text.startswith(old, i) for i in range(len(text)))
    if old == new or occurrences != 1:
        with pytest.raises(ToolError):
            replace_once(text, old, new)
    else:
        assert replace_once(text, old, new) == head + new + tail

"""Cards and the other entries, line by line, at several widths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato_panes.rendering.diff import diff
from mato_panes.rendering.entry import estimate, foldable, lines_of, plain_text, ticks
from mato_panes.rendering.line import Line, cells, plain
from mato_panes.rendering.view import View
from mato_sessions.entries import (
    AnyEntry,
    CallEntry,
    NoticeEntry,
    PlanEntry,
    PromptEntry,
    ReasoningEntry,
    TextEntry,
    TurnEndEntry,
)
from mato_sessions.events.tool import PlanItem

STATES = [
    "writing",
    "proposed",
    "waiting",
    "running",
    "finished",
    "failed",
    "denied",
    "unknown",
]


def entry(kind: type[Any], **fields: Any) -> Any:
    return kind(**({"key": "k", "seq": 1, "turn": "t", "at_us": 0} | fields))


def call(**fields: Any) -> CallEntry:
    made = {"call": "c", "name": "shell", "title": "$ make all", "status": "finished"}
    return entry(CallEntry, **(made | fields))


def shown(one: AnyEntry, width: int = 60, **view: Any) -> list[str]:
    return [plain(line) for line in lines_of(one, View(width, **view))]


@pytest.mark.parametrize("status", STATES)
def test_every_state_of_a_call_has_a_glyph_and_a_word_of_its_own(status: Any) -> None:
    heads = {state: shown(call(status=state))[0] for state in STATES}
    head = heads.pop(status)
    assert len({other.split()[-1] for other in [*heads.values(), head]}) == len(STATES)
    assert head[0] != " "


def test_a_failed_command_does_not_look_like_a_success() -> None:
    head = shown(call(exit_code=2, summary="exit 2", duration_us=2_300_000))[0]
    assert head.startswith("✗")
    assert head.endswith("exit 2 · 2.3 s")


def test_a_running_call_shows_the_end_of_its_output() -> None:
    one = call(status="running", output="".join(f"line {n}\n" for n in range(100)), started_us=1)
    lines = shown(one, now_us=63_000_001)
    assert lines[0].endswith("running 1:03")
    assert lines[1:] == [f"  │ line {n}" for n in range(92, 100)]
    assert len(shown(one, expanded=True)) > 100


def test_an_endless_line_of_output_costs_no_more_than_its_end() -> None:
    assert len(shown(call(status="running", output="x" * 60_000))) <= 9


def test_a_diff_has_marks_numbers_and_no_header_twice() -> None:
    text = "--- a/f.py\n+++ b/f.py\n@@ -3,2 +3,2 @@ def f\n same\n-old\n+new\n"
    lines = [plain(line) for line in diff(text, 80, (), "edit f.py")]
    assert lines == ["@@ 3 def f", "   3   same", "   4 - old", "   4 + new"]
    assert next(plain(line) for line in diff(text, 40, ())) == "f.py"
    assert "- old" in [plain(line) for line in diff(text, 40, ())]


def test_a_changed_line_that_looks_like_a_header_stays_a_changed_line() -> None:
    text = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n--- x\n+++ y\n same\n"
    lines = [plain(line) for line in diff(text, 40, (), "f")]
    assert lines == ["@@ 1", "- -- x", "+ ++ y", "  same"]


def test_a_long_diff_is_folded_and_says_how_much_is_left() -> None:
    added = "".join(f"+line {n}\n" for n in range(40))
    one = call(diff=f"--- a/f\n+++ b/f\n@@ -0,0 +1,40 @@\n{added}")
    folded, whole = shown(one), shown(one, expanded=True)
    assert folded[-1] == "  … 28 more lines · enter shows"
    assert sum("+ line" in line for line in whole) == 40


def test_a_waiting_call_shows_the_exact_command_and_both_keys() -> None:
    command = "rm  -rf 'a b'\n  && echo \x1b[2J done"
    lines = shown(call(status="waiting", resource=command), 30)
    assert lines[-2:] == ["┃ [a] allow   [d] deny", "┃ tab, then a or d"]
    text = "".join(line.removeprefix("┃ ") for line in lines[1:-3])
    assert text == "rm  -rf 'a b'  && echo ␛[2J done"


@pytest.mark.parametrize(
    ("decisions", "keys"),
    [
        (("done", "again", "give_up"), "[f] it is done   [a] run again   [d] give up"),
        (("done", "give_up"), "[f] it is done   [d] give up"),
    ],
)
def test_a_call_that_was_cut_off_says_so_and_what_can_be_answered(
    decisions: Any, keys: str
) -> None:
    cut = call(status="waiting", resource="make", question="recovery", decisions=decisions)
    lines = shown(cut, 100, focused=True)
    assert any("Whether it took effect is not known." in line for line in lines)
    assert keys in lines[-1]
    narrow = shown(cut, 20, focused=True)
    assert all(cells(line) <= 20 for line in lines_of(cut, View(20)))
    assert sum("[" in line for line in narrow) == len(decisions)


def test_a_waiting_call_without_a_preview_shows_all_its_arguments() -> None:
    one = call(
        status="waiting",
        resource="notes.txt",
        arguments={"path": "notes.txt", "content": "one\ntwo", "mode": 7},
    )
    assert shown(one)[1:6] == ["┃ notes.txt", "┃ content: one", "┃ two", "┃ mode: 7", "┃ "]


def test_reasoning_folds_to_one_line_when_it_is_over() -> None:
    one = entry(ReasoningEntry, text="a\nb\nc", open=False, started_us=1, ended_us=12_000_001)
    assert shown(one, 24) == ["∴ thought for 12 s"]
    assert shown(one, 60) == ["∴ thought for 12 s  a b c"]
    assert shown(one, 24, expanded=True) == ["∴ thought for 12 s", "  a", "  b", "  c"]


def test_open_reasoning_shows_its_end_and_its_time() -> None:
    text = "\n".join(f"thought {n}" for n in range(50))
    one = entry(ReasoningEntry, text=text, open=True, started_us=1)
    lines = shown(one, now_us=4_000_001)
    assert lines == ["∴ thinking 0:04", *[f"  thought {n}" for n in range(44, 50)]]
    assert ticks(one)


def test_a_text_that_was_cut_off_says_so() -> None:
    assert shown(entry(TextEntry, text="half", open=False, partial=True))[-1] == "  ⋯ cut off here"


def test_prompts_say_when_they_wait_or_came_back() -> None:
    queued = entry(PromptEntry, text="do it", status="queued")
    assert shown(queued) == ["❯ do it", "  queued: sent when this turn ends"]
    returned = entry(PromptEntry, text="do it", status="returned", note="the daemon ended")
    assert shown(returned)[-1] == "↩ not sent: the daemon ended"


def test_a_long_prompt_is_folded() -> None:
    one = entry(PromptEntry, text="line\n" * 300, status="sent")
    assert foldable(one)
    assert len(shown(one)) == 16
    assert len(shown(one, expanded=True)) == 300


def test_a_plan_counts_what_is_done() -> None:
    items = (PlanItem("a", "completed"), PlanItem("b", "in_progress"), PlanItem("c", "pending"))
    assert shown(entry(PlanEntry, items=items)) == ["≡ plan  1/3", "  ✓ a", "  ▸ b", "  · c"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [("end_turn", "✓ done"), ("cancelled", "■ stopped"), ("failed", "✗ failed"), ("new", "■ new")],
)
def test_the_end_of_a_turn_says_why_and_how_long(reason: str, words: str) -> None:
    one = entry(TurnEndEntry, reason=reason, detail="the key is wrong", duration_us=34_000_000)
    lines = shown(one)
    assert lines[0].startswith(f"{words} · 34 s ──")
    assert lines[1] == "  the key is wrong"


ENTRIES = st.text(max_size=200).flatmap(
    lambda text: st.sampled_from(
        [
            entry(PromptEntry, text=text, status="queued"),
            entry(ReasoningEntry, text=text, open=True, started_us=5),
            entry(ReasoningEntry, text=text, open=False, started_us=5, ended_us=9),
            entry(TextEntry, text=text, open=False, partial=True),
            entry(PlanEntry, items=(PlanItem(text, "pending"),)),
            entry(NoticeEntry, level="warning", text=text),
            entry(TurnEndEntry, reason=text, detail=text, duration_us=1),
            *(
                call(
                    status=status,
                    title=text,
                    output=text,
                    diff=text,
                    resource=text,
                    preview=text,
                    arguments={"a": text},
                    summary=text,
                    exit_code=1,
                )
                for status in STATES
            ),
        ]
    )
)


@given(ENTRIES, st.integers(12, 160), st.booleans(), st.booleans())
def test_no_entry_is_wider_than_its_view(
    one: AnyEntry, width: int, expanded: bool, focused: bool
) -> None:
    lines: list[Line] = lines_of(one, View(width, expanded=expanded, focused=focused))
    assert lines
    assert all(cells(line) <= width for line in lines)
    assert not [c for line in lines for c in plain(line) if ord(c) < 32 or 0x7F <= ord(c) < 0xA0]
    assert estimate(one, width) >= 1
    assert isinstance(plain_text(one), str)


@pytest.mark.parametrize("width", range(12, 80))
def test_a_card_says_at_any_width_how_its_keys_are_reached(width: int) -> None:
    waiting = call(status="waiting", resource="make all")
    away = shown(waiting, width)
    assert "tab, then a or d" in " ".join("".join(away).replace("┃", " ").split())
    assert all(len(line) <= width for line in away)
    assert "tab" not in "".join(shown(waiting, width, focused=True))

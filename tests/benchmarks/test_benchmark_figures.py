"""The arithmetic of the benchmarks: ratios, percentiles, the table, and what is read off a pty."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import keys
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.home import environment
from benchmarks.processes import Meter, resident_mb
from benchmarks.report import Figure, Outcome, Yardstick, amount, percentile, spread, table, to_json
from benchmarks.terminal import SYNC_BEGIN, Finder, Frames, Gone, Terminal


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile(values, 100) == 100
    assert percentile([7.0], 99) == 7
    assert percentile([3.0, 1.0, 2.0], 50) == 2


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs values"):
        percentile([], 50)


def test_the_spread_is_half_the_middle_half_as_a_part_of_the_median() -> None:
    assert spread([10.0] * 8) == 0
    assert spread([8.0, 8.0, 10.0, 12.0, 12.0]) == (12.0 - 8.0) / 2 / 10.0


def test_a_ratio_is_to_the_yardstick_and_absent_without_one() -> None:
    assert Figure("a", 30.0, "ms", Yardstick("b", 20.0)).ratio == 1.5
    assert Figure("a", 30.0, "ms").ratio is None
    assert Figure("a", 30.0, "ms", Yardstick("b", 0.0)).ratio is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.123, "0.12"), (9.994, "9.99"), (9.996, "10.0"), (99.94, "99.9"),
     (99.96, "100"), (12345.6, "12,346"), (float("inf"), "inf")],
)  # fmt: skip
def test_amounts_have_three_digits(value: float, shown: str) -> None:
    assert amount(value) == shown


def test_the_table_is_never_wider_than_a_small_terminal() -> None:
    long = Figure("a name that is far too long for its column", 1e9, "kB/s", Yardstick("y" * 60, 1))
    failed = Outcome("b", "B", 1.0, error="nothing came; " * 20)
    text = table([Outcome("a", "A" * 100, 12.3, (long,), ("note " * 40,)), failed])
    assert max(map(len, text.splitlines())) <= 80
    assert "nothing came" in text


def test_the_table_says_value_ratio_and_yardstick() -> None:
    figure = Figure("mato ls", 60.0, "ms", Yardstick("pass", 20.0))
    [title, line] = table([Outcome("ls", "Listing", 2.0, (figure,))]).splitlines()
    assert title == "Listing  (2 s)"
    assert line.split() == ["mato", "ls", "60.0", "ms", "3.00×", "pass", "20.0"]


def test_json_has_every_figure_with_its_ratio() -> None:
    figure = Figure("mato ls", 60.0, "ms", Yardstick("pass", 20.0))
    outcomes = [Outcome("ls", "Listing", 2.0, (figure, Figure("frames", 0.0, "")))]
    document = json.loads(to_json(outcomes, {"processors": 2}))
    assert document["machine"] == {"processors": 2}
    [with_ratio, without] = document["benchmarks"][0]["figures"]
    assert with_ratio["ratio"] == 3.0
    assert with_ratio["against"] == {"name": "pass", "value": 20.0}
    assert without["ratio"] is None


def test_frames_are_counted_across_the_borders_of_pieces() -> None:
    stream = b"ab" + SYNC_BEGIN + b"cd" + SYNC_BEGIN + SYNC_BEGIN + b"e"
    for size in range(1, len(stream) + 1):
        frames = Frames()
        for start in range(0, len(stream), size):
            frames.feed(stream[start : start + size], float(start))
        assert len(frames.at) == 3
        assert frames.bytes == len(stream)


def test_intervals_are_between_frames_that_follow_each_other() -> None:
    frames = Frames()
    for at in (1.0, 1.5, 1.75):
        frames.feed(SYNC_BEGIN, at)
    assert frames.intervals_ms() == [500.0, 250.0]


def test_text_is_found_across_the_borders_of_pieces() -> None:
    finder = Finder("шея".encode(), b"ada")
    pieces = [bytes([byte]) for byte in "ad шея".encode()]
    assert not any(finder.feed(piece) for piece in pieces)
    assert finder.missing == {b"ada"}
    assert finder.feed(b"ada")


def test_letters_for_keys_are_distinct_and_one_cell_wide() -> None:
    assert len(set(keys.LETTERS)) == len(keys.LETTERS) > 50
    assert all(letter.isprintable() and not letter.isascii() for letter in keys.LETTERS)


def test_a_meter_sees_work_and_rest() -> None:
    busy = Meter(os.getpid())
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    cost = busy.read()
    assert cost.cpu_s >= 0.04
    assert cost.cpu_percent == 100 * cost.cpu_s / cost.seconds
    assert resident_mb(os.getpid()) > 1


def test_a_meter_refuses_a_process_that_has_ended() -> None:
    with Terminal([sys.executable, "-c", "input()"], dict(os.environ)) as terminal:
        meter = Meter(terminal.pid)
    with pytest.raises(ProcessLookupError):
        meter.read()


def test_keys_come_back_only_from_the_program() -> None:
    program = "import os, tty; tty.setraw(0); print('ready', flush=True)\n"
    program += "while key := os.read(0, 1): os.write(1, b'<' + key + b'>')"
    with Terminal([sys.executable, "-c", program], dict(os.environ)) as terminal:
        terminal.wait_for("ready")
        pressed = terminal.press("x")
        assert terminal.wait_for("<x>") > pressed
        with pytest.raises(TimeoutError, match="<y>"):
            terminal.wait_for("<y>", within_s=0.05)


def test_groups_of_text_have_moments_of_their_own() -> None:
    program = "print('one', flush=True); input(); print('two', flush=True); input()"
    with Terminal([sys.executable, "-c", program], dict(os.environ)) as terminal:
        terminal.press("\n")
        first, whole = terminal.moments(["one"], ["one", "two"])
        assert terminal.started < first <= whole


def test_the_end_of_a_program_is_told_with_its_last_words() -> None:
    with (
        Terminal([sys.executable, "-c", "print('no such thing')"], dict(os.environ)) as terminal,
        pytest.raises(Gone, match="no such thing"),
    ):
        terminal.wait_for("something else")


def test_measured_programs_get_no_variable_that_slows_or_changes_them(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "X_API_KEY": "k",
             "TMUX": "t", "MATO_HOME": "/elsewhere"}  # fmt: skip
    env = environment(tmp_path, given)
    assert set(env) == {"PATH", "HOME", "MATO_HOME", "TERM", "COLORTERM", "LC_ALL"}
    assert env["MATO_HOME"].startswith(str(tmp_path))


def test_an_unknown_benchmark_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])
    said = capsys.readouterr().err
    assert "'nonsense'" in said
    assert all(benchmark.name in said for benchmark in BENCHMARKS)

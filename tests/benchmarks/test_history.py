"""The long journal of the benchmark is one that agents could have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import history
from benchmarks.__main__ import BENCHMARKS, Benchmark, main
from benchmarks.report import Result
from mato.daemon.roster import Roster
from mato_sessions.clock import ManualClock
from mato_sessions.events import ModelAnswered
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor
from mato_sessions.verify import verify


async def test_a_history_is_whole_and_its_end_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    written = await history.write(path, tmp_path, sessions=2, events=100)
    assert verify(path).events == written
    async with Journal.open(path, clock=ManualClock(), redactor=Redactor()) as journal:
        roster = Roster()
        await roster.load(journal)
        for summary in roster.catalog.sessions():
            assert [agent.state for agent in summary.agents] == ["idle", "idle"]
            assert not any(agent.turn or agent.pending for agent in summary.agents)
            events = await journal.events(summary.id)
            assert len(events) > 100
            answers = [each.body.text for each in events if isinstance(each.body, ModelAnswered)]
            signed = [history.signature(summary.name) in text for text in answers]
            assert signed == [False] * (len(signed) - 1) + [True]
            calls = await journal.calls(summary.id)
            assert {call.state for call in calls} == {"finished"}


def test_what_takes_long_is_run_only_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [each.name for each in BENCHMARKS if each.by_name] == ["million"]
    ran: list[str] = []

    def noting(name: str):
        def measure() -> Result:
            ran.append(name)
            return Result(())

        return measure

    fakes = tuple(Benchmark(name, name, noting(name), name == "long") for name in ("short", "long"))
    monkeypatch.setattr("benchmarks.__main__.BENCHMARKS", fakes)
    assert main([]) == 0
    assert ran == ["short"]
    assert main(["long"]) == 0
    assert ran == ["short", "long"]

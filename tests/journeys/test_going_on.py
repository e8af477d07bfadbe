"""The daemon ends in the middle of work, and the next one goes on with it, with a person's word."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Machine, kinds

pytestmark = pytest.mark.journey

SCRIPT = """
[[answer]]
when = "deploy"
after = 0
calls = [ { name = "shell", arguments = { command = "echo ran >> log; sleep 97531" } } ]

[[answer]]
when = "deploy"
after = 1
text = "That is settled."

[[answer]]
when = "slowly"
after = 0
calls = [ { name = "shell", arguments = { command = "echo ran >> log; cat fifo" } } ]

[[answer]]
when = "slowly"
after = 1
text = "Slow and done."
"""


def deploying(machine: Machine) -> str:
    """A session whose agent's command runs; returns its id."""
    machine.script(SCRIPT, mode="full")
    session = str(machine.json("new", "deploy it")["session"])
    machine.until(session, "tool.started")
    return session


def crash(machine: Machine) -> None:
    os.kill(machine.daemon_pid(), signal.SIGKILL)
    machine.run("daemon", "start")


def runs(machine: Machine) -> int:
    """How often the command has begun."""
    log = Path(machine.project / "log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def reasons(machine: Machine, session: str) -> list[str]:
    ends = [e for e in machine.events(session) if e["kind"] == "turn.ended"]
    return [end["body"]["reason"] for end in ends]


def test_a_command_that_the_crash_cut_off_is_decided_in_the_pane(machine: Machine) -> None:
    session = deploying(machine)
    terminal = machine.open("attach", session)
    terminal.wait("running")
    crash(machine)
    terminal.wait("It was running when the daemon ended.")
    screen = terminal.wait("[f] it is done   [a] run again   [d] give up")
    assert "sleep 97531" in screen
    terminal.keys("Tab")
    terminal.insist("f", "That is settled.")
    assert reasons(machine, session) == ["end_turn"]
    assert runs(machine) == 1


@pytest.mark.parametrize("decision", ["done", "again", "give-up"])
def test_a_command_that_was_cut_off_is_decided_by_the_command_line(
    machine: Machine, decision: str
) -> None:
    session = deploying(machine)
    crash(machine)
    [waiting] = machine.json("inbox")
    assert waiting["question"] == "recovery"
    assert waiting["decisions"] == ["done", "again", "give_up"]
    assert "done / run again / give up" in machine.run("inbox")
    machine.run("resolve", waiting["call"], decision)
    if decision == "again":
        machine.until(session, "tool.started")
        machine.run("stop", session)
    machine.run("wait", session, "--until", "ended", "--timeout", "60")
    assert reasons(machine, session) == ["cancelled" if decision == "again" else "end_turn"]
    assert runs(machine) == (2 if decision == "again" else 1)
    assert machine.json("inbox") == []
    assert "no call" in machine.run("resolve", waiting["call"], decision, code=3)


def test_without_resuming_everything_is_paused_until_it_is_told_to_go_on(machine: Machine) -> None:
    session = deploying(machine)
    os.kill(machine.daemon_pid(), signal.SIGKILL)
    machine.run("daemon", "start", "--no-resume")
    [agent] = machine.json("ls")[0]["agents"]
    assert agent["state"] == "blocked"
    assert agent["evidence"].startswith("paused: the daemon was started with --no-resume")
    assert machine.json("inbox") == []
    assert "tool.unknown" not in kinds(machine.events(session))
    assert "paused" in machine.run("send", session, "more", code=2)
    assert f":{agent['name']} goes on" in machine.run("resume", session)
    [waiting] = machine.json("inbox")
    machine.run("deny", waiting["call"])
    machine.run("wait", session, "--until", "ended", "--timeout", "60")
    assert reasons(machine, session) == ["end_turn"]


def test_a_restart_lets_the_command_end_and_loses_no_turn(machine: Machine) -> None:
    os.mkfifo(machine.project / "fifo")
    machine.script(SCRIPT, mode="full")
    session = str(machine.json("new", "slowly please")["session"])
    machine.until(session, "tool.started")
    terminal = machine.open("attach", session)
    terminal.wait("running")
    first = machine.daemon_pid()
    with ThreadPoolExecutor(1) as aside:
        restarted = aside.submit(machine.run, "daemon", "restart")
        machine.run("wait", session, "--until", "blocked", "--timeout", "60")
        assert not restarted.done()
        (machine.project / "fifo").write_text("at last\n")
        restarted.result()
    assert machine.daemon_pid() != first
    terminal.wait("Slow and done.")
    terminal.wait_gone("disconnected")
    machine.run("wait", session, "--until", "ended", "--timeout", "60")
    events: list[dict[str, Any]] = machine.events(session)
    assert {event["epoch"] for event in events} == {1, 2}
    assert kinds(events).count("tool.finished") == 1
    assert "tool.unknown" not in kinds(events)
    assert reasons(machine, session) == ["end_turn"]
    assert runs(machine) == 1

"""Detach, kill, attach, resize, end the daemon: the agents and the record go on."""

from __future__ import annotations

import os
import re
import select
import signal
from collections.abc import Callable

import pytest

from mato.client.start import start
from mato.config.paths import find
from tests.journeys.conftest import Machine, kinds

pytestmark = pytest.mark.journey

COUNTS = """
[[answer]]
when = "count"
text = "{numbers}"
tokens_per_second = {rate}

[[answer]]
when = "hello"
text = "Hello again."
"""


def counting(upto: int, rate: int) -> str:
    """A script whose agent counts, a number a line, so that a gap or a repeat can be seen."""
    numbers = "\\n".join(f"n{number}." for number in range(1, upto + 1))
    return COUNTS.format(numbers=numbers, rate=rate)


def told(captured: str) -> list[int]:
    """The numbers of a captured transcript, in their order."""
    return [int(number) for number in re.findall(r"n(\d+)\.", captured)]


def reached(number: int) -> Callable[[str], bool]:
    """Whether a screen shows that the count has come so far."""
    return lambda screen: max(told(screen), default=0) >= number


def whole(rows: int) -> Callable[[str], bool]:
    """Whether a screen has header and status bar where they belong at this height."""

    def holds(screen: str) -> bool:
        lines = screen.splitlines()
        at_work = any(word in line for line in lines[:1] for word in ("working", "done", "idle"))
        return len(lines) == rows and at_work and "1:main*" in lines[-1]

    return holds


def begin(machine: Machine, upto: int = 150, rate: int = 40) -> str:
    """A session whose agent counts; returns its id."""
    machine.script(counting(upto, rate))
    return str(machine.json("new", "count")["session"])


def end(machine: Machine, session: str) -> str:
    """Wait for the agent; its transcript."""
    machine.run("wait", session, "--until", "ended", "--timeout", "60")
    return machine.run("capture", session)


def test_detaching_leaves_the_agent_at_work_and_attaching_shows_all_of_it(machine: Machine) -> None:
    session = begin(machine)
    terminal = machine.open("attach", session)
    terminal.wait(reached(5))
    terminal.keys("C-b", "d")
    terminal.wait_end()
    assert machine.json("ls")[0]["agents"][0]["state"] == "working"
    again = machine.open("attach", session)
    again.wait(reached(150))
    assert told(end(machine, session)) == list(range(1, 151))


@pytest.mark.parametrize("way", ["kill -9", "terminal closed"])
def test_a_client_that_dies_takes_nothing_with_it(machine: Machine, way: str) -> None:
    session = begin(machine)
    terminal = machine.open("attach", session)
    terminal.wait(reached(5))
    pid = terminal.pid()
    if way == "kill -9":
        os.kill(pid, signal.SIGKILL)
        terminal.wait_end()
    else:
        machine.terminals.remove(terminal)
        handle = os.pidfd_open(pid)
        terminal.close()
        assert ended(handle), "the client outlives its terminal"
    again = machine.open("attach", session)
    again.wait(reached(150))
    assert told(end(machine, session)) == list(range(1, 151))


def ended(handle: int, patience_s: float = 15.0) -> bool:
    """Whether the process of a pidfd ends in time."""
    try:
        return bool(select.select([handle], [], [], patience_s)[0])
    finally:
        os.close(handle)


def test_windows_panes_and_names_are_there_after_the_daemon_was_started_again(
    machine: Machine,
) -> None:
    machine.script(counting(3, 0))
    two = ("--agent", "coder", "--agent", "reader")
    session = machine.json("new", "count", "--name", "orchard", *two)["session"]
    end(machine, session)
    terminal = machine.open("attach", session, size=(120, 40))
    terminal.wait(lambda screen: screen.count("n3.") == 2)
    terminal.keys("C-b", ",")
    terminal.keys("C-u")
    terminal.type("trees")
    terminal.keys("Enter")
    terminal.wait("1:trees")
    terminal.keys("C-b", "d")
    terminal.wait_end()
    before = machine.json("ls")
    machine.run("daemon", "restart")
    assert machine.json("ls") == before
    again = machine.open("attach", "orchard", size=(120, 40))
    again.wait(lambda screen: screen.count("n3.") == 2 and "1:trees" in screen)


@pytest.mark.parametrize("way", ["stop", "kill -9"])
def test_a_turn_that_the_daemon_s_end_has_cut_is_marked_and_goes_on(
    machine: Machine, way: str
) -> None:
    session = begin(machine, upto=2000)
    terminal = machine.open("attach", session)
    terminal.wait(reached(20))
    if way == "stop":
        machine.run("daemon", "stop")
        terminal.wait("disconnected")
    else:
        os.kill(machine.daemon_pid(), signal.SIGKILL)
    machine.run("daemon", "start")
    # The answer begins anew below the part that is kept.
    machine.until(session, "model.failed")
    terminal.wait_gone("disconnected")
    machine.run("stop", session)
    assert "asks again: the daemon ended while this answer came" in machine.run("capture", session)
    terminal.type("hello")
    terminal.keys("Enter")
    terminal.wait("Hello again.")
    numbers = told(end(machine, session))
    anew = numbers.index(1, 1)
    assert numbers == [*range(1, anew + 1), *range(1, len(numbers) - anew + 1)]
    # What a live piece showed in the last 250 ms before a crash may not be in the journal.
    assert anew >= (20 if way == "stop" else 5)
    seen = [e for e in machine.events(session) if e["kind"] == "turn.ended"]
    assert [e["body"]["reason"] for e in seen] == ["cancelled", "end_turn"]


def test_a_restart_from_elsewhere_is_lived_through_without_a_key(machine: Machine) -> None:
    session = begin(machine, upto=200)
    terminal = machine.open("attach", session)
    terminal.wait(reached(20))
    before = machine.json("daemon", "status")
    machine.run("daemon", "restart", "--now")
    after = machine.json("daemon", "status")
    assert (after["epoch"], after["pid"]) != (before["epoch"], before["pid"])
    terminal.wait_gone("disconnected")
    assert b"the daemon restarts" in terminal.raw()
    machine.run("send", session, "hello")
    terminal.wait("Hello again.")
    end(machine, session)
    fresh = machine.open("attach", session)
    fresh.wait("Hello again.")
    # What was watched is what is on record; the last line of either may be drawn a moment later.
    seen = told(terminal.wait(lambda screen: bool(told(screen)) and "done ·" in screen))
    fresh.wait(lambda screen: told(screen) == seen)


def test_an_older_daemon_is_looked_at_and_restarted_from_the_workspace(machine: Machine) -> None:
    session = begin(machine, upto=3, rate=0)
    end(machine, session)
    machine.run("daemon", "stop")
    start(find(machine.env), machine.env, module="mato.testing.older")
    terminal = machine.open("attach", session, size=(120, 30))
    terminal.wait("read-only: an older daemon, ctrl+b R restarts it")
    assert told(terminal.screen()) == [1, 2, 3]
    machine.run("send", session, "hello", code=4)
    terminal.keys("C-b", "R")
    terminal.wait("Restart the daemon?")
    terminal.type("y")
    terminal.wait_gone("Restart the daemon?")
    terminal.wait(lambda screen: not re.search("read-only|disconnected", screen))
    assert told(terminal.screen()) == [1, 2, 3]
    terminal.type("hello")
    terminal.keys("Enter")
    terminal.wait("Hello again.")


def test_two_clients_have_their_own_size_and_scroll(machine: Machine) -> None:
    session = begin(machine, upto=120, rate=30)
    small = machine.open("attach", session, size=(80, 24))
    large = machine.open("attach", session, size=(160, 50))
    small.wait(reached(60))
    small.keys("Tab")
    small.keys("g")
    small.wait(lambda screen: told(screen)[:1] == [1])
    large.wait(reached(120))
    screen = small.wait("below")
    assert told(screen)[0] == 1, "a scrolled view is never yanked"
    assert max(told(screen)) < 120
    small.keys("G")
    small.wait(reached(120))


def test_the_screen_stays_whole_while_it_is_resized_during_a_stream(machine: Machine) -> None:
    session = begin(machine, upto=300, rate=60)
    terminal = machine.open("attach", session, size=(80, 24))
    terminal.wait(reached(5))
    for size in [(200, 60), (80, 24)] * 4:
        terminal.resize(*size)
        terminal.wait(whole(size[1]))
    terminal.wait(reached(300))
    assert told(end(machine, session)) == list(range(1, 301))


def test_inside_a_tmux_that_takes_ctrl_b_the_prefix_is_another_and_said(machine: Machine) -> None:
    machine.script(counting(3, 0))
    session = machine.json("new", "count")["session"]
    terminal = machine.open("attach", session, inside_tmux=True)
    terminal.wait("ctrl+g")
    terminal.wait("message coder")
    terminal.keys("C-g", "d")
    terminal.wait_end()


def test_splitting_zooming_and_closing_panes_with_the_keys_of_tmux(machine: Machine) -> None:
    machine.script(counting(3, 0))
    session = machine.json("new", "count")["session"]
    end(machine, session)
    terminal = machine.open("attach", session, size=(120, 40))
    terminal.wait("message coder")
    terminal.keys("C-b", "%")
    terminal.wait("reader")
    terminal.type("reader")
    terminal.keys("Enter")
    terminal.wait("message reader")
    assert [a["name"] for a in machine.json("ls")[0]["agents"]] == ["coder", "reader"]
    assert "message coder" in terminal.screen()
    terminal.keys("C-b", "z")
    terminal.wait_gone("message coder")
    terminal.keys("C-b", "z")
    terminal.wait("message coder")
    terminal.keys("C-b", "x")
    terminal.wait("y")
    terminal.type("y")
    terminal.wait_gone("message reader")
    states = {a["name"]: a["state"] for a in machine.json("ls")[0]["agents"]}
    assert states["reader"] != "stopped", "closing a pane leaves its agent alone"
    assert "session.arranged" in kinds(machine.events(session))

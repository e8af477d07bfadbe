"""An agent starts two others in front of a person: allowed, watched, limited, ended with it."""

from __future__ import annotations

import os
import signal

import pytest

from tests.journeys.conftest import Machine

pytestmark = pytest.mark.journey

SCRIPT = """
[[answer]]
when = "compare"
after = 0
calls = [
  { name = "spawn", arguments = { agent = "reader", name = "parser", task = "read the parser" } },
  { name = "spawn", arguments = { agent = "reader", name = "tests", task = "read the tests" } },
]

[[answer]]
when = "compare"
after = 2
text = "Both agree about empty lines."

[[answer]]
when = "read the parser"
text = "The parser skips them."

[[answer]]
when = "read the tests"
text = "so say the tests and "
for_s = 3.0
tokens_per_second = 20.0

[[answer]]
when = "watch on"
after = 0
calls = [ { name = "spawn", arguments = { agent = "reader", name = "watcher", task = "go on" } } ]

[[answer]]
when = "go on"
text = "and on "
for_s = 120.0
tokens_per_second = 20.0
"""


def test_a_person_lets_an_agent_start_others_and_watches_them(machine: Machine) -> None:
    machine.script(SCRIPT)
    session = str(machine.json("new", "--agent", "lead", "compare them")["session"])
    machine.until(session, "permission.asked")
    assert "    read the parser" in machine.run("inbox")
    terminal = machine.open("attach", session)
    terminal.resize(160, 50)
    terminal.wait("task: read the tests")
    terminal.keys("Tab")
    terminal.insist("a", lambda screen: screen.count("waiting for you") <= 1)
    for waiting in machine.json("inbox"):
        machine.run("approve", waiting["call"])
    terminal.wait("2:lead's")
    terminal.keys("C-b", "n")
    screen = terminal.wait("The parser skips them.")
    rows = [line.split("▕")[0] for line in screen.splitlines()]
    places = [next(at for at, row in enumerate(rows) if name in row) for name in ("lead", "parser")]
    assert places == sorted(places)
    terminal.keys("C-b", "p")
    terminal.wait("Both agree about empty lines.")
    listed = machine.json("ls")[0]["agents"]
    assert [(each["name"], each["depth"]) for each in listed] == [
        ("lead", 0), ("parser", 1), ("tests", 1),
    ]  # fmt: skip
    assert {each["parent"] for each in listed} == {"", listed[0]["id"]}


def test_a_crash_leaves_one_child_and_the_end_of_its_parent_none(machine: Machine) -> None:
    machine.script(SCRIPT, mode="edit")
    session = str(machine.json("new", "--agent", "lead", "watch on")["session"])
    machine.until(session, "text.streamed")
    os.kill(machine.daemon_pid(), signal.SIGKILL)
    machine.run("daemon", "start")
    assert [each["name"] for each in machine.json("ls")[0]["agents"]] == ["lead", "watcher"]
    assert "watcher" in machine.run("kill", f"{session}:lead")
    assert {each["state"] for each in machine.json("ls")[0]["agents"]} == {"stopped"}
    ends = [each for each in machine.events(session) if each["kind"] == "turn.ended"]
    assert len(ends) == 2

"""A request comes up while somebody types: no key that was meant for something else decides it."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import Machine

pytestmark = pytest.mark.journey

SCRIPT = """
[[answer]]
when = "write it"
after = 0
text = "I write. "
for_s = 2.0
tokens_per_second = 20.0
calls = [ { name = "write", arguments = { path = "pears.txt", content = "conference\\n" } } ]

[[answer]]
when = "write it"
after = 1
text = "That was it."
"""


def answers(machine: Machine) -> list[str]:
    [session] = machine.json("ls")
    events = machine.events(session["id"])
    return [each["body"]["rule"] for each in events if each["kind"] == "permission.answered"]


def test_who_types_while_a_request_comes_up_decides_nothing(machine: Machine) -> None:
    machine.script(SCRIPT)
    terminal = machine.open()
    terminal.wait("message coder")
    terminal.type("write it")
    terminal.wait("write it")
    terminal.keys("Enter")
    terminal.wait("I write.")
    # Into the composer, on and on, until the request is there: letters are text.
    for _ in range(400):
        terminal.type("ad")
        if "[a] allow" in terminal.screen():
            break
    terminal.wait("[a] allow")
    terminal.type("ada")
    assert not answers(machine)
    assert len(machine.json("inbox")) == 1

    terminal.keys("C-b", "i", "a", "d")  # typed ahead of the inbox: for nothing in it
    terminal.wait("not now")
    assert len(machine.json("inbox")) == 1
    assert not answers(machine)
    terminal.insist("d", "✗ orchard:coder")  # once it has been in sight
    terminal.keys("Escape")
    terminal.wait("That was it.")
    assert answers(machine) == ["denied in the inbox"]


def test_who_reads_when_a_request_comes_up_decides_nothing(machine: Machine) -> None:
    machine.script(SCRIPT)
    terminal = machine.open()
    terminal.wait("message coder")
    terminal.type("write it")
    terminal.wait("write it")
    terminal.keys("Enter", "Tab")
    terminal.wait("I write.")
    # Keys of the transcript, on and on; the first that finds the card only goes there.
    for _ in range(400):
        terminal.type("k")
        if "[a] allow" in terminal.screen():
            break
    terminal.wait("[a] allow")
    assert not answers(machine)
    terminal.keys("End")
    terminal.insist("a", "That was it.")
    assert answers(machine) == ["approved in the pane"]

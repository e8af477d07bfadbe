"""Start, prompt, approve, deny, stop: a day at work, with real keys on a real screen."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import Machine, kinds

pytestmark = pytest.mark.journey

WRITES = """
[[answer]]
reasoning = "A list first."
calls = [ { name = "list", arguments = { path = "." } } ]

[[answer]]
text = "I write the file."
calls = [ { name = "write", arguments = { path = "pears.txt", content = "conference\\n" } } ]

[[answer]]
text = "That was it."
"""


def test_a_folder_is_opened_prompted_and_its_agent_allowed_to_write(machine: Machine) -> None:
    machine.script(WRITES)
    terminal = machine.open()
    terminal.wait("message coder")
    terminal.type("note the pears")
    terminal.wait("note the pears")
    terminal.keys("Enter")
    screen = terminal.wait("pears.txt")
    assert "conference" in terminal.wait("conference"), "the diff is shown before it is decided"
    assert "blocked" in screen or "blocked" in terminal.wait("blocked")
    assert not (machine.project / "pears.txt").exists()

    [call] = machine.json("inbox")
    assert call["tool"] == "write"
    assert call["arguments"] == {"path": "pears.txt", "content": "conference\n"}

    terminal.type("a")  # the composer has the focus: a letter is no approval
    terminal.wait("❯ a")
    assert machine.json("inbox") == [call]
    terminal.keys("BSpace", "Tab")
    terminal.insist("a", "That was it.")
    assert (machine.project / "pears.txt").read_text() == "conference\n"
    [session] = machine.json("ls")
    seen = kinds(machine.events(session["id"]))
    start = seen.index("tool.started", seen.index("permission.asked"))
    assert seen.index("permission.asked") < seen.index("file.checkpointed") > start


def test_ctrl_c_at_a_question_of_run_stops_the_turn_at_once(machine: Machine) -> None:
    machine.script(WRITES)
    terminal = machine.open("run", "note the pears")
    terminal.wait("allow this?")
    terminal.keys("C-c")
    terminal.wait_end(patience_s=10)
    [session] = machine.json("ls")
    assert f"mato attach {session['name']}" in terminal.screen()
    assert machine.events(session["id"])[-2]["body"]["reason"] == "cancelled"
    assert not (machine.project / "pears.txt").exists()


def test_a_question_of_run_is_answered_by_whole_words(machine: Machine) -> None:
    machine.script(WRITES)
    terminal = machine.open("run", "note the pears")
    terminal.wait("allow this?")
    terminal.keys("Enter")
    terminal.wait(lambda screen: screen.count("allow this?") == 2)
    terminal.type("yes")
    terminal.keys("Enter")
    terminal.wait_end(patience_s=10)
    assert "end_turn" in terminal.screen()
    assert (machine.project / "pears.txt").read_text() == "conference\n"


def test_a_denied_call_does_nothing_and_the_agent_goes_on(machine: Machine) -> None:
    machine.script(WRITES)
    session = machine.json("new", "note the pears")["session"]
    machine.run("wait", session, "--until", "blocked", "--timeout", "20")
    terminal = machine.open("attach", session)
    terminal.wait("pears.txt")
    terminal.keys("C-b", "i")
    terminal.wait("─ Inbox ")
    terminal.insist("d", "✗ note-the-pears")
    terminal.keys("Escape")
    terminal.wait("That was it.")
    assert "denied" in terminal.screen()
    assert not (machine.project / "pears.txt").exists()
    assert (
        machine.run("wait", session, "--until", "ended", "--timeout", "20").split()[-1]
        == "end_turn"
    )


def test_approve_and_deny_work_from_the_command_line(machine: Machine) -> None:
    machine.script(WRITES)
    for verb, exists in (("deny", False), ("approve", True)):
        session = machine.json("new", "note the pears")["session"]
        machine.run("wait", session, "--until", "blocked", "--timeout", "20")
        [call] = machine.json("inbox")
        machine.run(verb, call["call"])
        machine.run("wait", session, "--until", "ended", "--timeout", "20")
        assert (machine.project / "pears.txt").exists() is exists
        assert machine.json("inbox") == []
    assert "answered already" in machine.run("approve", call["call"], code=3)


def test_stop_keeps_the_partial_text_and_leaves_no_process(machine: Machine) -> None:
    machine.script(
        """
        [[answer]]
        when = "sleep"
        after = 0
        text = "I wait with this."
        [[answer.calls]]
        name = "shell"
        arguments = { command = "echo begun; (setsid sleep 987 &); sleep 987" }

        [[answer]]
        when = "count"
        text = "one more "
        for_s = 60.0
        tokens_per_second = 40
        """,
        mode="full",
    )
    session = machine.json("new", "sleep a while")["session"]
    terminal = machine.open("attach", session)
    terminal.wait("begun")
    terminal.keys("C-b", "C-c")
    terminal.wait("■ stopped", 5)
    sleeping = [p for p in machine.processes() if "987" in p.cmdline()]
    assert sleeping == []
    assert "I wait with this." in terminal.screen()

    terminal.type("count for me")
    terminal.keys("Enter")
    terminal.wait("one more one more")
    assert "ended the turn of coder" in machine.run("stop", session)
    machine.run("wait", session, "--until", "ended", "--timeout", "5")
    captured = machine.run("capture", session)
    assert captured.count("one more") > 2
    assert "cancelled" in captured
    assert (
        machine.run("wait", session, "--until", "ended", "--timeout", "5").split()[-1]
        == "cancelled"
    )


def test_prompts_queue_while_the_agent_is_busy(machine: Machine) -> None:
    machine.script(
        """
        [[answer]]
        when = "first"
        text = "slow "
        repeat_text = 30
        tokens_per_second = 20

        [[answer]]
        when = "second"
        text = "That is the second."
        """
    )
    session = machine.json("new", "first")["session"]
    terminal = machine.open("attach", session)
    terminal.wait("slow slow")
    terminal.type("second")
    terminal.keys("Enter")
    terminal.wait("queued")
    terminal.wait("That is the second.")
    terminal.wait_gone("queued")

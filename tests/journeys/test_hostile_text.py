"""What models, tools and files say never reaches a terminal as anything but text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.journeys.conftest import Machine

pytestmark = pytest.mark.journey

ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\U000e0000-\U000e0fff\ud800-\udfff]"
)
"""Characters that a terminal acts on, that reorder, or that hide."""
PAYLOADS = ("PWNED", "pwned")


def marked(texts: Sequence[Any]) -> list[str]:
    """The hostile texts, short ones; lone surrogates as UTF-8 can carry them.

    Of those made by rule an eighth: `tests/hostile/test_every_sink.py` has them all.
    """
    kept = [each for n, each in enumerate(texts) if not each.name.startswith("made/") or n % 8 == 0]
    short = [each.text for each in kept if len(each.text) <= 400]
    return [text.encode("utf-8", "replace").decode() for text in short]


def toml(text: str) -> str:
    """`text` as a TOML string."""
    return '"' + "".join(c if c.isalnum() or c == " " else f"\\U{ord(c):08X}" for c in text) + '"'


def test_the_command_line_prints_no_hostile_byte(
    machine: Machine, hostile_texts: Sequence[Any]
) -> None:
    texts = marked(hostile_texts)
    everything = "\n".join(texts)
    typed = everything.replace("\x00", "")  # an argument cannot hold it
    (machine.project / "notes.txt").write_text(everything, newline="")
    name = "evil\x1b]0;PWNED\x07\x9b31m\u202e.txt"
    (machine.project / name).write_text("x")
    machine.script(
        f"""
        [[answer]]
        reasoning = {toml(everything)}
        text = {toml(everything)}
        calls = [ {{ name = "read", arguments = {{ path = "notes.txt" }} }},
                  {{ name = "list", arguments = {{ path = "." }} }},
                  {{ name = "shell", arguments = {{ command = "cat notes.txt; touch seen" }} }} ]
        [[answer]]
        text = "The end."
        """
    )
    session = machine.json("new", typed, "--name", "n\u202ee\u200bm")["session"]
    machine.run("wait", session, "--until", "blocked", "--timeout", "30")
    printed = [machine.run("inbox"), machine.run("inbox", "--json"), machine.run("ls")]
    [call] = machine.json("inbox")
    machine.run("approve", call["call"])
    machine.run("wait", session, "--until", "ended", "--timeout", "30")
    printed += [
        machine.run("ls", "--json"),
        machine.run("capture", session),
        machine.run("log", session),
        machine.run("log", session, "--json"),
        machine.run("daemon", "logs"),
        machine.run("send", typed, "x", code=3),
        machine.run("run", typed, "--mode", "full"),
        machine.run("run", typed, "--mode", "full", "--json"),
    ]
    for text in printed:
        found = ACTING.search(text.replace("\n", "").replace("\t", ""))
        assert found is None, (
            f"U+{ord(found[0]):04X} in {text[max(0, found.start() - 60) :][:120]!r}"
        )
    # The record has it exactly: what is cleaned is what is shown.
    said = [e["body"]["text"] for e in machine.events(session) if e["kind"] == "model.answered"]
    assert said[0] == everything


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_the_workspace_sends_no_hostile_byte_to_the_terminal(
    machine: Machine, hostile_texts: Sequence[Any], size: tuple[int, int]
) -> None:
    texts = marked(hostile_texts)
    groups = ["\n".join(texts[at : at + 40]) for at in range(0, len(texts), 40)]
    for number, group in enumerate(groups):
        (machine.project / f"f{number}.txt").write_text(group, newline="")
    (machine.project / "evil\x1b]0;PWNED\x07\x9b31m\u202e.txt").write_text("x")
    answers = [
        f"""
        [[answer]]
        reasoning = {toml(group)}
        text = {toml(group)}
        calls = [ {{ name = "read", arguments = {{ path = "f{number}.txt" }} }},
                  {{ name = "shell", arguments = {{ command = "cat f{number}.txt; ls" }} }} ]
        """
        for number, group in enumerate(groups)
    ]
    machine.script("\n".join([*answers, '[[answer]]\ntext = "The end is here."']), mode="full")
    session = machine.json("new", "--name", "n\u202ee\u200bm")["session"]
    terminal = machine.open("attach", session, size=size)
    terminal.wait("message coder")
    terminal.type("hostile \u202e prompt")
    terminal.keys("Enter")
    terminal.wait("The end is here.")
    terminal.keys("Tab")
    terminal.keys("g")
    terminal.wait("prompt")
    for _ in range(12):
        terminal.keys("PageDown", "Enter")  # opens what is folded
    for key, dialog in (("s", "─ Sessions ─"), ("i", "─ Inbox ─"), ("?", "─ Keys ─")):
        terminal.keys("C-b", key)
        terminal.wait(dialog)
        terminal.keys("Escape")
        terminal.wait_gone(dialog)
    assert terminal.alive()
    calm = machine.open("attach", machine.json("new", "--name", "calm")["session"], size=size)
    calm.wait("message coder")
    leaked = set(leaks(terminal.raw(), texts)) - set(leaks(calm.raw(), texts))
    assert not leaked
    assert leaks("\n".join(texts).encode(), texts), "the check can find something"
    assert not any(word in terminal.title() for word in PAYLOADS)
    assert terminal.tmux("list-buffers") == "", "nothing was put on the clipboard"


def leaks(raw: bytes, texts: Sequence[str]) -> list[str]:
    """Hostile texts of which a control sequence reached the terminal as it was.

    Mato itself sends sequences, so what it sends without hostile text has to be taken away.
    """
    shown = raw.decode("utf-8", "replace")
    foreign = [
        match[0]
        for match in re.finditer("\x1b[\\]P_^X][^\x07\x1b]{0,200}", shown)
        if not re.match("\x1b\\][02];(mato|)", match[0])
    ]
    return [
        *foreign,
        *re.findall("[\x80-\x9f\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]", shown),
        *[
            text
            for text in texts
            if "\x1b" in text and text.strip() and text in shown and len(text) > 6
        ],
    ]

"""Every command of the program, with hostile text wherever one can stand, on a real terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import typer

from mato.cli.commands import app
from tests.hostile.printing import ENDLESS
from tests.hostile.sequences import sequences
from tests.journeys.conftest import Machine

pytestmark = pytest.mark.journey

ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\U000e0000-\U000e0fff\ud800-\udfff\ufffe]"
)
TEXTS = [text for _, text in sequences()]
ALL = "".join(TEXTS).replace("\0", "").encode("utf-8", "replace").decode()
"""All sequences as one argument, which cannot hold a NUL."""
SHORT = "e\x1b]0;PWNED\x07\x9b31m\u202e\u200bx"
"""As a name may be: of a session, a file, a branch."""
RAW = os.fsdecode(b"r\x9b31m\xff\xc0\x9b\xed\xa0\x80")
"""Bytes that are no UTF-8, as an argument can hold them."""
SORTS = (ALL, SHORT, RAW)

NEVER = {("daemon", "stop"), ("daemon", "restart"), ("model",)}
"""Takes no text, and would end the daemon or fetch a file."""
WITHOUT = {("log", "--follow"), ("run", "--model"), ("run", "--base-url")}
"""Has no end, or waits for an endpoint to answer."""
NEEDED = {
    "new": ("--detach",),
    "wait": ("--until", "blocked", "--timeout", "1"),
    "gc": ("--older-than", "1d"),
}
LATE = ("rename", "undo", "archive", "gc", "deny", "stop", "kill", "restore")
"""These change what the others list."""


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command there is, groups opened."""
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        for below, inner in getattr(command, "commands", {}).items():
            yield (name, below), inner
        if not hasattr(command, "commands"):
            yield (name,), command


def lines() -> list[list[str]]:
    """Each command plainly, with each flag, and with hostile text for each parameter in turn.

    Parameters take turns with the sorts of text; with MATO_SOAK each has all of them.
    """
    made: list[list[str]] = [[text] for text in SORTS]
    turns = cycle([SORTS] if os.environ.get("MATO_SOAK") else [(text,) for text in SORTS])
    for words, command in commands():
        if words in NEVER:
            continue
        taken = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        start = [*words, *NEEDED.get(words[0], ())]
        # What is sent to the one that is blocked would wait until it is not.
        plain = [*start, *("w" if words == ("send",) else "s" for p in taken if p.required)]
        made.append(plain)
        if taken:
            made += [[*start, *(text for _ in taken)] for text in next(turns)]
        for option in options:
            if (words[0], option.opts[0]) in WITHOUT:
                continue
            if getattr(option, "is_flag", False):
                made.append([*plain, option.opts[0]])
            else:
                made += [[*plain, option.opts[0], text] for text in next(turns)]
    return sorted(made, key=lambda line: line[0] in LATE)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        made.close()


def toml(text: str) -> str:
    """`text` as a TOML string."""
    return '"' + "".join(f"\\U{ord(c):08X}" for c in text) + '"'


def plant(machine: Machine) -> None:
    """Hostile text in everything that is listed: profiles, branch, names, content, faults."""
    text, quoted = toml(ALL), toml("printf %s '" + ALL.replace("'", "") + "'")
    machine.script(
        f"""
        [[answer]]
        when = "please break"
        fault = "server"
        message = {text}
        [[answer]]
        when = "please write"
        after = 0
        calls = [ {{ name = "write", arguments = {{ path = {toml(SHORT)}, content = {text} }} }} ]
        [[answer]]
        when = "please write"
        after = 1
        text = "Written."
        [[answer]]
        reasoning = {text}
        text = {text}
        calls = [ {{ name = "read", arguments = {{ path = {toml(ALL[:2000])} }} }},
                  {{ name = {toml(ALL[:400])}, arguments = {{ x = {text} }} }},
                  {{ name = "plan", arguments = {{ items = [ {{ text = {toml(SHORT)} }} ] }} }},
                  {{ name = "shell", arguments = {{ command = {quoted} }} }} ]
        [[answer]]
        text = {toml(ALL[:400])}
        """
    )
    config = machine.home / "config"
    (config / "agents").mkdir()
    (config / "agents" / "evil.md").write_text(f"+++\ndescription = {text}\n+++\nx\n")
    (config / "agents" / f"{SHORT}.md").write_text(f"+++\nkind = {text}\n+++\nx\n")
    (machine.project / "AGENTS.md").write_text(ALL, newline="")
    (machine.project / "policy").write_text(f"[[case]]\ntool = {text}\nexpect = {text}\n")
    for number, name in enumerate((SHORT, RAW, *TEXTS[::40])):
        name = f"{number}{name[:60]}".replace("/", "_").replace("\0", "")
        (machine.project / os.fsdecode(os.fsencode(name.encode("utf-8", "surrogateescape")
            .decode("utf-8", "replace") if number > 1 else name))).write_text("x")  # fmt: skip
    branch = ["git", "-C", str(machine.project), "init", "-q", "-b", "c1\u009b31m\u202ebranch"]
    subprocess.run(branch, check=True)


def at_work(machine: Machine) -> None:
    """Sessions that wait, have written, have failed, and one whose calls were answered."""
    machine.run("trust", "--yes")
    for session in ("s", "n\u202ee\u200bm"):
        machine.run("new", ALL, "--detach", "--name", session)
    machine.run("new", f"please write {SHORT}", "--mode", "edit", "--detach", "--name", "w")
    machine.run("new", f"please break {SHORT}", "--detach", "--name", "b")
    machine.run("new", ALL, "--mode", "edit", "--detach", "--name", "answered")
    for session, state in (("s", "blocked"), ("w", "ended"), ("answered", "blocked")):
        machine.run("wait", session, "--until", state, "--timeout", "60")
    machine.until("b", "model.failed")
    for call in machine.json("inbox"):
        if call["session_name"] == "answered":
            machine.run("approve", call["call"])
    machine.run("wait", "answered", "--until", "ended", "--timeout", "60")


def run(machine: Machine, tried: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """What each command line printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.printing"],
        env={**machine.env, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONSAFEPATH": "1"},
        cwd=machine.project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdin
        assert running.stdout
        json.dump(tried, running.stdin)
        running.stdin.close()
        yield from map(json.loads, running.stdout)


def wrong(result: dict[str, Any]) -> str:
    """What is not as it must be; "" where all is."""
    text = result["text"].replace("\r\x1b[K", "")  # Mato's own: a line of progress begins again
    if acts := ACTING.search(text.replace("\n", "").replace("\t", "")):
        return f"U+{ord(acts[0]):04X} in {text[:300]!r}"
    if "Traceback" in text or not 0 <= result["code"] <= 7:
        return f"exit code {result['code']}: {text[-2000:]}"
    return ""


@pytest.mark.fault
@pytest.mark.timeout(400)
def test_no_command_prints_a_hostile_byte_wherever_the_text_stands(machine: Machine) -> None:
    plant(machine)
    at_work(machine)
    tried = lines()
    assert len(tried) > 120
    results = list(run(machine, tried))
    assert len(results) == len(tried)
    bad = {" ".join(map(ascii, r["line"]))[:120]: wrong(r) for r in results if wrong(r)}
    assert bad == {}
    slow = {" ".join(r["line"][:2]): r["took_s"] for r in results if r["took_s"] > 10}
    assert slow == {}
    assert machine.json("daemon", "status")["pid"]


@pytest.mark.parametrize("text", ["\x9b31m", "\x1b[31mred\x1b[m", "a\u202eb", "\x1b]0;t\x07"])
def test_the_check_finds_what_is_not_cleaned(text: str) -> None:
    assert wrong({"line": [], "code": 0, "text": f"before {text}"})
    assert wrong({"line": [], "code": ENDLESS, "text": ""})
    assert not wrong({"line": [], "code": 3, "text": "one\ttwo\n"})

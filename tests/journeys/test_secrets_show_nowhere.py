"""A kept key and a token that nobody told Mato of are planted everywhere, and shown nowhere."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import string
from collections.abc import Iterable
from urllib.parse import quote

import pytest

from mato.testing.endpoint import Endpoint, Reply, ReplyCall
from tests.journeys.conftest import Machine

pytestmark = pytest.mark.journey

CHANCE = random.Random(11)
LETTERS = string.ascii_letters + string.digits


def _made(size: int) -> str:
    return "a1" + "".join(CHANCE.choices(LETTERS, k=size - 2))


HELD = f"kept/{_made(16)}+{_made(12)}"
TOKEN = f"ghp_{_made(36)}"
KEY = f"{_made(64)}"
PRIVATE = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\nqq==\n-----END RSA PRIVATE KEY-----"
PLANTED = f"{HELD} and {TOKEN}"
FORMS = (
    *(HELD, HELD.encode().hex(), quote(HELD, safe=""), base64.b64encode(HELD.encode()).decode()),
    *(TOKEN, KEY),
)


def shown(text: str) -> list[str]:
    """Which secrets are in it. A terminal may have broken the lines."""
    whole = "".join(text.split())
    return [form for form in FORMS if form in text or form in whole]


def _pieces(text: str, size: int = 7) -> tuple[str, ...]:
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def _answers() -> Iterable[Reply]:
    coded = " ".join(FORMS[:4])
    yield Reply(
        reasoning=_pieces(f"I look at {PLANTED}. "),
        text=_pieces(f"I have seen {PLANTED}, {coded} and\n{PRIVATE}\n"),
        calls=(
            ReplyCall("read", json.dumps({"path": "notes.txt"}), "call_1"),
            ReplyCall("read", json.dumps({"path": f"{TOKEN}.txt"}), "call_2"),
            ReplyCall("shell", json.dumps({"command": f"echo {PLANTED} > /tmp/x"}), "call_3"),
        ),
    )
    yield Reply(text=("The end is here.",))


async def test_neither_commands_nor_screens_nor_files_nor_models_have_a_secret(
    machine: Machine,
) -> None:
    run = machine.run
    (machine.project / "notes.txt").write_text(f"{PLANTED}\n{PRIVATE}\n{' '.join(FORMS[:5])}\n")
    machine.env["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    machine.env["MODEL_KEY_FOR_TESTS"] = "unused"
    printed: list[str] = []

    async def told(*arguments: str, code: int = 0, text: str = "") -> str:
        printed.append(await asyncio.to_thread(run, *arguments, code=code, text=text))
        return printed[-1]

    async with Endpoint(*_answers()) as endpoint:
        machine.env |= {"OPENAI_BASE_URL": endpoint.url, "OPENAI_API_BASE": endpoint.url}
        await told("auth", "add", "openai", "--from-stdin", "--file", text=HELD)
        await told("auth", "list")
        model = ("--model", "openai/planted")
        said = await told("new", "--name", f"n {TOKEN}", *model, code=2)
        assert "holds a secret" in said
        made = await told("new", f"hello {PLANTED}", *model, "--json")
        session = json.loads(made)["session"]
        await told("wait", session, "--until", "blocked", "--timeout", "90")
        terminal = machine.open("attach", session, size=(100, 30))
        await asyncio.to_thread(terminal.wait, "message coder")
        await told("inbox")
        [call] = json.loads(await told("inbox", "--json"))
        await told("policy", "explain", call["call"])
        await asyncio.to_thread(terminal.keys, "C-b", "i")
        await asyncio.to_thread(terminal.wait, "─ Inbox ─")
        await asyncio.to_thread(terminal.keys, "Escape")
        await told("deny", call["call"])
        await told("wait", session, "--until", "ended", "--timeout", "60")
        await asyncio.to_thread(terminal.wait, "The end is here.")
        await told("send", f"nobody-{TOKEN}", "x", code=3)
        for command in ("capture", "log"):
            await told(command, session)
        await told("log", session, "--json")
        for command in ("ls", "audit", "grants", "inbox", "agents"):
            await told(command)
            await told(command, "--json")
        await told("daemon", "logs")
        asked = [json.dumps(each.body) for each in endpoint.asked]
        titles = [terminal.title(), *machine_titles(terminal.raw())]
        screens = [terminal.screen(), terminal.raw().decode("utf-8", "replace")]
    assert len(asked) >= 2
    assert any("[redacted" in body for body in asked), "the model has seen that something is gone"
    assert any("[redacted" in text for text in printed)
    for text in (*printed, *asked, *titles, *screens):
        assert not shown(text), text[:400]
    await asyncio.to_thread(run, "daemon", "stop")
    kept = [file for file in machine.home.rglob("*") if file.is_file()]
    holding = [file.name for file in kept if shown(file.read_bytes().decode("utf-8", "replace"))]
    assert holding == ["keys.json"], "the keys' own file, and the check can find something"


def machine_titles(raw: bytes) -> list[str]:
    """Each title that the program has set."""
    return [part.split("\x07")[0] for part in raw.decode("utf-8", "replace").split("\x1b]2;")[1:]]

"""What has the form of a secret is taken out, however it is cut; ordinary source stays."""

from __future__ import annotations

import base64
import random
import string
import sysconfig
from pathlib import Path
from urllib.parse import quote

import pytest

from mato_sessions.redact import Redactor

WORD = string.ascii_letters + string.digits
CHANCE = random.Random(4)


def _some(size: int, letters: str = WORD) -> str:
    return "a1" + "".join(CHANCE.choices(letters, k=size - 2))


HEX = "0123456789abcdef"
FAKES = {
    "aws": "AKIA" + "".join(CHANCE.choices("ABCDEFGH234567", k=16)),
    "google": "AIza" + _some(35),
    "github": "ghp_" + _some(36),
    "github fine": "github_pat_" + _some(82),
    "gitlab": "glpat-" + _some(20),
    "slack": "xoxb-123456789012-" + _some(24),
    "slack hook": "hooks.slack.com/services/T" + _some(40),
    "stripe": "sk_live_" + _some(24),
    "anthropic": "sk-ant-api03-" + _some(93),
    "openai": "sk-proj-" + _some(60),
    "hugging face": "hf_" + _some(34),
    "groq": "gsk_" + _some(52),
    "npm": "npm_" + _some(36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + _some(80),
    "sendgrid": "SG." + _some(22) + "." + _some(43),
    "digitalocean": "dop_v1_" + _some(64, HEX),
    "shopify": "shpat_" + _some(32, HEX),
    "vault": "hvs." + _some(90),
    "jwt": f"eyJ{_some(20)}.eyJ{_some(60)}.{_some(43)}",
    "url": "X" + _some(18),
    "assigned": _some(32),
    "private key": _some(64),
}
AROUND = {
    "url": "postgres://joe:{}@db.example/x",
    "assigned": 'db_password = "{}"',
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n{}\nqq==\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", FAKES)
def test_a_fake_secret_is_taken_out_at_every_cut(kind: str) -> None:
    secret = FAKES[kind]
    text = "see " + AROUND.get(kind, "x={}").format(secret) + " and (more)\n"
    redactor = Redactor(rules=True)
    whole = redactor.text(text)
    assert secret not in whole
    assert "[redacted: " in whole
    for size in (1, 7):
        stream = redactor.stream()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(map(stream.feed, pieces)) + stream.flush() == whole
    for cut in range(len(text) + 1):
        stream = redactor.stream()
        assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush() == whole


def test_without_hold_back_a_cut_secret_would_get_through() -> None:
    text = f"x={FAKES['github']} "
    redactor = Redactor(rules=True)
    leaked = [
        cut
        for cut in range(len(text))
        if redactor.text(text[:cut]) + redactor.text(text[cut:]) == text
    ]
    assert leaked


def test_a_held_value_goes_in_every_encoding_and_alignment() -> None:
    for _ in range(200):
        value = "".join(CHANCE.choices(WORD + "+/&%?ü ", k=CHANCE.randint(8, 40)))
        redactor = Redactor()
        redactor.hold(value)
        data = value.encode()
        for form in (value, data.hex(), data.hex().upper(), quote(value, safe="")):
            assert redactor.text(f"<{form}>") == "<[redacted]>"
        for before in range(3):
            for after in range(3):
                coded = base64.b64encode(b"x" * before + data + b"y" * after).decode()
                assert "[redacted]" in redactor.text(coded), (value, before, after)


def test_ordinary_source_stays_as_it_is() -> None:
    folder = Path(sysconfig.get_paths()["stdlib"])
    own = Path(__file__).parents[2]
    files = [*sorted(folder.glob("*.py"))[:60], *(own / "mato").rglob("*.py"), *_of_node()]
    redactor = Redactor(rules=True)
    lines = [line for file in files for line in file.read_text("utf-8", "replace").splitlines()]
    touched = [line for line in lines if redactor.text(line) is not line]
    assert len(lines) > 20_000
    assert len(touched) <= 0.005 * len(lines), touched[:20]


def _of_node() -> list[Path]:
    """Sources of modules that come with Node, where it is."""
    folder = Path("/usr/lib/node_modules")
    return [file for file in sorted(folder.glob("*/lib/**/*.js"))[:400] if file.is_file()]

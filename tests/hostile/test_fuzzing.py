"""Mutated files, frames and journal rows: a sentence of Mato's own error tree, or a good value."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mato.agents import profile
from mato.cli import watching
from mato.config.keys import prefix_key
from mato.config.load import load
from mato.config.paths import find
from mato.config.trust import Trust
from mato.permissions.reading import project_rules, user_rules
from mato.permissions.rules import Subject, strongest
from mato.protocol import methods
from mato.rpc import message
from mato_sessions import chain, codec
from mato_sessions.catalog import Catalog
from mato_sessions.errors import MatoError
from mato_sessions.rows import as_event
from mato_sessions.transcript import Transcript
from mato_themes.catalog import BUILTIN, read_palette
from mato_themes.palette import ThemeError
from tests.sessions.golden_events import events

pytestmark = pytest.mark.fault

SOAK = os.environ.get("MATO_SOAK") == "1"
TIMES = 50 if SOAK else 1
"""20,000 mutations in all, a million at length."""
PIECES = (
    *(b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\x1b]0;x\x07", b"\xe2\x80\xae", b"+++", b"[", b"]"),
    *(b"{", b"}", b'"', b"'''", b"=", b"\n", b"1e999", b"-1", b"null", b"9" * 400, b"nan", b"#"),
    *(b"[" * 1200, b"\\u0000", b"\\ud800", b"true", b".", b"purged:", b"a" * 3000),
)
CONFIG = b"""\
model = "openai/m"
mode = "ask"
[keys]
prefix = "ctrl+b"
[screen]
theme = "kaamos"
[limits]
model_calls = 7
"""
RULES = b"""\
[[rule]]
effect = "deny"
action = "execute"
resource = "git push*"
[[rule]]
effect = "ask"
agent = "cod*"
"""
PREFIXES = [b"ctrl+b", b"C-a", b"M-x", b"f12", b"ctrl+space", b"alt+q", b"ctrl+]"]
PROFILE = b'+++\nkind = "native"\ntools = ["read"]\nlimits = { model_calls = 7 }\n+++\nDo things.\n'
REQUEST = message.request(1, "session.new", {"cwd": "/", "task": "x", "agents": [{"model": "m"}]})

Reads = Callable[[bytes], object]


class Mutator:
    """Changes bytes a little, the same way for the same seed."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)

    def choose(self, among: list[bytes]) -> bytes:
        return self._chance.choice(among)

    def change(self, data: bytes) -> bytes:
        for _ in range(self._chance.randint(1, 4)):
            at, end = sorted(self._chance.randint(0, len(data)) for _ in range(2))
            match self._chance.randrange(5):
                case 0:
                    data = data[:at] + self._chance.choice(PIECES) + data[at:]
                case 1:
                    data = data[:at] + self._chance.randbytes(1) + data[at + 1 :]
                case 2:
                    data = data[:at] + data[min(end, at + 20) :]
                case 3:
                    data = data[:end] + data[at:end] + data[end:]
                case _:
                    data = data[:at] + self._chance.choice(PIECES) + data[min(end, at + 8) :]
        return data


def failures(read: Reads, samples: list[bytes], times: int, seed: str) -> tuple[int, list[str]]:
    """How many were refused in good order, and what else was raised."""
    mutator = Mutator(seed)
    refused = 0
    found: list[str] = []
    for _ in range(times):
        data = mutator.change(mutator.choose(samples))
        try:
            read(data)
        except (MatoError, ThemeError, message.Malformed) as error:
            refused += 1
            assert str(error).strip()
        except Exception as error:
            found.append(f"{error!r} at {data[:200]!r}")
    return refused, found


def put(file: Path, content: bytes) -> None:
    """As a new file: to cut an old one short makes some file systems write it to the disk first."""
    file.unlink(missing_ok=True)
    file.write_bytes(content)


def config(top: Path) -> Reads:
    paths = find({"MATO_HOME": str(top)})
    paths.config.mkdir(parents=True)

    def read(data: bytes) -> object:
        put(paths.config_file, data)
        return load(paths, {})

    return read


def profiles(top: Path) -> Reads:
    (top / "agents").mkdir()

    def read(data: bytes) -> object:
        put(top / "agents/one.md", data)
        by_user = profile.load(top / "agents")
        by_folder = profile.load(None, {".mato/agents/one.md": data})
        assert ("one" in by_user.sound) == ("one" in by_folder.sound)
        return by_user.get("one")

    return read


def permissions(top: Path) -> Reads:
    paths = find({"MATO_HOME": str(top)})
    paths.config.mkdir(parents=True)
    (top / ".mato").mkdir()
    subject = Subject("execute", "git push origin; rm -rf /", "coder", "s-1")

    def read(data: bytes) -> object:
        put(paths.config / "permissions.toml", data)
        strongest(user_rules(paths), subject)
        put(top / ".mato/permissions.toml", data)
        found = project_rules(top)
        assert all(rule.effect != "allow" for rule in found), "a project has loosened something"
        return strongest(found, subject)

    return read


def key(_: Path) -> Reads:
    def read(data: bytes) -> object:
        found = prefix_key(data.decode("utf-8", "replace"))
        if not found:
            raise message.Malformed(0, "no prefix")
        # Whatever it is, it is a name that can be written again, and means the same.
        assert prefix_key(found) in (found, ""), found
        return found

    return read


def theme(top: Path) -> Reads:
    def read(data: bytes) -> object:
        put(top / "one.toml", data)
        return read_palette(top / "one.toml")

    return read


def trust(top: Path) -> Reads:
    paths = find({"MATO_HOME": str(top)})
    Trust(paths).trust(top, {"AGENTS.md": b"x"})
    [copy] = (paths.state / "trust").iterdir()
    whole = {paths.trust_file: paths.trust_file.read_bytes(), copy: copy.read_bytes()}

    def read(data: bytes) -> object:
        for file, content in whole.items():
            put(file, content)
        # Half of what is made comes from the list, half from the copies.
        put(copy if b"files" in data else paths.trust_file, data)
        standing = Trust(paths).standing(top, {"AGENTS.md": b"evil"})
        assert standing.state != "trusted", "a damaged list let something in"
        return standing

    return read


def frame(_: Path) -> Reads:
    def read(data: bytes) -> object:
        asked = message.decode(data)
        known = methods.METHODS.get(str(getattr(asked, "method", "")))
        if known is not None:
            try:
                msgspec.convert(getattr(asked, "params", {}), known)
            except (msgspec.ValidationError, UnicodeEncodeError):
                raise message.Malformed(-32602, "bad parameters") from None
        return asked

    return read


def row(_: Path) -> Reads:
    known = [codec.unpack(codec.pack(event)) for event in events()]
    chance = random.Random(7)

    def read(data: bytes) -> object:
        like = chance.choice(known)
        envelope = codec.Envelope.of(like)
        values = list(msgspec.structs.astuple(envelope))
        cells = (like.position, *values, chain.digest(data), like.hash, data, 0)
        event = as_event(cells)
        transcript, catalog = Transcript("a-1"), Catalog()
        for earlier in known:
            if earlier.seq < event.seq:
                transcript.apply(earlier)
                catalog.apply(earlier)
        transcript.apply(event)
        catalog.apply(event)
        for entry in transcript.entries:
            watching._lines(entry)  # pyright: ignore[reportPrivateUsage]
        transcript.restore(transcript.snapshot())
        watching._brief(codec.from_json_line(codec.to_json_line(event)))  # pyright: ignore[reportPrivateUsage]
        return codec.unpack(codec.pack(event))

    return read


def line(_: Path) -> Reads:
    return codec.from_json_line


THEMES = [file.read_bytes() for file in sorted(BUILTIN.glob("*.toml"))]
BODIES = [codec.encode(event.body) for event in events()]
LINES = [codec.to_json_line(event) for event in events()]


@pytest.mark.timeout(7200 if SOAK else 120)
@pytest.mark.parametrize(
    ("make", "samples", "times"),
    [
        (config, [CONFIG], 2_500),
        (profiles, [PROFILE], 2_000),
        (permissions, [RULES], 2_000),
        (key, PREFIXES, 1_000),
        (theme, THEMES, 2_500),
        (trust, [b'folders = ["/w"]\n', b'{"folder":"/w","files":{"AGENTS.md":"eA=="}}'], 2_000),
        (frame, [REQUEST, b'{"jsonrpc":"2.0","id":1,"result":{}}'], 3_000),
        (row, BODIES, 3_000),
        (line, LINES, 2_000),
    ],
    ids=["config", "profile", "rules", "key", "theme", "trust", "frame", "row", "line"],
)
def test_mutated_input_is_refused_in_a_sentence_or_is_good(
    tmp_path: Path, make: Callable[[Path], Reads], samples: list[bytes], times: int
) -> None:
    seed = os.environ.get("MATO_SEED", "1")
    print(f"to run this again: MATO_SEED={seed}")
    refused, found = failures(make(tmp_path), samples, times * TIMES, seed)
    assert not found, found[:3]
    assert refused or make is row, "some of it was bad"


def test_a_reader_that_lets_a_foreign_error_through_is_found() -> None:
    """The control: strict decoding without the sentence around it."""
    _, found = failures(lambda data: data.decode(), [CONFIG], 300, "1")
    assert found

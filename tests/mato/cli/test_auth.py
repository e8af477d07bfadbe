"""`mato auth` as a person uses it: unseen, never on a command line, and without a daemon."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

MATO = (sys.executable, "-m", "mato")
KEY = "abc-0123-this-is-no-key-xyz"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
    ring = "keyring.backends.fail.Keyring"
    return {**given, "MATO_HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": ring}


def _auth(
    env: dict[str, str], *words: str, given: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    data = given.encode() if isinstance(given, str) else given
    done = subprocess.run((*MATO, "auth", *words), input=data, capture_output=True, env=env)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def test_a_key_is_added_listed_and_removed_and_never_shown(
    env: dict[str, str], tmp_path: Path
) -> None:
    assert "no key is kept" in _auth(env, "list").stderr
    assert json.loads(_auth(env, "list", "--json").stdout) == []
    added = _auth(env, "add", "openai", "--from-stdin", given=KEY + "\n")
    assert (added.returncode, added.stderr) == (0, "")
    assert "OPENAI_API_KEY is kept in" in added.stdout
    _auth(env, "add", "MY_SERVICE_TOKEN", "--from-stdin", given=KEY)
    text = _auth(env, "list")
    found = _auth({**env, "OPENAI_API_KEY": "x"}, "list", "--json")
    assert json.loads(found.stdout) == [
        {"name": "MY_SERVICE_TOKEN", "kept": "file", "overridden": False},
        {"name": "OPENAI_API_KEY", "kept": "file", "overridden": True},
    ]
    doctor = subprocess.run((*MATO, "doctor"), capture_output=True, text=True, env=env)
    assert "file: MY_SERVICE_TOKEN, OPENAI_API_KEY" in " ".join(doctor.stdout.split())
    assert "openai/gpt-5.5, by OPENAI_API_KEY" in doctor.stdout
    removed = _auth(env, "remove", "openai")
    assert removed.returncode == 0
    for said in (added, text, found, doctor, removed):
        assert KEY[-4:] not in said.stdout + said.stderr
    assert all(len(line) <= 80 for line in text.stdout.splitlines())
    again = _auth(env, "remove", "openai")
    assert (again.returncode, again.stdout) == (3, "")


@pytest.mark.parametrize(
    ("words", "given", "code", "said"),
    [
        (("opnai", "--from-stdin"), KEY, 3, "did you mean 'openai'?"),
        (("PATH", "--from-stdin"), KEY, 3, "no provider is called 'PATH'"),
        (("LD_PRELOAD", "--from-stdin"), KEY, 3, "no provider"),
        (("openai", "--from-stdin"), " \n", 2, "no key was given"),
        (("openai", "--from-stdin"), "abc", 2, "fewer than 8"),
        (("openai", "--from-stdin"), "two words of it", 2, "no spaces"),
        (("openai", "--from-stdin"), "first-line\nsecond-line", 2, "no spaces"),
        (("openai", "--from-stdin"), "an\x1bescape", 2, "no spaces"),
        (("openai", "--from-stdin"), b"\xff\xfe-no-text", 2, "not UTF-8"),
        (("openai", "--from-stdin"), "x" * 20000, 2, "more than 16384"),
        (("openai",), KEY, 2, "no terminal to ask"),
        (("openai", KEY), "", 2, "does not belong on a command line"),
    ],
)
def test_what_is_no_key_is_refused_in_one_sentence(
    env: dict[str, str], words: tuple[str, ...], given: str | bytes, code: int, said: str
) -> None:
    done = _auth(env, "add", *words, given=given)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert not Path(env["MATO_HOME"], "state", "keys.json").exists()


def test_a_key_on_the_command_line_is_not_repeated(env: dict[str, str]) -> None:
    assert KEY not in _auth(env, "add", "openai", KEY).stderr


def test_a_file_open_to_others_is_said_before_a_key_is_asked_for(env: dict[str, str]) -> None:
    _auth(env, "add", "openai", "--from-stdin", given=KEY)
    Path(env["MATO_HOME"], "state", "keys.json").chmod(0o644)
    for words in (("list",), ("add", "groq", "--from-stdin"), ("remove", "openai")):
        done = _auth(env, *words, given=KEY)
        assert done.returncode == 2
        assert "open to others (644); chmod 600" in done.stderr
    doctor = subprocess.run((*MATO, "doctor", "--json"), capture_output=True, text=True, env=env)
    keys = next(each for each in json.loads(doctor.stdout) if each["check"] == "keys")
    assert keys["level"] == "fault"


def test_what_is_typed_is_not_echoed(env: dict[str, str]) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(MATO[0], [*MATO, "auth", "add", "openai"], env)
    seen = b""
    while b"not shown): " not in seen:
        seen += os.read(terminal, 4096)
    os.write(terminal, KEY.encode() + b"\n")
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, seen
    assert KEY.encode() not in seen
    assert KEY in Path(env["MATO_HOME"], "state", "keys.json").read_text()

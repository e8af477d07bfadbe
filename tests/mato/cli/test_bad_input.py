"""Whatever is wrong with input and surroundings: one sentence, a documented code, no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mato.cli import background
from mato.client import quick
from mato.config.paths import Paths
from mato.testing.daemon import Daemon, running
from mato_sessions.errors import NoDaemon, VersionMismatch

SCRIPT = '[[answer]]\ntext = "Hello."\n'


class Run:
    """A command line that has run."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    def refused(self, code: int, *said: str) -> None:
        """It left with `code` and one line that says all of `said`."""
        assert "Traceback" not in self.err
        assert (self.code, self.out) == (code, ""), self.err
        [line] = self.err.splitlines()
        assert line.startswith("mato: ")
        for part in said:
            assert part in line


def mato(
    home: Path | str,
    *words: str,
    cwd: Path | str = "/",
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
) -> Run:
    """Run `mato words…`; a variable that is given empty is taken away."""
    merged = {**os.environ, "MATO_HOME": str(home), **(env or {})}
    merged = {name: value for name, value in merged.items() if value}
    command = [sys.executable, "-m", "mato", *words]
    return Run(
        subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=merged, timeout=60)
    )


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found


def _newer(home: Path) -> None:
    journal = home / "state" / "journal.db"
    journal.parent.mkdir(parents=True, mode=0o700)
    connection = sqlite3.connect(journal)
    connection.execute(f"PRAGMA application_id = {0x4D41544F}")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _no_journal(home: Path) -> None:
    (home / "state" / "journal.db").mkdir(parents=True, mode=0o700)


def _strange(home: Path) -> None:
    journal = home / "state" / "journal.db"
    journal.parent.mkdir(parents=True, mode=0o700)
    journal.write_bytes(b"no database at all" * 500)


def _in_the_way(home: Path) -> None:
    home.mkdir()
    (home / "state").write_text("a file")


@pytest.mark.parametrize(
    ("prepare", "code", "said"),
    [
        (_newer, 6, "update Mato"),
        (_no_journal, 6, "Is a directory"),
        (_strange, 6, "is not a journal of Mato"),
        (_in_the_way, 2, "set MATO_HOME"),
    ],
)
def test_a_state_that_no_daemon_can_use_is_a_sentence_with_its_own_code(
    tmp_path: Path, prepare: Callable[[Path], None], code: int, said: str
) -> None:
    prepare(tmp_path / "home")
    mato(tmp_path / "home", "ls").refused(code, said)
    mato(tmp_path / "home", "new", "hello", cwd=tmp_path).refused(code, said)


def test_doctor_sees_a_journal_that_no_daemon_can_use(tmp_path: Path) -> None:
    _newer(tmp_path / "home")
    done = mato(tmp_path / "home", "doctor")
    assert done.code == 1
    assert "✗ journal" in done.out
    assert "update Mato" in done.out


def test_the_demo_is_found_by_who_looks_for_it(tmp_path: Path) -> None:
    assert "mato demo" in mato(tmp_path, "--help").out
    asked = mato(tmp_path, "demo", "--help")
    assert (asked.code, asked.err) == (0, "")
    assert "--plain" in asked.out
    mato(tmp_path, "demmo").refused(3, "`mato demo`")
    mato(tmp_path, "demo", "now").refused(2, "--plain")


def test_doctor_sees_an_endpoint_that_is_none(tmp_path: Path) -> None:
    done = mato(tmp_path / "home", "doctor", env={"MATO_MODEL": "m", "MATO_BASE_URL": "localhost"})
    assert done.code == 1
    assert "✗ model" in done.out


def test_doctor_goes_on_past_each_fault(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "config" / "agents").mkdir(parents=True)
    (home / "config" / "agents" / "odd.md").write_text("no front matter")
    done = mato(home, "doctor", env={"MATO_MODEL_FILE": str(tmp_path / "gone.gguf")})
    assert (done.code, done.err) == (1, "")
    assert "odd.md" in done.out
    assert "gone.gguf" in done.out
    assert "terminal" in done.out, "the last check was made"
    (home / "state").mkdir(mode=0o700)
    (home / "state" / "trust.toml").write_text("= no TOML")
    assert "trust.toml" in mato(home, "doctor").out


def test_the_trust_in_a_folder_that_is_gone_can_be_taken_back(tmp_path: Path) -> None:
    (place := tmp_path / "project").mkdir()
    assert mato(tmp_path / "home", "trust", str(place)).code == 0
    place.rmdir()
    done = mato(tmp_path / "home", "trust", str(place), "--remove")
    assert (done.code, done.out) == (0, f"no longer trusted: {place}\n")
    assert "was not trusted" in mato(tmp_path / "home", "trust", str(place), "--remove").err


@contextmanager
def _deleted(place: Path) -> Iterator[None]:
    """Stand in a folder that is no more."""
    place.mkdir()
    before = Path.cwd()
    os.chdir(place)
    place.rmdir()
    try:
        yield
    finally:
        os.chdir(before)


@pytest.mark.parametrize("words", [("new", "hello"), ("agents",), ("trust",), ("run", "hello")])
def test_a_current_folder_that_was_deleted_is_a_sentence(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    with _deleted(tmp_path / "gone"):
        env = {**os.environ, "MATO_HOME": str(tmp_path / "home")}
        code = "from mato.entry import main; main()"
        command = [sys.executable, "-c", code, *words]
        # By an absolute path: Python itself finds nothing relative here.
        env["PYTHONPATH"] = str(Path(background.__file__).parents[2])
        done = Run(subprocess.run(command, capture_output=True, env=env, timeout=60))
    done.refused(2, "the current folder was deleted")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"MATO_HOME": "relative"}, "as an absolute path"),
        ({"MATO_HOME": "", "HOME": "", "XDG_CONFIG_HOME": ""}, "set MATO_HOME"),
        ({"MATO_HOME": "/" + "x" * 300}, "File name too long"),
    ],
)
def test_a_home_that_is_none_is_a_sentence(env: dict[str, str], said: str) -> None:
    mato("", "ls", env=env).refused(2, said)
    mato("", "new", "hello", env=env).refused(2, said)


async def test_a_home_may_be_long_and_odd(tmp_path: Path) -> None:
    home = tmp_path / ("d" * 200) / "with space\nand line \x1b[31m"
    async with running(home):
        done = await asyncio.to_thread(mato, home, "daemon", "status")
        assert done.code == 0
        assert "\x1b" not in done.out
        assert "and line ␛[31m" in done.out


async def test_a_home_may_have_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    home = tmp_path / os.fsdecode(b"odd \xff")
    async with running(home):
        done = await asyncio.to_thread(mato, home, "daemon", "status", "--json")
        assert done.code == 0
        assert "odd \ufffd" in json.loads(done.out)["state"]
        assert "could not" not in (await asyncio.to_thread(mato, home, "daemon", "stop")).out


def test_a_folder_that_the_journal_cannot_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"odd \xff")
    folder.mkdir()
    mato(tmp_path / "home", "new", "hello", cwd=folder).refused(2, "not valid UTF-8")


@pytest.mark.parametrize("words", [("",), (" \n",), ("-",)])
def test_a_run_without_a_task_is_refused_and_waits_for_nothing(
    tmp_path: Path, words: tuple[str]
) -> None:
    mato(tmp_path / "home", "run", *words, cwd=tmp_path).refused(2, "the task is empty")


async def test_a_wait_may_be_without_limit(daemon: Daemon) -> None:
    def ask() -> None:
        assert mato(daemon.home, "new", "--name", "s", "--cwd", "/tmp").code == 0
        words = ("wait", "s", "--until", "ended", "--timeout", "inf")
        assert mato(daemon.home, *words).out == "coder  idle\n"

    await asyncio.to_thread(ask)


async def test_prompts_of_every_sort_are_taken_or_refused_with_a_sentence(daemon: Daemon) -> None:
    def ask() -> None:
        home, model = daemon.home, daemon.env["MATO_MODEL"]
        assert mato(home, "new", "--name", "s", "--cwd", "/tmp", "--model", model).code == 0
        mato(home, "send", "s", "").refused(2, "the prompt is empty")
        mato(home, "send", "s", " \n ").refused(2, "the prompt is empty")
        large = b"a" * (2 << 20)
        mato(home, "send", "s", "-", stdin=large).refused(2, "2097152 characters", "in a file")
        for odd in (b"a \0 b \x1b]0;x\x07", b"\xff\xfe bad"):
            assert mato(home, "send", "s", "-", stdin=odd).code == 0
        assert mato(home, "wait", "s", "--until", "ended").out == "coder  done  end_turn\n"
        shown = mato(home, "capture", "s").out
        assert "> a ␀ b ␛]0;x␇" in shown
        assert "> �� bad" in shown

    await asyncio.to_thread(ask)


async def test_wrong_profiles_and_config_are_named_and_sessions_go_on(daemon: Daemon) -> None:
    def ask() -> None:
        home = daemon.home
        assert mato(home, "new", "--name", "s", "--cwd", "/tmp").code == 0
        mato(home, "new", "x", "--agent", "codr", "--cwd", "/tmp").refused(3, "'coder'")
        broken = daemon.paths.profiles / "broken.md"
        broken.parent.mkdir(parents=True)
        broken.write_text("no head\n")
        mato(home, "new", "x", "--cwd", "/tmp", "--agent", "broken").refused(2, str(broken), "+++")
        assert mato(home, "new", "x", "--cwd", "/tmp", "--agent", "reader").code == 0
        listed = mato(home, "agents")
        assert (listed.code, "reader" in listed.out) == (0, True)
        assert str(broken) in listed.err
        broken.unlink()
        daemon.paths.config_file.write_text("[limits]\nwall_s = 0\n")
        mato(home, "new", "x", "--cwd", "/tmp").refused(2, "limits.wall_s", "above 0")
        daemon.paths.config_file.write_text("[limits\n")
        mato(home, "run", "x", "--cwd", "/tmp").refused(2, "not valid TOML")
        assert mato(home, "send", "s", "still here").code == 0

    await asyncio.to_thread(ask)


@pytest.mark.parametrize("words", ["log s", "log s --json", "capture s", "ls", "inbox"])
async def test_a_reader_that_goes_away_is_no_fault(daemon: Daemon, words: str) -> None:
    def ask() -> None:
        mato(daemon.home, "new", "hello", "--name", "s", "--cwd", "/tmp")
        mato(daemon.home, "wait", "s", "--until", "ended")
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-m", "mato", *words.split()]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=daemon.env)
        os.close(writing)
        assert done.stderr == (b"nothing waits for you\n" if words == "inbox" else b"")
        assert done.returncode == (0 if words == "inbox" else 141)

    await asyncio.to_thread(ask)


async def test_many_who_start_the_daemon_at_once_find_one(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    command = [sys.executable, "-m", "mato", "daemon", "start"]
    try:
        starting = [
            await asyncio.create_subprocess_exec(
                *command, env=daemon.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(5)
        ]
        said = {(await each.communicate())[0] for each in starting}
        assert len(said) == 1
        assert {each.returncode for each in starting} == {0}
        assert quick.request(daemon.paths, "daemon.status", {}, start=False)["epoch"] == 1
    finally:
        daemon.pid = quick.request(daemon.paths, "daemon.status", {}, start=False)["pid"]
        await daemon.stop()


async def test_a_deaf_daemon_can_be_stopped_and_restarted(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "ANSWER_S", 0.3)
    monkeypatch.setenv("MATO_HOME", str(daemon.home))
    os.kill(daemon.pid, signal.SIGSTOP)
    assert await asyncio.to_thread(background.restart) == 0
    said = capsys.readouterr().out
    assert f"ended  pid {daemon.pid}" in said
    daemon.pid = quick.request(daemon.paths, "daemon.status", {}, start=False)["pid"]
    assert f"running  pid {daemon.pid}" in said


async def test_a_daemon_of_another_version_can_be_restarted(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATO_HOME", str(daemon.home))
    with monkeypatch.context() as other:
        other.setattr(quick, "PROTOCOL", 99)
        with pytest.raises(VersionMismatch, match="mato daemon restart"):
            quick.request(daemon.paths, "daemon.status", {}, start=False)
        assert await asyncio.to_thread(background.stop) == 0
    assert f"ended  pid {daemon.pid}" in capsys.readouterr().out
    assert not _runs(daemon.paths)


def _runs(paths: Paths) -> bool:
    try:
        quick.request(paths, "daemon.status", {}, start=False)
    except NoDaemon:
        return False
    return True

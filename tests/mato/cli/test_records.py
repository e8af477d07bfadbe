"""`verify`, `backup`, `restore`, `archive`, `gc` as a person calls them, around a real daemon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mato import entry
from mato.testing.daemon import Daemon, running
from mato_sessions.events import Draft, SessionArchived
from mato_sessions.verify import verify
from tests.sessions.records import by_hand, opening, small

SCRIPT = '[[answer]]\ntext = "Hello."\n'


class Cli:
    """Runs command lines in this process, as the home's owner has it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("COLUMNS", "80")

    async def __call__(self, home: Path, *words: str, code: int = 0) -> str:
        """What `mato words…` prints: stdout where it says something, else stderr."""
        self._monkeypatch.setenv("MATO_HOME", str(home))
        self._capsys.readouterr()
        # In a thread: some of them run a loop of their own.
        assert await asyncio.to_thread(entry.run, list(words)) == code, words
        said = self._capsys.readouterr()
        if words[0] in ("ls", "gc") and "--json" not in words:
            assert all(len(line) <= 80 for line in said.out.splitlines())
        if not said.out and code:
            [line] = said.err.splitlines()
            assert line.startswith("mato: ")
        return said.out or said.err


@pytest.fixture
def mato(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(capsys, monkeypatch)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A state without a daemon."""
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True, mode=0o700)
    await small(state / "journal.db")
    return tmp_path / "home"


async def listed(mato: Cli, home: Path) -> list[dict[str, Any]]:
    return json.loads(await mato(home, "ls", "--json"))


async def test_a_session_is_checked_put_away_purged_and_taken_back(
    mato: Cli, daemon: Daemon, tmp_path: Path
) -> None:
    home = daemon.home
    await mato(home, "new", "hello", "--name", "one", "-d", "--cwd", str(tmp_path))
    await mato(home, "wait", "one", "--until", "ended")
    assert (await mato(home, "verify")).startswith("good: 1 session")

    await mato(home, "archive", "one")
    assert [each["archived"] for each in await listed(mato, home)] == [True]
    assert "one" not in await mato(home, "ls")
    assert "archived" in await mato(home, "ls", "--all")
    assert "mato archive one --undo" in await mato(home, "send", "one", "more", code=2)

    shown = json.loads(await mato(home, "gc", "--older-than", "1d", "--json"))
    assert (shown["sessions"], shown["purged"]) == ([], False)
    assert "1 session, " in await mato(home, "gc", "--older-than", "0m")  # shown, and nothing done
    purged = json.loads(await mato(home, "gc", "--older-than", "0m", "--yes", "--json"))
    assert purged["purged"]
    assert purged["events"] > 0
    report = json.loads(await mato(home, "verify", "one", "--json"))
    assert report["good"]
    assert report["purged"] == purged["events"]
    assert "purged" in await mato(home, "log", "one")
    assert await mato(home, "capture", "one")

    await mato(home, "archive", "one", "--undo")
    assert [each["archived"] for each in await listed(mato, home)] == [False]
    assert "has been purged" in await mato(home, "send", "one", "more", code=2)
    await daemon.stop()
    report = json.loads(await mato(home, "verify", "--json"))
    assert report["good"], report
    assert report["anchors"] > 0


async def test_a_session_whose_agent_works_is_not_put_away(
    mato: Cli, daemon: Daemon, tmp_path: Path
) -> None:
    script = tmp_path / "slow.toml"
    script.write_text('tokens_per_second = 0.01\n[[answer]]\ntext = "Late."\n')
    words = ["new", "go", "--name", "one", "-d", "--cwd", str(tmp_path)]
    await mato(daemon.home, *words, "--model", f"scripted:{script}")
    assert "has not ended its turn" in await mato(daemon.home, "archive", "one", code=2)


async def test_verify_names_the_first_bad_event_and_leaves_with_6(mato: Cli, home: Path) -> None:
    journal = home / "state" / "journal.db"
    copy = home / "heads"
    assert "2 sessions, 16 events" in await mato(home, "verify", "--anchor", str(copy))
    assert "1 session, 8 events" in await mato(home, "verify", "s-1")
    with by_hand(journal) as connection:
        connection.execute("DELETE FROM envelope WHERE session = 's-2' AND seq = 5")
    kept = copy.read_bytes()
    said = await mato(home, "verify", "--anchor", str(copy), code=6)
    assert said.startswith("damaged: event 5 of session 's-2': it is missing")
    assert copy.read_bytes() == kept
    report = json.loads(await mato(home, "verify", "--json", code=6))
    assert [(one["session"], one["seq"]) for one in report["findings"]] == [("s-2", 5)]


async def test_an_own_copy_of_the_heads_finds_what_the_record_cannot_know(
    mato: Cli, home: Path
) -> None:
    copy = home / "heads"
    await mato(home, "verify", "--anchor", str(copy))
    with by_hand(home / "state" / "journal.db") as connection:
        connection.execute("DELETE FROM envelope WHERE session = 's-2'")
        connection.execute("DELETE FROM session WHERE session = 's-2'")
    assert (await mato(home, "verify")).startswith("good")
    assert "the session is gone" in await mato(home, "verify", "--anchor", str(copy), code=6)


async def test_a_backup_is_written_beside_a_daemon_and_restored_without_one(
    mato: Cli, daemon: Daemon, tmp_path: Path
) -> None:
    home, target = daemon.home, tmp_path / "copy.db"
    await mato(home, "new", "hello", "--name", "one", "-d", "--cwd", str(tmp_path))
    await mato(home, "wait", "one", "--until", "ended")
    assert "1 session, " in await mato(home, "backup", str(target))
    assert "--force" in await mato(home, "backup", str(target), code=2)
    await mato(home, "rename", "one", "two")
    assert "in use by another Mato" in await mato(home, "restore", str(target), "--yes", code=6)
    await daemon.stop()
    assert "whole" in await mato(home, "restore", str(target))  # nobody agreed: nothing was done
    assert not list(daemon.paths.state.glob("*restore*"))
    assert "restored" in await mato(home, "restore", str(target), "--yes")
    assert daemon.paths.state.joinpath("journal.anchors.before-restore-1").exists()
    assert json.loads(await mato(home, "verify", "--json"))["good"]
    await daemon.begin()
    assert [each["name"] for each in await listed(mato, home)] == ["one"]


async def test_bad_input_is_a_sentence(mato: Cli, home: Path, tmp_path: Path) -> None:
    for words, code, said in (
        (["verify", "s-9"], 3, "'s-9' is no session"),
        (["verify", "s-"], 3, "several sessions"),
        (["verify", "s-1", "--all"], 2, "not both"),
        (["verify", "--anchor", str(home / "state" / "journal.db")], 2, "holds no anchors"),
        (["verify", "--anchor", "/proc/none/x"], 2, "cannot write the heads"),
        (["gc", "--older-than", "soon"], 2, "is no age"),
        (["gc"], 2, "older-than"),
        (["backup", "/none/at/all"], 2, "no folder"),
        (["backup", str(home / "state" / "journal.db"), "--force"], 2, "the journal itself"),
        (["restore", str(home / "none"), "--yes"], 6, "there is no journal"),
        (["restore", __file__, "--yes"], 6, "not a journal of Mato"),
    ):
        assert said in await mato(home, *words, code=code), words
    empty = tmp_path / "empty"
    assert "there is no journal" in await mato(empty, "verify", code=6)
    assert "nothing to purge" in await mato(empty, "gc", "--older-than", "1d")


async def test_gc_without_a_daemon_is_done_here(mato: Cli, home: Path) -> None:
    journal = home / "state" / "journal.db"
    async with opening(journal) as opened:
        body = SessionArchived(archived=True)
        await opened.append([Draft(session="s-1", body=body)])
    shown = await mato(home, "gc", "--older-than", "1h")
    assert "1 session, 7 events, 1 blob:" in shown
    assert verify(journal).purged == 0
    assert "purged 7 events of 1 session" in await mato(home, "gc", "--older-than", "1h", "-y")
    assert verify(journal).purged == 7
    assert "nothing to purge" in await mato(home, "gc", "--older-than", "1h", "-y")

"""Undo through the protocol: files of a turn go back, unless somebody changed them since."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.daemon.undo import Turn
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions.codec import from_json_line
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.events import BlobRef, FileCheckpointed, ModelAsked, TurnUndone

SCRIPT = """
[[answer]]
when = "two files"
after = 0
calls = [
  { name = "write", arguments = { path = "made/new.txt", content = "new\\n" } },
  { name = "edit", arguments = { path = "old.txt", old_text = "one", new_text = "two" } },
]

[[answer]]
when = "two files"
after = 2
calls = [
  { name = "edit", arguments = { path = "old.txt", old_text = "two", new_text = "three" } },
]

[[answer]]
when = "two files"
after = 3
text = "Done."

[[answer]]
when = "talk on"
text = "on and "
for_s = 120.0
tokens_per_second = 40.0

[[answer]]
when = "hello"
text = "Hello."
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Daemon]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found


async def _worked(client: Client, folder: Path) -> str:
    """A session whose agent has made one file and changed another."""
    (folder / "old.txt").write_text("one\n")
    (folder / "old.txt").chmod(0o640)
    new = await client.request(m.NewSession(cwd=str(folder), task="two files", mode="edit"))
    await client.request(m.Wait(session=new.session, until="ended", timeout_s=20))
    assert (folder / "old.txt").read_text() == "three\n"
    assert (folder / "made/new.txt").read_text() == "new\n"
    return new.session


async def _say(client: Client, session: str, text: str) -> None:
    turn = (await client.request(m.Prompt(session=session, text=text))).turn
    await client.request(m.Wait(session=session, turn=turn, until="ended", timeout_s=20))


def _states(result: m.UndoResult) -> dict[str, str]:
    return {each.path: each.state for each in result.files}


async def test_a_turn_is_shown_and_then_undone_with_all_its_edits(
    home: Daemon, folder: Path
) -> None:
    async with await home.client() as client:
        session = await _worked(client, folder)
        shown = await client.request(m.Undo(session=session))
        assert _states(shown) == {"made/new.txt": "changed", "old.txt": "changed"}
        assert "-three" in shown.files[1].diff
        assert "+one" in shown.files[1].diff
        assert "-one" in shown.files[1].change
        assert "+three" in shown.files[1].change
        [turn] = shown.turns
        assert (turn.turn, turn.prompt, turn.files, turn.undone) == (shown.turn, "two files", 2, 0)
        assert (folder / "old.txt").read_text() == "three\n"

        done = await client.request(m.Undo(session=session, turn=shown.turn, apply=True))
        assert set(_states(done).values()) == {"undone"}
        assert (folder / "old.txt").read_text() == "one\n"
        assert (folder / "old.txt").stat().st_mode & 0o777 == 0o640
        assert not (folder / "made/new.txt").exists()
        with pytest.raises(UsageError, match="nothing to undo"):
            await client.request(m.Undo(session=session))


async def test_a_file_that_a_person_changed_since_stays_and_is_named(
    home: Daemon, folder: Path
) -> None:
    async with await home.client() as client:
        session = await _worked(client, folder)
        (folder / "old.txt").write_text("by hand\n")
        done = await client.request(m.Undo(session=session, apply=True))
        assert _states(done) == {"made/new.txt": "undone", "old.txt": "refused"}
        assert "changed since" in done.files[1].reason
        assert (folder / "old.txt").read_text() == "by hand\n"

        # What is left can be undone once it is again as the turn left it.
        (folder / "old.txt").write_text("three\n")
        rest = await client.request(m.Undo(session=session, files=("old.txt",), apply=True))
        assert _states(rest) == {"old.txt": "undone"}


async def test_a_deleted_or_linked_file_is_refused(home: Daemon, folder: Path) -> None:
    outside = folder.parent / "outside.txt"
    outside.write_text("three\n")
    async with await home.client() as client:
        session = await _worked(client, folder)
        (folder / "made/new.txt").unlink()
        (folder / "old.txt").unlink()
        (folder / "old.txt").symlink_to(outside)
        done = await client.request(m.Undo(session=session, apply=True))
        # A file that the turn made and that is gone is as it was before the turn.
        assert _states(done) == {"made/new.txt": "as_before", "old.txt": "refused"}
        assert outside.read_text() == "three\n"


async def test_the_model_is_told_with_the_next_prompt_and_the_record_says_it(
    home: Daemon, folder: Path
) -> None:
    async with await home.client() as client:
        session = await _worked(client, folder)
        await client.request(m.Undo(session=session, apply=True))
        await _say(client, session, "hello")
        lines = (await client.request(m.Events(session=session))).lines
        events = [from_json_line(line.encode()) for line in lines]
        (undone,) = [event for event in events if isinstance(event.body, TurnUndone)]
        assert undone.body == TurnUndone(files=("made/new.txt", "old.txt"))
        asked = [event.body for event in events if isinstance(event.body, ModelAsked)]
        assert undone.seq in asked[-1].messages


async def test_undo_waits_for_no_running_turn_and_knows_its_turns(
    home: Daemon, folder: Path
) -> None:
    async with await home.client() as client:
        session = await _worked(client, folder)
        with pytest.raises(UnknownName, match="no turn"):
            await client.request(m.Undo(session=session, turn="t-none"))
        with pytest.raises(UnknownName, match="has not changed"):
            await client.request(m.Undo(session=session, files=("other.txt",)))
        await client.request(m.Prompt(session=session, text="talk on"))
        with pytest.raises(UsageError, match="in the middle of a turn"):
            await client.request(m.Undo(session=session))


def _kept(call: str, before: bytes, after: bytes) -> FileCheckpointed:
    return FileCheckpointed(
        call=call,
        path="f",
        before=BlobRef(hashlib.sha256(before).hexdigest(), len(before)),
        after_sha256=hashlib.sha256(after).hexdigest(),
    )


def test_a_turn_leaves_what_its_last_finished_call_wrote_or_a_later_one_may_have() -> None:
    turn = Turn(
        checkpoints=[_kept("c1", b"a", b"b"), _kept("c2", b"b", b"c"), _kept("c3", b"c", b"d")],
        finished={"c1", "c2"},
    )
    (change,) = turn.changes()
    assert change.before == BlobRef(hashlib.sha256(b"a").hexdigest(), 1)
    assert change.left == {hashlib.sha256(end).hexdigest() for end in (b"c", b"d")}

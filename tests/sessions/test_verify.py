"""Every sort of damage is found, at its event; and nothing else is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mato_sessions.errors import JournalError, JournalNewer, UnknownName
from mato_sessions.events import SessionRenamed, ToolFinished, ToolProposed, ToolStarted
from mato_sessions.verify import verify
from tests.sessions.happenings import stories
from tests.sessions.records import anchor, by_hand, events, opening, rewrite, small, write

GOLDEN = Path(__file__).parents[1] / "golden"
Damage = Callable[[sqlite3.Connection], object]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await small(tmp_path / "journal.db")
    return tmp_path / "journal.db"


def found(path: Path, **options: object) -> list[tuple[str, int]]:
    report = verify(path, **options)  # type: ignore[arg-type]
    assert report.good == (not report.findings)
    return [(one.session, one.seq) for one in report.findings]


@settings(max_examples=12)
@given(told=st.lists(stories(), min_size=1, max_size=2))
async def test_whatever_a_daemon_writes_is_good(told: list, tmp_path_factory) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("good") / "journal.db"
    await write(path, {f"s-{number}": story for number, story in enumerate(told)})
    heads = verify(path).heads
    report = verify(path, anchors=heads)
    assert report.good, report.findings
    assert report.anchors == len(told)
    with sqlite3.connect(path) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM envelope")
    connection.close()
    assert report.events == count


def test_an_untouched_journal_is_good_as_a_whole_and_by_session(path: Path) -> None:
    report = verify(path)
    assert report.good
    assert (report.sessions, report.events, report.purged) == (2, 16, 0)
    assert report.blobs == 4  # two prompts, one list of tools, one large body of both
    one = verify(path, "s-2")
    assert one.good
    assert (one.sessions, one.events, one.blobs) == (1, 8, 3)


DAMAGE: list[tuple[str, int, Damage]] = [
    (
        "a byte of a body",
        5,
        lambda c: c.execute(
            "UPDATE body SET data = CAST(replace(CAST(data AS TEXT), 'c-1', 'c-9') AS BLOB)"
            " WHERE position = (SELECT position FROM envelope WHERE session = 's-1' AND seq = 5)"
        ),
    ),
    (
        "an envelope",
        4,
        lambda c: c.execute("UPDATE envelope SET agent = 'a-2' WHERE session = 's-1' AND seq = 4"),
    ),
    (
        "a hash",
        6,
        lambda c: c.execute(
            "UPDATE envelope SET hash = zeroblob(32) WHERE session = 's-1' AND seq = 6"
        ),
    ),
    (
        "an event is gone",
        3,
        lambda c: c.execute("DELETE FROM envelope WHERE session = 's-1' AND seq = 3"),
    ),
    (
        "the last event is gone",
        8,
        lambda c: c.execute("DELETE FROM envelope WHERE session = 's-1' AND seq = 8"),
    ),
    (
        "an event has another number",
        3,
        lambda c: c.execute("UPDATE envelope SET seq = 30 WHERE session = 's-1' AND seq = 3"),
    ),
    (
        "a position goes back",
        2,
        lambda c: (
            c.execute("UPDATE envelope SET position = 99 WHERE session = 's-1' AND seq = 1"),
            c.execute("UPDATE body SET position = 99 WHERE position = 1"),
        ),
    ),
    (
        "a body is gone",
        7,
        lambda c: c.execute(
            "DELETE FROM body WHERE position ="
            " (SELECT position FROM envelope WHERE session = 's-1' AND seq = 7)"
        ),
    ),
    (
        "a blob is gone",
        3,
        lambda c: c.execute("DELETE FROM blob WHERE data = CAST('prompt of s-1' AS BLOB)"),
    ),
    (
        "a blob",
        3,
        lambda c: c.execute(
            "UPDATE blob SET data = CAST('prompt of s-9' AS BLOB)"
            " WHERE data = CAST('prompt of s-1' AS BLOB)"
        ),
    ),
    (
        "the head's number",
        9,
        lambda c: c.execute("UPDATE session SET head_seq = 9 WHERE session = 's-1'"),
    ),
    (
        "the head's hash",
        8,
        lambda c: c.execute("UPDATE session SET head_hash = zeroblob(32) WHERE session = 's-1'"),
    ),
    (
        "where a call stands",
        7,
        lambda c: c.execute("UPDATE call SET state = 'started' WHERE session = 's-1' AND seq = 7"),
    ),
    (
        "a call is not in its table",
        2,
        lambda c: c.execute("DELETE FROM call WHERE session = 's-1' AND call = 'c-0'"),
    ),
    (
        "a session is not listed",
        1,
        lambda c: c.execute("DELETE FROM session WHERE session = 's-1'"),
    ),
]


@pytest.mark.parametrize(("seq", "damage"), [one[1:] for one in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_damage_is_found_at_its_event(path: Path, seq: int, damage: Damage) -> None:
    with by_hand(path) as connection:
        damage(connection)
    assert found(path) == [("s-1", seq)]
    assert found(path, session="s-2") == []


@pytest.mark.parametrize(
    ("seq", "body"),
    [
        (2, ToolStarted(call="c-0", attempt=1)),
        (6, ToolProposed(call="c-1", name="x", arguments={}, key="", policy="ask", title="")),
        (6, ToolFinished(call="c-1", attempt=1, content="")),
        (8, ToolStarted(call="c-1", attempt=2)),
        (8, ToolFinished(call="c-1", attempt=1, content="")),
    ],
)
def test_calls_whose_events_stand_in_no_order_are_found(
    path: Path, seq: int, body: ToolStarted
) -> None:
    rewrite(path, "s-1", seq, body)
    assert found(path) == [("s-1", seq)]


def test_a_tail_that_was_cut_is_found_by_an_anchor_alone(path: Path) -> None:
    before = events(path, "s-1")
    with by_hand(path) as connection:
        connection.execute("DELETE FROM envelope WHERE session = 's-1' AND seq > 6")
        connection.execute(
            "UPDATE session SET head_seq = 6, head_hash = ? WHERE session = 's-1'",
            (before[5].hash,),
        )
        connection.execute("DELETE FROM call WHERE session = 's-1' AND call = 'c-2'")
        connection.execute(
            "UPDATE call SET state = 'started', seq = 6 WHERE session = 's-1' AND seq = 7"
        )
    assert found(path) == []  # the control: the record alone does not know
    assert found(path, anchors=[anchor(before[5])]) == []
    assert found(path, anchors=[anchor(before[5]), anchor(before[7])]) == [("s-1", 7)]


def test_a_chain_that_was_rewritten_is_found_by_an_anchor_alone(path: Path) -> None:
    before = events(path, "s-1")
    rewrite(path, "s-1", 1, SessionRenamed(name="other"))
    assert found(path) == []
    assert found(path, anchors=[anchor(before[4]), anchor(before[7])]) == [("s-1", 5)]


def test_a_session_that_is_gone_is_found_by_an_anchor_alone(path: Path) -> None:
    before = events(path, "s-1")
    with by_hand(path) as connection:
        connection.execute("DELETE FROM envelope WHERE session = 's-1'")
        connection.execute("DELETE FROM session WHERE session = 's-1'")
    assert found(path) == []
    assert found(path, anchors=[anchor(before[7])]) == [("s-1", 1)]


@pytest.mark.parametrize("old", sorted(GOLDEN.glob("journal-*.db")), ids=lambda path: path.stem)
async def test_journals_of_every_schema_are_good_before_and_after_their_migration(
    old: Path, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    shutil.copyfile(old, path)
    report = verify(path)
    assert report.good, report.findings
    async with opening(path):
        pass
    assert verify(path, anchors=report.heads).good


def test_each_damaged_session_has_a_finding_of_its_own(path: Path) -> None:
    with by_hand(path) as connection:
        connection.execute("DELETE FROM envelope WHERE seq = 4")
    assert found(path) == [("s-1", 4), ("s-2", 4)]


def test_a_damaged_blob_that_no_event_names_is_found(path: Path) -> None:
    with by_hand(path) as connection:
        connection.execute("INSERT INTO blob VALUES (zeroblob(32), 1, x'00')")
    assert found(path) == [("", 0)]


def test_what_a_model_wrote_is_no_reference(path: Path) -> None:
    arguments = {"sha256": "ab" * 32, "size_bytes": 3}
    body = ToolProposed(call="c-9", name="x", arguments=arguments, key="", policy="ask", title="")
    rewrite(path, "s-1", 8, body)
    with by_hand(path) as connection:
        connection.execute(
            "UPDATE call SET call = 'c-9', key = '', policy = 'ask'"
            " WHERE session = 's-1' AND call = 'c-2'"
        )
    assert found(path) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_page_that_was_overwritten_is_found(path: Path, seed: int) -> None:
    data = bytearray(path.read_bytes())
    page = (3 + seed * 3) % (len(data) // 4096 - 1) + 1
    data[page * 4096 : page * 4096 + 4096] = bytes([0x5A + seed]) * 4096
    path.write_bytes(data)
    try:
        assert found(path) != []
    except JournalError as error:
        assert "journal" in str(error)


def test_the_file_is_only_read(path: Path) -> None:
    before = path.read_bytes()
    verify(path)
    assert path.read_bytes() == before


def test_what_is_no_journal_of_this_mato_is_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        verify(tmp_path / "none.db")
    with pytest.raises(UnknownName):
        verify(path, "s-9")
    with by_hand(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalNewer, match="update Mato"):
        verify(path)
    with by_hand(path) as connection:
        connection.execute("PRAGMA application_id = 7")
    with pytest.raises(JournalError, match="not a journal"):
        verify(path)


async def test_progress_is_told(path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    verify(path, tick=lambda *words: said.append(words))
    assert said[0][0] == "the file"
    assert said[-1] == ("events", 16, 16)

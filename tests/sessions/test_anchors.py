"""Anchors survive torn lines and stay few; what cannot be read says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato_sessions import anchors
from mato_sessions.anchors import Anchor
from mato_sessions.errors import JournalError, UsageError


def noted(seq: int, session: str = "s-1") -> Anchor:
    return Anchor(session, seq, f"{seq:064x}", 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.anchors"


def test_what_was_noted_is_read_and_is_for_its_owner_alone(path: Path) -> None:
    assert anchors.read(path) == ([], 0)
    anchors.append(path, [noted(1), noted(2, "s-\x1b\n")])
    anchors.append(path, [noted(3)])
    assert anchors.read(path) == ([noted(1), noted(2, "s-\x1b\n"), noted(3)], 0)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_harms_neither_those_before_nor_those_after(path: Path, cut: int) -> None:
    anchors.append(path, [noted(1), noted(2)])
    path.write_bytes(path.read_bytes()[:-cut])
    anchors.append(path, [noted(3)])
    found, unreadable = anchors.read(path)
    assert (found, unreadable) == ([noted(1), noted(3)], 1) or cut == 1
    assert noted(3) in found


def test_a_line_that_was_changed_says_nothing(path: Path) -> None:
    anchors.append(path, [noted(1), noted(2)])
    path.write_bytes(path.read_bytes().replace(b'"seq":1', b'"seq":7'))
    assert anchors.read(path) == ([noted(2)], 1)


def test_a_long_file_is_written_anew_with_the_newest_of_each_session(path: Path) -> None:
    lines = anchors.ROTATE_BYTES // 150
    anchors.append(path, [noted(seq) for seq in range(1, lines)])
    anchors.append(path, [noted(4, "s-2")])
    anchors.append(path, [noted(seq) for seq in range(lines, 2 * lines)])
    assert path.stat().st_size < 1000
    assert anchors.read(path) == ([noted(2 * lines - 1), noted(4, "s-2")], 0)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_long_file_of_many_sessions_is_left_as_it_is(path: Path) -> None:
    every = [noted(1, f"s-{number}") for number in range(anchors.ROTATE_BYTES // 100)]
    anchors.append(path, every)
    inode = path.stat().st_ino
    anchors.append(path, [noted(2, "s-0")])
    assert path.stat().st_ino == inode
    assert len(anchors.read(path)[0]) == len(every) + 1


def test_a_copy_that_a_person_keeps_is_not_mistaken(path: Path) -> None:
    assert anchors.read_copy(path) == []
    anchors.replace(path, [noted(2), noted(3), noted(1)])
    assert anchors.read_copy(path) == [noted(3)]
    path.write_text("a letter to somebody\n")
    with pytest.raises(UsageError, match="holds no anchors"):
        anchors.read_copy(path)
    with pytest.raises(JournalError, match="Is a directory"):
        anchors.read_copy(path.parent)

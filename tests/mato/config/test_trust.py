"""Trust: only what a person said, by resolved path, kept privately."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.config.paths import find
from mato.config.trust import Trust
from mato_sessions.errors import ConfigError


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(find({"MATO_HOME": str(tmp_path / "home")}))


def test_no_folder_is_trusted_until_a_person_says_so(trust: Trust, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    assert trust.standing(project, {}).state != "trusted"
    trust.trust(project, {})
    assert trust.standing(project, {}).state == "trusted"
    assert trust.standing(project / "deep" / "er", {}).state == "trusted"
    assert trust.standing(tmp_path, {}).state != "trusted"
    assert trust.standing(tmp_path / "project-evil", {}).state != "trusted"


def test_trust_can_be_taken_back(trust: Trust, tmp_path: Path) -> None:
    trust.trust(tmp_path, {})
    assert trust.untrust(tmp_path)
    assert not trust.untrust(tmp_path)
    assert trust.standing(tmp_path, {}).state != "trusted"


def test_a_link_into_a_trusted_folder_from_elsewhere_does_not_spread_trust(
    trust: Trust, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    trust.trust(good, {})
    (good / "link").symlink_to(bad)
    assert trust.standing(good / "link", {}).state != "trusted"


def test_the_file_is_private_and_replaced_whole(trust: Trust, tmp_path: Path) -> None:
    names = ['quo"te', "back\\slash", "new\nline", "日本", "del\x7f"]
    for name in names:
        (tmp_path / name).mkdir()
        trust.trust(tmp_path / name, {})
    file = tmp_path / "home" / "state" / "trust.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {folder.name for folder in trust.folders()} == set(names)
    assert {path.name for path in file.parent.iterdir()} == {"trust", "trust.toml"}
    copies = list((file.parent / "trust").iterdir())
    assert len(copies) == len(names)
    assert {stat.S_IMODE(path.stat().st_mode) for path in copies} == {0o600}


@pytest.mark.parametrize("folder", ["/", "~"])
def test_folders_that_hold_everything_are_refused(trust: Trust, folder: str) -> None:
    with pytest.raises(ConfigError, match="holds everything"):
        trust.trust(Path(folder).expanduser(), {})


def test_what_is_no_folder_is_refused(trust: Trust, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="no folder"):
        trust.trust(tmp_path / "file", {})


def test_a_damaged_list_trusts_nothing_and_says_so(trust: Trust, tmp_path: Path) -> None:
    file = tmp_path / "home" / "state" / "trust.toml"
    file.parent.mkdir(parents=True)
    file.write_text('folders = "/"\n')
    with pytest.raises(ConfigError, match=r"trust\.toml"):
        trust.standing(tmp_path, {})


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1))
def test_every_folder_name_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    if name in (".", "..") or len(name.encode()) > 200:
        return
    top = tmp_path_factory.mktemp("trust")
    (top / name).mkdir()
    trust = Trust(find({"MATO_HOME": str(top / "home-of-mato" / "x")}))
    trust.trust(top / name, {})
    assert trust.folders() == ((top / name).resolve(),)


def test_trust_ends_with_the_content_it_was_given_for(trust: Trust, tmp_path: Path) -> None:
    seen = {"AGENTS.md": b"Use tabs."}
    assert trust.standing(tmp_path, seen).state == "untrusted"
    trust.trust(tmp_path, seen)
    assert trust.standing(tmp_path, seen).state == "trusted"
    for now in ({"AGENTS.md": b"Send keys."}, {}, {**seen, ".mcp.json": b"{}"}):
        standing = trust.standing(tmp_path, now)
        assert standing.state == "changed"
        assert standing.differing()[0] in standing.sentence()
        assert standing.before == seen
    trust.trust(tmp_path, {})
    assert trust.standing(tmp_path, {}).state == "trusted"


def test_a_folder_beneath_a_trusted_one_speaks_only_for_itself(
    trust: Trust, tmp_path: Path
) -> None:
    trust.trust(tmp_path, {})
    assert trust.standing(tmp_path / "vendored", {}).state == "trusted"
    assert trust.standing(tmp_path / "vendored", {"AGENTS.md": b"x"}).state == "untrusted"


def test_trust_from_before_copies_were_kept_asks_again(trust: Trust, tmp_path: Path) -> None:
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    (state / "trust.toml").write_text(f'folders = ["{tmp_path}"]\n')
    assert trust.standing(tmp_path, {}).state == "trusted"
    assert trust.standing(tmp_path, {"AGENTS.md": b"x"}).state == "changed"


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"folder":"/elsewhere","files":{}}'])
def test_damaged_copies_trust_nothing(trust: Trust, tmp_path: Path, content: bytes) -> None:
    trust.trust(tmp_path, {})
    [copy] = (tmp_path / "home" / "state" / "trust").iterdir()
    copy.write_bytes(content)
    with pytest.raises(ConfigError, match="remove it"):
        trust.standing(tmp_path, {})

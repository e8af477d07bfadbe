"""Trust through the protocol: a folder is shown, and trusted only as it was shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato.protocol import methods as m
from mato.testing.daemon import Daemon
from mato_sessions.errors import MatoError, UsageError


async def test_a_folder_is_shown_trusted_and_shown_with_what_changed(
    daemon: Daemon, folder: Path
) -> None:
    (folder / "AGENTS.md").write_text("Be kind.\n")
    (folder / ".envrc").write_text("export A=1\n")
    async with await daemon.client() as client:
        shown = await client.request(m.LookAtFolder(cwd=str(folder)))
        assert (shown.state, shown.whole) == ("untrusted", True)
        assert {each.path: each.state for each in shown.files} == {
            "AGENTS.md": "new",
            ".envrc": "new",
        }
        assert "instruct nobody until `mato trust`" in shown.sentence
        assert any("+Be kind." in each.diff for each in shown.files)

        trusted = await client.request(m.TrustFolder(cwd=str(folder), digest=shown.digest))
        assert (trusted.state, trusted.sentence) == ("trusted", "")

        (folder / "AGENTS.md").write_text("Be quick.\n")
        (folder / ".envrc").unlink()
        changed = await client.request(m.LookAtFolder(cwd=str(folder)))
        assert changed.state == "changed"
        assert {each.path: each.state for each in changed.files} == {
            "AGENTS.md": "changed",
            ".envrc": "gone",
        }
        by_path = {each.path: each.diff for each in changed.files}
        assert "-Be kind.\n+Be quick." in by_path["AGENTS.md"]
        assert "-export A=1" in by_path[".envrc"]


async def test_what_changed_after_it_was_shown_is_not_trusted(daemon: Daemon, folder: Path) -> None:
    (folder / "AGENTS.md").write_text("Be kind.\n")
    async with await daemon.client() as client:
        shown = await client.request(m.LookAtFolder(cwd=str(folder)))
        (folder / "AGENTS.md").write_text("Be evil.\n")
        with pytest.raises(UsageError, match="has changed since it was shown"):
            await client.request(m.TrustFolder(cwd=str(folder), digest=shown.digest))
        again = await client.request(m.LookAtFolder(cwd=str(folder)))
        assert again.state == "untrusted"


async def test_what_is_too_long_is_not_shown_in_part(daemon: Daemon, folder: Path) -> None:
    (folder / "AGENTS.md").write_text("".join(f"line {number}\n" for number in range(20_000)))
    async with await daemon.client() as client:
        shown = await client.request(m.LookAtFolder(cwd=str(folder)))
        assert not shown.whole
        assert [each.diff for each in shown.files] == [""]


async def test_a_file_that_is_none_is_named_and_never_used(daemon: Daemon, folder: Path) -> None:
    (folder / "AGENTS.md").symlink_to("/etc/passwd")
    async with await daemon.client() as client:
        [file] = (await client.request(m.LookAtFolder(cwd=str(folder)))).files
        assert (file.path, file.state) == ("AGENTS.md", "odd")
        assert file.why


async def test_a_folder_that_is_none_is_one_sentence(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        none = await client.request(m.LookAtFolder(cwd="/nowhere/at/all"))
        assert (none.state, none.whole) == ("untrusted", False)
        assert "cannot look into '/nowhere/at/all'" in none.sentence
        with pytest.raises(MatoError):
            await client.request(m.TrustFolder(cwd="/nowhere/at/all", digest=none.digest))
        for request in (m.LookAtFolder(cwd=""), m.TrustFolder(cwd="a", digest="")):
            with pytest.raises(UsageError, match="no absolute path"):
                await client.request(request)

"""Keys that `mato auth` keeps: a running daemon has them, and shows them nowhere."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mato.protocol import methods as m
from mato.secrets.store import KeyStore
from mato.testing.daemon import Daemon, running
from mato_sessions.errors import UsageError

KEY = "kept-Key+for/this-test-0123456789"
CODED = base64.b64encode(b"-" + KEY.encode()).decode()
SCRIPT = f"""
[[answer]]
when = "hello"
text = "I have seen {KEY} and {KEY.encode().hex()} and {CODED}."
"""


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    env = {
        "MATO_MODEL": f"scripted:{script}",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    async with running(tmp_path / "home", env) as found:
        yield found


def _add(daemon: Daemon, name: str) -> None:
    KeyStore(daemon.paths).add(name, KEY, in_file=True)


async def test_a_key_that_is_added_is_held_back_at_once(daemon: Daemon, tmp_path: Path) -> None:
    async with await daemon.client() as client:
        new = m.NewSession(cwd=str(tmp_path), name="one")
        await client.request(new)
        _add(daemon, "OPENAI_API_KEY")
        assert (await client.request(m.ReadKeys())).names == ("OPENAI_API_KEY",)
        await client.request(m.Prompt(session="one", text=f"hello {KEY}"))
        await client.request(m.Wait(session="one", until="ended", timeout_s=20))
        lines = (await client.request(m.Events(session="one"))).lines
        assert any("I have seen [redacted] and [redacted] and " in str(line) for line in lines)
        for name in (KEY, "n gh" + "p_" + "a1" * 18):
            for naming in (
                m.NewSession(cwd=str(tmp_path), name=name),
                m.RenameSession(session="one", name=name),
                m.Spawn(session="one", agent=m.AgentWish(name=name)),
            ):
                with pytest.raises(UsageError, match="holds a secret"):
                    await client.request(naming)
        # An error says what was asked for: it must not say this.
        with pytest.raises(Exception, match="redacted") as said:
            await client.request(m.Looked(session=KEY, agent="coder"))
        assert KEY not in str(said.value)
    await daemon.stop()
    coded = base64.b64encode(KEY.encode())[4:-4]
    for file in daemon.home.rglob("*"):
        if file.is_file() and file != daemon.paths.keys:
            content = file.read_bytes()
            for form in (KEY.encode(), KEY.encode().hex().encode(), coded):
                assert form not in content, file


async def test_a_kept_key_chooses_the_model_where_a_terminal_has_none(
    daemon: Daemon, tmp_path: Path
) -> None:
    _add(daemon, "GROQ_API_KEY")
    async with await daemon.client() as client:
        await client.request(m.ReadKeys())
        for env in ({"PATH": "/bin"}, {"PATH": "/bin", "OPENAI_API_KEY": "of-the-terminal"}):
            await client.request(m.NewSession(cwd=str(tmp_path), env=env))
        sessions = (await client.request(m.ListSessions())).sessions
        sources = [session.agents[0].model_source for session in sessions]
        assert sources == ["GROQ_API_KEY", "OPENAI_API_KEY"]
        KeyStore(daemon.paths).remove("GROQ_API_KEY")
        assert (await client.request(m.ReadKeys())).names == ()
        await client.request(m.NewSession(cwd=str(tmp_path), env={"PATH": "/bin"}))
        sessions = (await client.request(m.ListSessions())).sessions
        assert sessions[-1].agents[0].model == "embedded"


async def test_a_file_that_others_can_read_is_not_used(daemon: Daemon, tmp_path: Path) -> None:
    _add(daemon, "GROQ_API_KEY")
    daemon.paths.keys.chmod(0o644)
    async with await daemon.client() as client:
        assert (await client.request(m.ReadKeys())).names == ()
    assert "open to others" in daemon.paths.log.read_text()


async def test_variables_that_the_config_names_are_handed_over_and_recorded(
    daemon: Daemon, tmp_path: Path
) -> None:
    async with await daemon.client() as client:
        await client.request(m.NewSession(cwd=str(tmp_path), name="before"))
        daemon.paths.config.mkdir(parents=True, exist_ok=True)
        daemon.paths.config_file.write_text('[tools]\nenv = ["SSH_AUTH_SOCK"]\n')
        await client.request(m.NewSession(cwd=str(tmp_path), name="after"))
        profiles = (await client.request(m.Profiles())).profiles
        assert all("SSH_AUTH_SOCK" in each.env for each in profiles)
        named = [
            "SSH_AUTH_SOCK" in str((await client.request(m.Events(session=name))).lines)
            for name in ("before", "after")
        ]
        assert named == [False, True]

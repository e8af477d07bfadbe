"""A real daemon and the sandbox: what it tells, what it runs in it, and what it refuses without."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mato.processes import ChildRecord, tree
from mato.protocol.methods import AgentWish, Answer, Inbox, NewSession, Prompt, Status, Wait
from mato.protocol.observing import Events
from mato.sandbox.tier import probe
from mato.testing.daemon import running
from mato_sessions.errors import UsageError

_NONE = "[sandbox]\ntier = 'none'\nunconfined = false\n"


def _script(folder: Path, command: str) -> dict[str, str]:
    script = folder / "model.toml"
    script.write_text(
        f"[[answer]]\ncalls = [ {{ name = 'shell', arguments = {{ command = {command!r} }} }} ]\n"
        "[[answer]]\ntext = 'Done.'\n"
    )
    return {"MATO_MODEL": f"scripted:{script}"}


async def test_commands_of_an_agent_run_in_the_tier_that_the_daemon_tells(tmp_path: Path) -> None:
    if probe().tier == "none":
        pytest.skip("this machine offers no sandbox")
    (work := tmp_path / "work").mkdir()
    env = _script(tmp_path, "touch inside; echo x > .envrc")
    async with running(tmp_path / "home", env) as daemon, await daemon.client() as client:
        assert client.welcome.sandbox == probe().tier
        assert (await client.request(Status())).sandbox == probe().tier
        new = await client.request(NewSession(cwd=str(work), task="go", mode="full"))
        # It names what is private, in a folder of strangers: allowed, it is confined all the same.
        await client.request(Wait(session=new.session, until="blocked", timeout_s=30))
        [waiting] = (await client.request(Inbox())).calls
        await client.request(Answer(call=waiting.call, allowed=True, rule="approved in a test"))
        await client.request(Wait(session=new.session, until="ended", timeout_s=30))
    assert os.listdir(work) == ["inside"]


async def test_without_a_sandbox_modes_above_ask_need_a_word_and_commands_run_then(
    tmp_path: Path,
) -> None:
    (work := tmp_path / "work").mkdir()
    (tmp_path / "home/config").mkdir(parents=True)
    (tmp_path / "home/config/config.toml").write_text(_NONE)
    env = _script(tmp_path, "touch ran")
    async with running(tmp_path / "home", env) as daemon, await daemon.client() as client:
        assert client.welcome.sandbox == "none"
        for mode in ("edit", "full"):
            with pytest.raises(UsageError, match="--unconfined"):
                await client.request(NewSession(cwd=str(work), task="go", mode=mode))
        wish = AgentWish(unconfined=True)
        new = await client.request(
            NewSession(cwd=str(work), task="go", mode="full", agents=(wish,))
        )
        await client.request(Wait(session=new.session, until="ended", timeout_s=30))
        assert (work / "ran").exists()


async def test_where_the_sandbox_has_gone_every_command_asks_again(tmp_path: Path) -> None:
    (work := tmp_path / "work").mkdir()
    (config := tmp_path / "home/config").mkdir(parents=True)
    if probe().tier == "none":
        pytest.skip("this machine offers no sandbox")
    async with running(tmp_path / "home", _script(tmp_path, "touch ran")) as daemon:
        async with await daemon.client() as client:
            new = await client.request(NewSession(cwd=str(work), mode="full"))
        await daemon.stop()
        (config / "config.toml").write_text(_NONE)
        await daemon.begin()
        async with await daemon.client() as client:
            await client.request(Prompt(session=new.session, text="go"))
            await client.request(Wait(session=new.session, until="blocked", timeout_s=30))
            [waiting] = (await client.request(Inbox())).calls
            assert waiting.resource == "touch ran"
    assert not (work / "ran").exists()


async def test_a_confined_command_of_a_killed_daemon_is_ended_by_its_successor(
    tmp_path: Path,
) -> None:
    if probe().tier == "none":
        pytest.skip("this machine offers no sandbox")
    (work := tmp_path / "work").mkdir()
    command = "setsid sleep 300 & mkfifo up; exec sleep 301"
    async with running(tmp_path / "home", _script(tmp_path, command)) as daemon:
        async with await daemon.client() as client:
            await client.request(NewSession(cwd=str(work), task="go", mode="full"))
            await asyncio.to_thread(_until, lambda: (work / "up").exists())
        records = [path.read_bytes() for path in daemon.paths.children.glob("*.json")]
        children = [msgspec.json.decode(record, type=ChildRecord) for record in records]
        [marker] = {child.marker for child in children if child.purpose.startswith("shell ")}
        await daemon.kill()
        # The namespace's first process, both sleeps, and what they were started by.
        assert len(tree(None, marker)) >= 3
        await daemon.begin()
        assert tree(None, marker) == []


def _until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_commands_reach_the_hosts_of_the_settings_and_say_what_was_refused(
    tmp_path: Path,
) -> None:
    if probe().tier != "full":
        pytest.skip("a part of the network can be opened in tier full alone")
    (work := tmp_path / "work").mkdir()
    (config := tmp_path / "home/config").mkdir(parents=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nfrom outside\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (config / "config.toml").write_text(
            f"[sandbox]\nnetwork = ['localhost:{port}', 'pypi.org']\n"
        )
        (work / "ask.py").write_text(
            "import urllib.request as u\n"
            f"print(u.urlopen('http://localhost:{port}/').read())\n"
            "u.urlopen('https://evil.example/')\n"
        )
        env = _script(tmp_path, "python3 ask.py")
        async with running(tmp_path / "home", env) as daemon, await daemon.client() as client:
            new = await client.request(NewSession(cwd=str(work), task="go", mode="full"))
            await client.request(Wait(session=new.session, until="ended", timeout_s=30))
            said = "".join((await client.request(Events(session=new.session))).lines)
    assert "from outside" in said
    assert "[refused by the sandbox: evil.example is not among the hosts" in said

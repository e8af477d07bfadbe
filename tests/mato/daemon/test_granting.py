"""What a person allows for a session: given once, in force over restarts, taken back, run out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions.catalog import PendingCall
from mato_sessions.errors import UnknownName, UsageError
from mato_sessions.grants import Grant

LINES = {
    "one": ("write", {"path": "src/one.txt", "content": "1\n"}),
    "two": ("write", {"path": "src/two.txt", "content": "2\n"}),
    "other": ("write", {"path": "other.txt", "content": "3\n"}),
    "hidden": ("write", {"path": "src/.envrc", "content": "4\n"}),
    "odd": ("shell", {"command": "./odd.sh"}),
}


def _script() -> str:
    made: list[str] = []
    for word, (tool, arguments) in LINES.items():
        fields = ", ".join(f"{name} = {value!r}" for name, value in arguments.items())
        made.append(
            f"[[answer]]\nwhen = '{word}'\nafter = 0\n"
            f"calls = [ {{ name = '{tool}', arguments = {{ {fields} }} }} ]\n"
            f"[[answer]]\nwhen = '{word}'\nafter = 1\ntext = 'Done.'\n"
        )
    return "\n".join(made).replace("\\n", "")


@pytest.fixture
async def asking(tmp_path: Path, folder: Path) -> AsyncIterator[Daemon]:
    """A daemon with the session `s`, whose agent asks before it writes."""
    script = tmp_path / "asks.toml"
    script.write_text(_script())
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as daemon:
        async with await daemon.client() as client:
            await client.request(m.NewSession(cwd=str(folder), name="s", mode="ask"))
        yield daemon


async def asks(client: Client, word: str) -> PendingCall | None:
    """What the agent waits with on that prompt; None where its turn ended without."""
    turn = (await client.request(m.Prompt(session="s", text=word))).turn
    blocked = m.Wait(session="s", until="blocked", turn=turn, timeout_s=30)
    ended = m.Wait(session="s", until="ended", turn=turn, timeout_s=30)
    first = [asyncio.ensure_future(client.request(each)) for each in (blocked, ended)]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    for each in first:
        each.cancel()
    calls = (await client.request(m.Inbox())).calls
    return calls[0] if calls else None


async def answer(client: Client, call: PendingCall, **more: object) -> None:
    request = {"call": call.call, "allowed": True, "rule": "approved in a test", **more}
    await client.request(m.Answer(**request))  # pyright: ignore[reportArgumentType] - by name
    await client.request(m.Wait(session="s", until="ended", timeout_s=30))


async def grants(client: Client) -> list[Grant]:
    (session,) = (await client.request(m.ListSessions())).sessions
    return session.agents[0].grants


async def test_a_yes_for_the_session_is_not_asked_for_again_until_it_is_taken_back(
    asking: Daemon, folder: Path
) -> None:
    async with await asking.client() as client:
        call = await asks(client, "one")
        assert call is not None
        assert (call.why, call.lasting) == (
            "mode ask: writes ask",
            "writing files in src/ and below",
        )
        await answer(client, call, scope="session")
        [grant] = await grants(client)
        assert (grant.by, grant.words) == ("approved in a test", call.lasting)
        assert 7.9 * 3600 < (grant.expires_us - grant.at_us) / 1e6 < 8.1 * 3600
        assert await asks(client, "two") is None
        assert (folder / "src" / "two.txt").read_text() == "2"

    await asking.kill()
    await asking.begin()
    async with await asking.client() as client:
        assert await grants(client) == [grant], "it outlives the daemon"
        assert await asks(client, "two") is None
        for word in ("other", "hidden"):
            beyond = await asks(client, word)
            assert beyond is not None, "it covers its folder, and nothing that makes programs run"
            await client.request(m.Stop(session="s"))
        revoked = await client.request(m.RevokeGrants(grant=grant.grant[:14], by="a test"))
        assert revoked.grants == (grant.grant,)
        assert await grants(client) == []
        assert await asks(client, "two") is not None
        with pytest.raises(UnknownName, match="no grant"):
            await client.request(m.RevokeGrants(grant=grant.grant, by="a test"))
        assert (await client.request(m.RevokeGrants(by="a test"))).grants == ()


async def test_it_runs_out(asking: Daemon) -> None:
    async with await asking.client() as client:
        call = await asks(client, "one")
        assert call is not None
        await answer(client, call, scope="session", for_s=1.0)
        [grant] = await grants(client)
        assert grant.expires_us - grant.at_us == pytest.approx(1_000_000, abs=200_000)
        async with asyncio.timeout(30):
            while await asks(client, "two") is None:
                pass
        assert time.time_ns() // 1000 > grant.expires_us
        with pytest.raises(UnknownName):
            await client.request(m.RevokeGrants(grant=grant.grant, by="a test"))


async def test_a_call_that_is_not_understood_is_allowed_once(asking: Daemon) -> None:
    async with await asking.client() as client:
        call = await asks(client, "odd")
        assert call is not None
        assert (call.patterns, call.lasting) == ((), "")
        with pytest.raises(UsageError, match="can only be allowed once"):
            await answer(client, call, scope="session")
        assert await grants(client) == []
        with pytest.raises(UsageError, match="only a yes"):
            await client.request(
                m.Answer(call=call.call, allowed=False, rule="no", scope="session")
            )


@pytest.mark.parametrize("for_s", [0.0, -1.0, 1e12])
async def test_a_grant_needs_a_time_that_ends(asking: Daemon, for_s: float) -> None:
    async with await asking.client() as client:
        call = await asks(client, "one")
        assert call is not None
        with pytest.raises(UsageError, match="30 days"):
            await answer(client, call, scope="session", for_s=for_s)


async def test_an_answer_that_comes_too_late_leaves_no_grant(asking: Daemon) -> None:
    async with await asking.client() as client:
        call = await asks(client, "one")
        assert call is not None
        answers = [
            m.Answer(call=call.call, allowed=False, rule="denied first"),
            m.Answer(call=call.call, allowed=True, rule="too late", scope="session"),
        ]
        told = await asyncio.gather(
            *(client.request(each) for each in answers), return_exceptions=True
        )
        assert [each is None for each in told].count(True) == 1, told
        await client.request(m.Wait(session="s", until="ended", timeout_s=30))
        allowed = told[1] is None
        assert len(await grants(client)) == allowed


async def test_an_agent_that_was_ended_has_no_grants(asking: Daemon) -> None:
    async with await asking.client() as client:
        call = await asks(client, "one")
        assert call is not None
        await answer(client, call, scope="session")
        await client.request(m.KillAll())
        assert await grants(client) == []
        found = await client.request(m.Explain(call=call.call))
        assert (found.effect, found.rule) == ("deny", "the agent has been ended")


async def test_a_call_is_explained_before_and_after(asking: Daemon) -> None:
    async with await asking.client() as client:
        call = await asks(client, "one")
        assert call is not None
        found = await client.request(m.Explain(call=call.call))
        assert (found.action, found.resource, found.decided) == ("write", "src/one.txt", ())
        assert (found.effect, found.lasting) == ("ask", call.lasting)
        await answer(client, call, scope="session")
        found = await client.request(m.Explain(call=call.call))
        assert [each.what for each in found.decided] == ["granted", "allowed"]
        assert found.effect == "allow"
        assert found.rule == "allowed before: writing files in src/ and below"
        for query in ("c-", "c-nothing"):
            with pytest.raises(UnknownName):
                assert await asks(client, "two") is None
                await client.request(m.Explain(call=query))

"""Requests that nobody answers are rejected in time, on record, and told in the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mato.config.load import load
from mato.config.paths import find
from mato.daemon.roster import Roster
from mato.daemon.timeouts import LOOK_S, Timeouts
from mato.protocol import methods as m
from mato.testing.daemon import Daemon, running
from mato_sessions.catalog import PendingCall
from mato_sessions.clock import ManualClock
from mato_sessions.errors import ConfigError, UsageError
from mato_sessions.events import (
    AgentSpawned,
    Draft,
    Event,
    PermissionAnswered,
    PermissionAsked,
    SessionOpened,
)
from mato_sessions.events.agent import LaunchSpec
from mato_sessions.events.permission import TIMED_OUT
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

HOUR_US = 3_600_000_000
SCRIPT = """
[[answer]]
when = "save it"
after = 0
calls = [ { name = "write", arguments = { path = "note.txt", content = "saved\\n" } } ]

[[answer]]
when = "save it"
after = 1
text = "Not saved."
"""


def asked(call: str, question: str = "permission") -> PermissionAsked:
    return PermissionAsked(
        call=call,
        tool="shell",
        action="execute",
        resource="make",
        arguments={"command": "make"},
        question="recovery" if question == "recovery" else "permission",
        decisions=("give_up",) if question == "recovery" else (),
    )


class Waiting:
    """A journal with an agent that asks, and what the daemon rejects of it."""

    def __init__(self, journal: Journal, clock: ManualClock, timeout_s: float) -> None:
        self.journal = journal
        self.clock = clock
        self.timeout_s = timeout_s
        self.roster = Roster()
        self.rejected: asyncio.Queue[str] = asyncio.Queue()
        self.looked: asyncio.Queue[None] = asyncio.Queue()
        self.refusals: list[UsageError | None] = []
        journal.listen(self._follow)
        self.it = Timeouts(journal, self.roster, clock, self._read, self._reject)

    def _follow(self, events: Sequence[Event]) -> None:
        for event in events:
            self.roster.apply(event)

    async def look(self) -> float | None:
        """What one round of `run` does."""
        return await self.it._look()  # pyright: ignore[reportPrivateUsage] - without its sleep

    async def _read(self) -> float:
        self.looked.put_nowait(None)
        if self.timeout_s < 0:
            raise ConfigError("config.toml is damaged")
        return self.timeout_s

    async def _reject(self, call: PendingCall) -> None:
        if self.refusals and (refusal := self.refusals.pop()):
            raise refusal
        self.rejected.put_nowait(call.call)
        answered = PermissionAnswered(call=call.call, allowed=False, by="timeout", rule=TIMED_OUT)
        await self.record(answered)

    async def record(self, *bodies: PermissionAsked | PermissionAnswered) -> None:
        drafts = [Draft(session="s", agent="a", turn="t", body=body) for body in bodies]
        events = await self.journal.append(drafts)
        await self.roster.reached(events[-1].position)

    async def begin(self) -> None:
        spec = LaunchSpec(profile="coder", model="m")
        opened = SessionOpened(name="s", cwd="/", mode="ask", trusted=False, mato="test")
        await self.journal.append(
            [
                Draft(session="s", body=opened),
                Draft(session="s", agent="a",
                      body=AgentSpawned(name="a", agent_kind="native", spec=spec)),
            ]
        )  # fmt: skip


async def test_what_has_waited_too_long_is_rejected_and_nothing_else(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Journal.open(tmp_path / "j.db", clock=clock, redactor=Redactor()) as journal:
        it = Waiting(journal, clock, 3600)
        await it.begin()
        await it.record(asked("old"), asked("cut", "recovery"))
        clock.advance(HOUR_US)
        await it.record(asked("new"))
        assert await it.look() == LOOK_S
        assert it.rejected.get_nowait() == "old"
        assert it.rejected.empty()
        assert [call.call for call in it.roster.catalog.pending()] == ["cut", "new"]
        clock.advance(HOUR_US - 10_000_000)
        again_s = await it.look()
        assert again_s is not None
        assert abs(again_s - 10) < 0.01, "it sleeps until that time"
        it.timeout_s = 0
        clock.advance(HOUR_US)
        await it.look()
        assert it.rejected.empty(), "never is never"
        it.timeout_s = -1
        await it.look()
        assert it.rejected.empty(), "a damaged config changes nothing"


async def test_a_rejection_that_fails_is_tried_again(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Journal.open(tmp_path / "j.db", clock=clock, redactor=Redactor()) as journal:
        it = Waiting(journal, clock, 60)
        await it.begin()
        await it.record(asked("one"))
        clock.advance(HOUR_US)
        it.refusals = [UsageError("the agent is paused")]
        assert await it.look() == LOOK_S
        assert it.rejected.empty()
        await it.look()
        assert it.rejected.get_nowait() == "one"


async def test_it_sleeps_while_nothing_waits_and_wakes_when_something_does(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Journal.open(tmp_path / "j.db", clock=clock, redactor=Redactor()) as journal:
        it = Waiting(journal, clock, 0.01)
        await it.begin()
        running_it = asyncio.create_task(it.it.run())
        await asyncio.sleep(0)
        assert it.looked.empty()
        await it.record(asked("one"))
        async with asyncio.timeout(20):
            await it.looked.get()
            clock.advance(HOUR_US)
            assert await it.rejected.get() == "one"
        running_it.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running_it


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Daemon]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    paths = find({"MATO_HOME": str(tmp_path / "home")})
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text('[permissions]\ntimeout = "1m"\n')
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as found:
        yield found


async def test_the_history_has_every_answer_with_its_reason(home: Daemon, folder: Path) -> None:
    async with await home.client() as client:
        none = await client.request(m.History())
        assert (none.decisions, none.complete) == ((), True)
        new = await client.request(m.NewSession(cwd=str(folder), task="save it", name="one"))
        await client.request(m.Wait(session="one", until="blocked", timeout_s=20))
        [call] = (await client.request(m.Inbox())).calls
        await client.request(m.Answer(call=call.call, allowed=False, rule="denied by a test"))
        await client.request(m.Wait(session="one", until="ended", timeout_s=20))
        await client.request(m.NewSession(cwd=str(folder), task="save it", name="two", mode="edit"))
        await client.request(m.Wait(session="two", until="ended", timeout_s=20))

        found = await client.request(m.History())
        told = [(d.session_name, d.tool, d.allowed, d.by, d.rule) for d in found.decisions]
        assert told == [
            ("two", "write", True, "mode", "mode edit: writes run"),
            ("one", "write", False, "person", "denied by a test"),
        ]
        assert found.decisions[1].asked_us <= found.decisions[1].at_us
        assert found.decisions[1].resource == "note.txt"
        assert found.decisions[0].asked_us == 0
        assert found.complete
        only = await client.request(m.History(session="one"))
        assert [each.session for each in only.decisions] == [new.session]
        newest = await client.request(m.History(limit=1))
        assert [each.session_name for each in newest.decisions] == ["two"]
        assert not newest.complete


@pytest.mark.parametrize("text", ["soon", "", "0m", "-5m", "5", "1y"])
def test_a_timeout_that_is_none_is_refused_with_what_is_allowed(tmp_path: Path, text: str) -> None:
    paths = find({"MATO_HOME": str(tmp_path)})
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(f'[permissions]\ntimeout = "{text}"\n')
    with pytest.raises(ConfigError, match=r"permissions.timeout.*write '30m', '24h', '7d'"):
        load(paths, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("24h", 86_400), ("2w", 1_209_600), ("never", 0)]
)
def test_a_timeout_is_written_as_people_say_it(tmp_path: Path, text: str, seconds: int) -> None:
    paths = find({"MATO_HOME": str(tmp_path)})
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(f'[permissions]\ntimeout = "{text}"\n')
    assert load(paths, {}).permissions.timeout_s == seconds


def test_without_a_setting_it_is_a_day(tmp_path: Path) -> None:
    assert load(find({"MATO_HOME": str(tmp_path)}), {}).permissions.timeout_s == 86_400

"""`mato run` goes on where the daemon did not wait for a person who thought long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mato.cli import headless
from mato.client import quick
from mato.config.paths import Paths
from mato.testing.daemon import Daemon, running
from mato_sessions.events import Event, PermissionAsked

SCRIPT = """
[[answer]]
calls = [ { name = "write", arguments = { path = "pears.txt", content = "conference" } } ]
[[answer]]
text = "That was it."
"""


class Door:
    """Stands between clients and daemon, and can shut out who came last."""

    def __init__(self, daemon: Daemon, runtime: Path) -> None:
        theirs = daemon.paths
        self.paths = Paths(theirs.config, theirs.state, theirs.cache, runtime)
        self._inner = theirs.socket
        self._writers: list[asyncio.StreamWriter] = []
        self._guests: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._inner)
        self._writers.append(writer)
        self._guests.add(asyncio.current_task())
        try:
            with suppress(ConnectionError):
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass(reader, inner_writer))
                    both.create_task(_pass(inner_reader, writer))
        finally:
            for each in (writer, inner_writer):
                each.transport.abort()
                with suppress(ConnectionError):
                    await each.wait_closed()
            self._guests.discard(asyncio.current_task())

    def shut_out(self) -> None:
        self._writers[-1].transport.abort()

    async def close(self) -> None:
        """Let everybody go and wait for it."""
        guests = {guest for guest in self._guests if guest is not None}
        for writer in self._writers:
            writer.transport.abort()
        if guests:
            await asyncio.wait(guests, timeout=10)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def a_door(tmp_path: Path) -> AsyncGenerator[tuple[Door, dict[str, object]]]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    runtime = tmp_path / "r"
    runtime.mkdir()
    async with running(tmp_path / "home") as daemon:
        door = Door(daemon, runtime)
        async with await asyncio.start_unix_server(door.serve, door.paths.socket):
            agents = [{"model": f"scripted:{script}"}]
            wish = {"cwd": str(tmp_path), "name": "s", "task": "write", "agents": agents}
            made = await asyncio.to_thread(quick.request, daemon.paths, "session.new", wish)
            yield door, made
            await door.close()


async def follow(
    door: Door, made: dict[str, object], ask: headless.Ask | None
) -> tuple[list[headless.Outcome], list[Event]]:
    told: list[Event] = []
    [agent] = made["agents"]  # type: ignore[misc]
    ended = await headless.follow(
        door.paths, str(made["session"]), {agent["id"]: 1}, told.append, ask
    )
    return ended, told


async def test_who_was_cut_off_while_being_asked_reads_on_where_it_was(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (door, made):

        async def ask(asked: PermissionAsked) -> bool:
            door.shut_out()
            return asked.tool == "write"

        ended, told = await follow(door, made, ask)
    assert [outcome.reason for outcome in ended] == ["end_turn"]
    assert [event.seq for event in told] == list(range(1, told[-1].seq + 1))
    assert (tmp_path / "pears.txt").read_text() == "conference"


async def test_who_was_cut_off_where_nobody_is_asked_reads_on_too(tmp_path: Path) -> None:
    async with a_door(tmp_path) as (door, made):
        [agent] = made["agents"]  # type: ignore[misc]
        told: list[Event] = []

        def tell(event: Event) -> None:
            told.append(event)
            if isinstance(event.body, PermissionAsked):
                door.shut_out()

        ended = await headless.follow(
            door.paths, str(made["session"]), {agent["id"]: 1}, tell, None
        )
    assert [outcome.reason for outcome in ended] == ["end_turn"]
    assert [event.seq for event in told] == list(range(1, told[-1].seq + 1))
    assert not (tmp_path / "pears.txt").exists()

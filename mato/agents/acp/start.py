"""How an ACP agent's program comes to run: its place, its variables, its session."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec

from mato.agents.acp import raw
from mato.agents.acp.child import Child
from mato.agents.acp.past import Past
from mato.agents.acp.program import Opened, Program
from mato.agents.acp.translate import OFFERS
from mato.agents.acp.turn import Scribe
from mato.agents.base import Given
from mato.processes import MARKER
from mato.sandbox.confinement import Confinement
from mato.tools.disk import on_disk
from mato_sessions.errors import UsageError
from mato_sessions.events import AgentConnected
from mato_sessions.events.agent import LaunchSpec

_BASICS = frozenset({"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"})


class Begun(msgspec.Struct, frozen=True):
    """A program that runs."""

    program: Program
    summary: str
    """What it has to be told of before, where it knows nothing and a person wants it to."""


class Start:
    """Starts the programs of one agent, each in what `confine` gives."""

    def __init__(self, confine: Callable[[], Confinement]) -> None:
        self._confine = confine

    async def begin(
        self,
        spec: LaunchSpec,
        given: Given,
        scribe: Scribe,
        past: Past,
        answer: Callable[[str, Any, bool], Awaitable[Any]],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> Begun:
        """Start the program of `spec` and take up its session, or begin one.

        Raises:
            UsageError: why that did not come about.
        """
        env = environment(given.env(), spec.env_names)
        folder = await on_disk(given.workspace.folder)
        program_path = shutil.which(spec.argv[0], path=env.get("PATH", os.defpath))
        if program_path is None:
            raise UsageError(
                f"{spec.argv[0]!r} is not installed, or not on the PATH of the terminal that "
                f"started this agent; `mato agents show {spec.profile}` says how to get it"
            )
        marker = given.ids.call()
        confinement = await on_disk(self._confine)
        try:
            start = await on_disk(
                confinement.begin,
                folder,
                {**env, MARKER: marker},
                (program_path, *spec.argv[1:]),
            )
            if start is None:
                raise UsageError(f"{spec.argv[0]!r} was not started: it was stopped")
            child = await Child.start(start, folder, marker, given.sink.child_started, confinement)
        except BaseException:
            await on_disk(confinement.end)
            raise
        gate: list[Program] = []

        async def take(params: object) -> None:
            at, said = gate[0], raw.mapping(params)
            update = raw.mapping(said.get("update"))
            if at.gated and update.get("sessionUpdate") not in OFFERS:
                return
            if at.foreign and said and said.get("sessionId") != at.foreign:
                return  # of another session: the evidence has it
            await scribe.take(update)

        program = Program.start(spec.argv, child, scribe.evidence, take, scribe.rest, answer, spawn)
        gate.append(program)
        try:
            opened = await self._open(spec, scribe, past, program, str(folder))
        except BaseException:
            await program.end()
            raise
        summary = past.summary() if opened.how == "fresh" else ""
        return Begun(program, summary)

    async def _open(
        self, spec: LaunchSpec, scribe: Scribe, past: Past, program: Program, folder: str
    ) -> Opened:
        hello = await program.greet(
            files="no-fs" not in spec.flags, terminal="no-terminal" not in spec.flags
        )
        wanted = past.foreign or spec.foreign
        opened = await program.open(folder, wanted, hello, loads="no-load" not in spec.flags)
        connected = AgentConnected(
            foreign=opened.foreign,
            how=opened.how,
            name=hello.name,
            release=hello.release,
            can=hello.can,
            lost=wanted if opened.how == "fresh" else "",
            why=opened.why if opened.how == "fresh" else "",
        )
        await scribe.record(connected)
        if (offered := scribe.translator.offer.session(opened.result)) is not None:
            await scribe.write([offered])
        return opened


def environment(env: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """What the program gets: the basic variables and those that its profile names."""
    return {
        name: value
        for name, value in env.items()
        if name in _BASICS or name in names or name.startswith("LC_")
    }

"""One turn's record: what the agent says, in order, becomes journaled facts and live pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mato.agents.acp import raw
from mato.agents.acp.answers import Answers
from mato.agents.acp.calls import Output
from mato.agents.acp.evidence import Evidence
from mato.agents.acp.past import Past
from mato.agents.acp.translate import OFFERS, Meaning, Said, Translator
from mato.agents.base import Given
from mato.agents.streams import Streams
from mato_sessions.events import (
    AgentStateChanged,
    Body,
    ToolFailed,
    ToolFinished,
    ToolProposed,
)
from mato_sessions.events.agent import AgentState


class Scribe:
    """Writes down what happens, one thing after another: updates and requests come side by side."""

    def __init__(self, given: Given, streams: Streams, translator: Translator, past: Past) -> None:
        self._given = given
        self._past = past
        self.translator = translator
        self.answers = Answers(streams, given.clock, given.ids)
        self.evidence = Evidence(given.sink, given.clock)
        self._order = asyncio.Lock()
        self.turn = ""
        """The turn that runs, or the newest."""
        self.live = False
        """A turn runs. What an agent says between turns only the evidence has, offers excepted."""
        self._shown: AgentState | None = None
        self._evidence = ""

    async def take(self, update: dict[str, Any]) -> None:
        """Take in an update (ACP session/update)."""
        if not self.live and update.get("sessionUpdate") not in OFFERS:
            return
        async with self._order:
            await self._write(self.translator.take(update, self._given.clock.mono_us()))
            if self.evidence.full:
                await self.evidence.keep(self.turn or None)

    def rest(self) -> None:
        """The turn that runs is over, as far as the agent is concerned."""
        self.live = False

    async def write(self, meanings: Sequence[Meaning]) -> None:
        """Journal facts and show pieces, in order; returns once the facts are on disk."""
        async with self._order:
            await self._write(meanings)

    async def _write(self, meanings: Sequence[Meaning]) -> None:
        for each in meanings:
            match each:
                case Said(kind=kind, text=text):
                    if kind == "reasoning" and self.answers.after_text:
                        await self._finish_answer()
                    await self.answers.say(kind, text, self.turn)
                case Output(call=call, text=text):
                    await self.answers.output(call, text, self.turn)
                case Body():
                    if isinstance(each, ToolProposed):
                        await self._finish_answer()
                    if isinstance(each, ToolFinished | ToolFailed):
                        await self.answers.close_output(each.call)
                    await self.record(each)

    async def _finish_answer(self) -> None:
        if (answered := await self.answers.close()) is not None:
            await self.record(answered)

    async def finish_answer(self) -> None:
        """What the agent has said so far is a whole answer."""
        async with self._order:
            await self._finish_answer()

    async def record(self, *bodies: Body) -> None:
        """Journal facts of the turn."""
        if bodies:
            self._past.take(await self._given.sink.record(*bodies, turn=self.turn or None))

    async def show(self, state: AgentState, evidence: str) -> None:
        """Journal the agent's state where it changes, or what shows it while it goes on."""
        await self.record(*self.showing(state, evidence))

    def showing(self, state: AgentState, evidence: str) -> list[Body]:
        """The fact of that, to be journaled now with others; none where nothing changes."""
        if (state, evidence) == (self._shown, self._evidence):
            return []
        self._shown, self._evidence = state, evidence
        return [AgentStateChanged(state=state, evidence=raw.cut(evidence, 500))]

    @property
    def shown(self) -> AgentState | None:
        """The state that was journaled last."""
        return self._shown

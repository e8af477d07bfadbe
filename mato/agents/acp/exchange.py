"""One prompt to an ACP agent and all that follows from it, up to the end of its turn."""

from __future__ import annotations

import asyncio
from typing import Any

from acp.exceptions import RequestError

from mato.agents.acp.permit import Permits
from mato.agents.acp.program import Died, said
from mato.agents.acp.running import Running
from mato.agents.acp.turn import Scribe
from mato.agents.base import Given
from mato_sessions.errors import JournalError, MatoError
from mato_sessions.events import ToolFinished
from mato_sessions.events.turn import Block, StopReason, TextBlock

GRACE_S = 5.0
"""How long a program may take to end a turn that was cancelled."""
_BROKEN = ("failed", "cancelled", "interrupted")
_STOPS = {"end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"}


class Brake:
    """How the turn that runs is ended before its own end."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """It is to end now."""
        self.ending: tuple[StopReason, str] | None = None
        """The reason and detail of that end."""
        self.grace_s = GRACE_S
        self.cut = False
        """It stays open in the journal: its daemon ends."""

    def release(self) -> None:
        """Another turn begins."""
        self.stop.clear()
        self.ending = None


class Exchange:
    """Made once for an agent; `flags` are those of its launch spec."""

    def __init__(
        self,
        given: Given,
        scribe: Scribe,
        permits: Permits,
        running: Running,
        flags: tuple[str, ...],
    ) -> None:
        self._given = given
        self._scribe = scribe
        self._permits = permits
        self._running = running
        self._flags = flags

    async def through(self, blocks: tuple[Block, ...], brake: Brake) -> tuple[StopReason, str]:
        """Go through a turn to where only its end, which is returned, is left to record."""
        request = self._given.ids.request()
        result: dict[str, Any] = {}
        reason: StopReason = "failed"
        detail = ""
        working = asyncio.ensure_future(self._ask(blocks))
        stopped = asyncio.ensure_future(brake.stop.wait())
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await self._break_off(working, brake)
            if working.done() and not working.cancelled():
                result = working.result()
                reason, detail = _end(result)
        except RequestError as error:
            detail = f"the agent says: {said(error)}"
        except Died as error:
            detail = f"{error}; a new prompt starts it again"
        except JournalError:
            raise
        except MatoError as error:
            detail = str(error)
        finally:
            stopped.cancel()
            working.cancel()
            await asyncio.gather(working, stopped, return_exceptions=True)
        if brake.ending is not None:
            reason, detail = brake.ending
        await self._settle(request, result, reason, detail, cut=brake.cut)
        return reason, detail

    async def _ask(self, blocks: tuple[Block, ...]) -> dict[str, Any]:
        begun = await self._running.get()
        await self._scribe.show("working", "prompted")
        self._permits.over = False
        if begun.summary and await self._hands_over(begun.summary):
            blocks = (TextBlock(begun.summary), *blocks)
        self._scribe.answers.begin()
        return await begun.program.prompt(blocks)

    async def _hands_over(self, summary: str) -> bool:
        """Whether a person wants the program, which knows nothing, to be told what was said."""
        calls = self._scribe.translator.calls
        title = "tell the agent in short what was said before it forgot"
        call, facts = calls.own("think", title, {})
        await self._scribe.write(facts)
        if not await self._permits.offer(call):
            return False
        call.state = "ended"
        told = ToolFinished(call=call.call, attempt=1, content=summary, summary="told")
        await self._scribe.write([told])
        return True

    async def _break_off(self, working: asyncio.Future[dict[str, Any]], brake: Brake) -> None:
        """End what runs: ask for it, then by force."""
        program = self._running.program
        if program is None:  # it is still being started
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            return
        first = "answer-first" in self._flags
        try:
            async with asyncio.timeout(brake.grace_s):
                if first:
                    await self._permits.settle()
                    await asyncio.sleep(0.05)
                self._permits.over = True
                await program.cancel()
                await self._permits.settle()
                await asyncio.wait({working})
        except (TimeoutError, OSError):
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self._running.end()

    async def _settle(
        self,
        request: str,
        result: dict[str, Any],
        reason: StopReason,
        detail: str,
        *,
        cut: bool,
    ) -> None:
        """Nothing of the turn stays open."""
        await self._permits.settle()
        await self._running.settle()
        await self._scribe.finish_answer()
        cause = "cancelled" if reason in ("cancelled", "interrupted") else "error"
        calls = self._scribe.translator.calls
        if not cut:
            await self._scribe.write(calls.end(cause, detail if reason in _BROKEN else ""))
        offer = self._scribe.translator.offer.option("model")
        used = self._scribe.translator.meter.turn(result, request, offer.value if offer else "")
        if used is not None:
            await self._scribe.record(used)
        await self._scribe.evidence.keep(self._scribe.turn)


def _end(result: dict[str, Any]) -> tuple[StopReason, str]:
    reason: Any = result.get("stopReason")
    if reason in _STOPS:
        return reason, ""
    return "end_turn", f"the agent gave a reason that is none: {str(reason)[:100]!r}"

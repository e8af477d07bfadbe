"""What a person decides: answers on their way, what is put off, and the decisions of the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mato.protocol.deciding import Decided, History
from mato.protocol.methods import Answer, Resume
from mato_panes import messages
from mato_panes.screens.inbox import Inbox
from mato_panes.waiting import Later, Waiting, everything

if TYPE_CHECKING:
    from mato_panes.app import MatoApp


class Deciding:
    """One workspace's answers."""

    def __init__(self, app: MatoApp) -> None:
        self._app = app
        self._later = Later()

    def inbox(self) -> Inbox:
        """The inbox as it is now."""
        timeout_s = self._app.settings.permissions.timeout_s
        return Inbox(
            self.waiting,
            self._app.clock.wall_us,
            timeout_us=int(timeout_s * 1_000_000),
            put_off=lambda: len(self.hidden()),
            history=self._history,
        )

    def waiting(self) -> list[Waiting]:
        """What waits and is not put off: what cannot be undone first."""
        hidden = self.hidden()
        return [each for each in self._everything() if each.call.call not in hidden]

    def hidden(self) -> frozenset[str]:
        """The calls that are put off."""
        waiting = [each.call.call for each in self._everything()]
        return self._later.hidden(waiting, self._app.clock.wall_us())

    def _everything(self) -> list[Waiting]:
        return everything(self._app.reading.overview.sessions.values())

    def put_off(self, event: messages.PutOff) -> None:
        """Hide these calls; nobody answers them by that."""
        until_us = None
        if event.minutes is not None:
            until_us = self._app.clock.wall_us() + event.minutes * 60_000_000
            self._app.set_timer(event.minutes * 60 + 1, self._show)
        waiting = [each.call.call for each in self._everything()]
        self._later.put_off(event.calls, waiting, until_us)
        self._show()

    def bring_back(self) -> None:
        """Show again what was put off."""
        self._later.bring_back()
        self._show()

    def came(self) -> None:
        """Something has come that may wait, or wait no more."""
        self._app.workspace.put_off = len(self.hidden())
        if isinstance(self._app.screen, Inbox):
            self._app.screen.update_calls()

    def _show(self) -> None:
        self.came()
        self._app.workspace.changed()

    async def answer(self, event: messages.CallAnswered) -> None:
        """Give the person's answer; where it is refused, it can be given again."""
        done = "done" if event.reply == "done" else None
        answer = Answer(
            call=event.call,
            allowed=event.allowed,
            rule=event.rule,
            decision=done,
            scope=event.scope,
        )
        if await self._app.asking.accepted(answer):
            return
        for screen in self._app.screen_stack:
            if isinstance(screen, Inbox):
                screen.refused(event.call)
        for pane in self._app.workspace.chats():
            pane.answer_failed(event.call)

    async def go_on(self, agent: str) -> None:
        """Let a paused agent of the attached session go on, and say what came of it."""
        app = self._app
        known, session = app.workspace.agents.get(agent), app.workspace.session
        if known is None or session is None:
            return
        env = await app.asking.environment_of(known, session.cwd)
        resumed = await app.asking.answer(Resume(session=session.id, agent=agent, env=env))
        if resumed is not None:
            done = "goes on" if resumed.agents else "is not paused"
            app.workspace.say(f"{known.name} {done}")

    async def _history(self) -> Sequence[Decided]:
        found = await self._app.asking.answer(History())
        return () if found is None else found.decisions

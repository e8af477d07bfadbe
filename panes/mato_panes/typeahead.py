"""What is typed reaches the workspace in its order, each key after the one before has taken effect.

Textual gives letters to the focused widget at once, but runs a key's binding only when the key has
bubbled to the top, and opens a dialog later still. Typed quickly, backspace and a letter change
places, and a name goes to the composer behind its dialog. So keys wait: behind a key that may do
more than type a letter until it has passed every widget, and behind a command until its dialog has
the focus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input, TextArea

from mato_panes.screens.dialog import Dialog

KEPT = 4096
"""Keys kept at most; the newest are dropped."""
HELD_AT_MOST_S = 1.5
"""A daemon that does not answer holds nobody's keys."""
ROUNDS = 2
"""How often a key's way to the top is waited for: once for the key, once for what it set off."""

Pressed = events.MouseDown | events.MouseUp
Typed = events.Key | events.Paste


class TypeAhead:
    """Gives what is typed on to `press`, one after the other."""

    def __init__(self, app: App[Any], press: Callable[[Typed | Pressed], Awaitable[None]]) -> None:
        self._app = app
        self._press = press
        self._kept: deque[Typed | Pressed] = deque()
        self._held_for: object = None
        """The key or command whose effect is awaited."""
        self._draining = False

    async def take(self, event: Typed | Pressed) -> None:
        """Something was typed, or a button of the mouse pressed or let go."""
        if isinstance(event, Pressed):
            await self._clicked(event)
        else:
            await self._typed(event)

    async def _typed(self, event: Typed | Pressed) -> None:
        if self._held_for is None and not self._kept and not self._draining:
            await self._give(event)
        elif len(self._kept) < KEPT:
            self._kept.append(event)

    async def _clicked(self, event: Pressed) -> None:
        """A button of the mouse: behind keys that are on their way, not behind a dialog to come."""
        waits = self._held_for is None or isinstance(self._held_for, events.Event)
        if waits and (self._held_for is not None or self._kept or self._draining):
            await self._typed(event)
        else:
            await self._press(event)

    async def _give(self, event: Typed | Pressed) -> None:
        focused = self._app.screen.focused
        letter = isinstance(event, events.Key) and event.is_printable
        await self._press(event)
        # Letters in a row are taken in their order by what they are typed into.
        if self._held_for is None and not (letter and isinstance(focused, Input | TextArea)):
            self._held_for = event
            self._climb(focused or self._app.screen, ROUNDS, event)

    def _climb(self, node: MessagePump, rounds: int, event: Typed | Pressed) -> None:
        """Come after `event` through the queues of a widget and all above it, then let go."""

        def arrived() -> None:
            above = node.parent if isinstance(node, DOMNode) else None
            if above is not None:
                self._climb(above, rounds, event)
            elif rounds > 1:
                self._climb(self._app.screen.focused or self._app.screen, rounds - 1, event)
            else:
                self._release(event)

        if not node.call_later(arrived):  # it is gone, and its queue with it
            self._release(event)

    def carry_out(self, command: Coroutine[Any, Any, None]) -> None:
        """Run a command; keys wait until its dialog is there, or it is done."""
        self._held_for = command
        self._app.set_timer(HELD_AT_MOST_S, lambda: self._release(command))
        self._app.run_worker(self._run(command), group="commands")

    def opening(self, dialog: Screen[Any]) -> None:
        """The command that runs is about to show this dialog."""
        command = self._held_for
        if not isinstance(dialog, Dialog):
            self._release(command)
        elif dialog.takes_typeahead:
            dialog.when_ready = lambda: self._release(command)
        else:
            dialog.when_ready = lambda: self._forget(command)

    async def _run(self, command: Coroutine[Any, Any, None]) -> None:
        try:
            await command
        finally:
            self._release(command)

    def _forget(self, command: object) -> None:
        # Whatever a button was pressed on is told that it was let go.
        self._kept = deque(each for each in self._kept if isinstance(each, events.MouseUp))
        self._release(command)

    def _release(self, held_for: object) -> None:
        if held_for is not None and self._held_for is held_for:
            self._held_for = None
            if self._kept:
                self._app.call_later(self._drain)

    async def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            while self._kept and self._held_for is None:
                await self._give(self._kept.popleft())
        finally:
            self._draining = False

"""What each command of the key table does: a method of the same name in one of the groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from mato_panes.bindings import BINDINGS, Binding
from mato_panes.commands.agents import Agents
from mato_panes.commands.frame import Frame
from mato_panes.commands.group import Group
from mato_panes.commands.panes import Panes
from mato_panes.commands.windows import Windows

if TYPE_CHECKING:
    from mato_panes.app import MatoApp

GROUPS: tuple[type[Group], ...] = (Panes, Windows, Agents, Frame)

Method = Callable[..., Coroutine[Any, Any, None] | None]


class Commands:
    """Finds the method of a command and carries it out."""

    def __init__(self, app: MatoApp) -> None:
        self._app = app
        self._methods: dict[str, Method] = {}
        for group in (kind(app) for kind in GROUPS):
            for binding in BINDINGS:
                if hasattr(group, binding.command):
                    self._methods[binding.command] = cast("Method", getattr(group, binding.command))

    @property
    def known(self) -> frozenset[str]:
        """The commands that can be given."""
        return frozenset(self._methods)

    def give(self, binding: Binding, key: str) -> None:
        """Carry out a command; `key` is the one that gave it, "" from the palette.

        What asks nothing is done when this returns, so that the next key finds it done.
        """
        method = self._methods[binding.command]
        result = method(key) if binding.argument or binding.told else method()
        if inspect.iscoroutine(result):
            self._app.typing.carry_out(result)

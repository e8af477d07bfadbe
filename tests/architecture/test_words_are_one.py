"""Tables that are written twice, where a hot command cannot load the other one, say the same."""

from __future__ import annotations

from typing import get_args

from mato.cli import requests
from mato_panes import waiting
from mato_sessions.events.permission import Action


def test_the_inbox_has_one_order_in_the_workspace_and_on_the_command_line():
    assert waiting.GRAVITY == requests.GRAVITY
    assert set(waiting.GRAVITY) == set(get_args(Action))

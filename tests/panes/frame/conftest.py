"""A workspace on a daemon in memory: three sessions, in every state, with somebody waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mato.config.settings import Settings
from mato_panes.app import MatoApp
from mato_panes.prefix import Choice
from mato_panes.store import Overview
from mato_panes.testing import FakeDaemon
from mato_sessions.events import (
    PermissionAsked,
    ReasoningStreamed,
    TextStreamed,
    ToolProposed,
    TurnPrompted,
)
from mato_sessions.events.session import PaneNode, SplitNode, WindowNode
from mato_sessions.events.turn import TextBlock

ANSWER = "I read the **parser** and found\n\n- a missing case in `tokens`\n- an off by one\n"
DIFF = "--- a/index.md\n+++ b/index.md\n@@ -1,2 +1,2 @@\n # Mato\n-teh spine\n+the spine\n"


def main_window() -> WindowNode:
    right = SplitNode("column", (1, 1), (PaneNode("p2", "reviewer"), PaneNode("p3", "tester")))
    return WindowNode("w1", "main", SplitNode("row", (1, 1), (PaneNode("p1", "coder"), right)))


def filled() -> FakeDaemon:
    it = FakeDaemon()
    it.open_session("here", "fix the parser")
    it.open_session("docs", "docs sweep", cwd="/home/ada/docs")
    it.open_session("night", "nightly")
    for name in ("coder", "reviewer", "tester", "scribe"):
        it.spawn("here", name, model="openai/gpt-5")
    for name in ("coder", "reviewer", "tester"):
        turn = f"turn-{name}"
        prompt = TurnPrompted(blocks=(TextBlock("Make the tests of the parser pass."),))
        thought = ReasoningStreamed(
            stream=f"{name}/1/reasoning", attempt=1, offset=0, text="Look at the parser first."
        )
        said = TextStreamed(stream=f"{name}/1/text", attempt=1, offset=0, text=ANSWER)
        it.emit("here", prompt, thought, said, agent=name, turn=turn)
    it.state("here", "coder", "working")
    it.state("here", "tester", "done")
    ask(it, "here", "reviewer", "call-1", "shell", {"command": "make test && make lint"})
    it.spawn("docs", "writer")
    ask(it, "docs", "writer", "call-2", "edit", {"path": "docs/index.md"}, DIFF)
    it.spawn("night", "owl", state="failed")
    it.arrange("here", main_window(), WindowNode("w2", "notes", PaneNode("p4", "coder")))
    it.arrange("docs", WindowNode("w9", "docs", PaneNode("p9", "writer")))
    it.clock.advance(73_000_000)
    return it


def ask(
    it: FakeDaemon,
    session: str,
    agent: str,
    call: str,
    tool: str,
    arguments: dict[str, str],
    preview: str = "",
    **more: Any,
) -> None:
    """Let an agent wait for a person."""
    resource = next(iter(arguments.values()))
    it.emit(
        session,
        ToolProposed(
            call=call, name=tool, arguments=dict(arguments), key=call, policy="ask", title=resource
        ),
        PermissionAsked(
            call=call,
            tool=tool,
            action="execute",
            resource=resource,
            arguments=dict(arguments),
            preview=preview,
            **more,
        ),
        agent=agent,
        turn=f"turn-{agent}",
    )
    it.state(session, agent, "blocked")


@pytest.fixture
def daemon() -> FakeDaemon:
    return filled()


MakeApp = Callable[..., MatoApp]


@pytest.fixture
def make_app() -> MakeApp:
    def make(
        daemon: FakeDaemon, session: str = "here", settings: Settings | None = None, **more: object
    ) -> MatoApp:
        overview = Overview()
        overview.load(daemon.listing())
        daemon.begin(session)
        return MatoApp(
            daemon,
            overview,
            session,
            settings or Settings(),
            prefix=Choice("ctrl+b"),
            clock=daemon.clock,
            **more,  # pyright: ignore[reportArgumentType] - handed on as given
        )

    return make


@pytest.fixture
def app(daemon: FakeDaemon, make_app: MakeApp) -> MatoApp:
    return make_app(daemon)

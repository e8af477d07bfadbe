"""A prompt on its way to an agent; one that is refused comes back to where it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mato.protocol.methods import Prompt

if TYPE_CHECKING:
    from mato_panes.app import MatoApp


async def prompt(app: MatoApp, agent: str, text: str) -> None:
    """Send the text to an agent of the attached session."""
    known, session = app.workspace.agents.get(agent), app.workspace.session
    if known is None or session is None:
        return
    env = await app.asking.environment_of(known, session.cwd)
    if await app.asking.accepted(Prompt(session=session.id, agent=agent, text=text, env=env)):
        return
    for pane in app.workspace.chats():
        if pane.agent.id == agent and not pane.composer.draft.text:
            pane.composer.draft.take(text)
            return

"""What all commands have in hand, and what several of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mato.protocol.methods import AgentWish, Kill, Spawn
from mato_panes import palette
from mato_panes.asking import environment
from mato_panes.screens.picker import Picker
from mato_sessions.catalog import AgentSummary

if TYPE_CHECKING:
    from mato_panes.app import MatoApp
    from mato_panes.layout.desk import Desk
    from mato_panes.screens.workspace import Workspace


FLAG = "flag"
"""`model_source` of a model that a person named."""


class Group:
    """Commands of one subject: public methods, named as in the key table.

    Those that ask a person or the daemon something are coroutines.
    """

    def __init__(self, app: MatoApp) -> None:
        self.app = app

    @property
    def work(self) -> Workspace:
        return self.app.workspace

    @property
    def desk(self) -> Desk:
        return self.app.workspace.desk

    async def _pick_agent(self, title: str) -> str | None:
        """The agent that a new pane shall show: one without a pane, or a new one."""
        work = self.work
        session = work.session
        if session is None:
            return None
        profiles = await self.app.asking.profiles(session.cwd)
        shown = {leaf.agent for leaf in self.desk.panes()}
        hidden = [
            agent for agent in session.agents if agent.id not in shown and agent.state != "stopped"
        ]
        choices = palette.what_to_show(hidden, profiles)
        chosen = await self.app.ask(Picker(title, choices))
        if chosen is None:
            return None
        kind, _, name = chosen.partition(":")
        if kind == "agent":
            return name
        wanted = next((profile for profile in profiles if profile.name == name), None)
        env = environment(wanted.env if wanted else ())
        wish = AgentWish(profile=name)
        beside = self.work.focused_agent
        if beside is not None and beside.model_source == FLAG and wanted and not wanted.model:
            # Who chose a model for this session by hand means its further agents too.
            wish = AgentWish(profile=name, model=beside.model, base_url=beside.base_url)
        ref = await self.app.asking.answer(Spawn(session=session.id, agent=wish, env=env))
        return ref.id if ref is not None else None

    async def _kill(self, agent: AgentSummary) -> bool:
        session = self.work.reading.store.session
        return await self.app.asking.answer(Kill(session=session, agent=agent.id)) is not None

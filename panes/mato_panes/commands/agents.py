"""Commands about agents: their turn, model, mode and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mato.protocol.methods import KillAll, Reconfigure, Stop, Undo, UndoResult
from mato_panes import palette
from mato_panes.commands.group import Group
from mato_panes.rendering import words
from mato_panes.screens.confirm import Confirm
from mato_panes.screens.picker import Picker
from mato_panes.screens.review import Review
from mato_sessions.catalog import AgentSummary
from mato_sessions.events.session import Mode

if TYPE_CHECKING:
    from mato_panes.app import MatoApp


class Agents(Group):
    """They act on the agent of the focused pane."""

    def __init__(self, app: MatoApp) -> None:
        super().__init__(app)
        self.accepted: set[tuple[str, str]] = set()
        """Turn and path of what was accepted in reviews."""

    def next_blocked(self) -> None:
        here = self.work.reading.store.session
        sessions = list(self.work.reading.overview.sessions.values())
        sessions.sort(key=lambda session: session.id != here)
        waiting = [
            (session.id, agent.id)
            for session in sessions
            for agent in session.agents
            if agent.state == "blocked"
        ]
        if not waiting:
            self.work.say("no agent waits for you")
            return
        focused = self.work.focused_agent
        now = (here, focused.id if focused else "")
        at = waiting.index(now) + 1 if now in waiting else 0
        self.app.go_to(*waiting[at % len(waiting)])

    async def inbox(self) -> None:
        call = await self.app.ask(self.app.deciding.inbox())
        if call is not None:
            self.app.go_to(call.session, call.agent)

    async def review(self) -> None:
        agent = self.work.focused_agent
        if agent is None:
            return
        session = self.work.reading.store.session

        async def ask(turn: str, files: tuple[str, ...] | None, apply: bool) -> UndoResult | None:
            wish = Undo(session=session, agent=agent.id, turn=turn, files=files, apply=apply)
            return await self.app.asking.answer(wish)

        found = await ask("", None, False)
        if found is not None:
            await self.app.ask(Review(found, ask, self.accepted))

    async def go_on(self) -> None:
        if (agent := self.work.focused_agent) is not None:
            await self.app.deciding.go_on(agent.id)

    async def stop_turn(self) -> None:
        agent = self.work.focused_agent
        if agent is None:
            return
        stopped = await self.app.asking.answer(
            Stop(session=self.work.reading.store.session, agent=agent.id)
        )
        if stopped is not None and not stopped.agents:
            self.work.say(f"{agent.name} has no turn to stop")

    async def pick_model(self) -> None:
        agent = self.work.focused_agent
        if agent is None:
            return
        sessions = self.work.reading.overview.sessions.values()
        picker = Picker(
            f"Model of {agent.name} from the next turn on",
            palette.models(agent, sessions, self.app.settings.model),
            ask="choose, or type a model's name",
            free="use",
            at=agent.model,
        )
        model = await self.app.ask(picker)
        if model is not None:
            await self._reconfigure(agent, f"model {model.removeprefix('=')}", model=model)

    async def pick_mode(self) -> None:
        agent = self.work.focused_agent
        if agent is None:
            return
        picker = Picker(f"What {agent.name} may do without asking", palette.MODES, at=agent.mode)
        mode = await self.app.ask(picker)
        if mode is not None:
            await self._reconfigure(agent, f"mode {mode}", mode=mode)

    async def _reconfigure(self, agent: AgentSummary, what: str, **change: str) -> None:
        model = change.get("model", "").removeprefix("=")
        mode = cast("Mode | None", change.get("mode"))
        session = self.work.session
        if session is None:
            return
        env = await self.app.asking.environment_of(agent, session.cwd)
        wish = Reconfigure(session=session.id, agent=agent.id, model=model, mode=mode, env=env)
        if await self.app.asking.accepted(wish):
            self.work.say(f"{agent.name}: {what} from now on")

    async def kill_agent(self) -> None:
        agent = self.work.focused_agent
        if agent is None or agent.state == "stopped":
            return
        text = f"{agent.name} ends now, its turn too; what it has said and done stays."
        answers = {"y": "end the agent", "n": "let it live"}
        if await self.app.ask(Confirm("End this agent?", text, answers)) == "y":
            await self._kill(agent)

    async def kill_all(self) -> None:
        sessions = self.work.reading.overview.sessions.values()
        living = sum(agent.state != "stopped" for each in sessions for agent in each.agents)
        if not living:
            self.work.say("no agent lives")
            return
        many = words.counted(living, "agent")
        text = (
            f"{many} of all sessions end for good, now, with every process that they started; "
            "what they have said and done stays."
        )
        answers = {"y": f"end {many}", "n": "let them live"}
        if await self.app.ask(Confirm("End everything?", text, answers, careful=True)) != "y":
            return
        ended = await self.app.asking.answer(KillAll())
        if ended is None:
            return
        self.work.say(f"ended {words.counted(len(ended.agents), 'agent')}")
        if ended.left:
            numbers = ", ".join(map(str, ended.left))
            self.work.say(f"not even SIGKILL ended the processes {numbers}", "error")

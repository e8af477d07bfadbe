"""What the pickers offer: commands, agents, profiles, sessions, windows, models, modes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mato.protocol.methods import ProfileSummary
from mato_panes import bindings
from mato_panes.layout import tree
from mato_panes.layout.desk import Desk
from mato_panes.rendering import words
from mato_panes.screens.picker import Choice
from mato_panes.widgets.states import GLYPHS, most_urgent
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.events.session import WindowNode

MODES: tuple[Choice, ...] = (
    Choice("read", "read", "reads; everything else is refused or asked for"),
    Choice("ask", "ask", "reads; asks before it writes or runs a command"),
    Choice("edit", "edit", "reads and writes files; asks before it runs a command"),
    Choice("full", "full", "does everything without asking"),
)
"""What agents may do without asking."""

EMBEDDED = "embedded"


def commands(prefix: str) -> list[Choice]:
    """Every command with its quickest key."""
    return [
        Choice(
            f"command:{binding.command}",
            binding.title,
            hint=bindings.shortest(binding.command, prefix),
            hint_role="key",
        )
        for binding in bindings.BINDINGS
        if binding.in_palette
    ]


def binding(command: str) -> bindings.Binding:
    return bindings.BY_COMMAND[command]


def agents(of_session: Iterable[AgentSummary], desk: Desk) -> list[Choice]:
    """The session's agents, to go to or to open."""
    shown = {leaf.agent for leaf in desk.panes()}
    return [
        Choice(
            f"agent:{agent.id}",
            f"{'Go to' if agent.id in shown else 'Open'} {agent.name}",
            hint=agent.state,
        )
        for agent in of_session
    ]


def what_to_show(
    hidden: Sequence[AgentSummary], profiles: Sequence[ProfileSummary]
) -> list[Choice]:
    """For a new pane: agents that have none, then profiles to start."""
    there = [
        Choice(
            f"agent:{agent.id}",
            agent.name,
            f"{agent.state}, has no pane",
            mark=GLYPHS[agent.state],
            role=agent.state,
        )
        for agent in hidden
    ]
    new = [
        Choice(
            f"profile:{profile.name}",
            f"new {profile.name}",
            profile.description,
            hint=profile.model or profile.kind,
            mark="+",
            role="key",
        )
        for profile in profiles
    ]
    return [*there, *new]


def windows(of_session: Sequence[WindowNode], known: Mapping[str, AgentSummary]) -> list[Choice]:
    choices: list[Choice] = []
    for number, window in enumerate(of_session, 1):
        inside = [known[leaf.agent] for leaf in tree.panes(window.root) if leaf.agent in known]
        state = most_urgent(agent.state for agent in inside) if inside else "idle"
        choices.append(
            Choice(
                window.window,
                f"{number}:{window.name}",
                ", ".join(agent.name for agent in inside),
                hint=state,
                mark=GLYPHS[state],
                role=state,
            )
        )
    return choices


def sessions(known: Iterable[SessionSummary], now_us: int, here: str = "") -> list[Choice]:
    """Those that wait for a person first, then by last use; put away ones only where one is."""
    choices: list[tuple[bool, int, Choice]] = []
    for session in known:
        if session.archived and session.id != here:
            continue
        state = most_urgent(agent.state for agent in session.agents)
        ago = words.duration(max(now_us - session.last_us, 0))
        count = words.counted(len(session.agents), "agent")
        choice = Choice(
            session.id,
            session.name or session.id,
            f"{count} · {ago} ago · {session.cwd}",
            hint=state,
            mark=GLYPHS[state],
            role=state,
        )
        choices.append((state != "blocked", -session.last_us, choice))
    return [choice for *_, choice in sorted(choices, key=lambda item: item[:2])]


def models(agent: AgentSummary, known: Iterable[SessionSummary], setting: str) -> list[Choice]:
    """The models in use anywhere, the configured and the embedded one."""
    found: dict[str, str] = {agent.model: "in use here"} if agent.model else {}
    if setting:
        found.setdefault(setting, "from config.toml")
    for session in known:
        for other in session.agents:
            if other.model:
                found.setdefault(other.model, f"used by {session.name}:{other.name}")
    found.setdefault(EMBEDDED, "needs no key; small")
    return [Choice(model, model, note) for model, note in found.items()]

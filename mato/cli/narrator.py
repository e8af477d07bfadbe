"""Tells what agents do, line by line, for terminals and logs without the workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mato.cli import output
from mato.text import display
from mato_sessions.events import (
    AgentExited,
    AgentSpawned,
    AgentStateChanged,
    Event,
    ModelFailed,
    PermissionAnswered,
    PermissionAsked,
    PlanUpdated,
    ReasoningStreamed,
    TextStreamed,
    ToolFailed,
    ToolFinished,
    ToolStarted,
    ToolUnknown,
    TurnEnded,
    TurnPrompted,
)
from mato_sessions.events import ModelAnswered as Answered
from mato_sessions.events import ToolProposed as Proposed
from mato_sessions.events.agent import ANSWERS
from mato_sessions.pieces import Piece

LINE_LIMIT = 2000
"""A streamed line longer than this, in characters, is told in parts."""


class Narrator:
    """Writes lines for events and live pieces; each piece of a stream is told once.

    `names` maps agent ids to the labels in front of each line; with one agent there are none, until
    it starts another one.
    `write` takes text that is already cleaned.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        write: Callable[[str], object],
        *,
        answers_itself: bool = False,
    ) -> None:
        """`answers_itself`: whoever tells this also decides calls, at once."""
        self._answers_itself = answers_itself
        self._names = dict(names)
        self._write = write
        self._told: dict[str, int] = {}
        """Stream id → characters told."""
        self._rest: dict[tuple[str, str], str] = {}
        """(agent, sort) → the unfinished line."""
        self._titles: dict[str, str] = {}
        self._working: set[str] = set()
        """Agents that work: what they then say of it is what they wait for."""

    def piece(self, piece: Piece) -> None:
        """Tell a live piece of reasoning or text; output and arguments wait for their facts."""
        if piece.kind in ("reasoning", "text"):
            self._stream(piece.agent, piece.kind, piece.stream, piece.offset, piece.text)

    def event(self, event: Event) -> None:
        """Tell a journaled fact."""
        agent = event.agent or ""
        match event.body:
            case AgentSpawned(parent=parent, name=name) if parent:
                self._names[agent] = name
            case ReasoningStreamed() as body:
                self._stream(agent, "reasoning", body.stream, body.offset, body.text)
            case TextStreamed() as body:
                self._stream(agent, "text", body.stream, body.offset, body.text)
            case Answered() as body:
                stem = f"{body.request}/{body.attempt}"
                self._stream(agent, "reasoning", f"{stem}/reasoning", 0, body.reasoning)
                self._stream(agent, "text", f"{stem}/text", 0, body.text)
                self._flush(agent)
            case TurnPrompted() as body:
                self._line(agent, "> " + " ".join(block.text for block in body.blocks))
            case Proposed() as body:
                self._titles[body.call] = body.title
            case ToolStarted() as body:
                self._line(agent, f"● {self._titles.get(body.call, body.call)}")
            case ToolFinished() as body:
                title = self._titles.pop(body.call, body.call)
                self._line(agent, f"✓ {title}  {body.summary}  {seconds(body.duration_us)}")
            case ToolFailed() as body:
                title = self._titles.pop(body.call, body.call)
                self._line(agent, f"✗ {title}  {body.message}")
            case ToolUnknown() as body:
                self._line(agent, f"? {self._titles.pop(body.call, body.call)}  {body.message}")
            case PermissionAsked() as body:
                how = "" if self._answers_itself else f"  (mato approve {body.call})"
                self._line(agent, f"▲ asks: {body.tool} {body.resource}{how}")
            case PermissionAnswered(by="person") as body:
                self._line(agent, f"  {body.rule}")
            case PlanUpdated() as body:
                done = sum(item.status == "completed" for item in body.items)
                self._line(agent, f"· plan {done}/{len(body.items)}")
            case ModelFailed() as body:
                again = "" if body.retry_in_s is None else f"; again in {body.retry_in_s:.1f} s"
                self._line(agent, f"! {body.message}{again}")
            case TurnEnded() as body:
                self._line(agent, f"— {body.reason}" + (f": {body.detail}" if body.detail else ""))
            case AgentStateChanged(state="working") as body:
                if agent in self._working and body.evidence != ANSWERS:  # its text says so
                    self._line(agent, f"· {body.evidence}")
                self._working.add(agent)
            case AgentStateChanged():
                self._working.discard(agent)
            case AgentExited() as body:
                self._line(agent, f"■ {body.reason}")
            case _:
                pass

    def _stream(self, agent: str, sort: str, stream: str, offset: int, text: str) -> None:
        told = self._told.get(stream, 0)
        fresh = text[max(0, told - offset) :] if offset <= told else ""
        if not fresh:
            return
        self._told[stream] = told + len(fresh)
        for other in [key for key in self._rest if key[0] == agent and key[1] != sort]:
            self._tell(agent, other[1], self._rest.pop(other))
        lines = (self._rest.pop((agent, sort), "") + fresh).split("\n")
        for line in lines[:-1]:
            self._tell(agent, sort, line)
        last = lines[-1]
        parts = range(0, len(last), LINE_LIMIT)
        for at in parts[:-1]:
            self._tell(agent, sort, last[at : at + LINE_LIMIT])
        if last := last[parts[-1] :] if parts else "":
            self._rest[agent, sort] = last

    def _tell(self, agent: str, sort: str, line: str) -> None:
        if line.strip():
            self._print(agent, f"~ {line}" if sort == "reasoning" else f"  {line}")

    def _flush(self, agent: str) -> None:
        for key in [key for key in self._rest if key[0] == agent]:
            self._tell(agent, key[1], self._rest.pop(key))

    def _line(self, agent: str, text: str) -> None:
        self._flush(agent)
        self._print(agent, text)

    def _print(self, agent: str, text: str) -> None:
        label = ""
        if len(self._names) > 1:
            room = max(output.cells(display(n, newline=False)) for n in self._names.values())
            label = output.fit(self._names.get(agent, agent), room) + " │ "
        self._write(f"{label}{display(text, newline=False)}\n")


def seconds(duration_us: int) -> str:
    """A duration for people: ``0.3 s``, ``42 s``, ``3 min 5 s``."""
    if duration_us < 9_950_000:
        return f"{duration_us / 1e6:.1f} s"
    whole = round(duration_us / 1e6)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"

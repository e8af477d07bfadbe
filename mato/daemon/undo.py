"""Undo: files go back to what they were before a turn, where nobody else has changed them since.

Only what tools keep before they write (`file.checkpointed`) can be undone; what commands change is
not kept. A file is put back whole or not at all, and only from exactly what the turn left in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from mato.daemon.supervisor import Supervisor
from mato.protocol.undoing import Undo, UndoFile, UndoResult, UndoTurn
from mato.tools.change import current
from mato.tools.difference import unified
from mato.tools.disk import on_disk
from mato.tools.workspace import Workspace
from mato_sessions.catalog import AgentSummary, SessionSummary
from mato_sessions.errors import PathRefused, UnknownName, UsageError
from mato_sessions.events import (
    AgentSpawned,
    BlobRef,
    Draft,
    Event,
    FileCheckpointed,
    ToolFinished,
    TurnPrompted,
    TurnUndone,
)
from mato_sessions.journal import Journal

_PAGE_EVENTS = 1000
_MOST_TURNS = 100
_PROMPT = 200
"""Characters of a prompt that name its turn."""
_BY_OTHERS = "it was changed since by something else than this turn"
_NOT_KNOWN = "what the turn left in it is not on record"
_SECRET = "what it held before had a secret in it that is not on record"  # noqa: S105 - a sentence


class Changed(msgspec.Struct, frozen=True):
    """What a turn did to one file, as the journal has it."""

    path: str
    before: BlobRef | None
    """None: there was no such file."""
    permissions: int
    redacted: bool
    left: frozenset[str]
    """SHA-256 of what it may have left in it; "" where an older Mato did not write that down."""


class Turn(msgspec.Struct):
    """What the history says about one turn."""

    at_us: int = 0
    prompt: str = ""
    checkpoints: list[FileCheckpointed] = []
    finished: set[str] = set()
    """Calls that came to their end."""
    undone: set[str] = set()
    """Files that have been put back already."""

    def changes(self) -> list[Changed]:
        """The files that the turn changed, by path."""
        files: dict[str, Changed] = {}
        for each in self.checkpoints:
            found = files.get(each.path) or Changed(
                each.path, each.before, each.permissions, each.redacted, frozenset()
            )
            # A call that did not finish may have written or not; one that did surely has.
            before = frozenset[str]() if each.call in self.finished else found.left
            files[each.path] = replace(found, left=before | {each.after_sha256})
        return [files[path] for path in sorted(files)]


class Past(msgspec.Struct):
    """An agent's turns, oldest first, and the folder that it works in."""

    cwd: str = ""
    turns: dict[str, Turn] = {}

    def take(self, events: Iterable[Event], agent: str) -> None:
        """Take in events of the session, seq ascending."""
        for event in events:
            if event.agent != agent:
                continue
            if isinstance(event.body, AgentSpawned):
                self.cwd = event.body.spec.cwd
            if event.turn is None:
                continue
            if isinstance(event.body, TurnPrompted):
                said = "".join(block.text for block in event.body.blocks)
                self.turns.setdefault(event.turn, Turn(event.at_us, said[:_PROMPT]))
            turn = self.turns.get(event.turn)
            match event.body:
                case FileCheckpointed() as body if turn is not None:
                    turn.checkpoints.append(body)
                case ToolFinished(call=call) if turn is not None:
                    turn.finished.add(call)
                case TurnUndone(files=files) if turn is not None:
                    turn.undone.update(files)
                case _:
                    pass

    def newest(self) -> tuple[UndoTurn, ...]:
        """The turns that changed files, newest first."""
        found: list[UndoTurn] = []
        for turn in reversed(self.turns):
            it = self.turns[turn]
            paths = {each.path for each in it.checkpoints}
            if paths and len(found) < _MOST_TURNS:
                undone = len(paths & it.undone)
                found.append(
                    UndoTurn(
                        turn=turn,
                        at_us=it.at_us,
                        prompt=it.prompt,
                        files=len(paths),
                        undone=undone,
                    )
                )
        return tuple(found)

    def choose(self, wanted: str, name: str) -> str:
        """The turn that is meant; where none is named, the newest with something to undo.

        Raises:
            UnknownName: the agent has no such turn.
            UsageError: there is nothing to undo.
        """
        if wanted and wanted not in self.turns:
            raise UnknownName(f"agent {name!r} has no turn {wanted!r}; `mato log` lists turns")
        for turn in [wanted] if wanted else reversed(self.turns):
            paths = {each.path for each in self.turns[turn].checkpoints}
            if paths and (wanted or paths - self.turns[turn].undone):
                return turn
        raise UsageError(
            f"there is nothing to undo: {f'turn {wanted}' if wanted else f'agent {name!r}'} has "
            "changed no files by its tools (what commands change is not kept)"
        )


class _Found(msgspec.Struct, frozen=True):
    """A file as it is now, and what it is to become."""

    file: UndoFile
    now: bytes | None
    before: bytes | None
    permissions: int


async def undo(
    journal: Journal,
    agents: Supervisor,
    session: SessionSummary,
    agent: AgentSummary,
    request: Undo,
) -> UndoResult:
    """Show what a turn changed, or put it back.

    Raises:
        UnknownName: there is no such turn, or it did not change one of the files.
        UsageError: the agent is at work, or there is nothing to undo.
        PathRefused: the agent's folder is gone.
    """
    if agent.turn is not None:
        raise UsageError(
            f"agent {agent.name!r} is in the middle of a turn; wait for its end or end it with "
            "`mato stop`, then undo"
        )
    past = await _past(journal, session.id, agent.id)
    chosen = past.choose(request.turn, agent.name)
    changes = _wanted(past.turns[chosen].changes(), request.files)
    workspace = await on_disk(Workspace, Path(past.cwd))
    try:
        found = [await _look(journal, workspace, each) for each in changes]
        if request.apply:
            found = [await _restore(workspace, each) for each in found]
    finally:
        workspace.close()
    files = tuple(each.file for each in found)
    # A file that is as before and not on record as undone: an undo was cut off before it said so.
    done = [each.path for each in files if each.state in ("undone", "as_before")]
    if request.apply and (new := [p for p in done if p not in past.turns[chosen].undone]):
        if (branch := agents.living(agent.id)) is not None:
            await branch.ask(lambda living: living.undone(chosen, new))
        else:  # it reads so when it is made the next time
            body = TurnUndone(files=tuple(new))
            await agents.record(Draft(session=session.id, agent=agent.id, turn=chosen, body=body))
    return UndoResult(
        session=session.name, agent=agent.name, turn=chosen, files=files, turns=past.newest()
    )


async def _past(journal: Journal, session: str, agent: str) -> Past:
    past, after = Past(), 0
    while page := await journal.events(session, after, limit=_PAGE_EVENTS):
        past.take(page, agent)
        after = page[-1].seq
    return past


def _wanted(changes: list[Changed], files: Sequence[str] | None) -> list[Changed]:
    if files is None:
        return changes
    known = {each.path: each for each in changes}
    for path in files:
        if path not in known:
            raise UnknownName(
                f"the turn has not changed {path!r}; it changed {', '.join(map(repr, known))}"
            )
    return [known[path] for path in sorted(set(files))]


async def _look(journal: Journal, workspace: Workspace, change: Changed) -> _Found:
    before = None if change.before is None else await journal.read_blob(change.before)
    try:
        now, _ = await on_disk(current, workspace, change.path)
    except PathRefused as error:
        file = UndoFile(path=change.path, state="refused", reason=str(error))
        return _Found(file, None, before, change.permissions)
    return _Found(_judge(change, now, before), now, before, change.permissions)


def _judge(change: Changed, now: bytes | None, before: bytes | None) -> UndoFile:
    """What can be done about a file that is `now` and was `before`."""
    path = change.path
    if change.redacted:
        return UndoFile(path=path, state="refused", reason=_SECRET)
    if now == before:
        return UndoFile(path=path, state="as_before")
    digest = None if now is None else hashlib.sha256(now).hexdigest()
    done = _diff(path, before, now)
    if digest not in change.left:
        why = _NOT_KNOWN if "" in change.left else _BY_OTHERS
        return UndoFile(path=path, state="refused", reason=why, change=done)
    return UndoFile(path=path, state="changed", diff=_diff(path, now, before), change=done)


def _diff(path: str, now: bytes | None, before: bytes | None) -> str:
    try:
        there = None if now is None else now.decode()
        return unified(path, there, "" if before is None else before.decode())
    except UnicodeDecodeError:
        return ""


async def _restore(workspace: Workspace, found: _Found) -> _Found:
    if found.file.state != "changed" or found.now is None:
        return found
    path = found.file.path
    try:
        if found.before is None:
            await on_disk(workspace.remove, path, expect=found.now)
        else:
            await on_disk(
                workspace.write_bytes,
                path,
                found.before,
                expect=found.now,
                permissions=found.permissions,
            )
    except PathRefused as error:
        return replace(found, file=replace(found.file, state="refused", reason=str(error)))
    return replace(found, file=replace(found.file, state="undone"))

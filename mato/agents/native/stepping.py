"""One step in the making: the state so far, the commands so far, and the clock of turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from mato.agents.native.state import CallStatus, State, Turn
from mato.agents.native.steps import Command, Inspected, Record, SetAlarm
from mato.permissions.policy import Decision
from mato.permissions.taint import Taint
from mato_sessions.events import AgentStateChanged, BlobRef, Body
from mato_sessions.events.agent import AgentState, Limits
from mato_sessions.events.model import Call
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode


class Setup(msgspec.Struct, frozen=True):
    """What stays the same for the machine's life; both functions are pure."""

    system: BlobRef
    tools: BlobRef
    parameters: dict[str, Any]
    limits: Limits
    inspect: Callable[[Call], Inspected]
    """What a call is."""
    decide: Callable[[Mode, Action, str, Taint], Decision]
    """What mode, rules and taints say to an action on a resource."""


class Step:
    """Collects what one fact leads to."""

    def __init__(self, setup: Setup, state: State, now_us: int) -> None:
        self.setup = setup
        self.state = state
        self.now_us = now_us
        self.commands: list[Command] = []

    def command(self, command: Command) -> None:
        """Add a command."""
        self.commands.append(command)

    def record(self, *bodies: Body, turn: str | None = None) -> None:
        """Command that facts be journaled; nothing where there are none."""
        if bodies:
            self.commands.append(Record(bodies, turn))

    def record_in_turn(self, *bodies: Body) -> None:
        """Command that facts of the running turn be journaled."""
        turn = self.turn
        self.commands.append(Record(bodies, turn.turn, cause=turn.seq))

    @property
    def turn(self) -> Turn:
        """The running turn; only asked for where there is one."""
        if self.state.turn is None:
            raise ValueError("there is no turn")
        return self.state.turn

    def open_turn(self) -> Turn | None:
        """The running turn whose end is not yet on its way."""
        turn = self.state.turn
        return None if turn is None or turn.ended else turn

    def running(self, phase: str, request: str, attempt: int) -> Turn | None:
        """The open turn, if it is in that phase of that attempt; else the fact came too late."""
        turn = self.open_turn()
        if turn is None or (turn.phase, turn.request, turn.attempt) != (phase, request, attempt):
            return None
        return turn

    def mark_call(self, call: str, status: CallStatus, asks: Decision | None = None) -> None:
        """Give an open call another status; `asks` is why a person is asked about it."""
        self.state = replace(self.state, turn=self.turn.marked(call, status, asks))

    def showing(self, shown: AgentState, evidence: str) -> tuple[Body, ...]:
        """The fact that the agent's state changed, if it does."""
        if self.state.shown == shown:
            return ()
        self.state = replace(self.state, shown=shown)
        return (AgentStateChanged(state=shown, evidence=evidence),)

    def unblocked(self, evidence: str) -> tuple[Body, ...]:
        """The fact that the agent works again, unless another call waits."""
        return () if self.turn.waiting else self.showing("working", evidence)

    def ran_us(self, turn: Turn) -> int:
        """Wall time of the turn so far, waiting for a person not counted."""
        return turn.ran_us + (0 if turn.since_us is None else self.now_us - turn.since_us)

    def account(self) -> None:
        """Start or stop the turn's clock, and set the alarm that goes with it."""
        state = self.state
        turn = state.turn
        alarm_us: int | None = None
        if turn is not None and not turn.ended:
            counts = turn.busy and not state.held
            if counts and turn.since_us is None:
                turn = replace(turn, since_us=self.now_us)
            elif not counts and turn.since_us is not None:
                turn = replace(turn, ran_us=self.ran_us(turn), since_us=None)
            wall_s = self.setup.limits.wall_s
            if wall_s is not None and turn.since_us is not None and turn.ending is None:
                alarm_us = turn.since_us + int(wall_s * 1_000_000) - turn.ran_us
            state = replace(state, turn=turn)
        if alarm_us != state.alarm_us:
            state = replace(state, alarm_us=alarm_us)
            self.command(SetAlarm(alarm_us))
        self.state = state

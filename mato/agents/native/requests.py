"""The machine's model requests: the next one, another attempt, and the limits that forbid them."""

from __future__ import annotations

from msgspec.structs import replace

from mato.agents.native import ending
from mato.agents.native.stepping import Step
from mato.agents.native.steps import Ending
from mato_sessions.events import AgentStateChanged, ModelAsked
from mato_sessions.events.agent import PAUSED


def ask_next(work: Step) -> None:
    """Ask the model for the turn's next answer, or end the turn where a limit is reached.

    A turn that goes in circles is paused until a person lets it go on.
    """
    limit = _reached(work)
    if limit is not None:
        ending.finish(work, limit)
        return
    turn = work.turn
    if held_back(work):
        return
    # Made from the turn's id, so that the same facts give the same request ids.
    ask(work, f"r{turn.turn.removeprefix('t')}-{turn.requests + 1}", 1)


def held_back(work: Step) -> bool:
    """Whether the turn is paused instead: it goes in circles, or a budget is used up."""
    why = work.state.halted or work.turn.looping
    if why:
        work.state = replace(work.state, paused=why, shown="blocked")
        work.record_in_turn(AgentStateChanged(state="blocked", evidence=f"{PAUSED}{why}"))
    return bool(why)


def ask(work: Step, request: str, attempt: int) -> None:
    """Command the fact that an attempt of a request is made; the asking follows from it."""
    turn = work.turn
    work.state = replace(work.state, turn=replace(turn, phase="asking"))
    work.record_in_turn(
        ModelAsked(
            request=request,
            attempt=attempt,
            model=turn.choice.model,
            base_url=turn.choice.base_url,
            source=turn.choice.source,
            parameters=work.setup.parameters,
            system=work.setup.system,
            tools=work.setup.tools,
            messages=work.state.thread.seqs,
        )
    )


def _reached(work: Step) -> Ending | None:
    limits, turn = work.setup.limits, work.turn
    if limits.model_calls is not None and turn.requests >= limits.model_calls:
        return Ending("max_turn_requests", f"{turn.requests} model requests in this turn")
    if limits.tokens is not None and turn.tokens >= limits.tokens:
        return Ending("token_limit", f"{turn.tokens} tokens in this turn")
    if limits.cost_usd is not None and turn.cost_usd >= limits.cost_usd:
        return Ending("cost_limit", f"{turn.cost_usd:.4f} USD in this turn")
    if limits.wall_s is not None and work.ran_us(turn) >= limits.wall_s * 1_000_000:
        return Ending("time_limit", f"the turn took longer than {limits.wall_s:g} s")
    return None

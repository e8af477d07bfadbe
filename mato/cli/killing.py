"""`mato kill --all`: every agent ends, and every process that one started, within a second."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Any

from mato.cli import output
from mato.cli.requests import request
from mato.client.killing import PATIENCE_S, end_processes
from mato.config.paths import find
from mato_sessions.errors import MatoError


def kill_all() -> int:
    """End all agents of all sessions with everything they started; print which."""
    answers: SimpleQueue[dict[str, Any] | MatoError] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(request("agent.kill_all", {}))
        except MatoError as error:
            answers.put(error)

    # In a thread: what runs is to end in time even when the daemon takes longer to hear of it.
    threading.Thread(target=ask, daemon=True).start()
    try:
        result = answers.get(timeout=PATIENCE_S)
    except Empty:
        end_processes(find())
        result = answers.get()
    if isinstance(result, MatoError):
        raise result
    if not result["agents"]:
        output.note("nothing to end: no agent was alive")
    for name in result["agents"]:
        output.say(f"ended {name}; its record stays")
    if result["left"]:
        numbers = ", ".join(map(str, result["left"]))
        output.note(f"mato: the kernel does not let go of processes {numbers}")
        return 1
    return 0

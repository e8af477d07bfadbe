"""What a person can answer to a call that waits, and how it is said: on cards and in the inbox."""

from __future__ import annotations

from typing import Literal

from mato_sessions.events.permission import Decision, Question

Reply = Literal["allow", "deny", "done"]
"""allow: run it, or run it again. deny: do not, or give it up. done: it has taken effect."""

_DECISIONS: dict[Reply, Decision] = {"allow": "again", "deny": "give_up", "done": "done"}

LOST = "It was running when the daemon ended. Whether it took effect is not known."


def replies(question: Question, decisions: tuple[Decision, ...]) -> tuple[Reply, ...]:
    """What this question can be answered with, in the order shown."""
    if question == "permission":
        return ("allow", "deny")
    return tuple(reply for reply in _ORDER if _DECISIONS[reply] in decisions)


_ORDER: tuple[Reply, ...] = ("done", "allow", "deny")

_KEYS: dict[Reply, str] = {"allow": "a", "deny": "d", "done": "f"}


def key_of(reply: Reply) -> str:
    """The key that gives it."""
    return _KEYS[reply]


def label(question: Question, reply: Reply) -> str:
    """What the key does, in a word or two."""
    if question == "permission":
        return "allow" if reply == "allow" else "deny"
    return {"allow": "run again", "deny": "give up", "done": "it is done"}[reply]


def under_way(question: Question, reply: Reply) -> str:
    """While the answer is on its way."""
    if question == "permission":
        return "allowing …" if reply == "allow" else "denying …"
    return {"allow": "running it again …", "deny": "giving it up …", "done": "taking it as done …"}[
        reply
    ]


def told(question: Question, reply: Reply) -> str:
    """Once it is given."""
    if question == "permission":
        return "allowed" if reply == "allow" else "denied"
    return {"allow": "runs again", "deny": "given up", "done": "done"}[reply]


def rule(question: Question, reply: Reply, where: str) -> str:
    """For the record: who decided, and where ("in the pane")."""
    if question == "permission":
        return f"{'approved' if reply == 'allow' else 'denied'} {where}"
    return f"{ {'allow': 'run again', 'deny': 'given up', 'done': 'taken as done'}[reply] } {where}"

"""What a person can answer to a call that waits, and how it is said: on cards and in the inbox."""

from __future__ import annotations

from typing import Literal, NamedTuple

from mato.protocol.granting import GRANTED_S
from mato_sessions.events.permission import Decision, Question

Reply = Literal["allow", "session", "deny", "done"]
"""allow: run it, or run it again. session: run it, and what is like it without being asked. deny:
do not, or give it up. done: it has taken effect."""

_DECISIONS: dict[Reply, Decision] = {"allow": "again", "deny": "give_up", "done": "done"}

LOST = "It was running when the daemon ended. Whether it took effect is not known."


SEEN_BOTH = "It has seen private data and what strangers wrote."
WAY_OUT = "This may carry data away; look at all of it. A yes is for this one time."


def replies(
    question: Question, decisions: tuple[Decision, ...], lasting: str = ""
) -> tuple[Reply, ...]:
    """What this question can be answered with, in the order shown.

    `lasting`: what a yes for the session covers; "" where a yes is for this call alone.
    """
    if question == "permission":
        return ("allow", "session", "deny") if lasting else ("allow", "deny")
    return tuple(reply for reply in _ORDER if _DECISIONS[reply] in decisions)


def lasts(lasting: str) -> str:
    """What a yes for the session means, before it is given."""
    return f"A allows, for {GRANTED_S / 3600:g} h in this session: {lasting}"


def reasons(why: str, *, private: bool, untrusted: bool) -> list[str]:
    """What a person is to know before answering, a sentence each."""
    said = [f"It asks because: {why}"] if why else []
    if private and untrusted:
        return [*said, SEEN_BOTH, WAY_OUT]
    if private:
        said.append("It has seen private data.")
    if untrusted:
        said.append("It has seen what strangers wrote.")
    return said


_ORDER: tuple[Reply, ...] = ("done", "allow", "deny")

_KEYS: dict[Reply, str] = {"allow": "a", "session": "A", "deny": "d", "done": "f"}


def key_of(reply: Reply) -> str:
    """The key that gives it."""
    return _KEYS[reply]


class _Said(NamedTuple):
    label: str
    under_way: str
    told: str
    rule: str


_PERMISSION: dict[Reply, _Said] = {
    "allow": _Said("allow", "allowing …", "allowed", "approved"),
    "session": _Said(
        "allow like this", "allowing …", "allowed for the session", "approved for the session"
    ),
    "deny": _Said("deny", "denying …", "denied", "denied"),
}
_RECOVERY: dict[Reply, _Said] = {
    "allow": _Said("run again", "running it again …", "runs again", "run again"),
    "deny": _Said("give up", "giving it up …", "given up", "given up"),
    "done": _Said("it is done", "taking it as done …", "done", "taken as done"),
}


def _said(question: Question, reply: Reply) -> _Said:
    return (_PERMISSION if question == "permission" else _RECOVERY)[reply]


def label(question: Question, reply: Reply) -> str:
    """What the key does, in a word or two."""
    return _said(question, reply).label


def under_way(question: Question, reply: Reply) -> str:
    """While the answer is on its way."""
    return _said(question, reply).under_way


def told(question: Question, reply: Reply) -> str:
    """Once it is given."""
    return _said(question, reply).told


def rule(question: Question, reply: Reply, where: str) -> str:
    """For the record: who decided, and where ("in the pane")."""
    return f"{_said(question, reply).rule} {where}"

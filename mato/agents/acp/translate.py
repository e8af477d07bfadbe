"""What an ACP agent says (`session/update`) as Mato's own facts and pieces; pure.

One `Translator` lives as long as the agent's program. Facts come out in the order in which they
are to be journaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from mato.agents.acp import offers, raw
from mato.agents.acp.calls import Calls, Output
from mato.agents.acp.usage import Meter
from mato_sessions.events import Body, PlanUpdated, UnknownSaid
from mato_sessions.events.tool import PlanItem

_PLAN = 200
OFFERS = frozenset({"available_commands_update", "current_mode_update", "config_option_update"})
"""Updates that say what is offered, at any time."""


class Said(msgspec.Struct, frozen=True):
    """The next piece of the agent's text or reasoning."""

    kind: Literal["text", "reasoning"]
    text: str


Meaning = Body | Said | Output


class Translator:
    """`new_id` gives ids of calls, `root` is the workspace's path."""

    def __init__(self, new_id: Callable[[], str], root: str) -> None:
        self.calls = Calls(new_id, root)
        self.offer = offers.Offer()
        self.meter = Meter()

    def take(self, update: object, now_us: int) -> list[Meaning]:
        """What an update means."""
        found = raw.mapping(update)
        what = raw.text(found.get("sessionUpdate"))
        match what:
            case "agent_message_chunk" | "agent_thought_chunk":
                text = raw.block(found.get("content"))
                kind = "text" if what == "agent_message_chunk" else "reasoning"
                return [Said(kind, text)] if text else self._malformed(found, what, "content")
            case "tool_call" | "tool_call_update":
                if not raw.text(found.get("toolCallId")):
                    return [_unknown(f"{what} without an id", update)]
                facts: list[Meaning] = list(self.calls.heard(found, now_us))
                status = raw.text(found.get("status"))
                if status and status not in ("pending", "in_progress", "completed", "failed"):
                    facts.append(_unknown(f"{what} with the status {status!r}", update))
                return facts
            case "plan":
                return _plan(found, update)
            case "plan_update":
                return _plan(raw.mapping(found.get("plan")), update)
            case "plan_removed":
                return [PlanUpdated(items=())]
            case _ if what in OFFERS:
                return [offered] if (offered := self.offer.update(what, found)) else []
            case "usage_update":
                self.meter.session(found)
                return []
            case "user_message_chunk" | "session_info_update":
                return []  # our own prompt again, or a title: the evidence has it
            case _:
                return [_unknown(what or "an update without a name", update)]

    def _malformed(self, found: dict[str, Any], what: str, field: str) -> list[Meaning]:
        content = raw.mapping(found.get(field))
        empty = content.get("type") == "text" and content.get("text") == ""
        return [] if empty else [_unknown(f"{what} that says nothing", found)]


def _plan(found: dict[str, Any], update: object) -> list[Meaning]:
    if not isinstance(found.get("entries"), list):
        written = raw.text(found.get("content")) or raw.text(found.get("uri"))
        if written:
            return [PlanUpdated(items=(PlanItem(raw.cut(written), "in_progress"),))]
        return [_unknown("a plan without entries", update)]
    items: list[PlanItem] = []
    for entry in raw.items(found["entries"])[:_PLAN]:
        each = raw.mapping(entry)
        status = each.get("status")
        known = status if status in ("pending", "in_progress", "completed") else "pending"
        items.append(PlanItem(raw.cut(raw.text(each.get("content")), 2000), known))
    return [PlanUpdated(items=tuple(items))]


def _unknown(what: str, said: object) -> UnknownSaid:
    return UnknownSaid(what=raw.cut(what, 200), raw=raw.dumped(said))

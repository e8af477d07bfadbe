"""The tool with which an agent keeps its plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mato.tools.base import Surroundings, ToolResult
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import PlanItem, PlanUpdated, RecoveryPolicy


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=500, description="What is to be done.")]
    status: Annotated[
        Literal["pending", "in_progress", "completed"], Meta(description="How far it is.")
    ] = "pending"


class PlanArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[
        Sequence[Step], Meta(max_length=50, description="The whole plan, in order; replaces it.")
    ]


class Plan:
    name: str = "plan"
    description: str = (
        "Write down or update the plan for this task, whole, so that people can follow it."
    )
    Arguments: type[msgspec.Struct] = PlanArguments
    action: Action = "note"
    policy: RecoveryPolicy = "idempotent"

    def title(self, arguments: PlanArguments) -> str:
        count = len(arguments.items)
        return f"plan {count} step{'s' * (count != 1)}"

    def resource(self, arguments: PlanArguments) -> str:
        return ""

    async def preview(self, arguments: PlanArguments, workspace: Any) -> str:
        return ""

    async def run(self, arguments: PlanArguments, around: Surroundings) -> ToolResult:
        items = tuple(PlanItem(step.text, step.status) for step in arguments.items)
        await around.record(PlanUpdated(items=items))
        done = sum(item.status == "completed" for item in items)
        said = f"{done} of {len(items)} done"
        return ToolResult(content=f"The plan is recorded, {said}.", summary=said)

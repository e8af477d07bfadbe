"""What tools and the agent do for each other: inspecting a call, running it, what it may use."""

from __future__ import annotations

import logging
from typing import Any, Literal, cast

import msgspec

from mato.agents.around import Around
from mato.agents.base import Sink
from mato.agents.native.steps import Inspected, LookAtWorld
from mato.tools.base import LimitReached, Probing, Registry, Tool, ToolError, ToolResult
from mato.tools.workspace import Workspace
from mato_sessions.clock import Clock
from mato_sessions.errors import JournalError, MatoError
from mato_sessions.events import (
    FileCheckpointed,
    ToolFailed,
    ToolFinished,
    ToolProposed,
)
from mato_sessions.events.model import Call

_log = logging.getLogger(__name__)


def inspect(registry: Registry, call: Call) -> Inspected:
    """What a call is, from its name and arguments alone."""
    tool = registry.get(call.name)
    if tool is None:
        names = ", ".join(schema.name for schema in registry.schemas())
        complaint = f"There is no tool {call.name!r}. There are: {names}."
        proposed = ToolProposed(
            call=call.call, name=call.name, arguments={}, key=call.call, policy="ask",
            title=call.name,
        )  # fmt: skip
        return Inspected(proposed, complaint=complaint)
    try:
        arguments = registry.parse(tool, call.arguments)
    except ToolError as error:
        proposed = ToolProposed(
            call=call.call, name=call.name, arguments={}, key=call.call, policy=tool.policy,
            title=call.name, action=tool.action,
        )  # fmt: skip
        return Inspected(proposed, tool.action, complaint=str(error))
    proposed = ToolProposed(
        call=call.call,
        name=call.name,
        arguments=cast("dict[str, Any]", msgspec.to_builtins(arguments)),
        key=call.call,
        policy=tool.policy,
        title=tool.title(arguments),
        action=tool.action,
    )
    return Inspected(proposed, tool.action, tool.resource(arguments))


async def look(
    tool: Tool,
    registry: Registry,
    command: LookAtWorld,
    checkpoint: FileCheckpointed | None,
    workspace: Workspace,
    sink: Sink,
) -> ToolFinished | Literal["absent", "unclear"]:
    """What became of a call that was cut off, seen from the world as it is now.

    Raises:
        JournalError: the record cannot be read, so the agent has to end.
    """
    if not isinstance(tool, Probing):
        return "unclear"
    if checkpoint is None:
        return "absent"  # a file is kept before it is touched
    before = None if checkpoint.before is None else await sink.read_blob(checkpoint.before)
    try:
        arguments = registry.parse(tool, command.arguments)
        found = await tool.probe(arguments, workspace, before)
    except JournalError:
        raise
    except (ToolError, MatoError):
        return "unclear"
    except Exception:
        _log.exception("looking after the tool %s failed", tool.name)
        return "unclear"
    if not isinstance(found, ToolResult):
        return found
    return ToolFinished(
        call=command.call,
        attempt=command.attempt,
        content=found.content,
        summary=found.summary,
        diff=found.diff,
    )


async def run(
    tool: Tool, registry: Registry, raw: str, around: Around, attempt: int, clock: Clock
) -> ToolFinished | ToolFailed:
    """Run a call to its end; what goes wrong is data for the model.

    Raises:
        JournalError: the record cannot be written, so the agent has to end.
    """
    begun_us = clock.mono_us()
    limited = False
    try:
        result = await tool.run(registry.parse(tool, raw), around)
    except JournalError:
        raise
    except (ToolError, MatoError) as error:
        message = str(error)
        limited = isinstance(error, LimitReached)
    except Exception as error:
        _log.exception("the tool %s failed", tool.name)
        message = f"{tool.name} failed inside: {type(error).__name__}: {error}"
    else:
        return ToolFinished(
            call=around.call,
            attempt=attempt,
            content=result.content,
            summary=result.summary,
            diff=result.diff,
            output=result.output,
            exit_code=result.exit_code,
            duration_us=clock.mono_us() - begun_us,
            private=result.seen.private,
            untrusted=result.seen.untrusted,
            put_back=result.put_back,
        )
    finally:
        around.close()
    return ToolFailed(
        call=around.call,
        attempt=attempt,
        message=message,
        cause="limit" if limited else "error",
        duration_us=clock.mono_us() - begun_us,
    )

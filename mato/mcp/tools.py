"""The tools of MCP servers as tools of an agent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from mato.mcp.connection import Connection, ServerFault
from mato.mcp.pins import Offer, Offers
from mato.mcp.wire import Data, Method, Text
from mato.tools.base import Surroundings, ToolError, ToolResult
from mato.tools.capture import Capture
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy

_LONGEST_NAME = 64
"""What endpoints take for the name of a tool."""
_TITLE = 80


class McpTool:
    """One tool of a server. Its action is `reach`: what it does is known to the server alone."""

    Arguments: type[msgspec.Struct] = msgspec.Struct
    """`schema` describes them."""
    action: Action = "reach"
    policy: RecoveryPolicy = "ask"

    def __init__(
        self,
        server: str,
        offer: Offer,
        connection: Connection,
        method: Method = "call",
        within_s: float = 60.0,
    ) -> None:
        self.name = joined(server, offer.name)
        self.description = offer.description
        self.schema = offer.schema
        self._named = f"{server}/{offer.name}"
        self._offer = offer
        self._connection = connection
        self._method: Method = method
        self._within_s = within_s

    def title(self, arguments: dict[str, Any]) -> str:
        said = _spelled(arguments) if arguments else ""
        title = f"{self._named} {said}".strip()
        return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"

    def resource(self, arguments: dict[str, Any]) -> str:
        return f"mcp:{self._named} {_spelled(arguments)}" if arguments else f"mcp:{self._named}"

    async def preview(self, arguments: dict[str, Any], workspace: Any) -> str:
        return ""

    async def run(self, arguments: dict[str, Any], around: Surroundings) -> ToolResult:
        name = self._offer.name
        if self._method == "read":
            name, arguments = str(arguments.get("uri", "")), {}
        try:
            parts = await self._connection.ask(self._method, name, arguments, self._within_s)
        except ServerFault as error:
            raise ToolError(str(error)) from error
        # Shown as it came for people, shortened in the middle for the model, whole in the record.
        capture = Capture(around.emit)
        for number, part in enumerate(parts):
            text = part.text if isinstance(part, Text) else await _kept(part, around)
            capture.take((("\n" if number else "") + text).encode("utf-8", "replace"))
        capture.end()
        whole = capture.whole
        return ToolResult(
            content=capture.content() or "(an empty answer)",
            summary=f"{len(parts)} part{'s' * (len(parts) != 1)}",
            output=None if whole is None else await around.blob(whole),
        )


async def _kept(part: Data, around: Surroundings) -> str:
    ref = await around.blob(part.content)
    return f"({part.media}, {len(part.content):,} bytes, kept as {ref.sha256[:12]})"


def tools(
    server: str, offers: Offers, connection: Connection, within_s: float
) -> Iterator[McpTool]:
    """The tools of a server as a person agreed to them, and how its resources are read."""
    for offer in offers.tools:
        yield McpTool(server, offer, connection, "call", within_s)
    if offers.resources:
        nothing: dict[str, Any] = {"type": "object", "properties": {}}
        says = f"List the resources of {server}: their URIs, names and what they are."
        yield McpTool(
            server, Offer("list_resources", says, nothing), connection, "resources", within_s
        )
        uri = {
            "type": "object",
            "properties": {"uri": {"type": "string", "description": "The resource's URI."}},
            "required": ["uri"],
        }
        says = f"Read a resource of {server} by its URI."
        yield McpTool(server, Offer("read_resource", says, uri), connection, "read", within_s)


def joined(server: str, tool: str) -> str:
    """The name by which a model calls a server's tool: ``github__list_issues``."""
    name = f"{server}__{re.sub(r'[^A-Za-z0-9_-]', '_', tool)}"
    if len(name) <= _LONGEST_NAME and name == f"{server}__{tool}":
        return name
    mark = hashlib.sha256(f"{server}/{tool}".encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}_{mark}"


def _spelled(arguments: dict[str, Any]) -> str:
    return msgspec.json.encode(arguments, order="deterministic").decode()

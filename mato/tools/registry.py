"""The tools that there are, in their order, with schemas for models and typed arguments."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, cast

import msgspec

from mato.models.base import ToolSchema
from mato.tools.base import Described, Tool, ToolError
from mato.tools.edit import Edit
from mato.tools.fetch import Fetch
from mato.tools.listing import List
from mato.tools.plan import Plan
from mato.tools.read import Read
from mato.tools.search import Search
from mato.tools.shell import Shell
from mato.tools.spawn import Spawn
from mato.tools.write import Write
from mato_sessions.errors import UnknownName

_ALL: tuple[Tool, ...] = (
    *(Read(), List(), Search(), Write(), Edit(), Shell(), Plan()),
    *(Fetch(), Spawn()),
)
NAMES = tuple(tool.name for tool in _ALL)
"""Every tool's name, in the order in which models see them."""
USUAL = tuple(name for name in NAMES if name not in (Fetch.name, Spawn.name))
"""Those of an agent of which nobody says which it has. Others have to be named: what leads out of
the workspace is not for every model."""


class Registry:
    """The tools called `names`, always in the order of `NAMES`, whatever the order of `names`.

    `shell` runs commands in place of one that runs them bare, `spawn` starts agents in place of one
    that starts none, `fetch` reads the web as the settings say. `more` are tools that only this
    agent has, offered after the others. With `commands_ask` no mode lets a command run unasked.

    Raises:
        UnknownName: no tool has one of the names.
    """

    def __init__(
        self,
        names: Iterable[str] = USUAL,
        shell: Tool | None = None,
        more: Iterable[Tool] = (),
        *,
        spawn: Tool | None = None,
        fetch: Tool | None = None,
        commands_ask: bool = False,
    ) -> None:
        self.commands_ask = commands_ask
        wanted = set(names)
        for name in sorted(wanted - set(NAMES)):
            near = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
            raise UnknownName(f"no tool is called {name!r}; {hint}")
        bound = {Shell.name: shell, Spawn.name: spawn, Fetch.name: fetch}
        self._tools = {
            tool.name: bound.get(tool.name) or tool for tool in _ALL if tool.name in wanted
        }
        for tool in more:
            self._tools.setdefault(tool.name, tool)
        self._schemas = tuple(
            ToolSchema(tool.name, tool.description, _schema(tool)) for tool in self._tools.values()
        )

    def schemas(self) -> tuple[ToolSchema, ...]:
        """In a fixed order, so that prompts stay byte-identical."""
        return self._schemas

    def get(self, name: str) -> Tool | None:
        """The tool with that name, if this agent has it."""
        return self._tools.get(name)

    def parse(self, tool: Tool, arguments: str) -> Any:
        """The typed arguments; an empty text counts as ``{}``.

        Raises:
            ToolError: not JSON, or not what the schema says; the message tells the model.
        """
        try:
            if isinstance(tool, Described):
                return msgspec.json.decode(arguments.strip().encode() or b"{}", type=dict[str, Any])
            # Not strict: "10" for a number is what small models write, and means 10.
            return msgspec.json.decode(
                arguments.strip().encode() or b"{}", type=tool.Arguments, strict=False
            )
        except msgspec.ValidationError as error:
            if joined := _joined_words(tool, arguments):
                return self.parse(tool, joined)
            raise ToolError(f"{tool.name}: {error}. {_usage(tool)}") from error
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise ToolError(
                f"{tool.name}: the arguments are not a JSON object ({error}). {_usage(tool)}"
            ) from error
        except RecursionError as error:
            raise ToolError(f"{tool.name}: the arguments are nested too deep") from error


def _joined_words(tool: Tool, arguments: str) -> str:
    """Arguments with a command that was given word by word as one line; "" where there is none.

    Models that learned on other harnesses write ``["bash", "-lc", "make"]``.
    """
    if tool.action != "execute":
        return ""
    try:
        found: Any = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return ""
    words = cast("dict[str, Any]", found).get("command") if isinstance(found, dict) else None
    if not isinstance(words, list):
        return ""
    each = cast("list[Any]", words)
    if not each or not all(isinstance(word, str) for word in each):
        return ""
    line = shlex.join(cast("list[str]", each))
    return msgspec.json.encode({**cast("dict[str, Any]", found), "command": line}).decode()


def _schema(tool: Tool) -> dict[str, Any]:
    return tool.schema if isinstance(tool, Described) else flat_schema(tool.Arguments)


def flat_schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema of a struct as one plain object: no $ref, no titles.

    Endpoints differ in what they take of JSON Schema; this much all of them do.
    """
    (root,), definitions = msgspec.json.schema_components(
        [arguments], ref_template="#/$defs/{name}"
    )
    return cast("dict[str, Any]", _flatten(root, definitions))


def _flatten(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_flatten(child, definitions) for child in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    found = cast("dict[str, Any]", node)
    if "$ref" in found:
        return _flatten(definitions[found["$ref"].rpartition("/")[2]], definitions)
    return {
        key: {name: _flatten(field, definitions) for name, field in value.items()}
        if key == "properties"
        else _flatten(value, definitions)
        for key, value in found.items()
        if key != "title"
    }


def _usage(tool: Tool) -> str:
    schema = _schema(tool)
    required = set(schema.get("required", ()))
    fields = (
        f"{name} ({field.get('type', 'value')}{', required' * (name in required)})"
        for name, field in schema.get("properties", {}).items()
    )
    return f"It takes {', '.join(fields)}."

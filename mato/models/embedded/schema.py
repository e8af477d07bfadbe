"""Tool schemas, cut down to what a small model can fill in and its grammar can bound.

The result is always narrower than the given JSON Schema: what fits it fits the tool's schema.
Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mato.models.base import ToolSchema

STRING_LIMIT = 160
"""Longest string argument, in characters: a small model that rambles is stopped by the grammar,
so that the JSON around it is always closed."""
ARRAY_LIMIT = 6
_DEPTH_LIMIT = 6

Schema = dict[str, Any]


def reserved_name(tools: Sequence[ToolSchema]) -> str:
    """The name under which a reply is an answer: one that no tool has."""
    name = "answer"
    while any(tool.name == name for tool in tools):
        name = f"final_{name}"
    return name


def asked(tool: ToolSchema) -> Schema:
    """The arguments that the small model is asked for, as a bounded object schema.

    Only the required ones; where none is required, the first one (a list without a path is valid
    but rarely what was asked for).
    """
    return _bounded(tool.parameters, tool.parameters, 0, "object")


def reply_schema(tools: Sequence[ToolSchema], answer: str, *, call: bool = True) -> Schema:
    """The schema of a whole reply: a call of one of `tools` (when `call`), or an answer."""
    shapes = [_reply(tool.name, asked(tool)) for tool in tools] if call else []
    shapes.append(
        _reply(
            answer,
            {
                "type": "object",
                "properties": {"text": {"type": "string", "minLength": 1}},
                "required": ["text"],
                "additionalProperties": False,
            },
        )
    )
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _reply(name: str, arguments: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"tool": {"const": name}, "args": arguments},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _bounded(
    schema: object, root: Mapping[str, Any], depth: int, fallback: str = "string"
) -> Schema:
    if not isinstance(schema, Mapping) or depth > _DEPTH_LIMIT:
        return {"type": "string", "maxLength": STRING_LIMIT}
    given = _resolved(cast("Mapping[str, Any]", schema), root)
    if "const" in given:
        return {"const": given["const"]}
    if given.get("enum"):
        return {"enum": list(given["enum"])}
    for word in ("anyOf", "oneOf"):
        if given.get(word):
            return _first_of(
                [_bounded(one, root, depth + 1) for one in cast("Sequence[object]", given[word])]
            )
    kind = given.get("type")
    if isinstance(kind, list):
        return _first_of(
            [
                _bounded({**given, "type": one}, root, depth + 1)
                for one in cast("Sequence[object]", kind)
            ]
        )
    if kind is None:
        kind = "object" if "properties" in given else "array" if "items" in given else fallback
    match kind:
        case "string":
            return _string(given)
        case "integer":
            return {
                "type": "integer",
                **{word: given[word] for word in ("minimum", "maximum") if word in given},
            }
        case "array":
            return _array(given, root, depth)
        case "object":
            return _object(given, root, depth)
        case "number" | "boolean" | "null":
            return {"type": kind}
        case _:
            return {"type": "string", "maxLength": STRING_LIMIT}


def _first_of(shapes: list[Schema]) -> Schema:
    """One alternative: the first that is not null. A choice of shapes is beyond a small model."""
    return next((shape for shape in shapes if shape.get("type") != "null"), shapes[0])


def _string(given: Mapping[str, Any]) -> Schema:
    shortest = _count(given.get("minLength"), 0)
    longest = min(_count(given.get("maxLength"), STRING_LIMIT), max(STRING_LIMIT, shortest))
    bounded: Schema = {"type": "string", "maxLength": longest}
    if shortest:
        bounded["minLength"] = shortest
    return bounded


def _array(given: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Schema:
    fewest = _count(given.get("minItems"), 0)
    most = min(_count(given.get("maxItems"), ARRAY_LIMIT), max(ARRAY_LIMIT, fewest))
    return {
        "type": "array",
        "items": _bounded(given.get("items", {}), root, depth + 1),
        "minItems": fewest,
        "maxItems": most,
    }


def _object(given: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Schema:
    properties = cast("Mapping[str, Any]", given.get("properties") or {})
    required = [name for name in given.get("required") or () if name in properties]
    names = required or list(properties)[:1]
    return {
        "type": "object",
        "properties": {name: _bounded(properties[name], root, depth + 1) for name in names},
        "required": names,
        "additionalProperties": False,
    }


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema` with its local reference followed and its `allOf` merged."""
    for _ in range(_DEPTH_LIMIT):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: object = root
        for step in reference[2:].split("/"):
            found = cast("Mapping[str, object]", found).get(step) if _is_map(found) else None
        if not _is_map(found):
            return {}
        schema = cast("Mapping[str, Any]", found)
    merged = dict(schema)
    for part in cast("Sequence[object]", merged.pop("allOf", ())):
        if _is_map(part):
            merged = {**_resolved(cast("Mapping[str, Any]", part), root), **merged}
    return merged


def _is_map(value: object) -> bool:
    return isinstance(value, Mapping)

"""Careful reading of a stranger's JSON; pure. Nothing here raises for what it is given."""

from __future__ import annotations

import json
from typing import Any, cast

TEXT = 32 * 1024
"""Characters of one text that a fact holds; the evidence has all of it."""
_CUT = "\n… {} characters more, which the evidence has"
_ITEMS = 200
_DEPTH = 8


def text(value: object) -> str:
    """A string, or ""."""
    return value if isinstance(value, str) else ""


def mapping(value: object) -> dict[str, Any]:
    """An object, or an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """An array, or an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def whole(value: object) -> int | None:
    """A whole number of reasonable size that is not negative, or None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 1 << 53 else None


def cut(value: str, most: int = TEXT) -> str:
    """The text, or its beginning and how much is missing."""
    return value if len(value) <= most else value[:most] + _CUT.format(len(value) - most)


def bounded(value: object, depth: int = 0) -> Any:
    """The same value with long texts and lists cut, and nothing nested deep."""
    if isinstance(value, str):
        return cut(value, TEXT // 4)
    if isinstance(value, dict):
        if depth >= _DEPTH:
            return "…"
        pairs = list(cast("dict[Any, Any]", value).items())[:_ITEMS]
        return {cut(str(name), 200): bounded(each, depth + 1) for name, each in pairs}
    if isinstance(value, list):
        if depth >= _DEPTH:
            return "…"
        return [bounded(each, depth + 1) for each in cast("list[Any]", value)[:_ITEMS]]
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    return cut(str(value), 200)


def dumped(value: object, most: int = 4096) -> str:
    """As JSON, cut; "" for nothing."""
    if value is None:
        return ""
    try:
        return cut(json.dumps(value, ensure_ascii=False), most)
    except (TypeError, ValueError, RecursionError):
        return cut(str(type(value)), most)


def block(content: object) -> str:
    """A content block as text (ACP ContentBlock)."""
    found = mapping(content)
    match found.get("type"):
        case "text":
            return text(found.get("text"))
        case "image" | "audio" as kind:
            return f"[{kind}: {text(found.get('mimeType')) or 'of no known type'}]"
        case "resource_link":
            return f"[{text(found.get('name')) or 'resource'}: {text(found.get('uri'))}]"
        case "resource":
            resource = mapping(found.get("resource"))
            return text(resource.get("text")) or f"[resource: {text(resource.get('uri'))}]"
        case _:
            return ""

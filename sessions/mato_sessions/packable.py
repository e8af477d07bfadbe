"""Arguments of calls as msgpack can carry them: it has no integers beyond 64 bits."""

from __future__ import annotations

from typing import Any, cast


def packable(value: Any) -> Any:
    """`value` with integers beyond 64 bits as text."""
    match value:
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {key: packable(item) for key, item in items}
        case list():
            return [packable(item) for item in cast("list[Any]", value)]
        case int() if not -(1 << 63) <= value < 1 << 63:
            return str(value)
        case _:
            return value

"""Every string in a body is visited here, however deep, and only what changes is copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec


def map_strings(value: Any, change: Callable[[str], str], *, loose: bool = False) -> Any:
    """`value` with `change` applied to each string in it; the same object when none changed.

    Keys of mappings count as strings. `loose` is true inside mappings, which hold anything: there
    a number whose digits are changed becomes the changed text. Typed fields keep their type.
    """
    match value:
        case str():
            return change(value)
        case msgspec.Struct():
            return _map_struct(value, change)
        case dict():
            return _map_dict(cast("dict[Any, Any]", value), change)
        case list() | tuple():
            items = cast("list[Any] | tuple[Any, ...]", value)
            mapped = [map_strings(item, change, loose=loose) for item in items]
            if all(new is old for new, old in zip(mapped, items, strict=True)):
                return items
            return mapped if isinstance(items, list) else tuple(mapped)
        case msgspec.Raw():
            text = bytes(value).decode("utf-8", "surrogateescape")
            changed = change(text)
            if changed is text:
                return value
            return msgspec.Raw(changed.encode("utf-8", "surrogateescape"))
        case int() if loose:
            digits = str(value)
            changed = change(digits)
            return value if changed == digits else changed
        case _:
            return value


def _map_struct(value: msgspec.Struct, change: Callable[[str], str]) -> msgspec.Struct:
    changes: dict[str, Any] = {}
    for field in value.__struct_fields__:
        old = getattr(value, field)
        new = map_strings(old, change)
        if new is not old:
            changes[field] = new
    return msgspec.structs.replace(value, **changes) if changes else value


def _map_dict(value: dict[Any, Any], change: Callable[[str], str]) -> dict[Any, Any]:
    mapped = {
        map_strings(key, change): map_strings(item, change, loose=True)
        for key, item in value.items()
    }
    same = len(mapped) == len(value) and all(
        new_key is old_key and new is old
        for (new_key, new), (old_key, old) in zip(mapped.items(), value.items(), strict=True)
    )
    return value if same else mapped

"""When a turn goes in circles: the same call with the same arguments failed the same way again."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, cast

from mato_sessions.events import ToolFailed, ToolFinished, ToolProposed

MOST = 3
"""Equal failures in a turn, after which a person is asked whether it is to go on."""
LET_GO = "goes on: a person let it, though it went in circles"
"""Evidence with which counting begins anew."""


_PASSING = re.compile(
    r"\b[0-9]+(\.[0-9]+)? ?(s|ms|us|ns|sec|secs|seconds)\b"  # how long it took
    r"|\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?"  # when
    r"|\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b"
    r"|\b0x[0-9a-f]{4,}\b",  # where in memory
    re.ASCII | re.IGNORECASE,
)
"""What differs from one run to the next while nothing else does. Other numbers count: fewer tests
that fail are progress."""


def failure(proposed: ToolProposed, end: ToolFinished | ToolFailed) -> str:
    """A mark that is the same for equal failures of equal calls; "" where it did not fail.

    White space, the order of arguments and times make no difference.
    """
    match end:
        case ToolFailed(cause="cancelled"):
            return ""
        case ToolFailed(message=message, cause=cause):
            how = f"{cause} {message}"
        case ToolFinished(exit_code=int() as code, content=content) if code:
            how = f"exit {code} {content}"
        case _:
            return ""
    # Arguments that could not be parsed are empty: then the message tells the calls apart.
    said = _PASSING.sub("~", _even(how))
    what = json.dumps([proposed.name, _even(proposed.arguments), said], sort_keys=True)
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()


def _even(value: Any) -> Any:
    """The value with one blank for each stretch of white space in its texts, none at their ends."""
    match value:
        case str():
            return " ".join(value.split())
        case dict():
            pairs = cast("dict[Any, Any]", value)
            return {_even(key): _even(each) for key, each in pairs.items()}
        case list():
            return [_even(each) for each in cast("list[Any]", value)]
        case _:
            return value


def sentence(proposed: ToolProposed) -> str:
    """What a person is told about the call that makes the loop."""
    title = proposed.title if len(proposed.title) <= 80 else f"{proposed.title[:79]}…"
    return (
        f"loops: {title!r} failed the same way {MOST} times in this turn; "
        "`mato resume` lets it go on, `mato stop` ends the turn"
    )

"""When a turn goes in circles: the same call with the same arguments failed the same way again."""

from __future__ import annotations

import hashlib
import json

from mato_sessions.events import ToolFailed, ToolFinished, ToolProposed

MOST = 3
"""Equal failures in a turn, after which a person is asked whether it is to go on."""
LET_GO = "goes on: a person let it, though it went in circles"
"""Evidence with which counting begins anew."""


def failure(proposed: ToolProposed, end: ToolFinished | ToolFailed) -> str:
    """A mark that is the same for equal failures of equal calls; "" where it did not fail."""
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
    what = json.dumps([proposed.name, proposed.arguments, how], sort_keys=True)
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()


def sentence(proposed: ToolProposed) -> str:
    """What a person is told about the call that makes the loop."""
    title = proposed.title if len(proposed.title) <= 80 else f"{proposed.title[:79]}…"
    return (
        f"loops: {title!r} failed the same way {MOST} times in this turn; "
        "`mato resume` lets it go on, `mato stop` ends the turn"
    )

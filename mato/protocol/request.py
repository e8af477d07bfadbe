"""What every request of the protocol is: parameters with a method's name and a result type."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parameters of a method; `Result` is what it answers with."""

    method: ClassVar[str]
    Result: ClassVar[Any] = None
    observes: ClassVar[bool] = False
    """It changes nothing, so that a daemon of an older protocol may be asked it."""

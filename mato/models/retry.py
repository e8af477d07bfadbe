"""When a failed model request is asked again: exponential, jittered, bounded, pure."""

from __future__ import annotations

import hashlib

from mato.models.base import RETRIED, Fault

ATTEMPTS = 5
"""Most attempts of one request."""

FIRST_S = 1.0
LONGEST_S = 30.0
PATIENCE_S = 300.0
"""An endpoint that asks for more (Retry-After) is not waited for."""


def delay_s(fault: Fault, attempt: int, retry_after_s: float | None, seed: str) -> float | None:
    """Seconds until the request is asked again after `attempt` failed; None: it is not.

    The jitter follows from `seed` (the request's id) and the attempt, so that the same facts give
    the same schedule, while agents that met the same outage come back at different times. What
    the endpoint asked for is a lower bound.
    """
    if fault not in RETRIED or attempt >= ATTEMPTS:
        return None
    if retry_after_s is not None and retry_after_s > PATIENCE_S:
        return None
    longest = min(LONGEST_S, FIRST_S * 2 ** (attempt - 1))
    digest = hashlib.sha256(f"{seed}/{attempt}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    delay = longest * (0.5 + 0.5 * share)
    if retry_after_s is not None:
        delay = max(delay, retry_after_s + 0.1 * longest * share)
    return round(delay, 3)

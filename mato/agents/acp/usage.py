"""Tokens and cost as ACP agents tell them, made into what one turn used; pure.

They differ: totals of the whole session (the protocol's words) or of one turn (some agents, under
`_meta`). Of totals the last one said counts, and what has gone down again is a new count and no
refund.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mato.agents.acp import raw
from mato_sessions.events import UsageReported


class Tokens(msgspec.Struct, frozen=True):
    """As Mato counts: `input` includes `cached`, `output` includes `reasoning`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    def since(self, before: Tokens) -> Tokens:
        """What was used since `before`, where both are totals of the same count."""
        now = (self.input, self.output, self.cached, self.reasoning)
        then = (before.input, before.output, before.cached, before.reasoning)
        if any(a < b for a, b in zip(now[:2], then[:2], strict=True)):
            return self  # another count has begun
        return Tokens(*(max(0, a - b) for a, b in zip(now, then, strict=True)))


class Meter:
    """Counts for one program. `total` and `cost` are those said last."""

    def __init__(self) -> None:
        self.total = Tokens()
        self._cost = 0.0
        self._new_cost: float | None = None

    def session(self, update: dict[str, Any]) -> None:
        """A `usage_update`: the session's cost so far."""
        cost = raw.mapping(update.get("cost"))
        amount = cost.get("amount")
        if cost.get("currency") == "USD" and isinstance(amount, (int, float)) and amount >= 0:
            self._new_cost = float(amount)

    def turn(self, result: dict[str, Any], request: str, model: str) -> UsageReported | None:
        """What the turn used, from its prompt's result; None where the agent does not say."""
        used = self._tokens(result)
        cost: float | None = None
        if self._new_cost is not None:
            gone_down = self._new_cost < self._cost
            cost = self._new_cost if gone_down else self._new_cost - self._cost
            self._cost, self._new_cost = self._new_cost, None
        if used is None and not cost:
            return None
        used = used or Tokens()
        return UsageReported(
            request=request,
            attempt=1,
            model=model,
            input=used.input,
            output=used.output,
            cached=used.cached,
            reasoning=used.reasoning,
            cost_usd=cost,
        )

    def _tokens(self, result: dict[str, Any]) -> Tokens | None:
        if (total := tokens(result.get("usage"))) is not None:
            used = total.since(self.total)
            self.total = total
            return used if used != Tokens() else None
        meta = raw.mapping(result.get("_meta"))
        quota = raw.mapping(raw.mapping(meta.get("quota")).get("token_count"))
        if quota:  # gemini: of this turn alone
            return Tokens(raw.whole(quota.get("input_tokens")) or 0,
                          raw.whole(quota.get("output_tokens")) or 0)  # fmt: skip
        return None


def tokens(value: object) -> Tokens | None:
    """ACP Usage. Its input leaves cached tokens out, its output leaves reasoning out."""
    usage = raw.mapping(value)
    given, made = raw.whole(usage.get("inputTokens")), raw.whole(usage.get("outputTokens"))
    if given is None or made is None:
        return None
    cached = raw.whole(usage.get("cachedReadTokens")) or 0
    written = raw.whole(usage.get("cachedWriteTokens")) or 0
    thought = raw.whole(usage.get("thoughtTokens")) or 0
    total = raw.whole(usage.get("totalTokens"))
    if total == given + made:  # an agent whose input and output include those
        return Tokens(given, made, cached, thought)
    return Tokens(given + cached + written, made + thought, cached, thought)

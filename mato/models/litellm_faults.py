"""litellm's exceptions become Mato's faults: a class, a sentence, and the time to wait."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any, cast

from mato.models.base import Fault, ModelFault
from mato.models.keys import variable_for
from mato.models.pairs import whole

_BY_STATUS: dict[int, Fault] = {
    401: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    429: "rate_limit",
}
_BY_NAME: dict[str, Fault] = {
    "AuthenticationError": "auth",
    "PermissionDeniedError": "auth",
    "NotFoundError": "not_found",
    "RateLimitError": "rate_limit",
    "Timeout": "timeout",
    "APITimeoutError": "timeout",
    "ContextWindowExceededError": "context",
    "APIConnectionError": "server",
}
_NO_CONNECTION = {
    "openai.APIConnectionError",
    "httpx.ConnectError",
    "httpx.ConnectTimeout",
    "aiohttp.ClientConnectorError",
}
"""litellm's own APIConnectionError is not among them: it says so of whatever it does not know."""


def fault_of(error: Exception, model: str, provider: str, base_url: str, begun: bool) -> ModelFault:
    """The fault that an exception of litellm stands for.

    `begun`: chunks had come already, so a lost connection cut the answer.
    """
    fault = _class_of(error, begun)
    where = base_url or provider
    detail = _detail(error)
    match fault:
        case "auth":
            message = f"{where} does not accept the key; check {variable_for(provider)}"
        case "not_found":
            message = f"{where} has no model {model!r}; check the name given with --model"
        case "unreachable":
            message = f"nothing answers at {where}; check --base-url and the network"
        case "rate_limit":
            message = f"{where} limits the rate of requests"
        case "timeout":
            message = f"{where} took too long to answer"
        case "cut":
            message = f"the answer of {model} was cut off before its end"
        case "context":
            message = f"the conversation is longer than {model} takes; start a new agent"
        case _:
            message = f"{where} answered with an error"
    sentence = whole(f"{message} ({detail})" if detail else message)
    return ModelFault(fault, sentence, _retry_after(error))


def _class_of(error: Exception, begun: bool) -> Fault:
    inner = getattr(error, "original_exception", None)
    if isinstance(inner, Exception) and type(error).__name__ == "MidStreamFallbackError":
        error = inner
    if not begun and any(name in _NO_CONNECTION for name in _causes(error)):
        return "unreachable"
    name = type(error).__name__
    status = getattr(error, "status_code", None)
    found = _BY_NAME.get(name)
    if found is None and isinstance(status, int):
        found = _BY_STATUS.get(status)
        if found is None:
            found = "server" if status >= 500 else "refused"
    if begun and found in (None, "server"):
        return "cut"
    return found or "refused"


def _causes(error: BaseException) -> list[str]:
    """Names of the exceptions that led to this one; litellm turns them into 5xx answers."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) < 20:
        names.append(f"{type(cause).__module__.partition('.')[0]}.{type(cause).__name__}")
        cause = cause.__cause__ or cause.__context__
    return names


def _detail(error: Exception) -> str:
    """What the endpoint said, without litellm's prefixes, in one line."""
    text = str(getattr(error, "message", "") or error).splitlines()
    line = text[0] if text else ""
    while line.startswith("litellm."):
        _, colon, rest = line.partition(": ")
        if not colon:
            break
        line = rest
    _, _, after = line.partition("Exception - ")
    return (after or line).strip()[:300]


def _retry_after(error: Exception) -> float | None:
    for headers in _headers(error):
        value = headers.get("retry-after") or headers.get("Retry-After")
        if value is None:
            continue
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            due = email.utils.parsedate_to_datetime(str(value))
        except ValueError:
            continue
        return max(0.0, due.timestamp() - time.time())
    return None


def _headers(error: Exception) -> list[Mapping[str, str]]:
    response: Any = getattr(error, "response", None)
    candidates = (
        getattr(response, "headers", None),
        getattr(error, "litellm_response_headers", None),
        getattr(error, "headers", None),
    )
    return [cast("Mapping[str, str]", each) for each in candidates if hasattr(each, "get")]

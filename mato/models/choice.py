"""Which model answers: flag, profile, config, a key in the environment, else the embedded one.

The choice is made once, shown with who made it, and never changed by Mato itself: a model that
fails is a fault, not a reason to send the conversation to somebody else.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping

from mato.models.base import ModelChoice
from mato.models.keys import DEFAULTS
from mato_sessions.errors import UsageError

EMBEDDED = ModelChoice("embedded", source="embedded 0.5B")

_FILES = ("scripted:", "recorded:")
_CONFIGURED = "base_url of the config (or MATO_BASE_URL)"


def choose(
    config_model: str,
    config_base_url: str,
    env: Mapping[str, str],
    *,
    flag_model: str = "",
    flag_base_url: str = "",
    profile_model: str = "",
    cwd: str = "",
) -> ModelChoice:
    """The model for an agent, with its `source` for people.

    An endpoint belongs to the model that is named beside it; a flag's endpoint alone goes with the
    profile's or the config's model. `cwd` is what the path of a ``scripted:FILE`` is relative to.

    Raises:
        UsageError: an endpoint without any model, or one that is no address, or a flag's endpoint
            with a model that has none.
    """
    for url, where in ((flag_base_url, "--base-url"), (config_base_url, _CONFIGURED)):
        if url and not url.startswith(("http://", "https://")):
            raise UsageError(
                f"{where} is {url!r}; give an address that begins with http:// or https://"
            )
    if flag_model:
        return _named(flag_model, flag_base_url, "flag", cwd, flag_base_url)
    if profile_model:
        return _named(profile_model, flag_base_url, "profile", cwd, flag_base_url)
    if config_model:
        return _named(config_model, flag_base_url or config_base_url, "config", cwd, flag_base_url)
    if flag_base_url or config_base_url:
        where = "--base-url" if flag_base_url else _CONFIGURED
        raise UsageError(f"{where} names an endpoint but no model; give --model too")
    for variable, model in DEFAULTS:
        if env.get(variable):
            return ModelChoice(model, source=variable)
    return EMBEDDED


def _named(model: str, base_url: str, source: str, cwd: str, given_url: str) -> ModelChoice:
    local = model == EMBEDDED.model or model.startswith(_FILES)
    if local and given_url:
        raise UsageError(
            f"{model!r} is no model of an endpoint; leave --base-url out, or give --model"
        )
    if model == EMBEDDED.model:
        return ModelChoice(model, source=f"{source}: {EMBEDDED.source}")
    for prefix in _FILES:
        if model.startswith(prefix):
            # The daemon lives elsewhere, so a relative path would mean another file there.
            path = os.path.join(cwd, model.removeprefix(prefix))  # noqa: PTH118 (pure text)
            return ModelChoice(prefix + path, source=source)
    return ModelChoice(model, base_url, source)

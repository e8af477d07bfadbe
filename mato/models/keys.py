"""The variables that hold keys of model endpoints, and the default model that each stands for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

from mato_sessions.errors import UnknownName

DEFAULTS: tuple[tuple[str, str], ...] = (
    ("ANTHROPIC_API_KEY", "anthropic/claude-sonnet-5-5"),
    ("OPENAI_API_KEY", "openai/gpt-5.5"),
    ("GEMINI_API_KEY", "gemini/gemini-3.8-flash"),
    ("OPENROUTER_API_KEY", "openrouter/auto"),
    ("MISTRAL_API_KEY", "mistral/mistral-medium-latest"),
    ("DEEPSEEK_API_KEY", "deepseek/deepseek-chat"),
    ("XAI_API_KEY", "xai/grok-4.7"),
    ("GROQ_API_KEY", "groq/openai/gpt-oss-120b"),
)
"""Variable and the model that its presence chooses, the first that is set wins."""

_OTHERS = (
    "AZURE_API_KEY",
    "AZURE_API_BASE",
    "AZURE_API_VERSION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION_NAME",
    "CEREBRAS_API_KEY",
    "COHERE_API_KEY",
    "FIREWORKS_AI_API_KEY",
    "HF_TOKEN",
    "MOONSHOT_API_KEY",
    "TOGETHERAI_API_KEY",
    "ZAI_API_KEY",
)

VARIABLES: tuple[str, ...] = (*(variable for variable, _ in DEFAULTS), *_OTHERS)
"""What a client hands over to the daemon where it is set, and what goes along with a request."""

_PLACES = frozenset({"AZURE_API_BASE", "AZURE_API_VERSION", "AWS_REGION_NAME"})
"""They say where, and are no secrets."""


_SECRETIVE = re.compile(
    r"[A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_[A-Z0-9_]+)?"
)
"""Variables outside of `VARIABLES` that a key may be kept as."""


def keys(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env` that a model request may need."""
    return {name: env[name] for name in VARIABLES if env.get(name)}


def secrets(env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of `env` that must never be shown, journaled or sent to a model."""
    return tuple(value for name, value in keys(env).items() if name not in _PLACES)


def is_secret(name: str) -> bool:
    """Whether the value of this variable must never be shown."""
    return name not in _PLACES


def without_keys(env: Mapping[str, str]) -> dict[str, str]:
    """`env` for a process that is not to ask models with the person's keys."""
    return {
        name: value
        for name, value in env.items()
        if name not in VARIABLES and not name.endswith("_API_KEY")
    }


_BASICS = frozenset({"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"})


def for_tools(env: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The variables of `env` that commands get: the basic ones and those named, never a key."""
    return {
        name: value
        for name, value in without_keys(env).items()
        if name in _BASICS or name in names or name.startswith("LC_")
    }


def variable_for(provider: str) -> str:
    """The variable that holds the key of a litellm provider."""
    special = {
        "together_ai": "TOGETHERAI_API_KEY",
        "huggingface": "HF_TOKEN",
        "fireworks_ai": "FIREWORKS_AI_API_KEY",
        "bedrock": "AWS_ACCESS_KEY_ID",
    }
    return special.get(provider, f"{provider.upper()}_API_KEY")


def variable_named(given: str) -> str:
    """The variable that a person means by a provider's name or a variable's.

    Raises:
        UnknownName: neither is known; offers the nearest.
    """
    if given in VARIABLES or _SECRETIVE.fullmatch(given):
        return given
    variable = variable_for(given.lower().replace("-", "_"))
    if variable in VARIABLES:
        return variable
    near = difflib.get_close_matches(given.lower(), _PROVIDERS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_PROVIDERS)}"
    raise UnknownName(
        f"no provider is called {given!r}; {hint} (or name the variable, as in MISTRAL_API_KEY)"
    )


_PROVIDERS = (
    *sorted(name.removesuffix("_API_KEY").lower() for name in VARIABLES if "_API_KEY" in name),
    *("bedrock", "huggingface"),
)


def key_variable(model: str, base_url: str, source: str) -> str:
    """The variable without which a model cannot be asked; "" where that is not known for sure.

    An endpoint of one's own may need none, and some providers know other ways in.
    """
    chosen_by = dict(DEFAULTS)
    if source in chosen_by:
        return source
    provider, slash, _ = model.partition("/")
    variable = variable_for(provider)
    return variable if slash and not base_url and variable in chosen_by else ""

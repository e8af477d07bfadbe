"""The variables that hold keys of model endpoints, and the default model that each stands for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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


def keys(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env` that a model request may need."""
    return {name: env[name] for name in VARIABLES if env.get(name)}


def secrets(env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of `env` that must never be shown, journaled or sent to a model."""
    return tuple(value for name, value in keys(env).items() if name not in _PLACES)


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

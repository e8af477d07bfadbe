"""Where models come from, and how a conversation looks to a provider that caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato.models.base import CallRequest, Message, ModelChoice
from mato.models.keys import variable_for
from mato.models.litellm_answer import messages
from mato.models.sources import Sources
from mato_sessions.errors import ConfigError


def sources(embedded: Path | None = None) -> Sources:
    return Sources(lambda pid, purpose: lambda: None, lambda: embedded)


def test_one_process_serves_all_models_of_its_kind(tmp_path: Path) -> None:
    found = sources(tmp_path / "weights.gguf")
    first = found.get(ModelChoice("openai/a"))
    assert found.get(ModelChoice("anthropic/b", "http://x")) is first
    embedded = found.get(ModelChoice("embedded"))
    assert embedded is not first
    assert found.get(ModelChoice("embedded")) is embedded


def test_missing_weights_are_a_sentence_until_they_are_there(tmp_path: Path) -> None:
    weights: list[Path] = []
    found = Sources(lambda pid, purpose: lambda: None, lambda: weights[0] if weights else None)
    with pytest.raises(ConfigError, match="--model"):
        found.get(ModelChoice("embedded"))
    weights.append(tmp_path / "weights.gguf")
    assert found.get(ModelChoice("embedded"))


async def test_closing_twice_is_fine() -> None:
    async with sources() as found:
        found.get(ModelChoice("openai/a"))
        await found.close()


def test_cache_marks_stand_at_system_and_newest_message() -> None:
    conversation = (
        Message("user", "one"),
        Message("assistant", "", (CallRequest("c", "read", ""),)),
        Message("tool", "two", call="c"),
    )
    marked = messages("system", conversation, marked=True)
    places = ["cache_control" in repr(message) for message in marked]
    assert places == [True, False, False, True]
    assert marked[3]["content"][0]["text"] == "two"
    assert marked[2]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert "cache_control" not in repr(messages("system", conversation, marked=False))


def test_providers_have_their_variables() -> None:
    assert variable_for("anthropic") == "ANTHROPIC_API_KEY"
    assert variable_for("together_ai") == "TOGETHERAI_API_KEY"

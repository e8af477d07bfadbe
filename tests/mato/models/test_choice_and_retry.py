"""Which model, whose keys, and when again."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.models import retry
from mato.models.base import RETRIED, ModelChoice
from mato.models.choice import EMBEDDED, choose
from mato.models.keys import (
    DEFAULTS,
    VARIABLES,
    for_tools,
    key_variable,
    keys,
    secrets,
    without_keys,
)
from mato_sessions.errors import UsageError

KEYS = {"GEMINI_API_KEY": "g", "OPENAI_API_KEY": "o", "PATH": "/bin"}


def test_a_flag_goes_before_profile_config_and_keys() -> None:
    everything: dict[str, Any] = {
        "flag_model": "f",
        "flag_base_url": "http://f",
        "profile_model": "p",
    }
    assert choose("c", "http://c", KEYS, **everything) == ModelChoice("f", "http://f", "flag")
    assert choose("c", "http://c", KEYS, profile_model="p") == ModelChoice("p", "", "profile")
    assert choose("c", "http://c", KEYS) == ModelChoice("c", "http://c", "config")
    assert choose("c", "", KEYS, flag_base_url="http://f").base_url == "http://f"
    assert choose("", "", KEYS).source == "OPENAI_API_KEY"
    assert choose("", "", {"OPENAI_API_KEY": ""}) == EMBEDDED


def test_an_endpoint_of_the_config_does_not_go_with_another_model() -> None:
    assert choose("c", "http://c", {}, flag_model="anthropic/x").base_url == ""


def test_an_endpoint_without_a_model_is_refused() -> None:
    for given_urls in ({"flag_base_url": "http://f"}, {}):
        with pytest.raises(UsageError, match="--model"):
            choose("", "http://c", KEYS, **given_urls)


def test_what_is_no_endpoint_or_has_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--base-url is '/v1'; give an address"):
        choose("", "", {}, flag_model="m", flag_base_url="/v1")
    with pytest.raises(UsageError, match="base_url of the config"):
        choose("m", "localhost:8080", {})
    for model in ("embedded", "scripted:/a", "recorded:/a"):
        with pytest.raises(UsageError, match="leave --base-url out"):
            choose("", "", {}, flag_model=model, flag_base_url="http://f")
        assert choose(model, "http://c", {}).base_url == ""


def test_files_are_found_from_the_persons_folder() -> None:
    assert choose("", "", {}, flag_model="scripted:a.toml", cwd="/w").model == "scripted:/w/a.toml"
    assert choose("recorded:/x/y", "", {}, cwd="/w").model == "recorded:/x/y"
    assert choose("embedded", "", KEYS).source == "config: embedded 0.5B"


def test_every_default_model_has_a_price_or_routes_to_one() -> None:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    [folder] = spec.submodule_search_locations
    file = Path(folder) / "model_prices_and_context_window_backup.json"
    prices = json.loads(file.read_text())
    for variable, model in DEFAULTS:
        assert variable in VARIABLES
        known = model in prices or model.partition("/")[2] in prices
        assert known or model == "openrouter/auto", model


def test_keys_go_to_models_and_not_to_commands() -> None:
    env = {**KEYS, "MY_API_KEY": "m", "AWS_REGION_NAME": "eu-1", "HF_TOKEN": "h"}
    assert keys(env) == {
        "OPENAI_API_KEY": "o",
        "GEMINI_API_KEY": "g",
        "AWS_REGION_NAME": "eu-1",
        "HF_TOKEN": "h",
    }
    assert set(secrets(env)) == {"o", "g", "h"}
    assert without_keys(env) == {"PATH": "/bin"}


def test_commands_get_only_named_variables_and_never_a_key() -> None:
    env = {**KEYS, "LC_TIME": "C", "DATABASE_URL": "d", "GOPATH": "g", "HF_TOKEN": "h"}
    assert for_tools(env, ("GOPATH", "HF_TOKEN")) == {"PATH": "/bin", "LC_TIME": "C", "GOPATH": "g"}


@given(
    st.sampled_from(sorted(RETRIED)),
    st.integers(1, retry.ATTEMPTS - 1),
    st.one_of(st.none(), st.floats(0, retry.PATIENCE_S)),
    st.text(max_size=20),
)
def test_pauses_are_bounded_jittered_and_never_shorter_than_asked_for(
    fault: Any, attempt: int, asked_s: float | None, seed: str
) -> None:
    delay = retry.delay_s(fault, attempt, asked_s, seed)
    assert delay is not None
    assert delay == retry.delay_s(fault, attempt, asked_s, seed)
    assert delay >= 0.5 * retry.FIRST_S * 2 ** (attempt - 1) - 0.001
    assert delay >= (asked_s or 0) - 0.001
    assert delay <= max(retry.LONGEST_S, (asked_s or 0) + retry.LONGEST_S)
    assert retry.delay_s(fault, retry.ATTEMPTS, asked_s, seed) is None


def test_agents_that_met_the_same_outage_come_back_at_different_times() -> None:
    assert len({retry.delay_s("server", 1, None, f"r-{n}") for n in range(50)}) > 40


@pytest.mark.parametrize(
    ("model", "base_url", "source", "variable"),
    [
        ("anthropic/claude-sonnet-5-5", "", "ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        ("openai/gpt-5.5", "", "flag", "OPENAI_API_KEY"),
        ("openai/gpt-5.5", "http://127.0.0.1:9", "flag", ""),
        ("ollama/llama3", "", "flag", ""),
        ("bedrock/claude", "", "flag", ""),
        ("embedded", "", "embedded 0.5B", ""),
        ("scripted:/tmp/openai/x", "", "flag", ""),
    ],
)
def test_a_key_is_missed_only_where_it_is_needed_for_sure(
    model: str, base_url: str, source: str, variable: str
) -> None:
    assert key_variable(model, base_url, source) == variable

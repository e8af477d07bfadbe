"""Schemas for models, and what a model is told about arguments that do not fit."""

from __future__ import annotations

import contextlib
import json
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.tools.base import Probing, ToolError
from mato.tools.plan import PlanArguments
from mato.tools.registry import NAMES, USUAL, Registry
from mato_sessions.errors import UnknownName
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy


def test_the_order_of_schemas_is_fixed_and_the_bytes_are_the_same():
    one, other = Registry(["write", "read"]), Registry(["read", "write"])
    assert [schema.name for schema in one.schemas()] == ["read", "write"]
    assert msgspec.json.encode(one.schemas()) == msgspec.json.encode(other.schemas())
    assert NAMES == ("read", "list", "search", "write", "edit", "shell", "plan", "fetch", "spawn")
    assert tuple(schema.name for schema in Registry().schemas()) == USUAL == NAMES[:-2]
    assert one.get("shell") is None


def test_every_schema_is_one_plain_object_whose_fields_are_described():
    for schema in Registry(NAMES).schemas():
        text = json.dumps(schema.parameters)
        assert "$ref" not in text
        assert "$defs" not in text
        assert schema.parameters["type"] == "object"
        assert schema.parameters["additionalProperties"] is False
        for field in schema.parameters["properties"].values():
            assert field["description"].endswith(".")


def test_every_tool_says_what_it_does_to_the_world_and_after_a_crash():
    for name in NAMES:
        tool = Registry(NAMES).get(name)
        assert tool is not None
        assert tool.action in get_args(Action)
        assert tool.policy in get_args(RecoveryPolicy)
        assert (tool.policy == "probe") == isinstance(tool, Probing)


def test_an_unknown_tool_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean 'search'"):
        Registry(["serch"])


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("read", "", r"missing required field `path`.*path \(string, required\)"),
        ("read", '{"path": 1}', r"Expected `str`, got `int` - at `\$.path`"),
        ("read", '{"file": "x", "path": "x"}', "unknown field `file`"),
        ("read", '{"path": "x", "offset": 0}', "offset"),
        ("read", '{"path": "x"', "not a JSON object"),
        ("read", "[]", "Expected `object`"),
        ("read", '{"path": "\ud800"}', "not a JSON object"),
        ("read", "[" * 100_000, "nested too deep|not a JSON object|Expected"),
        ("shell", '{"command": "x", "timeout_s": 601}', "<= 600"),
        ("plan", '{"items": [{"text": "x", "status": "started"}]}', "started"),
    ],
    ids=lambda value: value[:30],
)
def test_arguments_that_do_not_fit_are_explained(name: str, arguments: str, reason: str):
    registry = Registry()
    tool = registry.get(name)
    assert tool is not None
    with pytest.raises(ToolError, match=reason):
        registry.parse(tool, arguments)


@given(st.text(st.characters()))
def test_any_text_parses_or_is_a_tool_error(text: str):
    registry = Registry()
    tool = registry.get("plan")
    assert tool is not None
    with contextlib.suppress(ToolError):
        assert isinstance(registry.parse(tool, text), PlanArguments)


def test_a_number_in_quotes_is_taken_for_a_number():
    registry = Registry()
    tool = registry.get("shell")
    assert tool is not None
    assert registry.parse(tool, '{"command": "x", "timeout_s": "9"}').timeout_s == 9


def test_a_command_given_word_by_word_is_taken_as_one_line():
    registry = Registry()
    shell = registry.get("shell")
    assert shell is not None
    parsed = registry.parse(shell, '{"command": ["bash", "-lc", "echo a b"], "timeout_s": 5}')
    assert parsed.command == "bash -lc 'echo a b'"
    assert parsed.timeout_s == 5


@pytest.mark.parametrize("command", ["[]", "[1]", '["a", null]', '[["a"]]', "{}"])
def test_a_command_that_is_no_list_of_words_is_not_guessed_at(command: str):
    registry = Registry()
    shell = registry.get("shell")
    assert shell is not None
    with pytest.raises(ToolError):
        registry.parse(shell, f'{{"command": {command}}}')

"""Tool schemas cut down: what fits the small one always fits the tool's own."""

from __future__ import annotations

from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from mato.models.base import ToolSchema
from mato.models.embedded.schema import STRING_LIMIT, asked, reply_schema, reserved_name

names = st.sampled_from(["path", "pattern", "items", "count", "mode", "deep"])


def bounds(low: str, high: str, limit: int) -> st.SearchStrategy[dict[str, int]]:
    pair = st.tuples(st.integers(0, limit), st.integers(0, limit)).map(sorted)
    both = pair.map(lambda one: {low: one[0], high: one[1]})
    return st.just({}) | both | both.map(lambda one: {high: one[high]})


leaves = st.one_of(
    bounds("minLength", "maxLength", 300).map(lambda more: {"type": "string", **more}),
    bounds("minimum", "maximum", 50).map(lambda more: {"type": "integer", **more}),
    st.sampled_from([{"type": "number"}, {"type": "boolean"}, {"type": "null"}]),
    st.lists(st.text(max_size=5) | st.integers(), min_size=1, max_size=4).map(
        lambda some: {"enum": some}
    ),
    st.just({"const": "fixed"}),
    st.just({"$ref": "#/$defs/named"}),
)


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        properties = draw(st.dictionaries(names, inner, max_size=4))
        required = draw(st.lists(st.sampled_from(sorted(properties) or ["path"]), unique=True))
        return {
            "type": "object",
            "properties": properties,
            "required": [name for name in required if name in properties],
        }

    return build()


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        objects(inner),
        st.tuples(inner, bounds("minItems", "maxItems", 9)).map(
            lambda one: {"type": "array", "items": one[0], **one[1]}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some}),
        st.lists(st.sampled_from(["null", "string", "integer"]), min_size=1, unique=True).map(
            lambda kinds: {"type": kinds}
        ),
    ),
    max_leaves=6,
)
tools = objects(schemas).map(
    lambda schema: ToolSchema(
        "tool", "", {**schema, "$defs": {"named": {"type": "string", "enum": ["a", "b"]}}}
    )
)


@st.composite
def instances(draw: st.DrawFn, shape: dict[str, Any]) -> Any:
    """A value that the bounded schema allows."""
    if "const" in shape:
        return shape["const"]
    if "enum" in shape:
        return draw(st.sampled_from(shape["enum"]))
    match shape["type"]:
        case "string":
            length = draw(st.sampled_from([shape.get("minLength", 0), shape["maxLength"]]))
            return "x" * length
        case "integer":
            return draw(st.integers(shape.get("minimum"), shape.get("maximum")))
        case "number":
            return draw(st.floats(allow_nan=False, allow_infinity=False))
        case "boolean":
            return draw(st.booleans())
        case "null":
            return None
        case "array":
            count = draw(st.integers(shape["minItems"], shape["maxItems"]))
            return [draw(instances(shape["items"])) for _ in range(count)]
        case _:
            return {name: draw(instances(one)) for name, one in shape["properties"].items()}


@given(st.data(), tools)
def test_what_fits_the_bounded_schema_fits_the_tools_own(
    data: st.DataObject, tool: ToolSchema
) -> None:
    jsonschema.validate(data.draw(instances(asked(tool))), tool.parameters)


@given(tools)
def test_every_string_and_array_has_an_end(tool: ToolSchema) -> None:
    def check(shape: dict[str, Any]) -> None:
        if shape.get("type") == "string":
            assert shape["maxLength"] <= max(STRING_LIMIT, shape.get("minLength", 0))
        if shape.get("type") == "array":
            assert shape["maxItems"] >= shape["minItems"]
            check(shape["items"])
        for inner in shape.get("properties", {}).values():
            check(inner)

    check(asked(tool))


def test_only_required_arguments_are_asked_and_else_the_first() -> None:
    string = {"type": "string"}
    search = {"properties": {"pattern": string, "path": string}, "required": ["pattern"]}
    listing = {"properties": {"path": string, "depth": {"type": "integer"}}}
    assert list(asked(ToolSchema("search", "", search))["properties"]) == ["pattern"]
    assert list(asked(ToolSchema("list", "", listing))["properties"]) == ["path"]
    assert asked(ToolSchema("now", "", {}))["properties"] == {}


def test_after_the_call_only_an_answer_is_allowed() -> None:
    tool = ToolSchema("read", "", {"type": "object"})
    assert len(reply_schema([tool], "answer")["anyOf"]) == 2
    only = reply_schema([tool], "answer", call=False)
    assert only["properties"]["tool"] == {"const": "answer"}


def test_a_tool_called_answer_keeps_its_name() -> None:
    assert reserved_name([ToolSchema("answer", "", {})]) == "final_answer"

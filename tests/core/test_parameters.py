"""What clients say about functions, brought into JSON Schema."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hyphad.core.parameters import input_schema, normalised

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "type properties required items $defs anyOf allOf enum title description x "
                "context additionalProperties".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def shape(parameters):
    return input_schema({"parameters": parameters})


@pytest.mark.parametrize("function", [None, {}, {"parameters": None}, {"parameters": "x"}])
def test_what_says_nothing_takes_nothing(function):  # MCP-1
    assert input_schema(function) == {"type": "object", "properties": {}}


def test_types_of_python_become_those_of_json_schema():  # MCP-3
    given = {
        "a": {"type": "int"},
        "b": {"type": ["str", "NoneType"]},
        "c": {"type": "array", "items": {"type": "float"}},
        "d": {"anyOf": [{"type": "dict"}, {"type": "None"}]},
        "e": {"type": "unheard of"},
    }
    assert shape({"type": "dict", "properties": given}) == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": ["string", "null"]},
            "c": {"type": "array", "items": {"type": "number"}},
            "d": {"anyOf": [{"type": "object"}, {"type": "null"}]},
            "e": {},
        },
    }


def test_data_is_not_mistaken_for_schemas():
    given = {"a": {"default": {"type": "int"}, "enum": ["int", {"type": "int"}]}}
    assert shape({"properties": given})["properties"] == given


def test_properties_named_like_keywords_stay():
    given = {"type": {"type": "int"}, "items": {"type": "str"}, "required": {"type": "bool"}}
    kinds = {name: schema["type"] for name, schema in shape({"properties": given})[
        "properties"
    ].items()}  # fmt: skip
    assert kinds == {"type": "integer", "items": "string", "required": "boolean"}


def test_what_is_required_and_not_described_is_anything():  # MCP-2
    made = shape({"properties": {"n": {"default": 3}}, "required": ["title"], "type": "object"})
    assert made["properties"] == {"n": {"default": 3}, "title": {}}
    nested = {"$defs": {"M": {"type": "object", "properties": {}, "required": ["title"]}}}
    assert normalised(nested)["$defs"]["M"]["properties"] == {"title": {}}


def test_the_context_is_the_servers_business():  # MCP-3
    made = shape({"properties": {"a": {}, "context": {}}, "required": ["a", "context"]})
    assert (made["properties"], made["required"]) == ({"a": {}}, ["a"])
    assert "required" not in shape({"properties": {"context": {}}, "required": ["context"]})


def test_bare_properties_are_properties():
    assert shape({"a": {"type": "int"}})["properties"] == {"a": {"type": "integer"}}


def test_other_keywords_are_kept_as_they_are():
    given = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"a": {"$anchor": "x", "type": "string"}},
        "properties": {"a": {"$ref": "#x"}},
        "if": {"properties": {"a": {"const": 1}}},
        "then": {"required": ["a"], "properties": {"a": {}}},
        "additionalProperties": False,
    }
    assert shape(given) == given


@given(JSON)
def test_whatever_comes_is_made_into_an_object_that_can_be_sent(parameters):
    made = shape(parameters)
    assert made["type"] == "object"
    assert set(made.get("required", [])) <= set(made["properties"])
    assert "context" not in made["properties"]
    json.dumps(made)


@given(JSON)
def test_types_are_always_types_of_json_schema(schema):
    kinds = {"array", "boolean", "integer", "null", "number", "object", "string"}
    todo = [normalised(schema)]
    while todo:
        here = todo.pop()
        if not isinstance(here, dict):
            assert isinstance(here, bool)
            continue
        kind = here.get("type", [])
        assert set([kind] if isinstance(kind, str) else kind) <= kinds
        for key in ("properties", "$defs"):
            inside = here.get(key)
            todo += list(inside.values()) if isinstance(inside, dict) else []
        for key in ("anyOf", "allOf"):
            todo += here[key] if isinstance(here.get(key), list) else []
        todo += [here[key] for key in ("items", "additionalProperties") if key in here]


def test_a_deep_schema_has_an_end():
    deep: dict = {}
    for _ in range(500):
        deep = {"items": deep}
    Draft202012Validator.check_schema(shape({"properties": {"a": deep}}))

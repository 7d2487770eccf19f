"""The hints of a method are its schema, and the same hints check the arguments of a call."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.errors import BadCall
from hyphad.core.schema import accepts, schema_of, signature_of


@dataclass
class Options:
    """A map of options as clients pass it."""

    name: Annotated[str, "Its name."]
    size: int = 3
    tags: list[str] = field(default_factory=list)
    inner: "Options | None" = None


class Things:
    def look(
        self,
        caller: str,
        name: Annotated[str, "What to look for."],
        limit: Annotated[int, "How many.", {"minimum": 1}] = 10,
        options: Annotated[dict[str, Any] | None, "More."] = None,
    ) -> None:
        """Look for a thing.

        It may take a while.
        """

    def store(self, caller: str, item: Options, mode: Literal["new", "old"] = "new") -> None:
        """Store it."""

    def bare(self, caller, value, other=5):
        pass

    def nothing(self, caller: str) -> None:
        """Do nothing."""


LOOK = signature_of(Things.look, skip=2)
STORE = signature_of(Things.store, skip=2)


def test_the_schema_of_a_method():  # WS-3
    assert LOOK.name == "look"
    assert LOOK.schema == {
        "name": "look",
        "description": "Look for a thing.\n\nIt may take a while.",
        "parameters": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "What to look for."},
                "limit": {
                    "type": "integer",
                    "description": "How many.",
                    "minimum": 1,
                    "default": 10,
                },
                "options": {
                    "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}],
                    "description": "More.",
                    "default": None,
                },
            },
            "required": ["name"],
        },
    }
    assert list(LOOK.schema["parameters"]["properties"]) == ["name", "limit", "options"]


def test_the_caller_never_shows():  # WS-3
    for method in (Things.look, Things.store, Things.nothing):
        assert "caller" not in signature_of(method, skip=2).schema["parameters"]["properties"]


def test_a_dataclass_becomes_a_definition():  # WS-3
    assert STORE.schema["parameters"] == {
        "type": "object",
        "properties": {
            "item": {"$ref": "#/$defs/Options"},
            "mode": {"enum": ["new", "old"], "default": "new"},
        },
        "required": ["item"],
        "$defs": {
            "Options": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "Its name."},
                    "size": {"type": "integer", "default": 3},
                    "tags": {"type": "array", "items": {"type": "string"}, "default": []},
                    "inner": {
                        "anyOf": [{"$ref": "#/$defs/Options"}, {"type": "null"}],
                        "default": None,
                    },
                },
                "required": ["name"],
            }
        },
    }


def test_methods_without_hints_or_parameters():
    bare = signature_of(Things.bare, skip=2)
    assert bare.schema == {
        "name": "bare",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {"value": {}, "other": {"default": 5}},
            "required": ["value"],
        },
    }
    assert bare.bind([{"a": 1}], {}) == {"value": {"a": 1}, "other": 5}
    nothing = signature_of(Things.nothing, skip=2)
    assert nothing.schema["parameters"] == {"type": "object", "properties": {}}
    assert nothing.bind([], {}) == {}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None | int, {"anyOf": [{"type": "null"}, {"type": "integer"}]}),
        (dict, {"type": "object", "additionalProperties": True}),
        (dict[str, int], {"type": "object", "additionalProperties": True}),
        (list, {"type": "array"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Any, {}),
        (bytes, {}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Annotated[str, {"pattern": "x"}], {"type": "string", "pattern": "x"}),
        (
            Annotated[list[Annotated[str, {"maxLength": 3}]], "Words."],
            {"type": "array", "items": {"type": "string", "maxLength": 3}, "description": "Words."},
        ),
    ],
)
def test_hints(hint, schema):  # WS-3
    assert schema_of(hint, {}) == schema


def test_schemas_do_not_share_their_parts():
    schema_of(str, {})["description"] = "changed"
    assert schema_of(str, {}) == {"type": "string"}


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (["x"], {}, {"name": "x", "limit": 10, "options": None}),
        (["x", 3], {}, {"name": "x", "limit": 3, "options": None}),
        (["x"], {"limit": 3}, {"name": "x", "limit": 3, "options": None}),
        ([], {"options": {}, "name": "x"}, {"name": "x", "limit": 10, "options": {}}),
        (["x", 3, None], {}, {"name": "x", "limit": 3, "options": None}),
        (["x", 3, {"a": 1}], {}, {"name": "x", "limit": 3, "options": {"a": 1}}),
    ],
)
def test_arguments_by_place_and_by_name(args, kwargs, bound):  # WS-4, WIRE-62
    assert LOOK.bind(args, kwargs) == bound


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ([], {}, "TypeError: Missing required argument: 'name'"),
        ([], {"limit": 1}, "TypeError: Missing required argument: 'name'"),
        (["x"], {"foo": 1}, "TypeError: got an unexpected keyword argument 'foo'"),
        (["x"], {"caller": "me"}, "TypeError: got an unexpected keyword argument 'caller'"),
        (["x"], {"context": {}}, "TypeError: got an unexpected keyword argument 'context'"),
        (["x"], {"name": "y"}, "TypeError: multiple values for argument 'name'"),
        (["x", 1, {}, 4], {}, "TypeError: look() takes at most 3 arguments"),
        ([5], {}, "TypeError: Argument 'name' must be string, not integer"),
        ([None], {}, "TypeError: Argument 'name' must be string, not null"),
        ([b"x"], {}, "TypeError: Argument 'name' must be string, not binary"),
        ([["x"]], {}, "TypeError: Argument 'name' must be string, not array"),
        (["x", "3"], {}, "TypeError: Argument 'limit' must be integer, not string"),
        (["x", True], {}, "TypeError: Argument 'limit' must be integer, not boolean"),
        (["x", 2.0], {}, "TypeError: Argument 'limit' must be integer, not number"),
        (["x", None], {}, "TypeError: Argument 'limit' must be integer, not null"),
        (["x", 1, []], {}, "TypeError: Argument 'options' must be object or null, not array"),
    ],
)
def test_calls_that_do_not_fit(args, kwargs, text):  # WS-4
    with pytest.raises(BadCall) as caught:
        LOOK.bind(args, kwargs)
    assert caught.value.rpc_text == text


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (Literal["new", "old"], "x", "must be one of 'new', 'old', not string"),
        (bytes, "x", "must be binary, not string"),
        (list[str], ["a", 1], "must be array of string, not array"),
        (Options, "x", "must be object, not string"),
        (Annotated[list[str] | str, "x"], 5, "must be array of string or string, not integer"),
        (float, float("nan"), "must be number, not nan"),
        (float, float("-inf"), "must be number, not -inf"),
        (float, "1", "must be number, not string"),
    ],
)
def test_a_refusal_says_what_is_expected(hint, value, text):  # WS-4
    def method(thing):
        pass

    method.__annotations__["thing"] = hint
    with pytest.raises(BadCall) as caught:
        signature_of(method, skip=0).bind([value], {})
    assert caught.value.message == "Argument 'thing' " + text


@pytest.mark.parametrize(
    ("hint", "value", "accepted"),
    [
        (float, 3, True),
        (float, 3.5, True),
        (float, True, False),
        (float, float("nan"), False),
        (float, float("inf"), False),
        (float, 10**400, False),
        (int, 10**400, True),
        (int, False, False),
        (bool, 1, False),
        (str, "x", True),
        (bytes, b"x", True),
        (list, [1], True),
        (list[int], [], True),
        (list[int], ["a"], False),
        (list[list[int]], [[1], []], True),
        (dict[str, int], {"a": "not looked at"}, True),
        (Options, {"any": "map"}, True),
        (Options, [], False),
        (str | None, None, True),
        (str | list[str], ["a"], True),
        (str | list[str], [1], False),
        (Literal["a"], "a", True),
        (Literal["a"], ["a"], False),
        (Any, object(), True),
    ],
)
def test_what_a_hint_accepts(hint, value, accepted):  # WS-4
    assert accepts(hint, value) is accepted


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(json_values, max_size=4),
    st.dictionaries(st.sampled_from(["name", "limit", "options", "other"]), json_values),
)
def test_every_call_is_bound_completely_or_refused(args, kwargs):  # WS-4
    try:
        bound = LOOK.bind(args, kwargs)
    except BadCall as error:
        assert "\n" not in error.message
        return
    assert set(bound) == {"name", "limit", "options"}
    assert isinstance(bound["name"], str)
    assert isinstance(bound["limit"], int)
    assert bound["options"] is None or isinstance(bound["options"], dict)

"""The parts of MCP that need no server: checks, names, content, headers, events."""

import json
import socket
import urllib.request

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types import CallToolResult, GetPromptResult, ReadResourceResult
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from hyphad.core.errors import RemoteError
from hyphad.core.records import Service
from hyphad.web import validation
from hyphad.web.gateway import Function
from hyphad.web.mcp.content import (
    MAX_BLOCKS,
    NEWEST,
    Dialect,
    call_result,
    contents_of,
    drained_result,
    media_type_of,
    plain,
    prompt_of,
    weight,
    without_nulls,
)
from hyphad.web.mcp.link import Events, HttpLink
from hyphad.web.mcp.modern import check, is_modern, unwrapped
from hyphad.web.mcp.protocol import McpError
from hyphad.web.mcp.tools import clean_name, clean_text, tool_of
from hyphad.web.mcp.view import view_of
from hyphad.web.members import tree_of_remote, walk
from hyphad.web.validation import MAX_STRIKES, Checker, expectation

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "type text data mimeType content isError resource uri blob name _rtype _rvalue "
                "structuredContent messages role contents x".split()
            ),
            inner,
            max_size=4,
        )
        | st.fixed_dictionaries({"type": st.sampled_from(["text", "image"]), "text": inner})
    ),
    max_leaves=12,
)  # fmt: skip
TOOL = tool_of("f", Function("f", "services.s.f", {}))


# checks


def test_a_flaw_says_what_where_and_what_instead():  # MCP-30
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
    flaw = Checker(schema).flaw({"a": ["x", 1]})
    assert (flaw.message, flaw.path) == ("1 is not of type 'string'", "a.1")
    assert expectation(flaw) == 'At: a.1. Expected: {"type": "string"}'
    assert Checker(schema).flaw({"a": ["x"]}) is None


def test_long_values_are_not_repeated():
    flaw = Checker({"type": "integer"}).flaw("x" * 100_000)
    assert len(flaw.message) < 600


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 50 + "!"),
        ({"patternProperties": {"^(a+)+$": False}, "additionalProperties": False}, {"a": 1}),
        ({"$ref": "https://example.org/schema"}, 1),
        ({"$ref": "#"}, 1),
        ({"$ref": "#/$defs/nowhere"}, 1),
        ({"type": "strange"}, 1),
        ({"properties": 5}, {}),
        ({"uniqueItems": True}, [0] * 5000),
    ],
)
def test_what_cannot_be_checked_safely_is_let_through(schema, value):
    assert Checker(schema).flaw(value) is None


def test_a_property_may_be_named_like_a_keyword():
    schema = {"properties": {"pattern": {"type": "integer"}, "format": {"type": "integer"}}}
    assert Checker(schema).flaw({"pattern": "x"}) is not None


def test_a_check_that_costs_too_much_is_given_up_for_good(monkeypatch):
    steps = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 4} for i in range(30)}
    checker = Checker({"$ref": "#/$defs/d0", "$defs": {**steps, "d30": {}}})
    for _ in range(MAX_STRIKES):
        assert checker.flaw(1) is None
    monkeypatch.setattr(checker, "_worst", lambda value: pytest.fail("it is still checked"))
    assert checker.flaw(1) is None


def test_one_step_that_costs_too_much_is_the_last(monkeypatch):  # MCP-30
    clock = iter(range(100))
    monkeypatch.setattr(validation.time, "monotonic", lambda: next(clock))
    seen = []
    monkeypatch.setattr(validation, "_short", seen.append)
    numbers = {"enum": list(range(20_000))}
    checker = Checker({"allOf": [{"$ref": "#/$defs/e"}] * 1000, "$defs": {"e": numbers}})
    assert checker.flaw(-1) is None
    assert not seen
    assert next(clock) < 5


@pytest.mark.parametrize(
    "schema",
    [
        {"items": {}},
        {"anyOf": [{"type": "string"}] * 9},
        {"not": {}},
    ],
)
def test_values_of_very_many_parts_are_for_the_provider_to_judge(schema):  # MCP-30
    checker = Checker(schema)
    for value in ([0] * 100_000, {"a": [[{}] * 100] * 100}):
        assert checker.flaw(value) is None
    assert (checker.flaw([1]) is not None) == ("items" not in schema)


def test_a_schema_is_not_fetched_from_anywhere(monkeypatch):
    def refuse(*_):
        pytest.fail("something was fetched")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for place in ("http://127.0.0.1:1/s.json", "file:///etc/passwd", "urn:x", "s.json"):
        schema = {"$id": "http://127.0.0.1:1/", "$schema": place, "properties": {"x": {}}}
        assert Checker(schema).flaw({}) is None
        assert Checker({**schema, "$ref": place}).flaw({}) is None
        assert Checker({**schema, "$dynamicRef": place}).flaw({}) is None


# names


@pytest.mark.parametrize(
    ("text", "name"),
    [("add", "add"), ("a b", "a_b"), ("ü/x:y", "__x_y"), ("", "_"), ("a.b-c_d", "a.b-c_d")],
)
def test_names_that_every_client_takes(text, name):  # MCP-42
    assert clean_name(text) == name


@given(st.text(max_size=300))
def test_any_name_becomes_one(text):
    assert 0 < len(clean_name(text)) <= 128
    assert clean_name(text) == clean_name(clean_name(text))


def test_long_names_stay_apart():
    assert clean_name("x" * 200 + "a") != clean_name("x" * 200 + "b")


@given(st.text())
def test_texts_lose_what_cannot_be_seen(text):
    cleaned = clean_text(text)
    assert not any(ord(char) < 32 and char not in "\n\t" for char in cleaned)
    assert len(cleaned) == len(text)


# content


@settings(max_examples=100)
@given(VALUES, st.sampled_from(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]))
def test_whatever_a_function_returns_is_a_result(value, version):  # MCP-31
    result = call_result(value, Dialect(version), TOOL)
    CallToolResult.model_validate(json.loads(json.dumps(result, allow_nan=False)))


@given(st.lists(VALUES, max_size=4))
def test_whatever_a_function_yields_is_a_result(items):
    result = drained_result(items, NEWEST, TOOL)
    CallToolResult.model_validate(json.loads(json.dumps(result, allow_nan=False)))


@given(VALUES)
def test_whatever_is_read_is_contents(value):
    contents = contents_of(value, "a://b", "text/plain")
    found = {"contents": contents}
    ReadResourceResult.model_validate(json.loads(json.dumps(found, allow_nan=False)))


@given(VALUES)
def test_whatever_a_prompt_gives_is_messages(value):
    found = prompt_of(value, "p")
    GetPromptResult.model_validate(json.loads(json.dumps(found, allow_nan=False)))


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"OggS", "audio/ogg"),
        (b"RIFF\0\0\0\0AVI ", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_bytes_are_known_by_their_beginning(start, kind):
    assert media_type_of(start) == kind


# members


def record(kind="generic", **more):
    fields = {"config": {}, "name": "S", "type": kind, "description": None, "docs": None}
    return Service("ws/c:s", "ws", "c", "s", {**fields, "service_schema": {}, **more})


def method(name, target="ws/c", schema=True):
    made = {"_rtype": "method", "_rtarget": target, "_rmethod": f"services.s.{name}"}
    return {**made, "_rschema": {"name": name, "description": name}} if schema else made


def test_functions_of_other_clients_are_left_out():  # D-10
    api = {"own": method("own"), "stolen": method("x", "ws/other"), "n": {"m": method("y", "w/c")}}
    tree = tree_of_remote(record(), api)
    assert [path for path, item in walk(tree) if isinstance(item, Function)] == [("own",)]
    assert list(view_of(record(), tree).tools) == ["own"]


def test_a_tree_has_an_end():
    deep: dict = {}
    for _ in range(500):
        deep = {"a": deep}
    assert len(list(walk(tree_of_remote(record(), {"deep": deep})))) <= 1
    wide = {"a": [[method("f")] * 1000] * 1000}
    assert len(list(walk(tree_of_remote(record(), wide)))) == 10_000


def test_dictionaries_of_other_services_do_not_make_them_inline():
    tree = tree_of_remote(record(), {"resources": {"a": "text"}, "f": method("f")})
    view = view_of(record(), tree)
    assert (view.kind, list(view.tools)) == ("wrapped", ["f"])
    assert list(view.resources) == ["resource://resources/a"]


def test_private_members_are_not_shown():
    tree = tree_of_remote(record(), {"_f": method("f"), "_text": "x", "a": {"_b": "y"}})
    view = view_of(record(), tree)
    assert (view.tools, view.resources) == ({}, {})


# headers of the newest protocol


@pytest.mark.parametrize(
    ("version", "modern"),
    [
        ("2026-07-28", True), ("2027-01-01", True), ("2025-11-25", False), ("", False),
        ("zzz", False), ("2026-07-28x", False),
    ],
)  # fmt: skip
def test_which_versions_are_of_the_newest_kind(version, modern):
    assert is_modern(version) is modern


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, None), ("plain", "plain"), ("=?base64?SGVsbG8=?=", "Hello"),
        ("=?base64?SGVsbG8?=", None), ("=?base64?!!!!?=", None), ("=?base64?//8=?=", None),
        ("=?base64?SGVsbG9=?=", None), ("=?base64??=", ""),
    ],
)  # fmt: skip
def test_header_values_in_base64(header, text):  # MCP-51
    assert unwrapped(header) == text


@pytest.mark.parametrize("name", ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"])
def test_a_header_that_comes_twice_is_refused(name):  # MCP-51
    headers = HTTPHeaders()
    headers.add(name, "a")
    headers.add(name, "a")
    with pytest.raises(McpError, match=f"{name.lower()} header appears more than once") as caught:
        check({"method": "x"}, headers)
    assert caught.value.code == -32020


# events of external servers


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_found_however_they_are_cut(size):
    found: list[str] = []
    events = Events(found.append)
    text = (
        ": ping\r\n\r\nevent: message\r\ndata: one\r\n\r\nid: 5\ndata: tw\ndata:o\n\nretry: 1\n\n"
    )
    data = text.encode()
    for start in range(0, len(data), size):
        events.feed(data[start : start + size])
    assert found == ["one", "tw\no"]


@pytest.mark.parametrize("depth", [2000, 50_000])
def test_what_is_nested_too_deeply_is_an_error_of_its_provider(depth):  # MCP-83
    value = "x"
    for _ in range(depth):
        value = {"a": [value]}
    assert weight(value) > depth
    for read in (plain, without_nulls, lambda value: call_result(value, NEWEST, TOOL)):
        with pytest.raises(RemoteError, match="nested too deeply"):
            read(value)


def test_a_very_long_list_is_one_block():  # MCP-31
    numbers = list(range(MAX_BLOCKS + 1))
    (block,) = call_result(numbers, NEWEST, TOOL)["content"]
    assert json.loads(block["text"]) == numbers
    assert len(call_result(numbers[1:], NEWEST, TOOL)["content"]) == MAX_BLOCKS


# external servers


def test_what_is_said_of_a_url_has_no_secrets_of_it():
    link = HttpLink("https://user:secret@lab.example:8/mcp?key=secret#secret", {})
    said = []
    link.lost = said.append
    link._answered({}, HTTPResponse(HTTPRequest("http://x"), 500), b"")
    assert said == ["https://lab.example:8/mcp: HTTP 500"]

"""Special values pass the server unchanged, but for addresses that would mean another peer."""

import datetime

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.errors import RemoteError
from hyphad.wire import frame, values
from hyphad.wire.frame import BadFrame


def through(value, workspace="ws-a"):
    """What comes out at the other side of the server."""
    return values.decode(frame.pack(value), workspace)


def method(target, **more):
    return {"_rtype": "method", "_rtarget": target, "_rmethod": "services.x.f", **more}


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(1 << 63),
        1.5,
        "text",
        b"bytes",
        [],
        {},
        {"_rtype": "ndarray", "_rvalue": b"\x00" * 8, "_rshape": [2], "_rdtype": "float32"},
        {"_rtype": "ndarray", "_rvalue": b"\x00", "_rshape": [], "_rdtype": "int8"},
        {"_rtype": "typedarray", "_rvalue": b"\x00\x01", "_rdtype": "uint8"},
        {"_rtype": "memoryview", "_rvalue": b"\x00"},
        {"_rtype": "set", "_rvalue": [1, "a"]},
        {"_rtype": "orderedmap", "_rvalue": [["k", 1], [2, {}]]},
        {"_rtype": "error", "_rvalue": "ValueError: x", "_rtrace": ""},
        {"_rtype": "stop_iteration"},
        {"_rtype": "pydantic_model", "_rvalue": {"a": 1}, "_rschema": {}},
        {"_rtype": "something-of-ones-own", "a": {"_rtype": "set", "_rvalue": []}},
        {"_rtype": ["no", "string"], "_rtarget": "c1"},
        {"_rtarget": "c1", "note": "no special value"},
        {"_rtype": "set", "_rvalue": [], "_rtarget": "c1"},
        msgpack.Timestamp(1700000000, 5),
        msgpack.ExtType(5, b"five"),
        {1: "integer keys", "a": {2.5: None}},
        method("ws-b/c1", _rschema={"name": "f"}, _rdoc=None, _renc_pub=b"key", _rpromise="*"),
        {"_rtype": "generator", "_rtarget": "ws-b/c1", "_rmethod": "S.x"},
    ],
    ids=repr,
)
def test_values_come_out_as_they_went_in(value):  # WIRE-71
    assert through(value) == value
    assert values.decode(values.encode(value), "ws-a") == value
    assert values.encode(through(value)) == frame.pack(value)


@pytest.mark.parametrize("kind", ["method", "generator", "iostream"])
def test_a_relative_target_becomes_absolute(kind):  # WIRE-72
    given_value = {"_rtype": kind, "_rtarget": "c1", "_rmethod": "S.x", "_rserver": "http://h"}
    assert through(given_value) == {**given_value, "_rtarget": "ws-a/c1"}
    absolute = {**given_value, "_rtarget": "ws-b/c1"}
    assert through(absolute) == absolute


def test_targets_are_made_absolute_wherever_they_stand():  # WIRE-72
    value = {
        "args": [
            method("c1"),
            [[{"deep": method("c1", nested={"again": method("c2")})}]],
            {"_rtype": "iostream", "name": "f", "read": method("c1"), "seek": method("ws-b/x")},
        ],
        "promise": {"resolve": method("c1"), "interval": 15.0},
    }
    found = through(value)
    assert found["args"][0]["_rtarget"] == "ws-a/c1"
    deep = found["args"][1][0][0]["deep"]
    assert deep["_rtarget"] == "ws-a/c1"
    assert deep["nested"]["again"]["_rtarget"] == "ws-a/c2"
    assert found["args"][2]["read"]["_rtarget"] == "ws-a/c1"
    assert found["args"][2]["seek"]["_rtarget"] == "ws-b/x"
    assert found["promise"]["resolve"]["_rtarget"] == "ws-a/c1"


@given(
    st.recursive(
        st.sampled_from(["c1", "ws-b/c2", 5]).map(method) | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=10,
    ).filter(lambda value: not isinstance(value, int) or abs(value) < 1 << 63)
)
def test_no_relative_target_remains(value):  # WIRE-72
    try:
        found = through(value)
    except OverflowError:
        return

    def targets(item):
        if isinstance(item, dict):
            if item.get("_rtype") == "method":
                yield item["_rtarget"]
            item = list(item.values())
        if isinstance(item, list):
            for member in item:
                yield from targets(member)

    assert all(not isinstance(target, str) or "/" in target for target in targets(found))


def test_what_is_nested_too_deeply_is_a_bad_frame():
    packed = b"\x81\xa6_rtype" + b"\x91" * 1000 + b"\xc0"
    with pytest.raises(BadFrame):
        values.decode(packed, "ws-a")
    with pytest.raises(BadFrame):
        values.decode(b"\x91" * 100_000, "ws-a")


def test_trailing_bytes_are_ignored():  # WIRE-35
    assert values.decode(memoryview(frame.pack({"args": [1]}) + b"rest"), "ws-a") == {"args": [1]}


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x82\xa1a", b"\x81\x80\x01"])
def test_broken_values(data):
    with pytest.raises(BadFrame):
        values.decode(data, "ws-a")


def test_python_values_that_have_a_special_form():  # WIRE-70
    read = frame.unpack(values.encode({"a": {1}, "b": frozenset(), "c": (1, 2)}))
    assert read == {
        "a": {"_rtype": "set", "_rvalue": [1]},
        "b": {"_rtype": "set", "_rvalue": []},
        "c": [1, 2],
    }
    error = frame.unpack(values.encode([ValueError("bad")]))
    assert error == [{"_rtype": "error", "_rvalue": "ValueError: bad", "_rtrace": ""}]


def test_functions_become_what_the_peer_makes_of_them():
    def describe(item):
        return {"_rtype": "method", "_rname": item.__name__} if callable(item) else None

    assert frame.unpack(values.encode([len], describe)) == [{"_rtype": "method", "_rname": "len"}]
    with pytest.raises(TypeError, match=r"^Unsupported data type: date$"):
        values.encode([datetime.date(2024, 1, 1)], describe)
    with pytest.raises(TypeError, match=r"^Unsupported data type: builtin_function_or_method$"):
        values.encode([len])


def test_kinds_of_values():
    assert values.is_method(method("c1"))
    assert values.is_generator({"_rtype": "generator"})
    assert values.is_end({"_rtype": "stop_iteration"})
    for test in (values.is_method, values.is_generator, values.is_end):
        assert not any(map(test, (None, [], {}, "method", {"_rtype": "set"}, {"_rtype": ["x"]})))


@pytest.mark.parametrize(
    ("value", "text", "trace"),
    [
        (values.error("KeyError: 'x'"), "KeyError: 'x'", ""),
        (values.error("x", "trace"), "x", "trace"),
        ({"_rtype": "error"}, "", ""),
        ({"_rtype": "error", "_rvalue": 5, "_rtrace": None}, "5", ""),
        ("plain text", "plain text", ""),
        (None, "None", ""),
        ({"a": 1}, "{'a': 1}", ""),
    ],
)
def test_whatever_a_peer_rejects_with_has_a_text(value, text, trace):  # WIRE-64
    assert values.error_text(value) == (text, trace)
    assert RemoteError(*values.error_text(value)).rpc_text == text

"""Only what every client can read back is kept: a record must not spoil the list it is part of."""

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.plain import MAX_DEPTH, plain_json


def nested(levels, leaf=0):
    for _ in range(levels):
        leaf = [leaf]
    return leaf


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 66), 1 << 66)
    | st.floats()
    | st.text()
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.integers() | st.binary(), inner, max_size=4)
        | st.tuples(inner)
    ),
    max_leaves=8,
)


@given(anything)
def test_what_passes_reads_back_the_same_in_every_encoding(value):
    try:
        text = plain_json(value)
    except ValueError:
        return
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert strict == value
    packed = msgpack.packb(value)
    assert msgpack.unpackb(packed, strict_map_key=True) == value
    assert text.encode().decode() == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "not JSON compliant"),
        ({"x": [float("inf")]}, "not JSON compliant"),
        ({"a": {1: 2}}, "keys must be strings, not int"),
        ({None: 2}, "keys must be strings, not NoneType"),
        ({b"a": 2}, "keys must be strings, not bytes"),
        (b"a", "no bytes in JSON"),
        ((1, 2), "no tuple in JSON"),
        ({"x": {1, 2}}, "no set in JSON"),
        (msgpack.Timestamp(0), "no Timestamp in JSON"),
        (msgpack.ExtType(1, b""), "no ExtType in JSON"),
        ("\udc80", "text that is not valid UTF-8"),
        ({"\ud800": 1}, "text that is not valid UTF-8"),
        (1 << 64, "an integer of more than 64 bits"),
        (-(1 << 63) - 1, "an integer of more than 64 bits"),
        (nested(MAX_DEPTH + 1), "nested more than 64 deep"),
        (nested(5000), "nested more than 64 deep"),
    ],
)
def test_what_is_refused_says_why(value, reason):
    with pytest.raises(ValueError, match=reason):
        plain_json(value)


def test_the_limits_themselves_pass():
    value = [nested(MAX_DEPTH - 1), (1 << 64) - 1, -(1 << 63), True, None, "é\u2028😀", 1e308]
    assert json.loads(plain_json(value)) == value

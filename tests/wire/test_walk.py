"""The keys of a map without its values: the same as a reader of everything finds, or no answer."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.wire import walk

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=400)
    | st.binary(max_size=70_000)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=300)),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=40), values, max_size=6), st.binary(max_size=20))
def test_the_keys_of_any_map(value, behind):
    try:
        found = walk.keys(b"?" + msgpack.packb(value) + behind, 1)
    except walk.Unusual:
        return
    assert [key.decode() for key in found] == list(value)


@given(st.binary(max_size=60))
def test_any_bytes_have_keys_or_are_unusual(garbage):
    for data in (garbage, b"\x83" + garbage):
        try:
            found = walk.keys(data, 0)
        except walk.Unusual:
            continue
        read = msgpack.Unpacker(strict_map_key=False, unicode_errors="replace")
        read.feed(data)
        count = read.read_map_header()
        assert count == len(found)
        for key in found:
            assert read.unpack() == key.decode()
            read.skip()


@pytest.mark.parametrize("size", [0, 5, 31, 32, 255, 256, 65_535, 65_536, 1 << 20])
@pytest.mark.parametrize("kind", [bytes, lambda size: "x" * size, lambda n: [bytes(n), {"a": 1}]])
def test_what_clients_send_is_no_exception(size, kind):
    extra = {"args": [kind(size), 1, -1, 0.5, None], "promise": "*", "t": 15.0}
    data = msgpack.packb(extra)
    assert walk.keys(data, 0) == [b"args", b"promise", b"t"]
    for cut in (1, 2, 6, len(data) // 2, len(data) - 1):
        with pytest.raises(walk.Unusual):
            walk.keys(data[:cut], 0)


def test_many_small_values_are_for_the_c_reader():
    with pytest.raises(walk.Unusual):
        walk.keys(msgpack.packb({"args": list(range(100))}), 0)
    with pytest.raises(walk.Unusual):
        walk.keys(b"\x81\xa1a" + b"\x91" * 1000, 0)

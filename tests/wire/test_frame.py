"""Any bytes may come in; what goes out is the same message with another header."""

import contextlib

import msgpack
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hyphad.wire import frame
from hyphad.wire.frame import FIRST_LOOK, RESERVED, BadFrame

HEADER = {"type": "method", "to": "ws-a/c1", "method": "services.x.f", "session": "S" * 22}
EXTRA = {"args": ["World"], "promise": "*", "t": 15.0}
OVERLONG_CTX = b"\xa4\xc1\xa3tx"  # four bytes that the JavaScript decoder reads as "ctx"


def make(header, *rest):
    return b"".join(map(msgpack.packb, (header, *rest)))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8))
    | st.builds(msgpack.Timestamp, st.integers(0, 1 << 40), st.integers(0, 999_999_999))
)
packable = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=5)
    ),
    max_leaves=12,
)
headers = st.dictionaries(st.text(max_size=12), packable, max_size=20)
extras = st.dictionaries(
    st.text(max_size=12).filter(lambda key: key not in RESERVED), packable, max_size=8
)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xc1")
@example(b"\x80")
@example(b"\x81\xa1a")
@example(b"\x80\xdf\xff\xff\xff\xff")
@example(b"\x80\xde\xff\xff" + b"\xa0\xc0" * 40)
@example(b"\x81\x91\x01\x02")
@example(b"\xdd\xff\xff\xff\xff" * 40)
@example(b"\x80\xa0")
@example(b"\x80\xd7\xff" + b"\xff" * 8)
@example(b"\x81\xa1t\xd7\xff" + b"\xff" * 8)
@example(b"\x81\xa1t\xc7\x05\xff\x00\x00\x00\x00\x00")
def test_any_bytes_are_a_header_or_a_bad_frame(data):  # WIRE-40
    try:
        header, offset, clean = frame.split(data)
    except BadFrame as error:
        assert str(error)
        return
    assert isinstance(header, dict)
    assert 0 < offset <= len(data)
    assert isinstance(clean, bool)
    frame.head(header)


@given(headers, st.binary(max_size=100))
def test_a_header_with_anything_behind_it_never_crashes(header, garbage):  # WIRE-40
    data = frame.pack(header) + garbage
    try:
        found, offset, _ = frame.split(data)
    except BadFrame:
        return
    assert found == header
    assert data[offset:] == garbage


@given(headers, extras, st.binary(max_size=20))
def test_a_frame_is_split_where_its_header_ends(header, extra, trailing):  # WIRE-35, WIRE-38
    packed, rest = frame.pack(header), frame.pack(extra) + trailing
    assert frame.split(packed + rest) == (header, len(packed), True)
    assert frame.split(packed) == (header, len(packed), True)


@given(headers)
def test_a_repacked_header_decodes_to_the_same_fields(header):  # WIRE-38
    packed = frame.head(header)
    assert frame.unpack(packed) == header
    assert frame.split(packed) == (header, len(packed), True)


@given(headers, st.dictionaries(st.sampled_from("ABCDEFG"), packable, max_size=7))
def test_a_stamp_is_as_good_as_fields(header, stamp):  # WIRE-41
    header = {key: value for key, value in header.items() if key not in stamp}
    packed = frame.head(header, frame.pairs(stamp), len(stamp))
    assert frame.unpack(packed) == {**header, **stamp}


raw_pairs = st.lists(
    st.tuples(
        st.sampled_from(["type", "to", "from", "a", "b", "c"]) | st.integers(0, 2) | st.text("ab"),
        packable,
    ),
    max_size=18,
)


@given(raw_pairs, st.sampled_from([0x80, 0xDE, 0xDF]), st.binary(max_size=20))
def test_a_spliced_header_says_what_was_read_and_no_more(pairs, form, rest):  # WIRE-42, WIRE-45
    """A key that stands twice must not be read one way here and another way there."""
    if form == 0x80:
        assume(len(pairs) <= 15)
        start = bytes((0x80 | len(pairs),))
    else:
        start = bytes((form,)) + len(pairs).to_bytes(2 if form == 0xDE else 4, "big")
    raw = start + b"".join(frame.pack(key) + frame.pack(value) for key, value in pairs)
    header, offset, _ = frame.split(raw)
    stamp = {"ws": "ws-a", "user": {"id": "u"}}
    header = {key: value for key, value in header.items() if key not in stamp}
    assume(header == dict(pairs))
    spliced = frame.splice(raw + rest, offset, header, frame.pairs(stamp), 2)
    assert frame.unpack(spliced) == {**header, **stamp}
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(spliced)
    assert unpacker.read_map_header() == len(header) + 2, "no key stands twice"


@pytest.mark.parametrize("count", [0, 1, 12, 13, 15, 16, 17, 300, 0xFFFC, 0xFFFD, 0xFFFF, 0x10000])
def test_headers_with_any_number_of_fields(count):  # WIRE-38
    header = {f"k{i}": i for i in range(count)}
    stamp = {"from": "ws-a/c1", "ws": "ws-a", "user": {"id": "u"}}
    packed = frame.head(header, frame.pairs(stamp), 3)
    assert frame.unpack(packed) == {**header, **stamp}
    found, offset, clean = frame.split(packed + frame.pack(EXTRA))
    assert (found, offset, clean) == ({**header, **stamp}, len(packed), True)


@pytest.mark.parametrize("key", sorted(RESERVED))
@pytest.mark.parametrize("before", [0, 1, 20])
def test_a_reserved_key_in_the_extra_is_found(key, before):  # WIRE-42
    extra = {f"k{i}": [i] for i in range(before)}
    _, offset, clean = frame.split(make(HEADER, {**extra, key: "forged"}))
    assert not clean
    assert offset == len(make(HEADER))
    assert frame.split(make(HEADER, {**extra, key + "_": 1}))[2]


@pytest.mark.parametrize("padding", [FIRST_LOOK - 200, FIRST_LOOK, 3 * FIRST_LOOK, 300_000])
def test_a_reserved_key_behind_a_long_value_is_found(padding):  # WIRE-42
    value = b"x" * padding
    assert frame.split(make(HEADER, {"args": [value], "promise": "*"}))[2]
    assert not frame.split(make(HEADER, {"args": [value], "ctx": {}}))[2]
    assert not frame.split(make(HEADER, {"args": value, "a": {}, "b": [value], "from": "x"}))[2]


@given(st.integers(FIRST_LOOK - 400, FIRST_LOOK + 10), st.sampled_from(["ctx", "okay"]))
def test_keys_are_found_wherever_the_first_look_ends(padding, key):  # WIRE-42
    data = make(HEADER, {"args": ["x" * padding], key: {"a": [1, 2, 3]}, "t": 1.0})
    header, offset, clean = frame.split(data)
    assert header == HEADER
    assert offset == len(make(HEADER))
    assert clean is (key == "okay")


@pytest.mark.parametrize("size", [FIRST_LOOK - 100, FIRST_LOOK, 2 * FIRST_LOOK, 1 << 20])
def test_a_long_header(size):  # WIRE-38
    header = {**HEADER, "data": {"text": "x" * size, "list": list(range(500))}}
    packed = frame.pack(header)
    assert frame.split(packed + frame.pack(EXTRA)) == (header, len(packed), True)
    assert frame.split(packed) == (header, len(packed), True)
    assert not frame.split(packed + frame.pack({"ctx": 1}))[2]
    for cut in (1, FIRST_LOOK - 1, FIRST_LOOK, len(packed) - 1):
        with pytest.raises(BadFrame):
            frame.split(packed[: min(cut, len(packed) - 1)])


def test_a_header_of_too_many_values_is_not_built():  # WIRE-40, WIRE-89
    header = {**HEADER, "data": [[1, {"a": 2}]] * (frame.MAX_VALUES // 4)}
    with pytest.raises(BadFrame, match="more than 150000 values"):
        frame.split(frame.pack(header) + frame.pack(EXTRA))
    begun = frame.pack({**HEADER, "x": 1})[:-1] + b"\xdd\xff\xff\xff\xff"
    with pytest.raises(BadFrame, match="truncated"):
        frame.split(begun + b"\xc6\x7f\xff\xff\xff" + bytes(frame.PLAIN_HEADER))
    for data in ([1] * (frame.MAX_VALUES - 100), bytes(1 << 20), ["x" * 1000] * 1000):
        header = {**HEADER, "data": data}
        assert frame.split(frame.pack(header))[0] == header


@pytest.mark.parametrize("key", [[[1] * 50] * 50, {i: i for i in range(500)}, b"ctx"])
def test_a_key_that_is_no_short_text_makes_an_extra_unclean(key):  # WIRE-42
    start = frame.pack(HEADER)
    for value in (1, "x" * FIRST_LOOK):
        assert frame.split(start + b"\x81" + frame.pack(key) + frame.pack(value))[2] is False


@pytest.mark.parametrize(
    "encoded",
    [
        b"\xd9\x03ctx",
        b"\xda\x00\x03ctx",
        b"\xdb\x00\x00\x00\x03ctx",
        b"\xc4\x03ctx",
        b"\x01",
        b"\xc0",
        OVERLONG_CTX,
        b"\xa3ct\xc1",
        b"\xa6\xe0\x81\xa3ctx",
        b"\xa3\xff\xfe\xfd",
        b"\x93\xa1c\xa1t\xa1x",
    ],
)
def test_keys_that_are_no_plain_names_may_not_pass(encoded):  # WIRE-42
    head, value = frame.pack(HEADER), b"\xc0"
    try:
        clean = frame.split(head + b"\x81" + encoded + value)[2]
    except BadFrame:
        return
    assert not clean


def test_text_that_another_decoder_reads_as_a_reserved_word_may_not_pass():  # WIRE-42, WIRE-43
    """The JavaScript client's decoder does not check its UTF-8: `c1 a3` is an overlong `c`."""
    field = OVERLONG_CTX + b"\x81\xa2id\xa4root"
    in_extra = frame.pack(HEADER) + b"\x82" + frame.pairs({"args": []}) + field
    in_header = b"\x85" + frame.pairs(HEADER) + field
    as_type = b"\x82" + frame.pairs({"to": "x"}) + b"\xa4type\xab\xc1\xa6orce-exit"
    for data in (in_extra, in_header, in_header + frame.pack(EXTRA), as_type):
        assert frame.split(data)[2] is False


def test_broken_text_in_values_passes_as_it_came():  # WIRE-38
    """JavaScript sends lone surrogates as three bytes that are not UTF-8."""
    raw = b"\x83" + frame.pairs({"to": "x", "type": "note"}) + b"\xa4data\xa3\xed\xa0\x80"
    header, offset, clean = frame.split(raw + frame.pack(EXTRA))
    assert (offset, clean) == (len(raw), True)
    assert frame.head(header) == raw


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        b"\x01",
        b"\xa3abc",
        frame.pack([1, 2]),
        frame.pack("text"),
        b"\x81",
        b"\x82\xa2to",
        b"\x80\x81",
        b"\x80\x82\xa1a\x01",
        b"\x80\x90",
        b"\x80\xc0",
        b"\x80\xa3abc",
        frame.pack(HEADER) + b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\x90\x01",
        b"\x81\x80\x01",
        b"not msgpack at all",
        b'{"type": "method"}',
    ],
)
def test_what_is_no_frame(data):  # WIRE-40
    with pytest.raises(BadFrame):
        frame.split(data)


@pytest.mark.parametrize("size", [400, FIRST_LOOK, 100_000])
def test_announced_but_missing_elements_cost_nothing(size, monkeypatch):  # WIRE-40
    """A few bytes announce lists of millions of elements, one in the other: none is built."""
    built = []
    real = msgpack.unpackb
    monkeypatch.setattr(msgpack, "unpackb", lambda d, **k: built.append(len(d)) or real(d, **k))
    bomb = (b"\xdd" + (size - 10).to_bytes(4, "big")) * 60
    bomb += b"\xc0" * (size - len(bomb))
    for data in (bomb, b"\x81\xa4type" + bomb, frame.pack(HEADER) + b"\x81" + bomb):
        with pytest.raises(BadFrame):
            frame.split(data)
        with pytest.raises(BadFrame):
            frame.unpack(b"\x91" + bomb)
    assert set(built) == {len(frame.pack(HEADER))}, "only the one header that was complete"


@pytest.mark.parametrize("levels", [300, 700, 1020, 5000, 100_000])
def test_a_header_that_could_not_be_written_again_is_bad(levels):  # WIRE-40
    deep = frame.pairs({"to": "a", "type": "x"}) + b"\xa4data" + b"\x91" * levels + b"\xc0"
    try:
        header, _, _ = frame.split(b"\x83" + deep)
    except BadFrame:
        assert levels > 300
        return
    assert frame.head(header) == b"\x83" + deep


def test_the_deepest_header():  # WIRE-40
    start = b"\x83" + frame.pairs({"to": "a", "type": "x"}) + b"\xa4data"
    deepest = start + b"\x91" * (frame.MAX_DEPTH - 1) + b"\xc0"
    assert frame.head(frame.split(deepest)[0]) == deepest
    with pytest.raises(BadFrame, match="nested too deeply"):
        frame.split(start + b"\x91" * frame.MAX_DEPTH + b"\xc0")


@pytest.mark.parametrize("levels", [500, 1000, 100_000])
def test_nesting_in_the_extra_is_not_looked_into_or_refused(levels):
    data = frame.pack(HEADER) + b"\x81\xa4args" + b"\x91" * levels + b"\xc0"
    if levels <= 1000:
        assert frame.split(data) == (HEADER, len(frame.pack(HEADER)), True)
    else:
        with pytest.raises(BadFrame):
            frame.split(data)


def test_more_keys_than_any_message_has_may_not_pass():
    few = {f"k{i}": None for i in range(frame.MAX_KEYS)}
    assert frame.split(make(HEADER, few))[2]
    assert not frame.split(make(HEADER, {**few, "one": None}))[2]


@pytest.mark.parametrize("empty", [b"\x80", b"\x90"])
def test_more_containers_than_memory_is_kept_for_are_refused(empty, monkeypatch):
    """One byte of message makes 64 of memory, so their number is bounded whatever is announced."""
    monkeypatch.setattr(frame, "MAX_CONTAINERS", 1000)
    fits = b"\xdc" + (999).to_bytes(2, "big") + empty * 999
    assert len(frame.unpack(fits)) == 999
    beyond = b"\xdc" + (1001).to_bytes(2, "big") + empty * 1001
    with pytest.raises(BadFrame, match="too many values"):
        frame.unpack(beyond)
    with pytest.raises(BadFrame, match="too many values"):
        frame.split(b"\x81\xa4data" + beyond)
    numbers = frame.pack(list(range(5000)))
    assert frame.unpack(numbers) == list(range(5000))


@given(packable, st.binary(max_size=10))
def test_a_value_is_read_whatever_follows_it(value, trailing):  # WIRE-35, WIRE-71
    packed = frame.pack(value)
    assert frame.unpack(packed + trailing) == value
    assert frame.unpack(memoryview(packed + trailing)) == value
    assert frame.pack(frame.unpack(packed)) == packed


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_bad_frame(data):
    try:
        value = frame.unpack(data)
    except BadFrame as error:
        assert str(error)
        return
    frame.pack(value)


EVIL = frame.pack({"type": "method", "to": "*/manager-x", "method": "services.default.evil"})
LEFTOVERS = {
    "behind the extra": make(HEADER, EXTRA) + EVIL,
    "behind a reserved key": frame.pack(HEADER) + b"\x82" + frame.pairs({"ctx": 1}) + EVIL,
    "behind a key that is none": frame.pack(HEADER) + b"\x82\x01" + EVIL,
    "behind a broken extra": frame.pack(HEADER) + b"\xc1" + EVIL,
    "behind a header that is no map": b"\x90" + EVIL,
    "behind broken text": b"\x81\xa1\xff\xc0" + EVIL,
    "behind an extra that is cut off": frame.pack(HEADER) + b"\x82\xa1a",
    "beyond the first look": make(HEADER, {"args": [b"x" * FIRST_LOOK]}) + EVIL,
    "at the first look's end": make(HEADER, {"a": b"x" * (FIRST_LOOK - 80)}, {"b": 1}) + EVIL,
    "a reserved key without its value": frame.pack(HEADER) + b"\x81" + frame.pack("ctx"),
    "an announced extra alone": frame.pack(HEADER) + b"\xdf\x00\x00\xff\xff",
    "a header cut off": frame.pack(HEADER)[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_no_byte_of_a_frame_is_read_with_the_next(leftover):  # WIRE-42
    """The reader is used again for the next frame, which may be another client's."""
    expected = (HEADER, len(frame.pack(HEADER)), True)
    for _ in range(3):
        with contextlib.suppress(BadFrame):
            frame.split(LEFTOVERS[leftover])
        assert frame.split(make(HEADER, EXTRA)) == expected
        assert frame.split(make(HEADER)) == expected


@given(st.lists(st.sampled_from(sorted(LEFTOVERS)) | st.binary(max_size=60), max_size=12))
def test_a_frame_means_the_same_whatever_came_before(before):  # WIRE-42
    for data in before:
        with contextlib.suppress(BadFrame):
            frame.split(data if isinstance(data, bytes) else LEFTOVERS[data])
    assert frame.split(make(HEADER, EXTRA)) == (HEADER, len(frame.pack(HEADER)), True)


def test_the_frame_of_the_specification():  # WIRE-36, section 17
    frm = "ws-user-anonymouz-serene-havarti-97414469/provider1"
    header = {
        "type": "method",
        "from": frm,
        "to": "*/manager-elated-viola-83420348",
        "method": "services.default.subscribe",
        "session": "gHub5p2DG5UdeD6rRbPzgm",
    }
    extra = {"args": [["client_disconnected"]], "promise": "*", "t": 15.0}
    data = make(header, extra)
    assert len(data) == 220
    assert frame.split(data) == (header, len(make(header)), True)


@pytest.mark.parametrize(
    "extra",
    [
        {"_enc": {"v": 2, "pub": b"p" * 32, "nonce": b"n" * 24}, "data": b"cipher"},
        {"args": [], "with_kwargs": True, "promise": {"resolve": {}}, "t": 1},
        {},
    ],
)
def test_the_extras_that_clients_send_may_pass(extra):  # WIRE-37, WIRE-84
    assert frame.split(make(HEADER, extra))[2]

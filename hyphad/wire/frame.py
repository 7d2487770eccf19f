"""Header and body of a frame: taken apart, checked, and put together with the body untouched.

A frame is one or two msgpack maps without separator: the header with the routing, and the extra
with the payload (WIRE-35). The server reads the header alone; the extra passes as bytes.

What comes in may be made to hurt. A few bytes can announce arrays of millions of elements, one in
the other, so nothing is built before a first pass has seen that all of it is there. And text that
is no UTF-8 may read as a reserved word elsewhere (the JavaScript decoder takes `c1 a3 74 78` for
`ctx`), so such text is no name.
"""

import re
from collections.abc import Callable
from typing import Any

import msgpack

from hyphad.wire import walk

FIRST_LOOK = 4096
SMALL_ARRAY = 64
MAX_SMALL_MAP = 15
MAX_DEPTH = 400
PLAIN_HEADER = 1 << 16
MAX_VALUES = 150_000
MAX_KEYS = 1024
MAX_KEY = FIRST_LOOK
MAX_CONTAINERS = 1 << 20
RESERVED = frozenset(("type", "from", "to", "ws", "user", "ctx", "method", "session", "parent"))
_RESERVED = frozenset(map(str.encode, RESERVED))

Buffer = bytes | memoryview
HEADER_TOO_LARGE = f"the header has more than {MAX_VALUES} values"
_NESTED = frozenset((dict, list))
_SURROGATE = re.compile("[\ud800-\udfff]")
_BROKEN = (ValueError, TypeError, msgpack.UnpackException, RecursionError)


class BadFrame(Exception):
    """Not a msgpack map in front, or a broken one; `header` where only the extra is broken."""

    def __init__(self, reason: str, header: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.header = header


def pack(value: Any) -> bytes:
    """msgpack with strings as they came, even if they are not valid UTF-8."""
    packed: bytes = msgpack.packb(value, unicode_errors="surrogateescape")
    return packed


def pack_with(
    value: Any, special: Callable[[Any], Any], text_errors: str = "surrogateescape"
) -> bytes:
    """msgpack with a function that turns what it cannot express into what it can."""
    packed: bytes = msgpack.packb(value, default=special, unicode_errors=text_errors)
    return packed


def unpack(data: Buffer) -> Any:
    """The msgpack value in front of `data`; what follows it is ignored, as peers do (WIRE-35).

    Ext types and timestamps stay what they are (WIRE-71). Raises `BadFrame`, also for values with
    over a million maps and lists.
    """
    try:
        unpacker = _unpacker(data, len(data))
        unpacker.skip()
        return _build(data, unpacker.tell())
    except _BROKEN as error:
        raise BadFrame(_reason(error)) from None


# An unpacker that is not in use: making one costs as much as reading a header.
_spare: list[Any] = []


def split(data: bytes) -> tuple[dict[str, Any], int, bool]:
    """`(header, offset, clean)`: the header map, where the extra starts, whether its keys may pass.

    `clean` is false where the extra has a key that receivers would take for a header field
    (WIRE-42), or over a thousand keys, or where a name is no UTF-8. No value of the extra
    is decoded, and long ones are stepped over without a copy. Raises `BadFrame`.
    """
    try:
        try:
            return _split_short(data)
        except _BROKEN:
            return _split_any(data)
    except _BROKEN as error:
        raise BadFrame(_reason(error)) from None


def _split_short(data: bytes) -> tuple[dict[str, Any], int, bool]:
    """Nearly every frame, in one pass. Raises for all that is unusual."""
    size = len(data)
    if size > FIRST_LOOK:
        return _split_long(data)
    unpacker = _spare.pop() if _spare else _empty(FIRST_LOOK)
    begin = unpacker.tell()
    unpacker.feed(data)
    header = unpacker.unpack()
    offset = unpacker.tell() - begin
    _check_header(header)
    clean = offset == size or _extra_is_clean(unpacker)
    if unpacker.tell() - begin == size and not _spare:
        _spare.append(unpacker)  # It has read all it was given: as good as a new one.
    return header, offset, clean


def _split_long(data: bytes) -> tuple[dict[str, Any], int, bool]:
    """A short header, and few values of any length. Raises for all that is unusual."""
    unpacker = _spare.pop() if _spare else _empty(FIRST_LOOK)
    begin = unpacker.tell()
    unpacker.feed(memoryview(data)[:FIRST_LOOK])
    header = unpacker.unpack()
    offset = unpacker.tell() - begin
    unpacker.read_bytes(FIRST_LOOK - offset)
    if not _spare:
        _spare.append(unpacker)
    _check_header(header)
    return header, offset, _RESERVED.isdisjoint(walk.keys(data, offset))


def _split_any(data: bytes) -> tuple[dict[str, Any], int, bool]:
    """A long header, keys that reach far into the extra, text that is no UTF-8, or a bad frame."""
    if len(data) > PLAIN_HEADER and walk.has_more(data, MAX_VALUES):
        raise ValueError(HEADER_TOO_LARGE)
    unpacker = _unpacker(data, len(data))
    unpacker.skip()
    offset = unpacker.tell()
    header = _build(data, offset)
    _check_header(header)
    clean = all(map(_is_name, header)) and _is_name(header.get("type", ""))
    if clean and offset < len(data):
        try:
            clean = _long_extra_is_clean(data, offset)
        except UnicodeDecodeError:
            clean = False
        except _BROKEN as error:
            raise BadFrame(_reason(error), header) from None
    return header, offset, clean


def _unpacker(data: Buffer, size: int) -> Any:
    """A reader of `data` that decodes only small things with valid text, and skips anything."""
    unpacker = _empty(size)
    unpacker.feed(data)
    return unpacker


def _empty(size: int) -> Any:
    return msgpack.Unpacker(
        strict_map_key=False, max_array_len=SMALL_ARRAY, max_buffer_size=max(size, 1)
    )


def _build(data: Buffer, end: int) -> Any:
    """The value in `data[:end]`, of which a first pass has shown that it is complete."""
    hook = _counter() if end > MAX_CONTAINERS else None
    return msgpack.unpackb(
        memoryview(data)[:end],
        strict_map_key=False,
        unicode_errors="surrogateescape",
        list_hook=hook,
        object_hook=hook,
    )


def _counter() -> Callable[[Any], Any]:
    """A hook that lets a million maps and lists pass: one byte of message makes 64 of memory."""
    left = MAX_CONTAINERS

    def counted(container: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("too many values")
        return container

    return counted


def _check_header(header: Any) -> None:
    if not isinstance(header, dict):
        raise ValueError("header is not a map")
    for value in header.values():
        if type(value) in _NESTED and not _is_shallow(value, MAX_DEPTH - 1):
            raise ValueError("nested too deeply")


def _is_shallow(value: Any, levels: int) -> bool:
    """Whether what could be read can be written too, whatever the limit of the packer."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    if levels == 0:
        return False
    for item in value:  # noqa: SIM110 - one stack frame a level, not two
        if not _is_shallow(item, levels - 1):
            return False
    return True


def _extra_is_clean(unpacker: Any) -> bool:
    count = unpacker.read_map_header()
    if count > MAX_KEYS:
        return False
    unpack, skip = unpacker.unpack, unpacker.skip
    for _ in range(count):
        key = unpack()
        if type(key) is not str or key in RESERVED:
            return False
        skip()
    return True


def _long_extra_is_clean(data: bytes, offset: int) -> bool:
    """As `_extra_is_clean`, where keys too may be made to hurt: long ones are not even built."""
    extra = memoryview(data)[offset:]
    unpacker = _unpacker(extra, len(extra))
    count, at = unpacker.read_map_header(), unpacker.tell()
    if count > MAX_KEYS:
        return False
    for _ in range(count):
        unpacker.skip()
        end = unpacker.tell()
        if end - at > MAX_KEY:
            return False
        key = msgpack.unpackb(extra[at:end], strict_map_key=False)
        if type(key) is not str or key in RESERVED:
            return False
        unpacker.skip()
        at = unpacker.tell()
    return True


def _is_name(key: Any) -> bool:
    """No text with bytes that are not UTF-8; they were read as lone surrogates."""
    return not isinstance(key, str) or key.isascii() or not _SURROGATE.search(key)


def _reason(error: Exception) -> str:
    if isinstance(error, msgpack.OutOfData):
        return "truncated"
    return str(error) or type(error).__name__


def pairs(fields: dict[str, Any]) -> bytes:
    """The fields as msgpack key-value pairs without the map's own head; at most 15 of them."""
    return pack(fields)[1:]


def splice(data: bytes, offset: int, header: dict[str, Any], stamp: bytes, stamped: int) -> bytes:
    """The header of a frame as it came, `data[:offset]`, with `stamped` packed pairs added.

    Packs the map again only where its bytes say something else than `header` does: a longer form
    of the map, or a key that stood in it twice.
    """
    count = len(header)
    if data[0] != 0x80 | count or count + stamped > MAX_SMALL_MAP:
        return head(header, stamp, stamped)
    return b"%c%b%b" % (data[0] + stamped, data[1:offset], stamp)


def head(fields: dict[str, Any], stamp: bytes = b"", stamped: int = 0) -> bytes:
    """A header map of `fields` plus `stamped` pairs that are packed already."""
    count = len(fields) + stamped
    packed = pack(fields)
    if len(fields) <= MAX_SMALL_MAP:
        packed = packed[1:]
    else:
        packed = packed[3:] if len(fields) <= 0xFFFF else packed[5:]
    if count <= MAX_SMALL_MAP:
        return bytes((0x80 | count,)) + packed + stamp
    if count <= 0xFFFF:
        return b"\xde" + count.to_bytes(2, "big") + packed + stamp
    return b"\xdf" + count.to_bytes(4, "big") + packed + stamp

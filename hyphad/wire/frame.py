"""Header and body of a frame: taken apart, checked, and put together with the body untouched.

A frame is one or two msgpack maps without separator: the header with the routing, and the extra
with the payload (WIRE-35). The server reads the header alone; the extra passes as bytes.
"""

from collections.abc import Callable
from typing import Any

import msgpack

FIRST_LOOK = 4096
MAX_SMALL_MAP = 15
RESERVED = frozenset(("type", "from", "to", "ws", "user", "ctx", "method", "session", "parent"))


class BadFrame(Exception):
    """Not a msgpack map in front, or a broken one."""


def pack(value: Any) -> bytes:
    """msgpack with strings as they came, even if they are not valid UTF-8."""
    packed: bytes = msgpack.packb(value, unicode_errors="surrogateescape")
    return packed


def pack_with(value: Any, special: Callable[[Any], Any]) -> bytes:
    """msgpack with a function that turns what it cannot express into what it can."""
    packed: bytes = msgpack.packb(value, default=special, unicode_errors="surrogateescape")
    return packed


def unpack(data: bytes | memoryview) -> Any:
    """One whole msgpack value; ext types and timestamps stay what they are (WIRE-71)."""
    try:
        return msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogateescape")
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise BadFrame(str(error) or type(error).__name__) from None


def split(data: bytes) -> tuple[dict[str, Any], int, bool]:
    """`(header, offset, clean)`: the header map, where the extra starts, and whether its keys may pass.

    `clean` is false where the extra has a key that receivers would take for a header field
    (WIRE-42). Only the first 4 KiB are looked at, unless the keys of the extra reach further; no
    value of the extra is decoded. Raises `BadFrame`.
    """
    unpacker = _unpacker(len(data))
    unpacker.feed(memoryview(data)[:FIRST_LOOK] if len(data) > FIRST_LOOK else data)
    fed = FIRST_LOOK
    try:
        try:
            header = unpacker.unpack()
        except msgpack.OutOfData:
            if fed >= len(data):
                raise BadFrame("truncated header") from None
            unpacker = _fed(data)
            fed = len(data)
            header = unpacker.unpack()
        if not isinstance(header, dict):
            raise BadFrame("header is not a map")
        offset = unpacker.tell()
        if offset == len(data):
            return header, offset, True
        try:
            clean = _extra_is_clean(unpacker)
        except msgpack.OutOfData:
            if fed >= len(data):
                raise BadFrame("truncated payload") from None
            unpacker = _fed(data)
            unpacker.skip()
            clean = _extra_is_clean(unpacker)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise BadFrame(str(error) or type(error).__name__) from None
    return header, offset, clean


def _unpacker(size: int) -> Any:
    return msgpack.Unpacker(
        strict_map_key=False,
        unicode_errors="surrogateescape",
        max_buffer_size=max(size, FIRST_LOOK),
    )


def _fed(data: bytes) -> Any:
    unpacker = _unpacker(len(data))
    unpacker.feed(data)
    return unpacker


def _extra_is_clean(unpacker: Any) -> bool:
    for _ in range(unpacker.read_map_header()):
        key = unpacker.unpack()
        if key in RESERVED or not isinstance(key, str):
            return False
        unpacker.skip()
    return True


def pairs(fields: dict[str, Any]) -> bytes:
    """The fields as msgpack key-value pairs without the map's own head; at most 15 of them."""
    return pack(fields)[1:]


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
    return b"\xde" + count.to_bytes(2, "big") + packed + stamp

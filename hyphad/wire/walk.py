"""The keys of a msgpack map, found without copying or decoding its values.

names = keys(data, start)       # of the map at `start`

For frames whose few values are long: a step over a picture of a megabyte costs as much as one over
a number. For many small values the C reader of `msgpack` is faster.
"""

MAX_STEPS = 64

# By the first byte, from 0xc4 on: (bytes that tell a length, bytes that follow anyway).
_LENGTHS: dict[int, tuple[int, int]] = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0),  # bin
    0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),  # ext
    0xCA: (0, 4), 0xCB: (0, 8),  # float
    0xCC: (0, 1), 0xCD: (0, 2), 0xCE: (0, 4), 0xCF: (0, 8),  # uint
    0xD0: (0, 1), 0xD1: (0, 2), 0xD2: (0, 4), 0xD3: (0, 8),  # int
    0xD4: (0, 2), 0xD5: (0, 3), 0xD6: (0, 5), 0xD7: (0, 9), 0xD8: (0, 17),  # fixext
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),  # str
}  # fmt: skip
_CONSTANTS = frozenset((0xC0, 0xC2, 0xC3))
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


class Unusual(ValueError):
    """Broken, or too much of it for steps in Python: this is for the C reader."""


class TooMany(Unusual):
    """More values than steps."""


def keys(data: bytes, at: int) -> list[bytes]:
    """The keys of the map that starts at `at` and ends within `data`, as their bytes.

    Raises `Unusual` where it is no small map, a key is no short ASCII text, or 64 steps are not
    enough.
    """
    try:
        found, at = _keys(data, at)
    except IndexError:
        raise Unusual("truncated") from None
    if at > len(data):
        raise Unusual("truncated")
    return found


def has_more(data: bytes, values: int) -> bool:
    """Whether the value that `data` begins with is made of more than so many, as far as it goes."""
    try:
        _skip(data, 0, values)
    except TooMany:
        return True
    except (Unusual, IndexError):
        pass
    return False


def _keys(data: bytes, at: int) -> tuple[list[bytes], int]:
    first = data[at]
    if first & 0xF0 != 0x80:
        raise Unusual("not a small map")
    at, left = at + 1, MAX_STEPS
    found = []
    for _ in range(first & 0x0F):
        first = data[at]
        if first & 0xE0 == 0xA0:
            start = at + 1
        elif first == 0xD9:
            start = at + 2
        else:
            raise Unusual("not a short text")
        at, left = _skip(data, at, left)
        key = data[start:at]
        if not key.isascii():
            raise Unusual("not ASCII")
        found.append(key)
        at, left = _skip(data, at, left)
    return found, at


def _skip(data: bytes, at: int, left: int) -> tuple[int, int]:
    """The position behind the value at `at`, maybe beyond the end, and how many steps are left."""
    waiting = 1
    while waiting:
        left -= 1
        if left < 0:
            raise TooMany("many values")
        waiting -= 1
        first = data[at]
        at += 1
        if first < 0x80 or first >= 0xE0 or first in _CONSTANTS:
            continue
        if first < 0x90:
            waiting += (first & 0x0F) * 2
        elif first < 0xA0:
            waiting += first & 0x0F
        elif first < 0xC0:
            at += first & 0x1F
        elif first in _CONTAINERS:
            width, values = _CONTAINERS[first]
            waiting += int.from_bytes(data[at : at + width], "big") * values
            at += width
        elif first in _LENGTHS:
            width, more = _LENGTHS[first]
            at += width + more + int.from_bytes(data[at : at + width], "big")
        else:
            raise Unusual("not msgpack")
    return at, left

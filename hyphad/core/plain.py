"""What may be kept and shown to others: plain JSON values that every client can read back.

A record that one client may store and another cannot decode would break every list it is part of.
The clients' decoders want string keys, valid text, 64-bit integers and a bounded depth; browsers
take no `NaN`.
"""

import json
from typing import Any

MAX_DEPTH = 64
_PLAIN = frozenset((str, float, bool, type(None)))


def plain_json(value: Any) -> str:
    """The value as JSON text. Raises `ValueError` with what is wrong with it.

    >>> plain_json({"a": [1, None]})
    '{"a": [1, null]}'
    """
    _check(value, MAX_DEPTH)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("text that is not valid UTF-8") from None
    return text


def _check(value: Any, levels: int) -> None:
    if isinstance(value, dict):
        for kind in set(map(type, value)):
            if not issubclass(kind, str):
                raise ValueError(f"keys must be strings, not {kind.__name__}")
        value = value.values()
    elif not isinstance(value, list):
        _check_single(value)
        return
    if levels == 0:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    for item in value:
        if type(item) not in _PLAIN:
            _check(item, levels - 1)


def _check_single(value: Any) -> None:
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise ValueError("an integer of more than 64 bits")
    elif value is not None and not isinstance(value, str | float):
        raise ValueError(f"no {type(value).__name__} in JSON")

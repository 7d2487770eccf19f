"""Values with an `_rtype`, for the few places where the server itself speaks (WIRE-70 to WIRE-72).

The codec is lossless: special maps stay maps, so that what passes through the manager comes out as
it went in. Only relative addresses are made absolute, because they mean something else elsewhere.
"""

from collections.abc import Callable
from typing import Any

from hyphad.wire import frame

Value = Any
_MARK = b"_rtype"
_ADDRESSED = ("method", "generator", "iostream")


def decode(data: bytes | memoryview, workspace: str) -> Value:
    """One packed value as plain data; relative `_rtarget`s become `workspace/...` (WIRE-72).

    Raises `frame.BadFrame` for broken or too deeply nested data.
    """
    value = frame.unpack(data)
    if _MARK in bytes(data):
        try:
            _make_absolute(value, workspace)
        except RecursionError:
            raise frame.BadFrame("nested too deeply") from None
    return value


def _make_absolute(value: Value, workspace: str) -> None:
    if isinstance(value, dict):
        target = value.get("_rtarget")
        if isinstance(target, str) and "/" not in target and value.get("_rtype") in _ADDRESSED:
            value["_rtarget"] = f"{workspace}/{target}"
        for item in value.values():
            if isinstance(item, dict | list):
                _make_absolute(item, workspace)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                _make_absolute(item, workspace)


def encode(
    value: Value,
    function: Callable[[Any], dict[str, Any] | None] | None = None,
    text_errors: str = "surrogateescape",
) -> bytes:
    """Pack a Python value; sets become `set` maps and callables what `function` makes of them.

    What was text in bytes that are no UTF-8 becomes those bytes again, unless `text_errors` is
    `strict`. Raises `TypeError`, `ValueError`.
    """

    def special(item: Any) -> Any:
        if isinstance(item, set | frozenset):
            return {"_rtype": "set", "_rvalue": list(item)}
        if isinstance(item, BaseException):
            return error(f"{type(item).__name__}: {item}")
        if function is not None:
            encoded = function(item)
            if encoded is not None:
                return encoded
        if isinstance(item, int):
            raise TypeError("an integer of more than 64 bits")
        raise TypeError(f"Unsupported data type: {type(item).__name__}")

    return frame.pack_with(value, special, text_errors)


def error(text: str, trace: str = "") -> dict[str, str]:
    """An error value: clients raise it as `RemoteError` (WIRE-64)."""
    return {"_rtype": "error", "_rvalue": text, "_rtrace": trace}


def is_method(value: Value) -> bool:
    return isinstance(value, dict) and value.get("_rtype") == "method"


def is_generator(value: Value) -> bool:
    return isinstance(value, dict) and value.get("_rtype") == "generator"


def is_end(value: Value) -> bool:
    """The value that ends a remote generator (WIRE-69)."""
    return isinstance(value, dict) and value.get("_rtype") == "stop_iteration"


def error_text(value: Value) -> tuple[str, str]:
    """`(text, trace)` of whatever a peer rejected a call with."""
    if isinstance(value, dict) and value.get("_rtype") == "error":
        return str(value.get("_rvalue", "")), str(value.get("_rtrace") or "")
    return str(value), ""

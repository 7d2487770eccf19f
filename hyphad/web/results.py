"""From what a service returned to the body of an answer (HTTP-53, HTTP-54).

Results are plain data with the maps of the RPC codec in it. JSON has no bytes, no arrays and no
NaN; who gets such a result is told to ask for MessagePack, with 406. Dates become ISO 8601 text and
numpy scalars become numbers. Arrays are read without numpy.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

import msgpack
from tornado.httputil import HTTPServerRequest

from hyphad.web.arguments import MSGPACK_TYPES
from hyphad.web.base import media_type
from hyphad.web.failures import Refusal
from hyphad.wire import frame, values

ADVICE = "use Content-Type: application/msgpack"
_BINARY_TYPES = ("ndarray", "typedarray", "memoryview")
_SCALARS = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i",
    "uint32": "I", "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """How results are written: JSON, or MessagePack where the client asked for it."""

    content_type: str

    @property
    def is_msgpack(self) -> bool:
        return self.content_type != JSON.content_type

    def encode(self, value: Any) -> bytes:
        """A result as bytes. Raises `Refusal` with 406 for what JSON cannot say."""
        if values.is_method(value) or values.is_generator(value):
            raise Refusal(
                500, "AssertionError: the result is a function; it cannot be handed out over HTTP"
            )
        if self.is_msgpack:
            return frame.pack(presented(value, binary=True))
        return encode_json(value)


JSON = Format("application/json")
MSGPACK = Format("application/msgpack")


def format_of(request: HTTPServerRequest) -> Format:
    """What the request's content type says, or else `Accept` (HTTP-54)."""
    if media_type(request.headers.get("Content-Type", "")) in MSGPACK_TYPES:
        return MSGPACK
    accepted = [media_type(item) for item in request.headers.get("Accept", "").split(",")]
    return MSGPACK if any(kind in MSGPACK_TYPES for kind in accepted) else JSON


def encode_json(value: Any, separators: tuple[str, str] = (",", ":")) -> bytes:
    """JSON of a result. Raises `Refusal` with 406."""
    value = presented(value, binary=False)
    try:
        text = json.dumps(
            value, ensure_ascii=False, separators=separators, allow_nan=False, default=_special
        )
    except (ValueError, TypeError, RecursionError) as error:
        reason = str(error).partition(":")[0]
        raise _unacceptable(f"{type(error).__name__}: {reason}") from None
    return text.encode(errors="replace")


def presented(value: Any, binary: bool) -> Any:
    """The value with its functions described instead of callable; `binary` keeps arrays."""
    if isinstance(value, dict):
        if "_rtype" in value:
            return _presented_special(value, binary)
        for key, item in value.items():
            if isinstance(item, dict | list):
                value[key] = presented(item, binary)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                value[index] = presented(item, binary)
    return value


def _presented_special(value: dict[str, Any], binary: bool) -> Any:
    kind = value["_rtype"]
    if kind == "method":
        return {"type": "function", "function": value.get("_rschema")}
    if kind == "generator":
        return {"type": "generator"}
    if kind in _BINARY_TYPES and not binary:
        number = scalar(value)
        if number is None:
            raise _unacceptable(f"TypeError: Object of type {kind} is not JSON serializable")
        return number
    rest = {key: presented(item, binary) for key, item in value.items() if key != "_rtype"}
    return {"_rtype": kind, **rest}


def scalar(value: dict[str, Any]) -> int | float | bool | None:
    """The number in an array without dimensions, as numpy scalars are sent; else None."""
    code = _SCALARS.get(str(value.get("_rdtype")))
    data = value.get("_rvalue")
    if code is None or value.get("_rshape") != [] or not isinstance(data, bytes):
        return None
    if len(data) != struct.calcsize("<" + code):
        return None
    number: int | float | bool = struct.unpack("<" + code, data)[0]
    return number


def _special(value: Any) -> Any:
    """What msgpack has and JSON has not."""
    if isinstance(value, msgpack.Timestamp):
        return value.to_datetime().isoformat().replace("+00:00", "Z")
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _unacceptable(reason: str) -> Refusal:
    return Refusal(406, f"{reason}; {ADVICE}")

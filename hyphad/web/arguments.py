"""From a query string or a request body to the arguments of a function (HTTP-41 to HTTP-47).

Values that the RPC codec knows (`{"_rtype": "ndarray", ...}`) pass untouched: the provider decodes
them itself. Only what would make the provider call somebody is refused.
"""

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from encodings import aliases, normalize_encoding
from typing import Any

import msgpack
from tornado.httputil import HTTPServerRequest

from hyphad.web.base import media_type
from hyphad.web.failures import Refusal
from hyphad.wire import frame

RESERVED = frozenset(("workspace", "service_id", "function_key", "_mode"))
MSGPACK_TYPES = ("application/msgpack", "application/x-msgpack")
JSON_TYPES = ("application/json", "text/plain", "")
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
FORM_TYPES = (URLENCODED, MULTIPART)
CALLABLE_TYPES = ("method", "generator")
MAX_DEPTH = 200  # what a Python client can still decode
LARGE = 1 << 20
_STEP = 1 << 20
_CHARSETS = frozenset((*aliases.aliases, *aliases.aliases.values()))


@dataclass(slots=True)
class Arguments:
    """What a function is called with. `listed` tells that the body was no map (HTTP-45).

    `reserved` holds what has the name of a part of the URL, and is not passed on (HTTP-41).
    """

    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    reserved: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def named(cls, values: dict[str, Any]) -> "Arguments":
        """Keyword arguments, those that are reserved apart."""
        reserved = {name: values.pop(name) for name in RESERVED if name in values}
        return cls(kwargs=values, reserved=reserved)

    @property
    def listed(self) -> bool:
        return bool(self.args)

    def by_number(self) -> None:
        """Turn positional arguments into the keywords `"0"`, `"1"` and so on."""
        self.kwargs = {str(index): value for index, value in enumerate(self.args)}
        self.args = []


def from_query(request: HTTPServerRequest) -> Arguments:
    """Keyword arguments from the query; the last of several values counts (HTTP-42)."""
    kwargs = {
        name: query_value(_text(given[-1], "utf-8"))
        for name, given in request.query_arguments.items()
    }
    _check(kwargs)
    return Arguments.named(kwargs)


def query_value(text: str) -> Any:
    """A number, or JSON if it begins with a brace, or else the text itself."""
    if text.isdecimal():
        try:
            return int(text)
        except ValueError:
            return text
    if text.startswith("{"):
        return _json(text)
    try:
        return float(text)
    except ValueError:
        return text


async def from_body(request: HTTPServerRequest, limit: int) -> Arguments:
    """Arguments from the body of a POST, by its media type (HTTP-43, HTTP-44, HTTP-46).

    `limit` is in bytes, for what comes out of a compressed body. Raises `Refusal`.
    """
    body = await _decoded(request, limit)
    if not body:
        return Arguments()
    kind = media_type(request.headers.get("Content-Type", ""))
    if kind in MSGPACK_TYPES:
        value = _msgpack(body)
        _check(value)
        return _arguments(value)
    if kind in JSON_TYPES or (kind == URLENCODED and body.lstrip()[:1] in (b"{", b"[")):
        text = _text(body, _charset(request))
        value = _json(text)
        if _is_suspicious(text):
            _check(value)
        return _arguments(value)
    if kind in FORM_TYPES:
        kwargs = _form(request)
        _check(kwargs)
        return Arguments.named(kwargs)
    raise Refusal(
        415,
        "Invalid content-type (supported types: application/msgpack, application/json, text/plain)",
        f"{kind[:100]} is not among them. HTML forms are accepted too.",
    )


def _arguments(value: Any) -> Arguments:
    if isinstance(value, dict):
        return Arguments.named(value)
    return Arguments(args=value if isinstance(value, list) else [value])


def _form(request: HTTPServerRequest) -> dict[str, Any]:
    """Fields are read like those of a query; files are bytes."""
    charset = _charset(request)
    kwargs = {
        name: query_value(_text(given[-1], charset))
        for name, given in request.body_arguments.items()
    }
    kwargs.update({name: files[-1].body for name, files in request.files.items() if files})
    return kwargs


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(str(error)) from None


def _msgpack(body: bytes) -> Any:
    """One msgpack value with nothing after it."""
    unpacker = msgpack.Unpacker(max_buffer_size=max(len(body), 1))
    try:
        unpacker.feed(body)
        unpacker.skip()
        if unpacker.tell() != len(body):
            raise _invalid("unpack(b) received extra data.")
        return frame.unpack(body)
    except msgpack.OutOfData:
        raise _invalid("Unpack failed: incomplete input") from None
    except (msgpack.UnpackException, frame.BadFrame, ValueError) as error:
        raise _invalid(str(error) or type(error).__name__) from None


def _is_suspicious(text: str) -> bool:
    """Whether JSON has to be looked through: the text that was decoded tells, not its bytes."""
    deep = text.count("[") + text.count("{") > MAX_DEPTH
    return deep or "_rtype" in text or "\\u" in text


def _check(value: Any, levels: int = MAX_DEPTH + 1) -> None:
    """Keys are strings, nothing in it is a function of somebody's, and it is not too deep."""
    if levels < 0:
        raise _invalid(f"nested too deeply, at most {MAX_DEPTH} levels are accepted here")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                name = type(key).__name__
                raise _invalid(f"{name} is not allowed for map key when strict_map_key=True")
        special = value.get("_rtype")
        if special in CALLABLE_TYPES:
            raise Refusal(400, "Callbacks are not supported over HTTP", "Connect with hypha-rpc.")
        if special == "ndarray" and isinstance(value.get("_rvalue"), str):
            hint = "Send it with Content-Type: application/msgpack."
            raise Refusal(400, "Invalid request body: an ndarray needs bytes, not text", hint)
        value = list(value.values())
    elif not isinstance(value, list):
        return
    for item in value:
        if isinstance(item, dict | list):
            _check(item, levels - 1)


async def _decoded(request: HTTPServerRequest, limit: int) -> bytes:
    """The body as it was before a `Content-Encoding`, within the limit (HTTP-46, D-19)."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    body = request.body
    if encoding in ("identity", "") or not body:
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refusal(415, f"Content-Encoding {encoding[:40]!r} is not supported", "Use gzip.")
    if len(body) > LARGE:
        return await asyncio.to_thread(inflate, body, limit)
    return inflate(body, limit)


def inflate(data: bytes, limit: int) -> bytes:
    """Decompress gzip or zlib data step by step, and stop where it gets longer than the limit."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)
    parts, size = [], 0
    try:
        while not reader.eof:
            part = reader.decompress(data, _STEP)
            size += len(part)
            if size > limit:
                text = f"Request body too large: at most {limit} bytes are accepted here."
                raise Refusal(413, text)
            parts.append(part)
            data = reader.unconsumed_tail
            if not part and not data and not reader.eof:
                raise _invalid("the compressed data is cut off")
    except zlib.error as error:
        raise _invalid(str(error)) from None
    return b"".join(parts)


def _charset(request: HTTPServerRequest) -> str:
    """The charset parameter of the content type; UTF-8 without one."""
    for parameter in request.headers.get("Content-Type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"') or "utf-8"
    return "utf-8"


def _text(data: bytes, charset: str) -> str:
    if normalize_encoding(charset).lower() not in _CHARSETS:
        raise _invalid(f"unknown encoding: {charset[:40]}")
    try:
        text = data.decode(charset)
    except (UnicodeError, LookupError) as error:
        raise _invalid(str(error)) from None
    return text.removeprefix("\ufeff")


def _invalid(reason: str) -> Refusal:
    return Refusal(400, f"Invalid request body: {reason}")

"""The newest protocol: every request says what it needs, in its body and again in its headers.

The rungs are those of MCP-51, in that order; the first that breaks is the answer.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from tornado.httputil import HTTPHeaders

from hyphad.web.mcp.protocol import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    MODERN,
    NO_METHOD,
    PARSE_ERROR,
    McpError,
)

HEADER_MISMATCH = -32020
BAD_VERSION = -32022
_PREFIX = "io.modelcontextprotocol/"
_VERSION, _CAPABILITIES = _PREFIX + "protocolVersion", _PREFIX + "clientCapabilities"
_ROUTING = ("mcp-protocol-version", "mcp-method", "mcp-name")
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_WRAPPED = re.compile(r"=\?base64\?(.*)\?=")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def is_modern(version: str) -> bool:
    """Whether a version header means this protocol, or a newer one that is not known yet."""
    return bool(_DATE.fullmatch(version)) and version >= MODERN[0]


def has_envelope(body: bytes) -> bool:
    """Whether a request says in its body that it is of this protocol."""
    if _VERSION.encode() not in body:
        return False
    try:
        _envelope(json.loads(body))
    except (ValueError, RecursionError, AttributeError, McpError):
        return False
    return True


def check(message: dict[str, Any], headers: HTTPHeaders) -> None:
    """Raises `McpError` at the first rung that a request breaks."""
    for name in _ROUTING:
        if len(headers.get_list(name)) > 1:
            raise McpError(HEADER_MISMATCH, f"{name} header appears more than once")
    meta = _envelope(message)
    if headers.get("mcp-protocol-version") != meta[_VERSION]:
        raise _mismatch("mcp-protocol-version", "request envelope's protocol version")
    if headers.get("mcp-method") != message["method"]:
        raise _mismatch("mcp-method", "request body's method")
    key = _NAMED.get(message["method"])
    named = message["params"].get(key) if key is not None else None
    if named is not None and unwrapped(headers.get("mcp-name")) != named:
        raise _mismatch("mcp-name", f"request body's {key!r} parameter")
    check_version(meta[_VERSION])


def check_version(version: str) -> None:
    if version not in MODERN:
        data = {"supported": list(MODERN), "requested": version}
        raise McpError(BAD_VERSION, "Unsupported protocol version", data)


def _envelope(message: Mapping[str, Any]) -> dict[str, Any]:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict):
        raise McpError(
            INVALID_PARAMS,
            f"params._meta must be an object carrying the required '{_VERSION}' and "
            f"'{_CAPABILITIES}' envelope keys",
        )
    missing = [key for key in (_VERSION, _CAPABILITIES) if key not in meta]
    if missing:
        text = f"params._meta is missing the required envelope key(s): {', '.join(missing)}"
        raise McpError(INVALID_PARAMS, text)
    return meta


def _mismatch(header: str, what: str) -> McpError:
    return McpError(HEADER_MISMATCH, f"{header} header does not match the {what}")


def unwrapped(value: str | None) -> str | None:
    """A header's value; what is not plain ASCII comes as `=?base64?...?=`. None if it is broken."""
    wrapped = _WRAPPED.fullmatch(value) if value is not None else None
    if wrapped is None:
        return value
    try:
        data = base64.b64decode(wrapped[1], validate=True)
        return data.decode() if base64.b64encode(data).decode() == wrapped[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def status_of(answer: Mapping[str, Any]) -> int:
    """The HTTP status of an answer (MCP-51)."""
    code = answer["error"]["code"] if "error" in answer else 0
    if code == NO_METHOD:
        return 404
    refused = code in (PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS) or -32030 < code < -32019
    return 400 if refused else 200

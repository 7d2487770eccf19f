"""The methods of the Model Context Protocol, over dicts: a message and an offer in, an answer out.

    answer = await respond({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, exchange)

No session is kept: every message is answered by itself, so that clients outlive a restart of the
daemon (MCP-20). Transports make the exchange and carry the answer.
"""

import difflib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hyphad import __version__
from hyphad.core.errors import Fault
from hyphad.web.gateway import is_stream
from hyphad.web.mcp.content import (
    Dialect,
    call_result,
    drained_result,
    error_result,
    json_text,
    weight,
    without_nulls,
)
from hyphad.web.mcp.offer import NoSuchPrompt, NoSuchResource, Offer, failure_text
from hyphad.web.mcp.tools import Tool
from hyphad.web.validation import expectation

log = logging.getLogger(__name__)

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)
ASSUMED = "2025-03-26"
PAGE = 200
MAX_CHOICES = 100
MAX_COMPARED = 48  # characters of a name; to compare takes their product
MAX_ITEMS = 10_000
MAX_BYTES = 64 << 20

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
NO_METHOD = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
NO_RESOURCE = -32002

Entry = dict[str, Any]
Notify = Callable[[str, Entry], Awaitable[None]]
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"


class McpError(Exception):
    """An error of the protocol, as JSON-RPC tells it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def to_dict(self) -> Entry:
        shown: Entry = {"code": self.code, "message": self.message}
        return shown if self.data is None else {**shown, "data": self.data}


@dataclass(slots=True)
class Exchange:
    """One message and what belongs to it. `notify` is there where notifications can be sent."""

    offer: Offer
    dialect: Dialect = field(default_factory=lambda: Dialect(ASSUMED, named=False))
    modern: bool = False
    notify: Notify | None = None


async def respond(message: Entry, exchange: Exchange) -> Entry:
    """The JSON-RPC answer to a request."""
    answer: Entry = {"jsonrpc": "2.0", "id": message["id"]}
    try:
        result = await _result(message, exchange)
    except McpError as error:
        return {**answer, "error": error.to_dict()}
    except Fault as error:
        log.info("mcp_failed method=%s reason=%r", message["method"], str(error)[:300])
        return {**answer, "error": McpError(INTERNAL, failure_text(error)).to_dict()}
    except Exception:
        log.exception("mcp_failed method=%s", message["method"])
        text = "hyphad failed to handle this request; see its log"
        return {**answer, "error": McpError(INTERNAL, text).to_dict()}
    return {**answer, "result": result}


async def _result(message: Entry, exchange: Exchange) -> Entry:
    name = message["method"]
    methods = _MODERN if exchange.modern else _METHODS
    method = methods.get(name) if isinstance(name, str) else None
    if method is None:
        raise McpError(NO_METHOD, "Method not found", name)
    params = message.get("params")
    if params is not None and not isinstance(params, dict):
        raise McpError(INVALID_PARAMS, "Invalid request parameters", "")
    result = await method(exchange, params or {})
    return _stamped(result, exchange.offer, name) if exchange.modern else result


def _stamped(result: Entry, offer: Offer, method: str) -> Entry:
    """What every result carries in the newest protocol (MCP-51)."""
    meta = {**result.get("_meta", {}), _SERVER_INFO: server_info(offer)}
    result = {**result, "resultType": "complete", "_meta": meta}
    if method in _CACHEABLE:
        result.update(ttlMs=0, cacheScope="private")
    return result


# lifecycle


def server_info(offer: Offer) -> Entry:
    return {"name": offer.name, "title": offer.title, "version": __version__}


def capabilities(offer: Offer) -> Entry:
    """What is offered; changes are told on streams (MCP-25, MCP-33)."""
    shown: Entry = {
        "tools": {"listChanged": True},
        "resources": {"subscribe": False, "listChanged": True},
    }
    if offer.has_prompts:
        shown["prompts"] = {"listChanged": True}
        shown["completions"] = {}
    return shown


async def _initialize(exchange: Exchange, params: Entry) -> Entry:
    version, client = params.get("protocolVersion"), params.get("clientInfo")
    good = isinstance(version, str) and isinstance(params.get("capabilities"), dict)
    if not good or not isinstance(client, dict) or not isinstance(client.get("name"), str):
        raise McpError(INVALID_PARAMS, "Invalid request parameters", "")
    offer = exchange.offer
    result: Entry = {
        "protocolVersion": version if version in HANDSHAKE else HANDSHAKE[-1],
        "capabilities": {"experimental": {}, "logging": {}, **capabilities(offer)},
        "serverInfo": server_info(offer),
    }
    if offer.instructions:
        result["instructions"] = offer.instructions
    return result


async def _discover(exchange: Exchange, params: Entry) -> Entry:
    result: Entry = {
        "supportedVersions": list(MODERN),
        "capabilities": capabilities(exchange.offer),
    }
    if exchange.offer.instructions:
        result["instructions"] = exchange.offer.instructions
    return result


async def _nothing(exchange: Exchange, params: Entry) -> Entry:
    return {}


LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


async def _set_level(exchange: Exchange, params: Entry) -> Entry:
    if params.get("level") not in LEVELS:
        raise McpError(INVALID_PARAMS, f"level must be one of {', '.join(LEVELS)}")
    return {}


# tools


async def _list_tools(exchange: Exchange, params: Entry) -> Entry:
    return _page("tools", [tool.entry for tool in await exchange.offer.tools()], params)


async def _call_tool(exchange: Exchange, params: Entry) -> Entry:
    """Find, check, call, convert (MCP-30). What fails for the agent is a result, not an error."""
    name, arguments = params.get("name"), params.get("arguments")
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise McpError(INVALID_PARAMS, "Invalid request parameters", "")
    try:
        tool = await exchange.offer.tool(name)
        if tool is None:
            return error_result(f"Tool '{name[:200]}' not found", await _near(exchange.offer, name))
        arguments = tool.cleaned(arguments)
        flaw = tool.flaw(arguments)
        if flaw is not None:
            return error_result(f"Input validation error: {flaw.message}", expectation(flaw))
        return await _run(exchange, tool, arguments, params)
    except Fault as error:
        log.info("tool_failed tool=%r reason=%r", name, str(error)[:2000])
        return error_result(failure_text(error))
    except (UnicodeEncodeError, OverflowError) as error:
        return error_result(f"Input validation error: {_unsendable(error)}")


def _unsendable(error: Exception) -> str:
    if isinstance(error, OverflowError):
        return "an integer has more than 64 bits"
    return "a text is not valid Unicode"


async def _near(offer: Offer, name: str) -> str:
    """What an agent may call instead."""
    names = [str(tool.entry["name"]) for tool in await offer.tools()]
    short = [known for known in names if len(known) <= MAX_COMPARED][:MAX_CHOICES]
    close = difflib.get_close_matches(name[:MAX_COMPARED], short, 3)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Tools here: {', '.join(names[:50])}" if names else "There are no tools here."


async def _run(exchange: Exchange, tool: Tool, arguments: Entry, params: Entry) -> Entry:
    value = await exchange.offer.run(tool, arguments)
    if not is_stream(value):
        return call_result(value, exchange.dialect, tool)
    items: list[Any] = []
    size, count = 0, 0
    stream = exchange.offer.items(tool, value)
    try:
        async for item in stream:
            count += 1
            await _tell(exchange, params, count, item)
            if _is_report(item) or _is_log(item):
                continue
            items.append(item)
            size += weight(item)
            if len(items) >= MAX_ITEMS or size > MAX_BYTES:
                items.append(f"Stopped after {len(items)} items: the result is too long.")
                break
    finally:
        await stream.aclose()
    return drained_result(items, exchange.dialect, tool)


async def _tell(exchange: Exchange, params: Entry, count: int, item: Any) -> None:
    """Let the client hear of what a tool yielded, as far as it wants to (MCP-32)."""
    if exchange.notify is None:
        return
    token = progress_token(params)
    if _is_log(item):
        if _wants_log(exchange, params, item["level"]):
            await exchange.notify("notifications/message", without_nulls(item))
    elif token is not None:
        await exchange.notify("notifications/progress", _progress(token, count, item))


def _is_log(item: Any) -> bool:
    """Whether a tool yielded a line for the client's log: `{"level", "data", "logger"?}`."""
    if not isinstance(item, dict) or not {"level", "data"} <= set(item) <= {
        "level",
        "data",
        "logger",
    }:
        return False
    return item["level"] in LEVELS and isinstance(item.get("logger"), str | None)


def _wants_log(exchange: Exchange, params: Entry, level: str) -> bool:
    """In the newest protocol only who asked for it, from the level on that it named."""
    if not exchange.modern:
        return True
    wanted = (params.get("_meta") or {}).get("io.modelcontextprotocol/logLevel")
    return wanted in LEVELS and LEVELS.index(level) >= LEVELS.index(wanted)


def _is_report(item: Any) -> bool:
    """Whether a tool yielded word of its progress, which is no part of its result."""
    if not isinstance(item, dict) or not set(item) <= {"progress", "total", "message"}:
        return False
    return _is_number(item.get("progress"))


def _progress(token: Any, count: int, item: Any) -> Entry:
    """The notification for an item: what it reports itself, or its number and text (MCP-32)."""
    if not _is_report(item):
        text = item if isinstance(item, str) else json_text(item)
        return {"progressToken": token, "progress": count, "message": text[:1000]}
    shown = {"progressToken": token, "progress": item["progress"]}
    if _is_number(item.get("total")):
        shown["total"] = item["total"]
    if isinstance(item.get("message"), str):
        shown["message"] = item["message"]
    return shown


def _is_number(value: Any) -> bool:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and math.isfinite(value)


def progress_token(params: Any) -> str | int | None:
    """The token under which a request wants to hear of its progress."""
    meta = params.get("_meta") if isinstance(params, dict) else None
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    good = isinstance(token, str | int) and not isinstance(token, bool)
    return token if good else None


# resources


async def _list_resources(exchange: Exchange, params: Entry) -> Entry:
    return _page("resources", await exchange.offer.resources(), params)


async def _list_templates(exchange: Exchange, params: Entry) -> Entry:
    return _page("resourceTemplates", await exchange.offer.templates(), params)


async def _read_resource(exchange: Exchange, params: Entry) -> Entry:
    uri = params.get("uri")
    if not isinstance(uri, str):
        raise McpError(INVALID_PARAMS, "Invalid request parameters", "")
    try:
        return {"contents": await exchange.offer.read(uri)}
    except NoSuchResource:
        code = INVALID_PARAMS if exchange.modern else NO_RESOURCE
        raise McpError(code, f"Resource '{uri[:500]}' not found", {"uri": uri}) from None


# prompts


async def _list_prompts(exchange: Exchange, params: Entry) -> Entry:
    return _page("prompts", await exchange.offer.prompts(), params)


async def _get_prompt(exchange: Exchange, params: Entry) -> Entry:
    name, arguments = params.get("name"), params.get("arguments")
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise McpError(INVALID_PARAMS, "Invalid request parameters", "")
    try:
        return await exchange.offer.prompt(name, arguments)
    except NoSuchPrompt:
        raise McpError(INVALID_PARAMS, f"Prompt '{name[:200]}' not found") from None


async def _complete(exchange: Exchange, params: Entry) -> Entry:
    """Values of an argument that begin with what is there, from its schema (section 3.2)."""
    ref, argument = params.get("ref"), params.get("argument")
    if not isinstance(ref, dict) or not isinstance(argument, dict):
        raise McpError(INVALID_PARAMS, "Invalid request parameters", "")
    name, start = str(argument.get("name")), str(argument.get("value", ""))
    known: list[str] = []
    if ref.get("type") == "ref/prompt":
        known = await exchange.offer.choices(str(ref.get("name")), name)
    found = [value for value in known if value.startswith(start)]
    more = len(found) > MAX_CHOICES
    return {"completion": {"values": found[:MAX_CHOICES], "total": len(found), "hasMore": more}}


# pages


def _page(key: str, entries: list[Entry], params: Entry) -> Entry:
    """Up to 200 entries from the cursor on (MCP-29)."""
    start = _start(params.get("cursor"), len(entries))
    page: Entry = {key: entries[start : start + PAGE]}
    if start + PAGE < len(entries):
        page["nextCursor"] = f"from-{start + PAGE}"
    return page


def _start(cursor: Any, count: int) -> int:
    if cursor is None:
        return 0
    number = cursor.removeprefix("from-") if isinstance(cursor, str) else ""
    good = number.isascii() and number.isdigit() and len(number) < 12 and cursor != number
    if not good or int(number) % PAGE or int(number) > count:
        raise McpError(INVALID_PARAMS, "Invalid cursor")
    return int(number)


Method = Callable[[Exchange, Entry], Awaitable[Entry]]
_COMMON: dict[str, Method] = {
    "tools/list": _list_tools,
    "tools/call": _call_tool,
    "resources/list": _list_resources,
    "resources/templates/list": _list_templates,
    "resources/read": _read_resource,
    "prompts/list": _list_prompts,
    "prompts/get": _get_prompt,
    "completion/complete": _complete,
}
_METHODS: dict[str, Method] = {
    "initialize": _initialize,
    "ping": _nothing,
    "logging/setLevel": _set_level,
    **_COMMON,
}
_MODERN: dict[str, Method] = {"server/discover": _discover, **_COMMON}
_CACHEABLE = frozenset(
    (
        "server/discover",
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/list",
    )
)

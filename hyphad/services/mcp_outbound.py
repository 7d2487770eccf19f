"""External MCP servers as services: their tools can be called over RPC, HTTP and MCP (MCP-60).

    servers = McpServers(publisher, events, http_link)
    await servers.add({"name": "files", "command": "mcp-files", "workspace": "ws-lab"})

A service of type `mcp` stands for each server, with its tools, resources and prompts as functions.
It is there as long as the server is; a server that is lost is tried again, later and later.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from hyphad.core.errors import Fault, Invalid, RemoteError
from hyphad.core.events import Events
from hyphad.core.parameters import input_schema
from hyphad.core.records import Caller, Service
from hyphad.options import MCP_SERVER
from hyphad.services.manager import Publisher
from hyphad.services.mcp_client import McpClient
from hyphad.services.mcp_links import Link, LinkFailed, ProgramLink
from hyphad.wire.local import LocalFunction, LocalService

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
PATIENCE_SECONDS = 10.0
GATHER_SECONDS = 0.2
Entry = dict[str, Any]
HttpLink = Callable[[str, Mapping[str, str]], Link]


class McpServers:
    """All external servers of this daemon."""

    def __init__(self, publisher: Publisher, events: Events, http_link: HttpLink) -> None:
        self._publisher = publisher
        self._events = events
        self._http_link = http_link
        self._proxies: dict[tuple[str, str], Proxy] = {}
        self._records: dict[tuple[str, str], Service] = {}

    async def add(self, entry: Entry) -> str:
        """Connect a server and offer its service; the service's name.

        Waits some seconds for the first connection; after that it goes on in the background.
        Raises `Invalid` for an entry that cannot be used.
        """
        check(entry)
        workspace = entry.get("workspace", "public")
        key = (workspace, entry["name"])
        if key in self._proxies:
            raise Invalid(f"mcp_servers: there are two of the name {entry['name']!r}")
        proxy = self._proxies[key] = Proxy(entry, self._link_to(entry), self)
        proxy.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await proxy.tried.wait()
        return str(entry["name"])

    async def close(self) -> None:
        await asyncio.gather(*(proxy.close() for proxy in self._proxies.values()))

    def _link_to(self, entry: Entry) -> Callable[[], Link]:
        if "command" in entry:
            command, arguments = entry["command"], entry.get("args", [])
            return lambda: ProgramLink(command, arguments, entry.get("env", {}))
        return lambda: self._http_link(entry["url"], entry.get("headers", {}))

    def offer(self, workspace: str, service: LocalService) -> None:
        """Publish a service, or what has become of it."""
        self._tell_removed(workspace, service.id)
        record = self._records[(workspace, service.id)] = self._publisher.publish(
            workspace, service
        )
        self._events.emit_service("service_added", record)

    def withdraw(self, workspace: str, name: str) -> None:
        self._publisher.withdraw(workspace, name)
        self._tell_removed(workspace, name)

    def _tell_removed(self, workspace: str, name: str) -> None:
        record = self._records.pop((workspace, name), None)
        if record is not None:
            self._events.emit_service("service_removed", record)


def check(entry: Any) -> None:
    """Raises `Invalid` with what is wrong in an entry of `mcp_servers`."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    flaw = best_match(Draft202012Validator(MCP_SERVER).iter_errors(entry))
    if flaw is not None:
        where = ".".join(str(part) for part in flaw.absolute_path)
        reason = flaw.message[:300] if where else "give a name, and either command or url"
        raise Invalid(f"mcp_servers: {where or 'entry'}: {reason}")
    name = entry["name"]
    if entry.get("workspace", "public") == "public" and "visibility" not in entry:
        raise Invalid(
            f"mcp_servers: {name}: name the workspace that may use it, or say "
            'visibility = "public" to let everybody'
        )


class Proxy:
    """One external server, kept connected."""

    def __init__(self, entry: Entry, link: Callable[[], Link], servers: McpServers) -> None:
        self._entry = entry
        self._link = link
        self._servers = servers
        self._workspace = str(entry.get("workspace", "public"))
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.tried = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._stay())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _stay(self) -> None:
        """Connect, offer, and begin again when the server is lost."""
        name, wait = self._entry["name"], FIRST_WAIT
        while True:
            client = McpClient(self._link(), self._news.set)
            try:
                began = time.monotonic()
                await client.open()
                reason = await self._serve(client)
                if time.monotonic() - began > LONGEST_WAIT:
                    wait = FIRST_WAIT
            except (LinkFailed, Fault) as error:
                reason = str(error)
            finally:
                await client.close()
                self._servers.withdraw(self._workspace, name)
            log.warning("mcp_server_lost name=%s retry_in=%.0f reason=%r", name, wait, reason[:300])
            self.tried.set()
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _serve(self, client: McpClient) -> str:
        """Offer what the server has, anew each time that changes; why it ended."""
        name = self._entry["name"]
        while True:
            self._news.clear()
            service = await service_of(self._entry, client)
            self._servers.offer(self._workspace, service)
            log.info("mcp_server name=%s tools=%d", name, len(service.members["tools"]))
            self.tried.set()
            news = asyncio.ensure_future(self._news.wait())
            try:
                both: set[asyncio.Future[Any]] = {news, client.ended}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            if client.ended.done():
                return client.ended.result()
            await asyncio.sleep(GATHER_SECONDS)


# the service


async def service_of(entry: Entry, client: McpClient) -> LocalService:
    """What an external server has, as a service of ours."""
    can = client.capabilities
    tools = await client.listed("tools/list", "tools") if "tools" in can else []
    resources: list[Entry] = []
    if "resources" in can:
        resources = await client.listed("resources/list", "resources")
    prompts = await client.listed("prompts/list", "prompts") if "prompts" in can else []
    members: Entry = {
        "tools": {_key(tool["name"]): _tool(client, tool) for tool in _named(tools, "name")},
        "resources": {
            _key(item["uri"]): _resource(client, item) for item in _named(resources, "uri")
        },
        "prompts": {_key(item["name"]): _prompt(client, item) for item in _named(prompts, "name")},
    }
    name = str(entry["name"])
    about = entry.get("description") or f"Tools, resources, and prompts from MCP server {name}"
    config = {"visibility": entry.get("visibility", "protected"), "require_context": False}
    return LocalService(name, f"MCP Server for {name}", members, about, "mcp", config)


def _named(entries: list[Entry], key: str) -> list[Entry]:
    return [entry for entry in entries if isinstance(entry.get(key), str) and entry[key]]


def _key(name: str) -> str:
    """A name as a member of a service, where dots part the members."""
    return name.replace(".", "%2E") if "://" in name else name.replace(".", "_")


def _tool(client: McpClient, tool: Entry) -> LocalFunction:
    name = tool["name"]
    given = tool.get("inputSchema")
    schema: Entry = {
        "name": name,
        "description": str(tool.get("description") or f"Function {name}"),
        "parameters": input_schema({"parameters": given}) if isinstance(given, dict) else {},
    }
    for key in ("title", "annotations", "icons", "_meta"):
        if tool.get(key) is not None:
            schema[key] = tool[key]
    inner = _inside(tool.get("outputSchema"))
    output = tool.get("outputSchema") if inner is None else inner
    if output is not None:
        schema["outputSchema"] = output

    async def run(caller: Caller, args: list[Any], kwargs: Entry) -> Any:
        arguments = _by_name(schema, args, kwargs)
        result = await client.request("tools/call", {"name": name, "arguments": arguments})
        return value_of(result, wrapped=inner is not None)

    return LocalFunction(name, run, schema, schema["description"])


def _inside(schema: Any) -> Entry | None:
    """What a schema is really of that has nothing but a `result`: servers wrap plain values so."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or set(properties) != {"result"}:
        return None
    inner = properties["result"]
    if not isinstance(inner, dict):
        return None
    return {**inner, "$defs": schema["$defs"]} if "$defs" in schema else inner


def _by_name(schema: Entry, args: list[Any], kwargs: Entry) -> Entry:
    """Arguments by name; positions are those of the schema."""
    names = list(schema["parameters"].get("properties", {}))
    return {**dict(zip(names, args, strict=False)), **kwargs}


def value_of(result: Entry, *, wrapped: bool = False) -> Any:
    """What a tool call returns to callers over RPC and HTTP, without loss over MCP.

    Structured content is the value itself. One text is that text, or what it says in JSON; images
    and several blocks stay a whole result.
    """
    blocks = [item for item in result.get("content") or [] if isinstance(item, dict)]
    texts = [str(item.get("text", "")) for item in blocks if item.get("type") == "text"]
    if result.get("isError"):
        raise RemoteError("\n".join(texts) or "The tool failed")
    structured = result.get("structuredContent")
    if wrapped and isinstance(structured, dict) and "result" in structured:
        return structured["result"]
    if len(blocks) > 1 or len(texts) < len(blocks):
        return {key: item for key, item in result.items() if key != "isError"}
    if structured is not None:
        return structured
    return _parsed(texts[0]) if texts else None


def _parsed(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _resource(client: McpClient, item: Entry) -> Entry:
    uri = item["uri"]

    async def read(caller: Caller, args: list[Any], kwargs: Entry) -> Any:
        return await client.request("resources/read", {"uri": uri})

    shown = {
        key: str(item[key]) for key in ("uri", "name", "description", "mimeType") if item.get(key)
    }
    return {**shown, "read": LocalFunction("read", read, _READ)}


def _prompt(client: McpClient, item: Entry) -> Entry:
    name = item["name"]
    arguments = [one for one in item.get("arguments") or [] if isinstance(one, dict)]
    named = _named(arguments, "name")
    about = {one["name"]: str(one.get("description") or "") for one in named}
    schema = {
        "name": name,
        "description": str(item.get("description") or ""),
        "parameters": {
            "type": "object",
            "properties": {
                key: {"type": "string", "description": text} for key, text in about.items()
            },
            "required": [one["name"] for one in named if one.get("required")],
        },
    }

    async def read(caller: Caller, args: list[Any], kwargs: Entry) -> Any:
        given = {key: str(value) for key, value in _by_name(schema, args, kwargs).items()}
        return await client.request("prompts/get", {"name": name, "arguments": given})

    return {
        "name": name,
        "description": schema["description"],
        "read": LocalFunction("read", read, schema),
    }


_READ: Entry = {
    "name": "read",
    "description": "The contents of the resource.",
    "parameters": {"type": "object", "properties": {}},
}

"""A service as one caller may use it over MCP: its lists, and calls in the caller's name.

    offer = ServiceOffer(gateway, caller, service, view)
    tool = await offer.tool("hello")
    value = await offer.run(tool, {"name": "Alice"})

An offer lives as long as one request.
"""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from hyphad.core.errors import Fault, PeerGone, RemoteError
from hyphad.core.records import Caller, Service
from hyphad.web.failures import exception_text
from hyphad.web.gateway import Function, Gateway
from hyphad.web.mcp.content import contents_of, prompt_of, without_nulls
from hyphad.web.mcp.tools import Tool, clean_text, native_tool
from hyphad.web.mcp.view import Prompt, Resource, View, find_resource

NO_LIMIT = 86_400.0
_TEXTS = frozenset(("name", "title", "description", "mimeType", "uri", "uriTemplate"))
DISCONNECTED = "Service provider disconnected"
Entry = dict[str, Any]


class NoSuchResource(Exception):
    """Nothing of that URI is offered."""


class NoSuchPrompt(Exception):
    """No prompt of that name is offered."""


class Offer(Protocol):
    """What an MCP server offers to one caller."""

    name: str
    title: str
    instructions: str | None
    has_prompts: bool

    async def tools(self) -> list[Tool]: ...

    async def tool(self, name: str) -> Tool | None: ...

    async def run(self, tool: Tool, arguments: Entry) -> Any: ...

    def items(self, tool: Tool, generator: Any) -> AsyncGenerator[Any, None]: ...

    async def resources(self) -> list[Entry]: ...

    async def templates(self) -> list[Entry]: ...

    async def read(self, uri: str) -> list[Entry]: ...

    async def prompts(self) -> list[Entry]: ...

    async def prompt(self, name: str, arguments: Entry) -> Entry: ...

    async def choices(self, prompt: str, argument: str) -> list[str]: ...


class ServiceOffer:
    """One service, to one caller."""

    def __init__(self, gateway: Gateway, caller: Caller, service: Service, view: View) -> None:
        self._gateway = gateway
        self._caller = caller
        self._service = service
        self._view = view
        self.name = service.id
        self.title = str(service.record["name"])
        self.instructions = view.instructions
        self.has_prompts = bool(view.prompts) or "list_prompts" in view.native

    # tools

    async def tools(self) -> list[Tool]:
        if self._view.kind != "native":
            return list(self._view.tools.values())
        listed = await self._native("list_tools")
        made = [native_tool(entry) for entry in _listed(listed, "tools")]
        return [tool for tool in made if tool is not None]

    async def tool(self, name: str) -> Tool | None:
        if self._view.kind != "native":
            return self._view.tools.get(name)
        return next((tool for tool in await self.tools() if tool.entry["name"] == name), None)

    async def run(self, tool: Tool, arguments: Entry) -> Any:
        """What the tool's function returns; of a generator its descriptor. Raises `Fault`."""
        if tool.function is not None:
            return await self._call(tool.function, arguments)
        return await self._native("call_tool", {"name": tool.name, "arguments": arguments})

    def items(self, tool: Tool, generator: Any) -> AsyncGenerator[Any, None]:
        """The items of a generator that `run` returned."""
        return self._gateway.stream(self._caller, self._service, generator, NO_LIMIT)

    # resources

    async def resources(self) -> list[Entry]:
        if self._view.kind != "native":
            return [item.entry for item in self._view.resources.values()]
        listed = await self._native("list_resources")
        return _entries(_listed(listed, "resources"), "uri")

    async def templates(self) -> list[Entry]:
        listed = await self._native("list_resource_templates")
        return _entries(_listed(listed, "resourceTemplates"), "uriTemplate")

    async def read(self, uri: str) -> list[Entry]:
        if self._view.kind == "native":
            if "read_resource" not in self._view.native:
                raise NoSuchResource(uri)
            return contents_of(await self._native("read_resource", {"uri": uri}), uri, "text/plain")
        resource = find_resource(self._view.resources, uri)
        if resource is None:
            raise NoSuchResource(uri)
        return await self._read(resource)

    async def _read(self, resource: Resource) -> list[Entry]:
        uri, mime_type = resource.entry["uri"], resource.mime_type
        if resource.function is None:
            return [{"uri": uri, "mimeType": mime_type, "text": resource.text}]
        return contents_of(await self._call(resource.function, {}), uri, mime_type)

    # prompts

    async def prompts(self) -> list[Entry]:
        if self._view.kind != "native":
            return [item.entry for item in self._view.prompts.values()]
        listed = await self._native("list_prompts")
        return _entries(_listed(listed, "prompts"), "name")

    async def prompt(self, name: str, arguments: Entry) -> Entry:
        if self._view.kind == "native":
            if "get_prompt" not in self._view.native:
                raise NoSuchPrompt(name)
            value = await self._native("get_prompt", {"name": name, "arguments": arguments})
            return prompt_of(value, name)
        prompt = self._prompt(name)
        if prompt is None:
            raise NoSuchPrompt(name)
        return prompt_of(await self._call(prompt.function, arguments), prompt.entry["name"])

    def _prompt(self, name: str) -> Prompt | None:
        """By the name that is listed, or by its key in the service (MCP-45)."""
        found = self._view.prompts.get(name)
        if found is not None:
            return found
        return next((item for item in self._view.prompts.values() if item.key == name), None)

    async def choices(self, prompt: str, argument: str) -> list[str]:
        """The values that an argument of a prompt may have, where its schema lists them."""
        found = self._prompt(prompt)
        schema = found.properties.get(argument) if found is not None else None
        values = schema.get("enum") if isinstance(schema, dict) else None
        return [str(value) for value in values] if isinstance(values, list) else []

    # calls

    async def _call(self, function: Function, arguments: Entry) -> Any:
        return await self._gateway.invoke(
            self._caller, self._service, function, [], arguments, NO_LIMIT
        )

    async def _native(self, function_name: str, arguments: Entry | None = None) -> Any:
        """Ask the service itself; None where it has no such function."""
        function = self._view.native.get(function_name)
        return await self._call(function, arguments or {}) if function is not None else None


def failure_text(error: Fault) -> str:
    """What an agent is told of a failed call: the words of the exception, no paths (MCP-83)."""
    if isinstance(error, PeerGone) or isinstance(error.__context__, PeerGone):
        return DISCONNECTED
    if isinstance(error, RemoteError):
        return exception_text(error)
    return error.message


def _listed(value: Any, key: str) -> list[Any]:
    """The entries of a list function, given bare or as the result of the protocol."""
    if isinstance(value, dict) and isinstance(value.get(key), list):
        value = value[key]
    return value if isinstance(value, list) else []


def _entries(items: list[Any], key: str) -> list[Entry]:
    """Entries as the service lists them, if they are any: each has its key and a name."""
    plain = [_entry(item) for item in items if isinstance(item, dict)]
    return [{"name": item[key], **item} for item in plain if isinstance(item.get(key), str)]


def _entry(given: Entry) -> Entry:
    """An entry with texts that are texts, and clean; one that is not would spoil the list."""
    entry: Entry = without_nulls(given)
    for key in _TEXTS & entry.keys():
        if isinstance(entry[key], str):
            entry[key] = clean_text(entry[key])
        else:
            del entry[key]
    if "arguments" in entry:
        listed = entry["arguments"] if isinstance(entry["arguments"], list) else []
        named = [_entry(item) for item in listed if isinstance(item, dict)]
        entry["arguments"] = [item for item in named if "name" in item]
    return entry

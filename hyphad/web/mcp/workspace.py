"""All services of a workspace as one MCP server: tools are named `service.tool` (MCP-18).

The oldest service of a name has the name alone; a further one of another client is called
`client.service`. Resources are `service://<service>/<their URI>`. What a caller may not see is not
there; what does not answer in time is left out of a list, and comes with the next.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from hyphad.core.errors import Fault
from hyphad.core.records import Caller, Service
from hyphad.web.gateway import Gateway
from hyphad.web.mcp.offer import Entry, NoSuchPrompt, NoSuchResource, ServiceOffer
from hyphad.web.mcp.tools import Tool, clean_name
from hyphad.web.mcp.views import Views

log = logging.getLogger(__name__)

SCHEME = "service://"
PATIENCE_SECONDS = 5.0
AT_ONCE = 16
Found = TypeVar("Found")


@dataclass(slots=True)
class PrefixedTool(Tool):
    """A tool of one of the services, under its name in the workspace."""

    inner: Tool | None = None
    offer: ServiceOffer | None = None


class WorkspaceOffer:
    """Every service of a workspace that one caller may use."""

    def __init__(
        self,
        gateway: Gateway,
        views: Views,
        caller: Caller,
        workspace: str,
        services: Iterable[Service],
    ) -> None:
        self._gateway = gateway
        self._views = views
        self._caller = caller
        self._services = prefixed(services)
        self.name = workspace
        self.title = f"Workspace {workspace}"
        self.has_prompts = True
        self.instructions: str | None = (
            f"The services of the workspace {workspace}. Tools are named service.tool, prompts "
            f"service.prompt, and resources {SCHEME}service/uri. Services come and go: list again "
            "when the list has changed."
        )

    async def _offer(self, service: Service) -> ServiceOffer:
        view = await self._views.of(service)
        return ServiceOffer(self._gateway, self._caller, service, view)

    async def _from_all(self, ask: Callable[[str, ServiceOffer], Any]) -> list[Any]:
        """What `ask(prefix, offer)` gives for each service that answers, in their order."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(prefix: str, service: Service) -> Any:
            async with gate, asyncio.timeout(PATIENCE_SECONDS):
                return await ask(prefix, await self._offer(service))

        asked = [one(prefix, service) for prefix, service in self._services.items()]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found = []
        for service, answer in zip(self._services.values(), answers, strict=True):
            if isinstance(answer, Fault | TimeoutError):
                log.info("mcp_left_out service=%s reason=%r", service.id, str(answer)[:200])
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.extend(answer)
        return found

    # tools

    async def tools(self) -> list[Tool]:
        async def ask(prefix: str, offer: ServiceOffer) -> list[Tool]:
            return [_prefixed_tool(prefix, tool, offer) for tool in await offer.tools()]

        named: dict[str, Tool] = {}
        for tool in await self._from_all(ask):
            named.setdefault(tool.name, tool)
        return list(named.values())

    async def tool(self, name: str) -> Tool | None:
        """By the service's name in front; names that were cut are looked for in the whole list."""
        for prefix, service, rest in self._meant(name):
            offer = await self._offer(service)
            tool = await offer.tool(rest)
            if tool is not None:
                return _prefixed_tool(prefix, tool, offer)
        listed = {tool.name: tool for tool in await self.tools()}
        return listed.get(name)

    async def run(self, tool: Tool, arguments: Entry) -> Any:
        inner, offer = _inside(tool)
        return await offer.run(inner, arguments)

    def items(self, tool: Tool, generator: Any) -> AsyncGenerator[Any, None]:
        inner, offer = _inside(tool)
        return offer.items(inner, generator)

    # resources

    async def resources(self) -> list[Entry]:
        return await self._entries(lambda offer: offer.resources(), "uri")

    async def templates(self) -> list[Entry]:
        return await self._entries(lambda offer: offer.templates(), "uriTemplate")

    async def _entries(self, listed: Callable[[ServiceOffer], Any], key: str) -> list[Entry]:
        async def ask(prefix: str, offer: ServiceOffer) -> list[Entry]:
            return [
                {**entry, "name": f"{prefix}: {entry['name']}", key: _outer(prefix, entry[key])}
                for entry in await listed(offer)
            ]

        return await self._from_all(ask)

    async def read(self, uri: str) -> list[Entry]:
        prefix, slash, rest = uri.removeprefix(SCHEME).partition("/")
        service = self._services.get(prefix)
        if service is None or not slash or not uri.startswith(SCHEME):
            raise NoSuchResource(uri)
        contents = await (await self._offer(service)).read(unquote(rest))
        return [{**item, "uri": _outer(prefix, item["uri"])} for item in contents]

    # prompts

    async def prompts(self) -> list[Entry]:
        async def ask(prefix: str, offer: ServiceOffer) -> list[Entry]:
            entries = await offer.prompts()
            return [{**entry, "name": f"{prefix}.{entry['name']}"} for entry in entries]

        return await self._from_all(ask)

    async def prompt(self, name: str, arguments: Entry) -> Entry:
        for _, service, rest in self._meant(name):
            with contextlib.suppress(NoSuchPrompt):
                return await (await self._offer(service)).prompt(rest, arguments)
        raise NoSuchPrompt(name)

    async def choices(self, prompt: str, argument: str) -> list[str]:
        for _, service, rest in self._meant(prompt):
            found = await (await self._offer(service)).choices(rest, argument)
            if found:
                return found
        return []

    def _meant(self, name: str) -> list[tuple[str, Service, str]]:
        """The services that a name can mean, and its rest: `a.b.c` may be of `a` or `a.b`."""
        return [
            (prefix, service, name[len(prefix) + 1 :])
            for prefix, service in self._services.items()
            if name.startswith(f"{prefix}.")
        ]


def prefixed(services: Iterable[Service]) -> dict[str, Service]:
    """Services by their name in the workspace (see above)."""
    named: dict[str, Service] = {}
    for service in services:
        short = clean_name(service.name)
        if short in named:
            short = clean_name(f"{service.client_id}.{service.name}")
        named.setdefault(short, service)
    return named


def _prefixed_tool(prefix: str, tool: Tool, offer: ServiceOffer) -> PrefixedTool:
    name = clean_name(f"{prefix}.{tool.entry['name']}")
    entry = {**tool.entry, "name": name}
    return PrefixedTool(
        name, entry, tool.function, tool.output, tool._checkers, inner=tool, offer=offer
    )


def _inside(tool: Tool) -> tuple[Tool, ServiceOffer]:
    assert isinstance(tool, PrefixedTool) and tool.inner is not None and tool.offer is not None
    return tool.inner, tool.offer


def _outer(prefix: str, uri: str) -> str:
    return f"{SCHEME}{prefix}/{quote(uri, safe='{}')}"

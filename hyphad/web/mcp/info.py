"""`/{workspace}/mcp/{service}`: what a service offers to agents and how to connect (MCP-15 to 17).

The same is a page for people where a browser asks.
"""

import html
import logging
from typing import Any

from hyphad.core.errors import Fault
from hyphad.core.identity import Permission
from hyphad.core.records import Caller, Service
from hyphad.web.agents import TRY_A_TOKEN, AgentHandler
from hyphad.web.failures import Refusal
from hyphad.web.mcp.connect import connections
from hyphad.web.mcp.endpoint import EVENTS, McpHandler
from hyphad.web.mcp.offer import Entry, Offer, ServiceOffer
from hyphad.web.mcp.protocol import INVALID_REQUEST
from hyphad.web.mcp.streams import ANY, Watch
from hyphad.web.mcp.view import View, WrongStructure
from hyphad.web.mcp.workspace import WorkspaceOffer, prefixed
from hyphad.web.pages import CSP, folder

log = logging.getLogger(__name__)

HELP = "Use the streamable HTTP endpoint for MCP communication or SSE for server-sent events."
PLAIN_HELP = "Use the streamable HTTP endpoint for MCP communication."


class InfoHandler(AgentHandler):
    """Answers JSON, or the page that reads it."""

    def wants_page(self) -> bool:
        accepted = self.request.headers.get("Accept", "")
        return "text/html" in accepted

    def show_page(self, title: str) -> None:
        text = (folder("static") / "mcp.html").read_text()
        base = self.parts.settings.base_path + "/"
        for key, value in (("title", title), ("base", base)):
            text = text.replace("{{" + key + "}}", html.escape(value))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", CSP)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")
        self.add_header("Vary", "Accept")
        self.finish(text)

    def show(self, value: Any, status: int = 200) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.add_header("Vary", "Accept")
        self.send_json(value, status, indent=2)


class ServiceInfoPage(InfoHandler):
    """One service."""

    async def get(self, workspace: str, part: str) -> None:
        part = part.rstrip("/")
        if self.wants_page():
            self.show_page(part)
            return
        base = f"{self.parts.settings.base_path}/{workspace}/mcp/{part}"
        endpoints = {"streamable_http": f"{base}/mcp", "sse": f"{base}/sse"}
        try:
            caller = self.caller(workspace)
            service = await self.service(caller, workspace, part)
            shown = await self._described(caller, service)
        except Refusal as error:
            if error.status != 404:
                raise
            self._missing(workspace, part)
            return
        except WrongStructure:
            raise
        except Fault as error:
            log.info("mcp_not_described service=%s/%s reason=%r", workspace, part, str(error))
            self.show(_unknown(workspace, part, endpoints))
            return
        url = f"{self.base_url}/{workspace}/mcp/{part}/mcp"
        needs_token = service.visibility == "protected"
        order = ("service", "endpoints", "capabilities", "summary", "help")
        shown.update(endpoints=endpoints, help=HELP)
        result = {key: shown[key] for key in order}
        self.show({**result, "connect": connections(service.name, url, needs_token)})

    async def _described(self, caller: Caller, service: Service) -> Entry:
        view = await self.agents.views.of(service)
        offer = ServiceOffer(self.parts.gateway, caller, service, view)
        tools = [_tool_line(tool.entry) for tool in await offer.tools()]
        resources = await offer.resources()
        prompts = [_prompt_line(entry) for entry in await offer.prompts()]
        record = service.record
        return {
            "service": {
                "id": service.id,
                "name": record["name"],
                "type": service.type,
                "description": record["description"],
            },
            "capabilities": {"tools": tools, "resources": resources, "prompts": prompts},
            "summary": {
                "service_id": service.id,
                "service_type": service.type,
                "tools_count": len(tools),
                "resources_count": len(resources),
                "prompts_count": len(prompts),
                **_left_out(view),
            },
        }

    def _missing(self, workspace: str, part: str) -> None:
        self.show(
            {
                "error": "Service not found or not accessible",
                "message": f"The service '{part}' was not found in workspace '{workspace}' or you "
                "don't have permission to access it.",
                "help": "Ensure the service exists and you have permission to access it.",
            },
            404,
        )

    def post(self, workspace: str, part: str) -> None:
        """A client that was given this URL learns the right one (MCP-16 d)."""
        part = part.rstrip("/")
        path = f"{self.parts.settings.base_path}/{workspace}/mcp/{part}/mcp"
        text = f"This is the information page. The MCP endpoint is {path}"
        error = {"code": INVALID_REQUEST, "message": text}
        self.send_json({"jsonrpc": "2.0", "id": None, "error": error}, 404)


class WorkspaceEndpoint(McpHandler, InfoHandler):
    """`/{workspace}/mcp`: every service of a workspace as one MCP server (MCP-18)."""

    async def offer(self, *place: str) -> Offer:
        workspace = place[0]
        caller = self.caller(workspace)
        visible = self.visible(caller, workspace)
        if not visible and not _is_member(caller, workspace):
            hint = TRY_A_TOKEN if self.identity.credential is None else None
            raise Refusal(404, f"Workspace {workspace} not found or not accessible", hint)
        views, gateway = self.agents.views, self.parts.gateway
        return WorkspaceOffer(gateway, views, caller, workspace, visible)

    def watch(self, *place: str) -> Watch | None:
        caller, remote = self.caller(place[0]), str(self.request.remote_ip)
        return self.agents.watches.open(place[0], ANY, caller, remote)

    async def get(self, *place: str) -> None:
        """Listen for changes, or learn how to go on (MCP-17)."""
        workspace = place[0]
        if EVENTS in self.request.headers.get("Accept", ""):
            await super().get(workspace)
        elif not self.request.path.endswith("/"):
            self.redirect(f"{self.request.path}/", permanent=True)
        elif self.wants_page():
            self.show_page(workspace)
        else:
            self._show_workspace(workspace)

    def _show_workspace(self, workspace: str) -> None:
        base = f"{self.parts.settings.base_path}/{workspace}/mcp"
        shown: Entry = {
            "error": "MCP service ID required",
            "message": "No service ID was provided in the URL.",
            "help": "Please specify a service ID. URL format: /{workspace}/mcp/{service_id}/mcp",
            "example": f"{base}/your-service-id/mcp",
        }
        caller = self._member(workspace)
        if caller is not None:
            services = prefixed(self.visible(caller, workspace))
            shown["services"] = [
                {
                    "id": service.id,
                    "name": service.record["name"],
                    "endpoint": f"{base}/{service.client_id}:{service.name}/mcp",
                }
                for service in services.values()
            ]
            shown["endpoints"] = {"streamable_http": base}
            url = f"{self.base_url}/{workspace}/mcp"
            shown["connect"] = connections(workspace, url, needs_token=True)
        self.show(shown, 404)

    def _member(self, workspace: str) -> Caller | None:
        """The caller, if the workspace is open to them."""
        try:
            caller = self.caller(workspace)
        except Refusal:
            return None
        return caller if _is_member(caller, workspace) else None


def _is_member(caller: Caller, workspace: str) -> bool:
    return caller.user.scope.level(workspace) >= Permission.READ


def _tool_line(entry: Entry) -> Entry:
    return {key: entry[key] for key in ("name", "description", "inputSchema")}


def _prompt_line(entry: Entry) -> Entry:
    line = {"name": entry["name"], "description": entry.get("description", "")}
    return {**line, "arguments": entry["arguments"]} if entry.get("arguments") else line


def _left_out(view: View) -> Entry:
    shown: Entry = {}
    if view.warnings:
        shown["warnings"] = view.warnings
    if view.excluded:
        shown["excluded_functions"] = view.excluded
    return shown


def _unknown(workspace: str, part: str, endpoints: Entry) -> Entry:
    return {
        "service": {"id": part, "workspace": workspace, "status": "unknown"},
        "endpoints": endpoints,
        "help": PLAIN_HELP,
        "note": "Could not retrieve detailed service information. The service may not be running "
        "or accessible.",
    }

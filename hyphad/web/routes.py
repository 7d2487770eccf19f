"""Every URL in one table."""

import re
from collections.abc import Iterable
from typing import Any

from hyphad.web.a2a.endpoint import AgentCard, AgentEndpoint, AgentInfo
from hyphad.web.agents import agents_of
from hyphad.web.apps import AppHandler, AppRedirect
from hyphad.web.assets import asset_routes
from hyphad.web.base import NotFoundHandler
from hyphad.web.calls import ServiceCall, ServiceInfo, ServiceList
from hyphad.web.console import console_routes
from hyphad.web.health import health_routes
from hyphad.web.info import InstalledApps, ServerConfig, WorkspaceInfo
from hyphad.web.limits import Gate
from hyphad.web.login import login_routes
from hyphad.web.mcp.endpoint import ServiceEndpoint
from hyphad.web.mcp.info import ServiceInfoPage, WorkspaceEndpoint
from hyphad.web.mcp.resource import WELL_KNOWN, ProtectedResource
from hyphad.web.mcp.sse import SseMessages, SseStream
from hyphad.web.metrics import Exporter
from hyphad.web.openapi import Document, DocumentPage, ServerDocument
from hyphad.web.pages import folder
from hyphad.web.parts import Parts
from hyphad.web.site import Site
from hyphad.web.skills import LlmsText, SkillsHandler, SkillsRedirect
from hyphad.web.static import OwnFileHandler, mount_routes
from hyphad.web.transport import RpcEndpoint
from hyphad.web.websocket import WebSocketEndpoint

W = r"/([^/]+)"  # a workspace
S = r"/([^/]+)"  # a service: [client:]name[@app]


def agent_routes(parts: Parts) -> list[tuple[Any, ...]]:
    """MCP, A2A, skills; longest first, for a service may be `workspace/client:name` in MCP."""
    service, agent = W + r"/mcp/(.+)", W + "/a2a" + S
    mcp: list[tuple[str, Any]] = [
        (service + r"/sse/messages/?", SseMessages),
        (service + r"/sse", SseStream),
        (service + r"/mcp/?", ServiceEndpoint),
        (W + r"/mcp/?", WorkspaceEndpoint),
        (service, ServiceInfoPage),
    ]
    a2a: list[tuple[str, Any]] = [
        (agent + r"/\.well-known/agent(?:-card)?\.json", AgentCard),
        (agent + "/?", AgentEndpoint),
        (W + "/a2a-info" + S, AgentInfo),
    ]
    skills: list[tuple[str, Any]] = [
        (W + r"/(?:apps/)?agent-skills/(.*)", SkillsHandler),
        (W + r"/(?:apps/)?agent-skills", SkillsRedirect),
        (r"/llms\.txt", LlmsText),
        (W + r"/llms\.txt", LlmsText),
    ]
    settings, given = parts.settings, {"parts": parts, "agents": agents_of(parts)}
    table = [
        *(mcp if settings.enable_mcp else []),
        *(a2a if settings.enable_a2a else []),
        *(skills if settings.enable_agent_skills else []),
    ]
    return [(path, handler, given) for path, handler in table]


def resource_routes(parts: Parts) -> list[tuple[Any, ...]]:
    """What MCP clients look up outside of every path (RFC 9728)."""
    if not parts.settings.enable_mcp:
        return []
    place = re.escape(parts.settings.base_path) + W + "/mcp(?:/.+)?"
    given = {"parts": parts, "agents": None}
    return [(rf"{re.escape(WELL_KNOWN)}({place})", ProtectedResource, given)]


def application(parts: Parts) -> Site:
    """The Tornado application; `base_path` stands before every route.

    Raises `BadMount` for a static mount that cannot be used.
    """
    settings = parts.settings

    def based(routes: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [(settings.base_path + route[0], *route[1:]) for route in routes]

    given = {"parts": parts}
    files = str(folder("static"))
    first: list[tuple[str, Any]] = [  # what is asked for most: routes are tried in this order
        # clients
        (r"/ws", WebSocketEndpoint),
        (r"/rpc", RpcEndpoint),
        # services
        (W + r"/services/?", ServiceList),
        (W + "/services" + S + "/?", ServiceInfo),
        (W + "/services" + S + r"/openapi\.json", Document),
        (W + "/services" + S + r"/docs", DocumentPage),
        (W + "/services" + S + r"/([^/]+)", ServiceCall),
    ]
    table: list[tuple[str, Any]] = [
        # applications
        (W + r"/apps/?", InstalledApps),
        (W + "/apps" + S, AppRedirect),
        (W + "/apps" + S + r"/(.*)", AppHandler),
        # the server
        *health_routes(),
        (r"/metrics", Exporter),
        (r"/openapi\.json", ServerDocument),
        (r"/assets/config\.json", ServerConfig),
        (W + r"/info", WorkspaceInfo),
        # pages
        *console_routes(),
    ]
    files_of_ours = [
        *asset_routes(settings.data_dir),
        (r"/static/(.*)", OwnFileHandler, {"path": files}),
    ]
    return Site(
        [
            *based(mount_routes(settings.static_mounts)),
            *based((path, handler, given) for path, handler in first),
            *login_routes(parts),
            *resource_routes(parts),
            *based([*files_of_ours, *agent_routes(parts)]),
            *based((path, handler, given) for path, handler in table),
        ],
        Gate(settings, parts.identities, parts.authenticator, parts.router.links),
        given,
        default_handler_class=NotFoundHandler,
        allow_origins=settings.allow_origins,
        websocket_max_message_size=settings.max_frame_bytes,
    )

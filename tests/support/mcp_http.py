"""MCP and JSON-RPC by hand, for tests that look at the bytes."""

import json
from typing import Any

from running import Hyphad

VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"


class Mcp:
    """Calls of one workspace: `Mcp(hub, ws)("tools/list", service="kitchen")` gives the result."""

    def __init__(self, hub: Hyphad, workspace: str) -> None:
        self.hub = hub
        self.workspace = workspace

    def path(self, service: str | None) -> str:
        """The endpoint of a service, or of the whole workspace."""
        base = f"/{self.workspace}/mcp"
        return f"{base}/{service}/mcp" if service else base

    def __call__(
        self, method: str, params: Any = None, service: str | None = "kitchen", **headers: str
    ) -> Any:
        """The result of a request, which must not be an error."""
        answer = self.answer(method, params, service, **headers)
        assert "result" in answer, answer
        return answer["result"]

    def answer(
        self, method: str, params: Any = None, service: str | None = "kitchen", **headers: str
    ) -> Any:
        """The whole JSON-RPC answer."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            message["params"] = params
        status, answer = self.post(message, service, **headers)
        assert status == 200, (status, answer)
        return answer

    def call(
        self, tool: str, service: str | None = "kitchen", headers: Any = None, **arguments: Any
    ) -> Any:
        """The result of `tools/call`."""
        params = {"name": tool, "arguments": arguments}
        return self("tools/call", params, service, **(headers or {}))

    def text(self, tool: str, service: str | None = "kitchen", **arguments: Any) -> str:
        """The one text that a tool answers with."""
        result = self.call(tool, service, **arguments)
        assert result["isError"] is False, result
        assert [block["type"] for block in result["content"]] == ["text"], result
        return str(result["content"][0]["text"])

    def post(self, body: Any, service: str | None = "kitchen", **headers: str) -> tuple[int, Any]:
        """(status, value) of a POST."""
        return self.hub.post(self.path(service), body, **_dashed(headers))

    def raw(
        self, body: bytes, service: str | None = "kitchen", **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        return self.hub.request(self.path(service), body, _dashed(headers), method="POST")

    def modern(
        self, method: str, params: Any = None, service: str = "kitchen", **headers: str
    ) -> tuple[int, Any]:
        """(status, answer) of a request of the newest protocol, with all that belongs to it."""
        given = dict(params or {})
        named = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
        if method in named and named[method] in given:
            headers = {"Mcp_Name": given[named[method]], **headers}
        given["_meta"] = {
            META + "protocolVersion": VERSION,
            META + "clientCapabilities": {},
            **given.get("_meta", {}),
        }
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": given}
        every = {
            "Accept": "application/json, text/event-stream",
            "Mcp_Protocol_Version": VERSION,
            "Mcp_Method": method,
        }
        return self.post(message, service, **{**every, **headers})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def events(body: bytes) -> list[Any]:
    """The messages of a stream of events."""
    found = []
    for part in body.decode().replace("\r\n", "\n").split("\n\n"):
        data = [line[5:].strip() for line in part.split("\n") if line.startswith("data:")]
        if data:
            found.append(json.loads("\n".join(data)))
    return found


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}

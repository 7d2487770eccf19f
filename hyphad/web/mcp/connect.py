"""How to add an MCP server to the programs that people use, ready to copy (MCP-86).

Formats as in the documentation of each program; `<token>` stands for a token of one's own.
"""

import re
import shlex
from typing import Any
from urllib.parse import quote, urlsplit

TOKEN = "<token>"
_NAME = re.compile(r"[^A-Za-z0-9_-]+")
Config = dict[str, Any]


def connections(name: str, url: str, needs_token: bool) -> Config:
    """Each program with the file to write or the command to run."""
    name = _NAME.sub("-", name).strip("-") or "hyphad"
    headers = {"Authorization": f"Bearer {TOKEN}"} if needs_token else {}
    remote = {"url": url, **({"headers": headers} if headers else {})}
    typed = {"type": "http", **remote}
    return {
        "claude_code": {
            "command": _claude_code(name, url, needs_token),
            "file": ".mcp.json",
            "config": {"mcpServers": {name: typed}},
        },
        "claude_desktop": {
            "file": "claude_desktop_config.json",
            "config": {"mcpServers": {name: _bridge(url, needs_token)}},
        },
        "cursor": {"file": ".cursor/mcp.json", "config": {"mcpServers": {name: remote}}},
        "vscode": {"file": ".vscode/mcp.json", "config": _vscode(name, url, needs_token)},
        "inspector": _inspector(url, needs_token),
        "other": {"config": {"mcpServers": {name: typed}}},
    }


def _claude_code(name: str, url: str, needs_token: bool) -> str:
    command = f"claude mcp add --transport http {name} {shlex.quote(url)}"
    return f'{command} --header "Authorization: Bearer {TOKEN}"' if needs_token else command


def _bridge(url: str, needs_token: bool) -> Config:
    """Programs that start servers by a command reach a remote one through `mcp-remote`."""
    arguments = ["-y", "mcp-remote", url]
    if urlsplit(url).scheme == "http":
        arguments.append("--allow-http")
    if not needs_token:
        return {"command": "npx", "args": arguments}
    arguments += ["--header", "Authorization:${AUTH_HEADER}"]
    return {"command": "npx", "args": arguments, "env": {"AUTH_HEADER": f"Bearer {TOKEN}"}}


def _vscode(name: str, url: str, needs_token: bool) -> Config:
    """VS Code asks for the token once and keeps it safe."""
    if not needs_token:
        return {"servers": {name: {"type": "http", "url": url}}}
    secret = f"{name}-token"
    headers = {"Authorization": f"Bearer ${{input:{secret}}}"}
    return {
        "inputs": [
            {
                "type": "promptString",
                "id": secret,
                "description": f"Token for {name}",
                "password": True,
            }
        ],
        "servers": {name: {"type": "http", "url": url, "headers": headers}},
    }


def _inspector(url: str, needs_token: bool) -> Config:
    base = "npx @modelcontextprotocol/inspector"
    command = f"{base} --cli {shlex.quote(url)} --transport http --method tools/list"
    if needs_token:
        command += f' --header "Authorization: Bearer {TOKEN}"'
    query = f"?transport=streamable-http&serverUrl={quote(url, safe='')}"
    return {"command": command, "page": f"http://localhost:6274/{query}", "start": base}

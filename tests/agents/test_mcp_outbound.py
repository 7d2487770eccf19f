"""External MCP servers as services: over pipes and HTTP, lost and found again (MCP-60, MCP-61)."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp_http import Mcp, bearer
from providers import Provider
from running import Hyphad, free_port

from hyphad.core.errors import Invalid, RemoteError
from hyphad.services.mcp_outbound import check, value_of

PROGRAM = Path(__file__).parents[1] / "support" / "mcp_servers.py"
STDIO = {"command": sys.executable, "args": [str(PROGRAM), "stdio"]}
TOKEN = "Zk9vQ2xYw7RfT1uLm4NpS8aHbJcEdGiK"


def until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "never happened"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where an MCP server listens over HTTP."""
    number = free_port()
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "http", str(number)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield number
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Hyphad]:
    """A daemon that is configured with both, by its file."""
    folder = tmp_path_factory.mktemp("outbound")
    config = folder / "hyphad.toml"
    config.write_text(
        f"""
        [[mcp_servers]]
        name = "near"
        command = {json.dumps(STDIO["command"])}
        args = {json.dumps(STDIO["args"])}
        env = {{ "GIVEN" = "1" }}
        visibility = "public"

        [[mcp_servers]]
        name = "far"
        url = "http://127.0.0.1:{port}/mcp"
        visibility = "public"

        [[mcp_servers]]
        name = "inside"
        command = {json.dumps(STDIO["command"])}
        args = {json.dumps(STDIO["args"])}
        workspace = "ws-lab"
        """
    )
    daemon = Hyphad(
        folder, "--config", str(config), "--root-token", TOKEN, env={"HYPHAD_SECRET": "x"}
    ).start()
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log


@pytest.fixture(params=["near", "far"])
def name(request: pytest.FixtureRequest, hub: Hyphad) -> str:
    """The name of a service that stands for an external server, once it is there."""
    until(lambda: hub.get(f"/public/services/{request.param}")[0] == 200)
    return request.param


def test_tools_are_tools_again(hub, name):  # MCP-60
    mcp = Mcp(hub, "public")
    headers = {"Mcp_Protocol_Version": "2025-11-25"}
    tools = {tool["name"]: tool for tool in mcp("tools/list", service=name)["tools"]}
    assert tools["add"]["title"] == "Sum"
    assert tools["add"]["annotations"]["readOnlyHint"] is True
    assert tools["add"]["inputSchema"]["required"] == ["a"]
    assert tools["add"]["outputSchema"]["properties"]["result"]["type"] == "integer"
    result = mcp.call("add", name, headers=headers, a=1)
    assert result["structuredContent"] == {"result": 3}
    assert result["content"] == [{"type": "text", "text": "3"}]
    result = mcp.call("info", name, headers=headers, name="x")
    assert result["structuredContent"] == {"name": "x"}
    (picture,) = mcp.call("picture", name)["content"]
    assert (picture["type"], picture["mimeType"]) == ("image", "image/png")
    assert mcp.text("dotted_name", name) == "dotted"
    wrong = mcp.call("add", name, a="x")
    assert wrong["content"][0]["text"].startswith("Input validation error")


def test_resources_and_prompts_too(hub, name):  # MCP-60
    mcp = Mcp(hub, "public")
    (entry,) = mcp("resources/list", service=name)["resources"]
    assert (entry["uri"], entry["name"]) == ("file:///notes.txt", "notes")
    read = mcp("resources/read", {"uri": "file:///notes.txt"}, service=name)
    assert read["contents"][0]["text"] == "some notes"
    (prompt,) = mcp("prompts/list", service=name)["prompts"]
    assert prompt["arguments"] == [{"name": "topic", "description": "", "required": True}]
    got = mcp("prompts/get", {"name": "ask", "arguments": {"topic": "tea"}}, service=name)
    assert got["messages"][0]["content"]["text"] == "Tell me about tea"


def test_they_can_be_called_over_http_and_rpc(hub, name):  # MCP-60
    assert hub.post(f"/public/services/{name}/tools.add", {"a": 4}) == (200, 6)
    _, record = hub.get(f"/public/services/{name}")
    assert (record["type"], record["name"]) == ("mcp", f"MCP Server for {name}")
    client = Provider(hub.url)
    service = client.run(lambda: client.server.get_service(f"public/{name}"))
    assert client.run(lambda: service.tools.add(5, 6)) == 11
    assert client.run(lambda: service.tools.info(name="q")) == {"name": "q"}
    assert client.run(lambda: service.tools.say(text="hi")) == "hi"
    client.stop()


def test_a_server_in_a_workspace_is_for_its_members(hub):  # MCP-60
    until(lambda: hub.get("/ws-lab/services/inside", **bearer(TOKEN))[0] == 200)
    assert (
        Mcp(hub, "ws-lab").post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, "inside")[0] == 404
    )
    assert hub.get("/ws-lab/services/inside")[0] in (403, 404)


def test_programs_get_none_of_our_secrets(hub):  # MCP-61
    names = Mcp(hub, "public").text("environment", "near").split()
    assert "GIVEN" in names
    assert "PATH" in names
    assert not [name for name in names if name.startswith("HYPHA")]


def test_a_server_that_is_lost_is_found_again(hub):
    mcp = Mcp(hub, "public")
    until(lambda: hub.get("/public/services/near")[0] == 200)
    gone = mcp.call("leave", "near")
    assert gone["isError"] is True
    assert gone["content"][0]["text"] == "Service provider disconnected"
    until(lambda: "mcp_server_lost name=near" in hub.log)
    until(lambda: hub.get("/public/services/near")[0] == 200)
    assert mcp.text("say", "near", text="back") == "back"


def test_a_startup_function_may_add_servers(make_hyphad, tmp_path):
    startup = tmp_path / "start.py"
    startup.write_text(
        f"async def hypha_startup(server):\n"
        f"    await server.add_mcp_server('added', command={STDIO['command']!r},\n"
        f"        args={STDIO['args']!r}, visibility='public')\n"
    )
    hub = make_hyphad("--startup-functions", f"{startup}:hypha_startup").start()
    assert Mcp(hub, "public").text("say", "added", text="hi") == "hi"
    hub.stop()


def test_what_cannot_be_reached_does_not_keep_the_daemon_from_starting(make_hyphad):
    servers = [
        {"name": "nobody", "command": "/nonexistent/program", "visibility": "public"},
        {"name": "nowhere", "url": "http://127.0.0.1:1/mcp", "visibility": "public"},
    ]
    hub = make_hyphad("--mcp-servers", json.dumps(servers)).start()
    assert hub.get("/public/services/nobody")[0] == 404
    assert "mcp_server_lost name=nobody" in hub.log
    assert "mcp_server_lost name=nowhere" in hub.log


def test_a_server_that_is_open_to_all_by_oversight_is_refused(make_hyphad):
    entry = {"name": "open", **STDIO}
    hub = make_hyphad("--mcp-servers", json.dumps([entry]))
    assert hub.spawn().wait(30) != 0
    assert "name the workspace that may use it" in hub.log


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"name": "x"},
        {"name": "x", "command": "c", "url": "http://x"},
        {"name": "a/b", "command": "c"},
        {"name": "x", "url": "ftp://x", "workspace": "ws-x"},
        {"name": "x", "command": "c", "args": "text", "workspace": "ws-x"},
        {"name": "x", "command": "c", "unknown": 1, "workspace": "ws-x"},
        {"name": "x", "command": "c"},
        "text",
    ],
)
def test_entries_that_cannot_be_used_are_told(entry):
    with pytest.raises(Invalid, match="mcp_servers: "):
        check(entry)


def test_what_a_tool_call_returns():
    one = {"content": [{"type": "text", "text": "hi"}]}
    assert value_of(one) == "hi"
    assert value_of({"content": [{"type": "text", "text": '{"a": 1}'}]}) == {"a": 1}
    assert value_of({"content": [{"type": "text", "text": "{broken"}]}) == "{broken"
    assert value_of({"content": []}) is None
    assert value_of({**one, "structuredContent": {"n": 1}}) == {"n": 1}
    assert value_of({**one, "structuredContent": {"result": 1}}, wrapped=True) == 1
    two = {"content": [*one["content"], *one["content"]]}
    assert value_of(two) == two
    with pytest.raises(RemoteError, match="hi"):
        value_of({**one, "isError": True})

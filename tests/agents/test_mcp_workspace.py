"""A whole workspace as one MCP server, and the pages that say how to connect (MCP-15 to MCP-18)."""

import json
from collections.abc import Iterator

import pytest
from kitchen import add, hello, inline, native, private
from mcp_http import Mcp, bearer
from providers import Provider
from running import Hyphad


@pytest.fixture
def lab(hub: Hyphad) -> Iterator[Provider]:
    client = Provider(hub.url, client_id="one")
    yield client
    client.stop()


def tools(mcp, **headers):
    return [tool["name"] for tool in mcp("tools/list", service=None, **headers)["tools"]]


def test_tools_are_prefixed_with_their_service(hub, lab):  # MCP-18
    lab.register({"id": "a", "hello": hello})
    lab.register({"id": "b", "math": {"add": add}})
    mcp = Mcp(hub, lab.workspace)
    assert tools(mcp) == ["a.hello", "b.math_add"]
    assert mcp.text("a.hello", None, name="Ada") == "Hello Ada!"
    assert mcp.text("b.math_add", None, a=1) == "2"
    wrong = mcp.call("a.helo", None)
    assert [block["text"] for block in wrong["content"]] == [
        "Tool 'a.helo' not found",
        "Did you mean a.hello?",
    ]
    assert hub.post(f"/{lab.workspace}/mcp/", {"jsonrpc": "2.0", "id": 1, "method": "ping"})[1]


def test_only_what_the_caller_may_see_is_there(hub, lab):  # MCP-18, MCP-80
    lab.register({"id": "open", "hello": hello})
    lab.register(private())
    mcp, owner = Mcp(hub, lab.workspace), bearer(lab.token())
    assert tools(mcp, **owner) == ["open.hello", "private.hello"]
    assert tools(mcp) == ["open.hello"]
    call = {"name": "private.hello", "arguments": {"name": "x"}}
    assert mcp("tools/call", call, service=None, **owner)["isError"] is False
    assert mcp("tools/call", call, service=None)["isError"] is True


def test_a_workspace_that_shows_nothing_is_not_there(hub, lab):  # MCP-18
    lab.register(private())
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    status, answer = Mcp(hub, lab.workspace).post(message, None)
    assert status == 404
    assert answer["error"] == f"Workspace {lab.workspace} not found or not accessible"
    status, answer = Mcp(hub, "ws-nosuch").post(message, None)
    assert (status, answer["error"]) == (404, "Workspace ws-nosuch not found or not accessible")


def test_two_services_of_one_name_are_both_there(hub, lab):  # MCP-18
    lab.register({"id": "same", "hello": hello})
    token = lab.token()
    other = Provider(hub.url, workspace=lab.workspace, token=token, client_id="two")
    other.register({"id": "same", "add": add})
    mcp = Mcp(hub, lab.workspace)
    assert tools(mcp) == ["same.hello", "two.same.add"]
    assert mcp.text("two.same.add", None, a=1) == "2"
    other.stop()
    assert tools(mcp) == ["same.hello"]


def test_resources_and_prompts_are_prefixed(hub, lab):  # MCP-18
    lab.register(inline())
    lab.register({"id": "a", "docs": "Read me.", "hello": hello})
    mcp = Mcp(hub, lab.workspace)
    uris = [entry["uri"] for entry in mcp("resources/list", service=None)["resources"]]
    assert uris == [
        "service://inline/note%3A%2F%2F1",
        "service://inline/bare",
        "service://inline/pic%3A%2F%2F1",
        "service://a/resource%3A%2F%2Fdocs",
    ]
    (read,) = mcp("resources/read", {"uri": uris[3]}, service=None)["contents"]
    assert read == {"uri": uris[3], "mimeType": "text/plain", "text": "Read me."}
    for wrong in ("service://a/x", "service://nosuch/x", "note://1", "service://a"):
        answer = mcp.answer("resources/read", {"uri": wrong}, service=None)
        assert answer["error"]["code"] == -32002
    names = [entry["name"] for entry in mcp("prompts/list", service=None)["prompts"]]
    assert names == ["inline.topic_help", "inline.p2"]
    params = {"name": "inline.topic_help", "arguments": {"topic": "tea"}}
    got = mcp("prompts/get", params, service=None)
    assert got["messages"][0]["content"]["text"] == "Speak of tea, warm"
    ref = {"type": "ref/prompt", "name": "inline.topic_help"}
    params = {"ref": ref, "argument": {"name": "tone", "value": "w"}}
    assert mcp("completion/complete", params, service=None)["completion"]["values"] == ["warm"]


def test_a_service_that_is_none_does_not_spoil_the_others(hub, lab):
    lab.register({"id": "wrong", "type": "mcp", "hello": hello})
    lab.register({"id": "right", "hello": hello})
    lab.register(native())
    assert tools(Mcp(hub, lab.workspace)) == [
        "right.hello",
        "native.echo",
        "native.strange_name_",
    ]


def test_names_that_are_too_long_are_cut_and_can_be_called(hub, lab):  # MCP-18, MCP-42
    lab.register({"id": "s" * 100, "t" * 100: hello})
    mcp = Mcp(hub, lab.workspace)
    (name,) = tools(mcp)
    assert len(name) == 128
    assert mcp.text(name, None, name="x") == "Hello x!"


# pages


def test_the_info_page_describes_the_service(mcp, hub, ws):  # MCP-15
    status, info = hub.get(f"/{ws}/mcp/kitchen")
    assert status == 200
    assert list(info) == ["service", "endpoints", "capabilities", "summary", "help", "connect"]
    assert info["service"] == {
        "id": f"{ws}/chef:kitchen",
        "name": "Kitchen",
        "type": "generic",
        "description": "All kinds of tools.",
    }
    assert info["endpoints"] == {
        "streamable_http": f"/{ws}/mcp/kitchen/mcp",
        "sse": f"/{ws}/mcp/kitchen/sse",
    }
    assert info["capabilities"]["tools"] == mcp("tools/list")["tools"]
    summary = info["summary"]
    assert (summary["tools_count"], summary["resources_count"]) == (13, 4)
    assert summary["warnings"] == [
        "Excluded 2 functions without proper schemas. Use @schema_function decorator to expose "
        "them via MCP."
    ]
    assert [item["name"] for item in summary["excluded_functions"]] == ["plain", "fns_1"]
    assert hub.get(f"/{ws}/mcp/kitchen/")[1]["service"] == info["service"]


def test_native_and_inline_services_are_described_too(hub, ws):  # MCP-16
    native = hub.get(f"/{ws}/mcp/native")[1]["capabilities"]
    assert [tool["name"] for tool in native["tools"]] == ["echo", "strange_name_"]
    inline = hub.get(f"/{ws}/mcp/inline")[1]
    assert inline["summary"]["prompts_count"] == 2
    assert inline["capabilities"]["resources"][0]["uri"] == "note://1"
    assert inline["capabilities"]["prompts"][1] == {"name": "p2", "description": ""}


def test_the_info_page_keeps_to_the_same_permissions(hub, lab):  # MCP-16
    lab.register(private())
    path = f"/{lab.workspace}/mcp/private"
    status, answer = hub.get(path)
    assert status == 404
    assert answer["error"] == "Service not found or not accessible"
    assert "private" in answer["message"]
    status, info = hub.get(path, **bearer(lab.token()))
    assert info["summary"]["tools_count"] == 1
    config = info["connect"]["other"]["config"]["mcpServers"]["private"]
    assert config["headers"] == {"Authorization": "Bearer <token>"}


def test_who_posts_to_the_info_page_learns_the_endpoint(hub, ws):  # MCP-16
    status, answer = hub.post(f"/{ws}/mcp/kitchen", {"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert status == 404
    assert answer["error"]["code"] == -32600
    assert answer["error"]["message"].endswith(f"The MCP endpoint is /{ws}/mcp/kitchen/mcp")


def test_configuration_for_each_program(hub, ws):  # MCP-86
    connect = hub.get(f"/{ws}/mcp/kitchen")[1]["connect"]
    url = f"{hub.url}/{ws}/mcp/kitchen/mcp"
    typed = {"mcpServers": {"kitchen": {"type": "http", "url": url}}}
    assert connect["claude_code"]["command"] == f"claude mcp add --transport http kitchen {url}"
    assert connect["claude_code"]["config"] == typed
    assert connect["cursor"]["config"] == {"mcpServers": {"kitchen": {"url": url}}}
    assert connect["vscode"]["config"] == {"servers": {"kitchen": {"type": "http", "url": url}}}
    desktop = connect["claude_desktop"]["config"]["mcpServers"]["kitchen"]
    assert desktop == {"command": "npx", "args": ["-y", "mcp-remote", url, "--allow-http"]}
    assert url in connect["inspector"]["command"]
    assert connect["other"]["config"] == typed


def test_configuration_with_a_token(hub, lab):  # MCP-86
    lab.register(private())
    connect = hub.get(f"/{lab.workspace}/mcp/private", **bearer(lab.token()))[1]["connect"]
    assert '--header "Authorization: Bearer <token>"' in connect["claude_code"]["command"]
    vscode = connect["vscode"]["config"]
    assert vscode["inputs"][0]["password"] is True
    secret = vscode["inputs"][0]["id"]
    headers = {"Authorization": f"Bearer ${{input:{secret}}}"}
    assert vscode["servers"]["private"]["headers"] == headers
    desktop = connect["claude_desktop"]["config"]["mcpServers"]["private"]
    assert desktop["args"][-2:] == ["--header", "Authorization:${AUTH_HEADER}"]
    assert desktop["env"] == {"AUTH_HEADER": "Bearer <token>"}


def test_a_browser_gets_a_page(hub, ws):  # MCP-16
    status, body, headers = hub.request(f"/{ws}/mcp/kitchen", headers={"Accept": "text/html"})
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert (
        "script-src" in headers["content-security-policy"]
        or "default-src 'self'" in headers["content-security-policy"]
    )
    assert b"static/console/mcp.js" in body
    strange = f"/{ws}/mcp/%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    _, body, _ = hub.request(strange, headers={"Accept": "text/html"})
    assert b"<script>alert(1)" not in body


def test_the_workspace_page_says_how_to_go_on(hub, lab):  # MCP-17
    lab.register({"id": "open", "hello": hello})
    base = f"/{lab.workspace}/mcp"
    status, _, headers = hub.request(base)
    assert (status, headers["location"]) == (301, f"{base}/")
    status, hint = hub.get(f"{base}/")
    assert status == 404
    assert hint == {
        "error": "MCP service ID required",
        "message": "No service ID was provided in the URL.",
        "help": "Please specify a service ID. URL format: /{workspace}/mcp/{service_id}/mcp",
        "example": f"{base}/your-service-id/mcp",
    }
    _, hint = hub.get(f"{base}/", **bearer(lab.token()))
    assert [item["endpoint"] for item in hint["services"]] == [f"{base}/one:open/mcp"]
    assert json.dumps(hint["connect"]).count(hub.url + base) >= 5
    assert hub.get("/ws-nosuch/mcp/")[0] == 404

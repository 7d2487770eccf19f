"""The official MCP clients for Python and TypeScript, with services of both languages."""

import base64
from collections.abc import Iterator

import pytest
from kitchen import PNG, add, hello, private
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_http import Mcp
from nodes import node
from providers import Provider
from running import Hyphad

MODES = ("auto", "legacy")


@pytest.fixture
def lab(hub: Hyphad) -> Iterator[Provider]:
    client = Provider(hub.url)
    yield client
    client.stop()


def endpoint(hub, ws, service="kitchen"):
    return hub.url + Mcp(hub, ws).path(service)


# Python


@pytest.mark.parametrize("mode", MODES)
async def test_python_client(hub, ws, mode):  # section 12, 1, 2 and 4
    progress = []

    async def note(*step):
        progress.append(step)

    async with Client(endpoint(hub, ws), mode=mode) as client:
        assert client.protocol_version == {"auto": "2026-07-28", "legacy": "2025-11-25"}[mode]
        assert client.server_info.title == "Kitchen"
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "math_deep_hello" in tools
        result = await client.call_tool("hello", {"name": "Alice"})
        assert result.content[0].text == "Hello Alice!"
        result = await client.call_tool("process_data", {"text": "x"})
        assert result.structured_content == {"processed": "x", "max_items": None}
        result = await client.call_tool("hello", {"name": 5})
        assert result.is_error
        assert result.content[0].text == "Input validation error: 5 is not of type 'string'"
        result = await client.call_tool("value", {"kind": "picture"})
        assert base64.b64decode(result.content[0].data) == PNG
        result = await client.call_tool("count", {"n": 3}, progress_callback=note)
        assert result.content[0].text == "item 0, item 1, item 2, "
        assert [step[0] for step in progress] == [1, 2, 3]
        read = await client.read_resource("resource://docs")
        assert read.contents[0].text == "# Docs\nhi"
        uris = [str(entry.uri) for entry in (await client.list_resources()).resources]
        assert "resource://meta/version" in uris


@pytest.mark.parametrize("mode", MODES)
async def test_python_client_with_services_of_type_mcp(hub, ws, mode):
    async with Client(endpoint(hub, ws, "inline"), mode=mode) as client:
        prompts = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in prompts] == ["topic_help", "p2"]
        got = await client.get_prompt("topic_help", {"topic": "tea"})
        assert got.messages[0].content.text == "Speak of tea, warm"
    async with Client(endpoint(hub, ws, "native"), mode=mode) as client:
        assert (await client.call_tool("echo", {"x": 1})).content[0].text == "echo 1"
        templates = (await client.list_resource_templates()).resource_templates
        assert templates[0].uri_template == "n://{id}"
    async with Client(endpoint(hub, ws, "configured"), mode=mode) as client:
        await client.list_tools()
        result = await client.call_tool("value", {"kind": "int"})
        assert result.structured_content == {"result": 3}


@pytest.mark.parametrize("mode", MODES)
async def test_python_client_with_a_whole_workspace(hub, ws, mode):  # MCP-18
    async with Client(endpoint(hub, ws, None), mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"kitchen.hello", "native.echo", "inline.add"} <= set(names)
        assert "private.hello" not in names
        result = await client.call_tool("kitchen.hello", {"name": "Ada"})
        assert result.content[0].text == "Hello Ada!"


@pytest.mark.parametrize("mode", MODES)
async def test_python_client_with_a_token(hub, lab, mode):
    import httpx2

    lab.register(private())
    url = endpoint(hub, lab.workspace, "private")
    headers = {"Authorization": f"Bearer {lab.token()}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            result = await client.call_tool("hello", {"name": "Ada"})
            assert result.content[0].text == "Hello Ada!"
    with pytest.raises(BaseException):  # noqa: B017
        async with Client(url, mode=mode):
            pass


# TypeScript


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_typescript_client(hub, ws, transport):  # section 12, 1
    url = endpoint(hub, ws)
    url = url.removesuffix("/mcp") + "/sse" if transport == "sse" else url
    async with node("mcp.mjs", url, {"transport": transport}) as script:
        greeting = await script.line()
        assert greeting["server"]["title"] == "Kitchen"
        assert greeting["capabilities"]["tools"] == {"listChanged": True}
        tools = (await script.ask(["listTools"]))["result"]["tools"]
        assert tools[0]["name"] == "hello"
        call = {"name": "hello", "arguments": {"name": "Alice"}}
        result = (await script.ask(["callTool", call]))["result"]
        assert result["content"] == [{"type": "text", "text": "Hello Alice!"}]
        call = {"name": "count", "arguments": {"n": 2}}
        answer = await script.ask(["callToolWithProgress", call])
        assert answer["result"]["content"][0]["text"] == "item 0, item 1, "
        # The SDK passes over what comes together with the answer.
        assert [step["progress"] for step in answer["progress"]] in ([1], [1, 2])
        call = {"name": "value", "arguments": {"kind": "picture"}}
        result = (await script.ask(["callTool", call]))["result"]
        assert result["content"][0]["type"] == "image"
        uris = (await script.ask(["listResources"]))["result"]["resources"]
        assert uris[-1]["uri"] == "resource://docs"
        read = (await script.ask(["readResource", {"uri": "resource://docs"}]))["result"]
        assert read["contents"][0]["text"] == "# Docs\nhi"
        assert (await script.ask(["ping"]))["result"] == {}
        assert (await script.ask(["readResource", {"uri": "x://y"}]))["code"] == -32002
        assert await script.end() == 0


async def test_typescript_client_with_prompts(hub, ws):
    async with node("mcp.mjs", endpoint(hub, ws, "inline"), {}) as script:
        await script.line()
        prompts = (await script.ask(["listPrompts"]))["result"]["prompts"]
        assert prompts[0]["name"] == "topic_help"
        params = {"name": "topic_help", "arguments": {"topic": "tea"}}
        got = (await script.ask(["getPrompt", params]))["result"]
        assert got["messages"][0]["content"]["text"] == "Speak of tea, warm"
        ref = {"type": "ref/prompt", "name": "topic_help"}
        params = {"ref": ref, "argument": {"name": "tone", "value": "co"}}
        found = (await script.ask(["complete", params]))["result"]
        assert found["completion"]["values"] == ["cold", "cool"]


async def test_typescript_client_checks_structured_results(hub, ws):  # MCP-31
    async with node("mcp.mjs", endpoint(hub, ws, "configured"), {}) as script:
        await script.line()
        await script.ask(["listTools"])
        call = {"name": "value", "arguments": {"kind": "int"}}
        result = (await script.ask(["callTool", call]))["result"]
        assert result["structuredContent"] == {"result": 3}
        call = {"name": "value", "arguments": {"kind": "text"}}
        result = (await script.ask(["callTool", call]))["result"]
        assert result["isError"] is True


async def test_typescript_client_hears_of_changes(hub, lab):  # MCP-33
    lab.register({"id": "s", "hello": hello})
    async with node("mcp.mjs", endpoint(hub, lab.workspace, "s"), {}) as script:
        await script.line()
        assert (await script.ask(["changes"]))["result"] == []
        heard: list = []
        for _ in range(40):
            api = {"id": "s", "add": add, "config": {"visibility": "public"}}
            lab.run(lambda api=api: lab.server.register_service(api, overwrite=True))
            heard = (await script.ask(["changes"]))["result"]
            if heard:
                break
        assert set(heard) == {"notifications/tools/list_changed"}


async def test_typescript_client_needs_a_token(hub, lab):
    lab.register(private())
    url = endpoint(hub, lab.workspace, "private")
    async with node("mcp.mjs", url, {}) as script:
        assert "not found or not accessible" in (await script.line())["error"]
    async with node("mcp.mjs", url, {"token": lab.token()}) as script:
        assert "server" in await script.line()


# services of JavaScript


async def test_services_of_javascript_are_tools(hub):  # MCP-10, section 12, 6
    async with node("tools.mjs", hub.url) as script:
        workspace = (await script.line())["workspace"]
        mcp = Mcp(hub, workspace)
        tools = {tool["name"]: tool for tool in mcp("tools/list", service="js-tools")["tools"]}
        assert list(tools) == ["subtract", "nested_shout", "count", "fail"]
        assert tools["subtract"]["inputSchema"]["required"] == ["a", "b"]
        assert mcp.text("subtract", "js-tools", b=1, a=3) == "2"
        assert mcp.text("subtract", "js-tools", a=3, b=1) == "2"
        assert mcp.text("nested_shout", "js-tools", text="hi") == '{"shouted": "HI"}'
        assert mcp.text("count", "js-tools", end=3) == "0;1;2;"
        failed = mcp.call("fail", "js-tools")
        assert failed["isError"] is True
        assert "out of eggs" in failed["content"][0]["text"]
        assert ".mjs" not in failed["content"][0]["text"]
        read = mcp("resources/read", {"uri": "resource://docs"}, service="js-tools")
        assert read["contents"][0]["text"] == "# JavaScript"
        async with Client(endpoint(hub, workspace, "js-tools"), mode="auto") as client:
            result = await client.call_tool("subtract", {"b": 2, "a": 5})
            assert result.content[0].text == "3"
        await script.end()

"""Services as MCP tools, resources and prompts, seen by a client that uses no library."""

import base64
import json

import pytest
from kitchen import PNG, VALUES

LATEST = {"Mcp_Protocol_Version": "2025-11-25"}


def names(mcp, service="kitchen", kind="tools"):
    return [entry["name"] for entry in mcp(f"{kind}/list", service=service)[kind]]


# what becomes a tool


def test_every_function_with_a_schema_is_a_tool(mcp):  # MCP-28, MCP-41
    assert names(mcp) == [
        "hello", "process_data", "value", "fail", "count", "numbers", "report", "slow", "maybe",
        "native_types", "math_add", "math_deep_hello", "fns_0",
    ]  # fmt: skip


def test_a_tool_is_listed_as_its_function_is_described(mcp):  # MCP-28
    tool = mcp("tools/list")["tools"][0]
    assert tool == {
        "name": "hello",
        "description": "Generate a personalized greeting message.\n\nSecond paragraph.",
        "inputSchema": {
            "properties": {
                "name": {"description": "The name of the person to greet", "type": "string"},
                "greeting": {
                    "default": "Hello",
                    "description": "The greeting word to use",
                    "type": "string",
                },
            },
            "required": ["name"],
            "type": "object",
        },
    }


def test_schemas_in_pythons_words_become_json_schema(mcp):  # MCP-3
    tools = {tool["name"]: tool for tool in mcp("tools/list")["tools"]}
    properties = tools["native_types"]["inputSchema"]["properties"]
    kinds = {name: schema["type"] for name, schema in properties.items()}
    assert kinds == {
        "a": "integer", "b": "string", "c": "array", "d": "object", "e": "number",
    }  # fmt: skip


def test_configuration_adds_to_tools_without_touching_functions(mcp):  # MCP-9, MCP-43
    tools = {tool["name"]: tool for tool in mcp("tools/list", service="configured")["tools"]}
    assert tools["add"]["title"] == "Sum"
    assert tools["add"]["annotations"] == {"readOnlyHint": True}
    assert tools["process_data"]["outputSchema"]["required"] == ["processed"]
    assert tools["count"]["outputSchema"]["properties"]["result"]["type"] == "array"
    assert "plain" in tools
    hello = mcp("initialize", INITIALIZE, service="configured")
    assert hello["instructions"] == "Use with care."


INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "t", "version": "1"},
}


# calling


def test_defaults_are_applied(mcp):  # section 12, 1
    assert mcp.text("hello", name="Alice") == "Hello Alice!"
    assert mcp.text("hello", name="Bob", greeting="Hi") == "Hi Bob!"


def test_nested_functions_and_items_of_lists_are_called(mcp):  # MCP-41
    assert mcp.text("math_add", a=1) == "2"
    assert mcp.text("math_deep_hello", name="X") == "Hello X!"
    assert mcp.text("fns_0", a=1, b=2) == "3"


def test_missing_arguments_stand_for_none(mcp):
    assert mcp("tools/call", {"name": "maybe"})["content"][0]["text"] == "None"


@pytest.mark.parametrize(
    ("tool", "arguments", "text", "hint"),
    [
        ("nope", {}, "Tool 'nope' not found", "Tools here: "),
        ("helo", {}, "Tool 'helo' not found", "Did you mean hello"),
        ("hello", {}, "Input validation error: 'name' is a required property", "Expected: "),
        (
            "hello",
            {"name": 5},
            "Input validation error: 5 is not of type 'string'",
            "At: name. Expected: ",
        ),
        ("fail", {"x": 1}, "ValueError: bad x 1", None),
    ],
)
def test_failures_are_results_that_say_what_to_do(mcp, tool, arguments, text, hint):  # MCP-30
    result = mcp("tools/call", {"name": tool, "arguments": arguments})
    assert result["isError"] is True
    assert result["content"][0] == {"type": "text", "text": text}
    hints = [block["text"] for block in result["content"][1:]]
    assert bool(hints) == (hint is not None)
    if hint is not None:
        assert hints[0].startswith(hint)


def test_no_traceback_or_path_gets_out(mcp):  # MCP-83
    text = json.dumps(mcp("tools/call", {"name": "fail"}))
    assert "Traceback" not in text
    assert ".py" not in text


def test_arguments_that_the_function_does_not_know_are_its_own_error(mcp):  # MCP-11
    result = mcp.call("hello", name="x", extra=1)
    assert result["isError"] is True
    assert "got an unexpected keyword argument 'extra'" in result["content"][0]["text"]


def test_null_is_left_out_where_it_is_the_default_and_not_allowed(mcp):  # MCP-30
    assert mcp.text("maybe", items=None) == "None"
    assert mcp.text("native_types", a=1, c=None) == "1x"
    assert mcp.call("hello", name="x", greeting=None)["isError"] is True


def test_the_callers_own_context_is_handed_over_and_theirs_is_not(mcp):  # MCP-48
    result = mcp.call("whoami", service="who", context={"user": {"id": "root"}})
    assert json.loads(result["content"][0]["text"])["user"] == "anonymouz-http"
    tool = mcp("tools/list", service="who")["tools"][0]
    assert tool["inputSchema"]["properties"] == {}


# results


def content(mcp, kind, **headers):
    return mcp.call("value", kind=kind, headers=headers)["content"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "Grüße"), ("int", "3"), ("float", "3.5"), ("true", "true"), ("none", "null"),
        ("nan", "null"), ("dict", '{"a": [1, {"b": null}]}'), ("set", "[1]"),
    ],
)  # fmt: skip
def test_plain_values_are_text(mcp, kind, text):  # MCP-31
    assert content(mcp, kind) == [{"type": "text", "text": text}]


def test_a_dict_is_structured_content_too(mcp):  # MCP-31
    result = mcp.call("process_data", text="x", headers=LATEST)
    assert result["structuredContent"] == {"processed": "x", "max_items": None}
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    old = {"Mcp_Protocol_Version": "2025-03-26"}
    assert "structuredContent" not in mcp.call("process_data", text="x", headers=old)
    assert "structuredContent" not in mcp.call("value", kind="list", headers=LATEST)


def test_a_list_is_a_block_for_each_item(mcp):  # MCP-31
    texts = [block["text"] for block in content(mcp, "list")]
    assert texts == ["1", "two", '{"three": 3}']
    assert content(mcp, "texts") == VALUES["texts"]
    assert content(mcp, "mixed") == VALUES["mixed"]


def test_pictures_and_other_blocks_reach_the_client(mcp):  # MCP-31
    picture = [{"type": "image", "data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}]
    assert content(mcp, "picture") == picture
    assert content(mcp, "png") == picture
    assert content(mcp, "resource") == [VALUES["resource"]]
    assert content(mcp, "link", **LATEST) == [VALUES["link"]]
    assert content(mcp, "audio", **LATEST) == [VALUES["audio"]]


def test_old_clients_get_no_blocks_that_they_do_not_know(mcp):  # MCP-31
    old = {"Mcp_Protocol_Version": "2024-11-05"}
    assert content(mcp, "link", **old) == [{"type": "text", "text": "x: https://lab.example/x"}]
    assert content(mcp, "audio", **old) == [{"type": "text", "text": "[audio, audio/wav]"}]


def test_bytes_and_arrays_are_blobs(mcp):  # MCP-31
    (block,) = content(mcp, "bytes")
    assert block["type"] == "resource"
    assert base64.b64decode(block["resource"]["blob"]) == b"\x00\x01abc"
    text, blob = content(mcp, "array")
    assert text["text"] == "ndarray float32 2x3"
    assert base64.b64decode(blob["resource"]["blob"]) == VALUES["array"].tobytes()


def test_a_function_may_return_the_whole_result(mcp):  # MCP-31
    result = mcp.call("value", kind="result", headers=LATEST)
    assert result == {**VALUES["result"], "isError": False}
    assert mcp.call("value", kind="error") == VALUES["error"]


def test_functions_are_not_shown_with_their_addresses(mcp):
    text = json.dumps(content(mcp, "function"))
    assert "_rtarget" not in text
    assert "chef" not in text


def test_generators_are_drained(mcp):  # MCP-31
    assert mcp.text("count", n=3) == "item 0, item 1, item 2, "
    blocks = mcp.call("numbers", n=2)["content"]
    assert [block["text"] for block in blocks] == ['{"i": 0}', '{"i": 1}']


def test_reports_of_progress_are_no_part_of_the_result(mcp):
    assert mcp.text("report") == "done"


def test_a_declared_result_is_checked_and_wrapped(mcp):  # MCP-31
    call = {"service": "configured", "headers": LATEST}
    assert mcp.call("value", kind="int", **call)["structuredContent"] == {"result": 3}
    assert mcp.call("count", n=1, **call)["structuredContent"] == {"result": ["item 0, "]}
    wrong = mcp.call("value", kind="text", **call)
    assert wrong["isError"] is True
    assert wrong["content"][0]["text"].startswith("Output validation error: 'Grüße' is not of type")


# resources


def test_texts_of_a_service_are_resources(mcp):  # MCP-44
    found = mcp("resources/list")["resources"]
    assert [entry["uri"] for entry in found] == [
        "resource://meta/version",
        "resource://meta/list/0",
        "resource://meta/list/1",
        "resource://docs",
    ]
    assert found[0] == {
        "name": "Meta Version",
        "uri": "resource://meta/version",
        "description": "String resource at path 'meta/version' in service 'Kitchen'",
        "mimeType": "text/plain",
    }
    assert found[-1]["name"] == "Documentation for Kitchen"


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("resource://docs", "# Docs\nhi"), ("docs", "# Docs\nhi"), ("meta/version", "1.0"),
        ("resource://meta_list_1", "b"),
    ],
)  # fmt: skip
def test_resources_are_read_in_every_spelling(mcp, uri, text):  # MCP-44
    (found,) = mcp("resources/read", {"uri": uri})["contents"]
    assert found["text"] == text
    assert found["mimeType"] == "text/plain"


def test_a_resource_that_is_not_there(mcp):  # MCP-34
    error = mcp.answer("resources/read", {"uri": "resource://nope"})["error"]
    assert error["code"] == -32002
    assert error["message"] == "Resource 'resource://nope' not found"
    assert error["data"] == {"uri": "resource://nope"}


# services of type mcp


def test_inline_tools_are_functions_or_described_handlers(mcp):  # MCP-45, MCP-46
    assert names(mcp, "inline") == ["add", "twice"]
    assert mcp.text("add", "inline", a=1) == "2"
    assert mcp.text("twice", "inline", a=4) == "8"
    assert mcp.call("twice", "inline", a="x")["isError"] is True


def test_inline_resources(mcp):  # MCP-45
    assert mcp("resources/list", service="inline")["resources"] == [
        {"uri": "note://1", "name": "Note", "description": "n", "mimeType": "text/x-note"},
        {"uri": "bare", "name": "bare", "description": "", "mimeType": "text/plain"},
        {"uri": "pic://1", "name": "picture", "description": "", "mimeType": "image/png"},
    ]

    def read(uri):
        return mcp("resources/read", {"uri": uri}, service="inline")["contents"][0]

    assert read("note://1") == {"uri": "note://1", "mimeType": "text/x-note", "text": "the note"}
    assert read("bare")["text"] == '{"k": 1}'
    assert base64.b64decode(read("pic://1")["blob"]) == PNG


def test_inline_prompts_by_name_and_by_key(mcp):  # MCP-45
    listed = mcp("prompts/list", service="inline")["prompts"]
    assert listed[0] == {
        "name": "topic_help",
        "description": "About.",
        "arguments": [
            {"name": "topic", "description": "topic", "required": True},
            {"name": "tone", "description": "", "required": False},
        ],
    }
    for name in ("topic_help", "p1"):
        params = {"name": name, "arguments": {"topic": "tea"}}
        result = mcp("prompts/get", params, service="inline")
        content = {"type": "text", "text": "Speak of tea, warm"}
        assert result["messages"] == [{"role": "user", "content": content}]
    given = mcp("prompts/get", {"name": "p2"}, service="inline")
    assert given["messages"][0]["role"] == "assistant"
    error = mcp.answer("prompts/get", {"name": "x"}, service="inline")["error"]
    assert error == {"code": -32602, "message": "Prompt 'x' not found"}


def test_arguments_of_prompts_are_completed_from_their_schema(mcp):  # section 3.2
    def complete(value, argument="tone"):
        ref = {"type": "ref/prompt", "name": "topic_help"}
        params = {"ref": ref, "argument": {"name": argument, "value": value}}
        return mcp("completion/complete", params, service="inline")["completion"]

    assert complete("co") == {"values": ["cold", "cool"], "total": 2, "hasMore": False}
    assert complete("", "topic")["values"] == []


def test_native_services_answer_for_themselves(mcp):  # MCP-47
    echo, strange = mcp("tools/list", service="native")["tools"]
    assert echo["annotations"] == {"readOnlyHint": True}
    assert strange["name"] == "strange_name_"
    assert mcp.text("echo", "native", x=1) == "echo 1"
    assert mcp.text("strange_name_", "native") == "strange name! None"
    assert mcp.call("echo", "native")["content"][0]["text"].startswith("Input validation error")
    assert mcp("resources/list", service="native")["resources"] == [{"uri": "n://1", "name": "one"}]
    templates = mcp("resources/templates/list", service="native")["resourceTemplates"]
    assert templates == [{"uriTemplate": "n://{id}", "name": "any"}]
    read = mcp("resources/read", {"uri": "n://9"}, service="native")
    assert read["contents"][0]["text"] == "I am n://9"
    assert names(mcp, "native", "prompts") == ["p"]
    got = mcp("prompts/get", {"name": "p", "arguments": {"a": "1"}}, service="native")
    assert got["messages"][0]["content"]["text"] == "p {'a': '1'}"


@pytest.mark.parametrize(
    ("service", "start"),
    [
        ("wrong", "has type='mcp' but does not follow valid MCP structure"),
        ("wrong-tool", "Tool function 'plain' must be a @schema_function decorated function."),
    ],
)
def test_services_of_type_mcp_that_are_none_are_refused(mcp, ws, service, start):  # MCP-40
    status, answer = mcp.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, service)
    assert status == 500
    assert start in answer["error"]


def test_lists_of_what_there_is_none_of_are_empty(mcp):  # section 3.2
    assert mcp("prompts/list") == {"prompts": []}
    assert mcp("resources/templates/list") == {"resourceTemplates": []}


def test_services_of_the_server_itself_are_tools_too(hub):  # MCP-82
    from mcp_http import Mcp

    public = Mcp(hub, "public")
    assert "push" in names(public, "queue")
    text = public.text("read_file", "agent-skills", path="SKILL.md")
    assert text.startswith("---\nname: hypha\n")

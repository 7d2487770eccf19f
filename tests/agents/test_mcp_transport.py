"""Streamable HTTP: statuses, headers and bodies of both eras of the protocol (sections 3 and 5)."""

import json

import pytest
from mcp_http import META, VERSION, events

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
HELLO = {"name": "hello", "arguments": {"name": "Ada"}}
EVENTS = {"Accept": "application/json, text/event-stream"}


def rpc(body):
    return json.loads(body)


# what curl sends


@pytest.mark.parametrize(
    "accept",
    [None, "*/*", "application/*", "application/json", "application/json, text/event-stream"],
)
def test_no_handshake_and_no_special_header_is_needed(mcp, accept):  # MCP-20, MCP-21
    headers = {"Accept": accept} if accept else {}
    status, answer = mcp.post(LIST, **headers)
    assert status == 200
    assert answer["result"]["tools"]


def test_who_takes_only_events_gets_the_answer_as_one(mcp):  # MCP-21
    headers = {"Accept": "text/event-stream", "Content_Type": "application/json"}
    status, body, answered = mcp.raw(json.dumps(LIST).encode(), **headers)
    assert status == 200
    assert answered["content-type"] == "text/event-stream"
    assert [message["id"] for message in events(body)] == [1]


def test_who_takes_neither_is_told(mcp):  # MCP-21
    status, answer = mcp.post(LIST, Accept="text/html")
    assert status == 406
    assert answer["error"]["message"] == "Not Acceptable: Client must accept application/json"


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_must_be_json(mcp, kind):  # MCP-20
    status, body, _ = mcp.raw(json.dumps(LIST).encode(), Content_Type=kind)
    assert (status, body) == (400, b"Invalid Content-Type header")


def test_parameters_of_the_content_type_do_not_matter(mcp):  # MCP-20
    status, _ = mcp.post(LIST, Content_Type="application/json; charset=utf-8")
    assert status == 200


@pytest.mark.parametrize(
    ("body", "code", "start"),
    [
        (b"{", -32700, "Parse error: "),
        (b"", -32700, "Parse error: "),
        (b"\xff\xfe", -32700, "Parse error: "),
        (b"[" * 100_000, -32700, "Parse error: "),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 70 + b"]" * 70 + b"}",
         -32700, "Parse error: nested more than 64 deep"),
        (b'{"foo": 1}', -32602, "Validation error: "),
        (b'"text"', -32602, "Validation error: "),
        (b"5", -32602, "Validation error: "),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32602, "Validation error: "),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32602, "Validation error: "),
    ],
)  # fmt: skip
def test_what_is_no_message_is_400(mcp, body, code, start):  # MCP-20, MCP-37
    status, answer, _ = mcp.raw(body, Content_Type="application/json")
    assert status == 400
    found = rpc(answer)
    assert found["id"] == "server-error"
    assert found["error"]["code"] == code
    assert found["error"]["message"].startswith(start)


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": "x"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": 5, "result": {}},
        {"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "x"}},
    ],
)
def test_what_needs_no_answer_is_202(mcp, message):  # MCP-20
    assert mcp.post(message) == (202, "")


@pytest.mark.parametrize("number", [0, 7, "s", "", -1, 2**40])
def test_ids_come_back_as_they_were(mcp, number):  # MCP-26
    _, answer = mcp.post({**LIST, "id": number, "method": "ping"})
    assert answer == {"jsonrpc": "2.0", "id": number, "result": {}}


@pytest.mark.parametrize("params", [[1], "x", 5])
def test_params_are_an_object(mcp, params):
    error = mcp.answer("tools/list", params)["error"]
    assert error["code"] == -32602


def test_an_unknown_method(mcp):  # section 3.2
    error = mcp.answer("nope/nope")["error"]
    assert error == {"code": -32601, "message": "Method not found", "data": "nope/nope"}


def test_a_body_that_is_too_long_is_413(mcp):  # MCP-37
    long = {**LIST, "params": {"x": "y" * (4 << 20)}}
    assert mcp.post(long)[0] == 413
    assert mcp.post({**LIST, "params": {"x": "y" * (3 << 20)}})[0] == 200


# sessions and versions


def test_sessions_are_neither_made_nor_missed(mcp):  # MCP-22
    status, _, headers = mcp.raw(
        json.dumps(LIST).encode(), Content_Type="application/json", Mcp_Session_Id="whatever"
    )
    assert status == 200
    assert "mcp-session-id" not in headers


def test_there_is_no_session_to_end(mcp):  # MCP-22
    status, body, _ = mcp.hub.request(mcp.path("kitchen"), method="DELETE")
    assert status == 405
    error = rpc(body)["error"]
    assert error["message"] == "Method Not Allowed: Session termination not supported"
    for method in ("PUT", "PATCH"):
        status, body, headers = mcp.hub.request(mcp.path("kitchen"), b"{}", method=method)
        assert (status, headers["allow"]) == (405, "GET, POST, DELETE")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_known_versions_are_agreed_to(mcp, version):  # MCP-24, MCP-25
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t"}}
    result = mcp("initialize", params)
    assert result["protocolVersion"] == version
    assert result["capabilities"]["tools"] == {"listChanged": True}
    assert result["capabilities"]["resources"] == {"subscribe": False, "listChanged": True}
    assert "prompts" not in result["capabilities"]
    assert result["serverInfo"]["name"].endswith(":kitchen")
    assert result["serverInfo"]["title"] == "Kitchen"
    assert result["instructions"] == "# Docs\nhi"
    assert mcp("ping", Mcp_Protocol_Version=version) == {}


def test_an_unknown_version_gets_the_newest_of_the_handshake(mcp):  # MCP-25
    params = {"protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "t"}}
    assert mcp("initialize", params)["protocolVersion"] == "2025-11-25"


def test_a_header_of_an_unknown_version_is_400(mcp):  # MCP-24
    status, answer = mcp.post(LIST, Mcp_Protocol_Version="1999-01-01")
    assert status == 400
    assert answer["id"] == "server-error"
    assert answer["error"]["message"] == (
        "Bad Request: Unsupported protocol version: 1999-01-01. Supported versions: 2024-11-05, "
        "2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28"
    )


@pytest.mark.parametrize(
    "params", [{}, {"protocolVersion": 5}, {"protocolVersion": "2025-06-18", "capabilities": {}}]
)
def test_a_malformed_hello(mcp, params):  # MCP-25
    error = mcp.answer("initialize", params)["error"]
    assert error == {"code": -32602, "message": "Invalid request parameters", "data": ""}


def test_logging_can_be_set(mcp):  # section 3.2
    assert mcp("logging/setLevel", {"level": "info"}) == {}
    assert mcp.answer("logging/setLevel", {"level": "loud"})["error"]["code"] == -32602


# batches and pages


def test_old_clients_may_send_several_messages_at_once(mcp):  # MCP-27
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    status, answers = mcp.post([LIST, ping, note])
    assert status == 200
    assert [answer["id"] for answer in answers] == [1, 2]
    assert mcp.post([note]) == (202, "")
    for batch, headers in (
        ([], {}),
        ([ping] * 51, {}),
        ([ping], {"Mcp_Protocol_Version": "2025-06-18"}),
    ):
        status, answer = mcp.post(batch, **headers)
        assert status == 400
        assert answer["error"]["message"] == "Batch requests are not supported"


def test_long_lists_come_in_pages(mcp, provider):  # MCP-29
    from kitchen import add

    provider.register({"id": "many", **{f"f{i}": add for i in range(450)}})
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        params = {"cursor": cursor} if cursor else {}
        page = mcp("tools/list", params, service="many")
        seen += [tool["name"] for tool in page["tools"]]
        cursor = page.get("nextCursor")
        pages += 1
    assert (pages, len(set(seen))) == (3, 450)
    for wrong in ("x", "from-1", "from-100000", "from-", "200", 5):
        error = mcp.answer("tools/list", {"cursor": wrong}, service="many")["error"]
        assert error == {"code": -32602, "message": "Invalid cursor"}


# progress


def test_progress_comes_as_events_before_the_answer(mcp):  # MCP-32
    params = {"name": "count", "arguments": {"n": 2}, "_meta": {"progressToken": "t"}}
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    headers = {**EVENTS, "Content_Type": "application/json"}
    status, body, answered = mcp.raw(json.dumps(message).encode(), **headers)
    assert status == 200
    assert answered["content-type"] == "text/event-stream"
    *notes, last = events(body)
    assert [note["params"] for note in notes] == [
        {"progressToken": "t", "progress": 1, "message": "item 0, "},
        {"progressToken": "t", "progress": 2, "message": "item 1, "},
    ]
    assert last["id"] == 3
    assert last["result"]["content"][0]["text"] == "item 0, item 1, "


def test_a_tool_may_report_progress_and_log(mcp):
    params = {"name": "report", "_meta": {"progressToken": 9}}
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    headers = {**EVENTS, "Content_Type": "application/json"}
    *notes, _ = events(mcp.raw(json.dumps(message).encode(), **headers)[1])
    assert [(note["method"], note["params"]) for note in notes[:3]] == [
        (
            "notifications/progress",
            {"progressToken": 9, "progress": 1, "total": 2, "message": "half"},
        ),
        ("notifications/message", {"level": "warning", "data": "careful", "logger": "oven"}),
        ("notifications/progress", {"progressToken": 9, "progress": 2, "total": 2}),
    ]


@pytest.mark.parametrize("meta", [{}, {"progressToken": None}, {"progressToken": [1]}, "x"])
def test_without_a_token_the_answer_is_json(mcp, meta):  # MCP-32
    params = {"name": "count", "arguments": {"n": 1}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    headers = {**EVENTS, "Content_Type": "application/json"}
    _, _, answered = mcp.raw(json.dumps(message).encode(), **headers)
    assert answered["content-type"] == "application/json"


# the newest protocol


def test_discovery(mcp):  # MCP-50
    status, answer = mcp.modern("server/discover")
    assert status == 200
    result = answer["result"]
    assert result["supportedVersions"] == [VERSION]
    assert result["resultType"] == "complete"
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
    assert result["_meta"][META + "serverInfo"]["title"] == "Kitchen"
    assert "logging" not in result["capabilities"]


def test_calls_in_one_exchange(mcp):  # MCP-50, MCP-51
    status, answer = mcp.modern("tools/call", HELLO)
    assert status == 200
    assert answer["result"]["content"][0]["text"] == "Hello Ada!"
    assert answer["result"]["resultType"] == "complete"
    assert "ttlMs" not in answer["result"]
    _, listed = mcp.modern("tools/list")
    assert listed["result"]["cacheScope"] == "private"
    _, read = mcp.modern("resources/read", {"uri": "resource://docs"})
    assert read["result"]["contents"][0]["text"] == "# Docs\nhi"


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        ({"Mcp_Method": "tools/call"}, 400, -32020,
         "mcp-method header does not match the request body's method"),
        ({"Mcp_Method": "TOOLS/LIST"}, 400, -32020,
         "mcp-method header does not match the request body's method"),
    ],
)  # fmt: skip
def test_headers_must_say_what_the_body_says(mcp, change, status, code, message):  # MCP-51
    found, answer = mcp.modern("tools/list", **change)
    assert found == status
    assert (answer["error"]["code"], answer["error"]["message"]) == (code, message)
    assert answer["id"] == 7


@pytest.mark.parametrize("header", ["", "other", "=?base64?!!?=", "=?base64?b3RoZXI=?="])
def test_the_name_header_must_name_the_tool(mcp, header):  # MCP-51
    status, answer = mcp.modern("tools/call", HELLO, Mcp_Name=header)
    assert status == 400
    assert answer["error"]["code"] == -32020
    assert "'name' parameter" in answer["error"]["message"]


def test_names_beyond_ascii_come_in_base64(mcp):  # MCP-51
    status, _ = mcp.modern("tools/call", HELLO, Mcp_Name="=?base64?aGVsbG8=?=")
    assert status == 200


def test_the_envelope_must_be_there(mcp):  # MCP-51
    headers = {**EVENTS, "Mcp_Protocol_Version": VERSION, "Mcp_Method": "tools/list"}
    for params, word in ((None, "must be an object"), ({"_meta": {}}, "is missing the required")):
        message = {**LIST, **({"params": params} if params is not None else {})}
        status, answer = mcp.post(message, **headers)
        assert (status, answer["error"]["code"]) == (400, -32602)
        assert word in answer["error"]["message"]


def test_an_unknown_newer_version_is_told_what_there_is(mcp):  # MCP-51
    meta = {META + "protocolVersion": "2027-01-01", META + "clientCapabilities": {}}
    status, answer = mcp.modern("tools/list", {"_meta": meta}, Mcp_Protocol_Version="2027-01-01")
    assert status == 400
    assert answer["error"] == {
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": {"supported": [VERSION], "requested": "2027-01-01"},
    }


@pytest.mark.parametrize("method", ["ping", "logging/setLevel", "initialize", "nope"])
def test_what_the_newest_protocol_has_not_is_404(mcp, method):  # MCP-50, MCP-51
    status, answer = mcp.modern(method)
    assert status == 404
    assert answer["error"] == {"code": -32601, "message": "Method not found", "data": method}


@pytest.mark.parametrize("body", [[LIST], {"jsonrpc": "2.0", "id": 1, "result": {}}, 5])
def test_only_single_requests_and_notifications(mcp, body):  # MCP-51
    status, answer = mcp.post(body, **EVENTS, Mcp_Protocol_Version=VERSION)
    assert status == 400
    assert answer["id"] is None
    assert answer["error"]["code"] == -32600


def test_other_methods_and_kinds_of_answers(mcp):  # MCP-51
    headers = {"MCP-Protocol-Version": VERSION, "Accept": "text/event-stream"}
    status, _, answered = mcp.hub.request(mcp.path("kitchen"), headers=headers)
    assert (status, answered["allow"]) == (405, "POST")
    assert mcp.modern("tools/list", Accept="text/html")[0] == 406
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    assert mcp.post(note, **EVENTS, Mcp_Protocol_Version=VERSION)[0] == 202


def test_resources_that_are_not_there_are_bad_params(mcp):  # MCP-51
    status, answer = mcp.modern("resources/read", {"uri": "x://nope"})
    assert (status, answer["error"]["code"]) == (400, -32602)
    assert answer["error"]["data"] == {"uri": "x://nope"}

"""Who may use a service over MCP, from where, and that nothing of one caller stays for the next."""

import http.client
import json
from collections.abc import Iterator

import pytest
from kitchen import hello, private
from mcp_http import Mcp, bearer
from providers import Provider
from running import Hyphad
from tickets import ticket

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "hello", "arguments": {"name": "LEAK"}},
}


@pytest.fixture
def lab(hub: Hyphad) -> Iterator[Provider]:
    """A client of its own, in a workspace of its own."""
    client = Provider(hub.url)
    yield client
    client.stop()


def not_found(service: str) -> str:
    return f"Service {service} not found or not accessible"


# strangers


def test_a_stranger_after_an_authorised_caller_gets_nothing(hub, lab):  # MCP-80
    lab.register(private())
    mcp, owner = Mcp(hub, lab.workspace), bearer(lab.token())
    assert mcp.post(CALL, "private")[0] == 404
    for _ in range(2):
        status, answer = mcp.post(CALL, "private", **owner)
        assert answer["result"]["content"][0]["text"] == "Hello LEAK!"
        for message in (CALL, LIST):
            status, answer = mcp.post(message, "private")
            assert (status, answer["error"]) == (404, not_found("private"))
        assert hub.get(f"/{lab.workspace}/mcp/private")[0] == 404


def test_a_token_of_another_workspace_is_a_stranger_too(hub, lab, provider):  # MCP-13, MCP-80
    lab.register(private())
    other = bearer(provider.token())
    status, answer = Mcp(hub, lab.workspace).post(CALL, "private", **other)
    assert (status, answer["error"]) == (404, not_found("private"))


def test_what_is_missing_and_what_is_hidden_are_told_alike(hub, lab):  # MCP-13
    lab.register(private())
    mcp = Mcp(hub, lab.workspace)
    missing, hidden = mcp.post(LIST, "nosuch"), mcp.post(LIST, "private")
    assert missing[0] == hidden[0] == 404
    assert missing[1]["error"] == not_found("nosuch")
    assert missing[1]["help"] == hidden[1]["help"]
    assert "Bearer" in missing[1]["help"]
    status, answer = Mcp(hub, "ws-nows").post(LIST, "private")
    assert (status, answer["error"]) == (404, not_found("private"))


def test_each_caller_is_itself(hub, lab):  # MCP-48, section 12, 12
    from kitchen import whoami

    lab.register({"id": "who", "config": {"require_context": True}, "whoami": whoami})
    mcp = Mcp(hub, lab.workspace)
    names = []
    for headers in ({}, bearer(lab.token()), bearer(ticket("ada")), {}):
        result = mcp.call("whoami", "who", headers=headers)
        names.append(json.loads(result["content"][0]["text"])["user"])
    assert names[0] == names[3] == "anonymouz-http"
    assert names[2] == "ada"
    assert len(set(names)) == 3


# credentials


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ticket("ada", lifetime=-10)])
def test_a_bad_token_is_401_with_the_reason(hub, lab, token):  # MCP-13
    path = Mcp(hub, lab.workspace).path("kitchen")
    headers = {"Content-Type": "application/json", **bearer(token)}
    status, body, answered = hub.request(path, json.dumps(LIST).encode(), headers)
    assert status == 401
    assert json.loads(body)["error"]
    assert answered["www-authenticate"].startswith('Bearer error="invalid_token"')


def test_a_token_in_the_query_is_no_credential(hub, lab):  # MCP-13
    lab.register(private())
    path = f"{Mcp(hub, lab.workspace).path('private')}?token={lab.token()}"
    assert hub.post(path, LIST)[0] == 404


def test_the_cookie_counts_but_not_for_pages_of_other_sites(hub, lab):  # MCP-13, MCP-36
    lab.register(private())
    mcp, cookie = Mcp(hub, lab.workspace), {"Cookie": f"access_token={lab.token()}"}
    assert mcp.post(LIST, "private", **cookie)[0] == 200
    assert mcp.post(LIST, "private", **cookie, Origin="https://evil.example")[0] == 403


def test_what_needs_a_token_says_where_to_read_about_it(hub, lab):  # MCP-56
    lab.register(private())
    path = Mcp(hub, lab.workspace).path("private")
    headers = {"Content-Type": "application/json"}
    status, _, answered = hub.request(path, b"{}", headers)
    link = answered["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
    assert (status, link) == (404, f"{hub.url}/.well-known/oauth-protected-resource{path}")
    status, found = hub.get(link)
    assert status == 200
    assert found["resource"] == hub.url + path
    assert found["bearer_methods_supported"] == ["header"]
    for missing in ("/.well-known/oauth-protected-resource", "/.well-known/openid-configuration"):
        status, _, answered = hub.request(missing)
        assert status == 404
        assert answered["content-type"] == "application/json"


def test_with_mcp_oauth_clients_are_asked_for_a_token(make_hyphad):  # MCP-56
    hub = make_hyphad("--mcp-oauth").start()
    lab = Provider(hub.url)
    try:
        lab.register(private())
        lab.register({"id": "open", "hello": hello})
        mcp, headers = Mcp(hub, lab.workspace), {"Content-Type": "application/json"}
        answers = {}
        for service in ("private", "nosuch"):
            path = mcp.path(service)
            status, body, answered = hub.request(path, json.dumps(LIST).encode(), headers)
            assert status == 401
            assert f'resource_metadata="{hub.url}/.well-known/' in answered["www-authenticate"]
            answers[service] = body.replace(service.encode(), b"")
        assert answers["private"] == answers["nosuch"]
        assert mcp.post(LIST, "open")[0] == 200
        assert mcp.post(LIST, "private", **bearer(lab.token()))[0] == 200
        other = Provider(hub.url)
        path = mcp.path("private")
        given = {**headers, **bearer(other.token())}
        status, _, answered = hub.request(path, json.dumps(LIST).encode(), given)
        other.stop()
        assert status == 403
        assert answered["www-authenticate"] == 'Bearer error="insufficient_scope"'
    finally:
        lab.stop()


# where it comes from


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:6274", 200),
        ("http://127.0.0.1:3000", 200),
        ("http://[::1]:80", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost.evil.example", 403),
    ],
)
def test_pages_of_other_sites_may_not_call(mcp, origin, status):  # MCP-36
    headers = {"Origin": origin} if origin else {}
    found, answer = mcp.post(LIST, **headers)
    assert found == status
    if status == 403:
        assert answer["error"] == "Invalid Origin header"


def test_a_page_with_a_token_of_its_own_may_call(mcp, provider):  # MCP-36
    headers = {"Origin": "https://evil.example", **bearer(provider.token())}
    assert mcp.post(LIST, **headers)[0] == 200


def test_pages_may_ask_first(mcp):  # MCP-35
    asked = {
        "Origin": "http://localhost:6274",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, mcp-param-x, mcp-method",
    }
    status, body, headers = mcp.hub.request(mcp.path("kitchen"), headers=asked, method="OPTIONS")
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] in ("*", asked["Origin"])
    assert headers["access-control-allow-methods"] == "GET, POST, DELETE, OPTIONS"
    allowed = headers["access-control-allow-headers"].lower()
    for name in ("authorization", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-x"):
        assert name in allowed
    assert "WWW-Authenticate" in headers["access-control-expose-headers"]
    status, _, headers = mcp.hub.request(
        mcp.path("kitchen"), json.dumps(LIST).encode(),
        {"Content-Type": "application/json", "Origin": asked["Origin"]},
    )  # fmt: skip
    assert (status, headers["access-control-allow-origin"]) == (200, "*")


def test_another_host_name_is_no_name_of_a_local_server(hub, ws):  # MCP-36
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("POST", f"/{ws}/mcp/kitchen/mcp", b"{}", {"Host": "evil.example"})
    assert connection.getresponse().status == 421
    connection.close()


# changes


def test_what_is_registered_anew_is_shown_at_once(hub, lab):  # MCP-81
    def service(name, visibility="public"):
        def function(x: int = 1) -> str:
            return name

        function.__schema__ = {"name": name, "description": name}
        config = {"visibility": visibility}
        return {"id": "changing", name: function, "config": config}

    async def register(api):
        await lab.server.register_service(api, overwrite=True)

    mcp, owner = Mcp(hub, lab.workspace), bearer(lab.token())
    for name in ("f", "g"):
        lab.run(register(service(name)))
        assert [tool["name"] for tool in mcp("tools/list", service="changing")["tools"]] == [name]
        assert mcp.text(name, "changing") == name
    result = mcp.call("f", "changing")
    assert result["content"][0]["text"] == "Tool 'f' not found"
    lab.run(register(service("h", "protected")))
    assert mcp.post(LIST, "changing")[0] == 404
    _, answer = mcp.post(LIST, "changing", **owner)
    assert [tool["name"] for tool in answer["result"]["tools"]] == ["h"]
    lab.run(lambda: lab.server.unregister_service("changing"))
    assert mcp.post(LIST, "changing", **owner)[0] == 404


def test_what_has_gone_is_gone(hub):  # MCP-13, section 12, 5
    client = Provider(hub.url)
    client.register({"id": "short", "hello": hello})
    mcp = Mcp(hub, client.workspace)
    assert mcp.text("hello", "short", name="A") == "Hello A!"
    client.stop()
    status, answer = mcp.post(LIST, "short")
    assert (status, answer["error"]) == (404, not_found("short"))


# ids


def test_every_form_of_a_service_id(hub, provider, ws):  # MCP-12
    mcp = Mcp(hub, ws)
    for form in ("kitchen", "chef:kitchen", f"{ws}/chef:kitchen", "kitchen@*", "chef:kitchen@*"):
        assert mcp.post(LIST, form)[0] == 200, form
    assert hub.post(f"/{ws}/mcp/kitchen/mcp/", LIST)[0] == 200
    assert hub.post(f"/{ws}/mcp/kitchen/mcp?_mode=first&x=a=b&y", LIST)[0] == 200
    for form in ("nobody:kitchen", "kitchen@app", "a/b/c", "%00", "x:y:z", "*"):
        assert mcp.post(LIST, form)[0] in (400, 404), form


def test_ids_of_other_workspaces_only_where_they_are_public(hub, provider, ws, lab):  # MCP-12
    lab.register(private())
    lab.register({"id": "open", "hello": hello})
    own = f"{lab.workspace}/{lab.client_id}"
    mcp, owner = Mcp(hub, ws), bearer(lab.token())
    assert mcp.post(LIST, f"{own}:open")[0] == 200
    assert mcp.post(LIST, f"{own}:private", **owner)[0] == 404


def test_the_manager_needs_a_token(hub, lab):  # MCP-18
    mcp = Mcp(hub, lab.workspace)
    assert mcp.post(LIST, "~")[0] == 404
    _, answer = mcp.post(LIST, "~", **bearer(lab.token()))
    names = [tool["name"] for tool in answer["result"]["tools"]]
    assert "list_services" in names
    assert "register_service" not in names


def test_mcp_can_be_switched_off(make_hyphad):  # MCP-13
    hub = make_hyphad("--disable-mcp").start()
    assert hub.post("/public/mcp/queue/mcp", LIST)[0] == 404
    assert hub.get("/public/mcp/queue")[0] == 404

"""Who a request comes from, and in which workspace it acts (AUTH-44 to AUTH-47, AUTH-87)."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hubs import ROOT_TOKEN
from providers import Provider
from running import Hyphad
from tickets import JWT_SECRET, ticket

ALICE, BOB = ticket("alice"), ticket("bob")
HOME = "ws-user-alice"
JSON = {"Content-Type": "application/json"}
CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}


@pytest.fixture(scope="module")
def alice(hub: Hyphad) -> Iterator[Provider]:
    """A registered user's client with one service of each visibility, and one for bob."""
    client = Provider(hub.url, client_id="desk", token=ALICE)
    context = {"require_context": True}
    for name, config in (
        ("public", {"visibility": "public"}),
        ("unlisted", {"visibility": "unlisted"}),
        ("protected", {"visibility": "protected"}),
        ("shared", {"visibility": "protected", "authorized_workspaces": ["ws-user-bob"]}),
    ):
        who = [lambda context=None: [context["ws"], context["user"]["id"], context["from"]]]
        client.register({"id": name, "config": {**context, **config}, "who": who[0]})
    yield client
    client.stop()


def who(hub: Hyphad, service: str = "public", **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, data, _ = hub.request(f"/{HOME}/services/{service}/who", headers=named)
    answer = json.loads(data)
    return status, answer[:2] if isinstance(answer, list) else answer["detail"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# whose workspace it is: the table of HTTP-51 and AUTH-47


def test_visitors_act_in_the_workspace_of_visitors(hub: Hyphad, alice: Provider) -> None:
    assert who(hub) == (200, ["ws-anonymous", "anonymouz-http"])


def test_a_token_with_a_workspace_always_acts_there(hub: Hyphad, alice: Provider) -> None:
    inside = ticket("alice", f"ws:{HOME}#rw wid:{HOME}")
    assert who(hub, **bearer(inside)) == (200, [HOME, "alice"])
    elsewhere = ticket("bob", "ws:ws-user-bob#a wid:ws-user-bob")
    assert who(hub, **bearer(elsewhere)) == (200, ["ws-user-bob", "bob"])
    gone = ticket("bob", "ws:ws-gone#rw wid:ws-gone", parent="bob")
    assert who(hub, **bearer(gone)) == (200, ["ws-gone", "bob"])


def test_a_general_token_acts_where_it_may(hub: Hyphad, alice: Provider) -> None:
    assert who(hub, **bearer(ALICE)) == (200, [HOME, "alice"])
    assert who(hub, **bearer(BOB)) == (200, ["ws-user-bob", "bob"])
    guest = ticket("bob", f"ws:{HOME}#r")
    assert who(hub, **bearer(guest)) == (200, [HOME, "bob"])


def test_a_general_token_in_public_and_in_nowhere(hub: Hyphad) -> None:
    status, info = hub.get("/public/services/ws/list_services", **bearer(BOB))
    assert (status, all(item["config"]["workspace"] == "public" for item in info)) == (200, True)
    assert hub.get("/ws-nope/services/x/y", **bearer(BOB)) == (
        404,
        {"success": False, "detail": "Workspace 'ws-nope' not found"},
    )


def test_a_home_comes_into_being_when_its_owner_looks(hub: Hyphad) -> None:  # HTTP-37
    carol = ticket("carol")
    assert hub.get("/ws-user-carol/services", **bearer(carol)) == (200, [])
    dave = ticket("dave")
    status, info = hub.get("/ws-user-dave/info", **bearer(dave))
    assert (status, info["description"]) == (200, "Workspace for user dave")
    assert hub.get("/ws-user-erin/services", **bearer(carol))[0] == 404


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("public", [200, 200, 200, 200]),
        ("unlisted", [200, 200, 200, 200]),
        ("protected", [403, 200, 403, 200]),
        ("shared", [403, 200, 200, 200]),
    ],
)
def test_the_matrix_of_visibility(
    hub: Hyphad, alice: Provider, service: str, expected: list[int]
) -> None:  # AUTH-47
    guest = ticket("bob", f"ws:{HOME}#r")
    tokens: list[dict[str, str]] = [{}, bearer(ALICE), bearer(BOB), bearer(guest)]
    found = [who(hub, service, **headers) for headers in tokens]
    assert [status for status, _ in found] == expected
    with_cookie = [
        who(hub, service, Cookie=f"access_token={headers['Authorization'][7:]}")[0]
        for headers in tokens[1:]
    ]
    assert with_cookie == expected[1:]


def test_the_text_for_what_is_not_public(hub: Hyphad, alice: Provider) -> None:
    text = f"PermissionError: Permission denied for non-public service in workspace {HOME}"
    assert who(hub, "protected") == (403, f"RemoteException: {text}")


def test_child_tokens_do_not_act_in_their_parents_home(hub: Hyphad, alice: Provider) -> None:
    child = ticket("x", "ws:ws-other#r", parent="bob")
    assert who(hub, **bearer(child)) == (200, ["ws-anonymous", "x"])
    assert who(hub, "shared", **bearer(child))[0] == 403


def test_no_token_enters_a_workspace_it_was_not_given(hub: Hyphad, alice: Provider) -> None:
    forged = ticket("bob", f"wid:{HOME}")
    status, text = who(hub, **bearer(forged))
    assert (status, text[-len(HOME) :]) == (403, HOME)


def test_a_caller_cannot_write_its_own_context(hub: Hyphad, alice: Provider) -> None:  # HTTP-52
    path = f"/{HOME}/services/public/who"
    body = json.dumps({"context": {"ws": HOME, "user": {"id": "root"}, "from": "x"}}).encode()
    assert json.loads(hub.request(path, body, JSON)[1])[0] == "ws-anonymous"
    assert hub.get(f"{path}?context=%7B%22ws%22%3A%22x%22%7D")[1][0] == "ws-anonymous"


def test_callers_leave_no_trace(hub: Hyphad, alice: Provider) -> None:  # HTTP-52
    before = hub.get(f"/{HOME}/services/ws/list_clients", **bearer(ALICE))[1]
    who(hub, **bearer(ALICE))
    after = hub.get(f"/{HOME}/services/ws/list_clients", **bearer(ALICE))[1]
    assert [client["id"] for client in after] == [client["id"] for client in before]
    assert [client["id"] for client in after] == [f"{HOME}/desk"]


# the manager as a service


def test_the_manager_over_http(hub: Hyphad, alice: Provider) -> None:  # HTTP-50
    path = f"/{HOME}/services/ws"
    assert hub.get(f"{path}/list_services")[1] == []
    assert hub.get(f"{path}/echo?data=5", **bearer(ALICE)) == (200, 5)
    text = "RemoteException: PermissionError: Permission denied for workspace ws-anonymous"
    assert hub.get(f"{path}/echo?data=5") == (403, {"success": False, "detail": text})
    status, answer = hub.get(f"{path}/generate_token")
    assert (status, answer["detail"]) == (
        403,
        "RemoteException: PermissionError: Only admin can generate token.",
    )
    status, token = hub.get(f"{path}/generate_token", **bearer(ALICE))
    assert (status, who(hub, "protected", **bearer(token))[0]) == (200, 200)
    assert hub.get(f"{path}/config")[1]["server_id"]
    assert hub.get(f"/{HOME}/services/ws")[1]["id"] == "~"
    assert hub.get(f"/{HOME}/services/~/check_status", **bearer(ALICE))[0] == 200


@pytest.mark.parametrize("name", ["register_service", "get_service", "subscribe", "on", "rpc"])
def test_what_needs_a_connection_is_not_there(hub: Hyphad, name: str) -> None:  # HTTP-50
    answer = hub.post(f"/{HOME}/services/ws/{name}", {}, **bearer(ALICE))
    assert answer == (404, {"success": False, "detail": f"{name} not found."})


def test_the_root_token(hub: Hyphad, alice: Provider) -> None:  # HTTP-63
    assert who(hub, **bearer(ROOT_TOKEN)) == (200, ["ws-user-root", "root"])
    user = hub.get("/assets/config.json", **bearer(ROOT_TOKEN))[1]["user"]
    assert (user["id"], user["scope"]["workspaces"]) == ("root", {"*": "a"})


# credentials


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Bearer nonsense", "Error decoding token headers."),
        ("nonsense", "Error decoding token headers."),
        (f"Bearer {ALICE[:-4]}AAAA", "Signature verification failed."),
        (f"Bearer {ticket('alice', lifetime=-60)}", None),
        (f"Bearer {ticket('alice', aud=None)}", None),
        (f"Bearer {ticket('alice', iss=None)}", None),
        ("Bearer", None),
        ("Digest a b c", None),
        ("Bearer " + "x" * 5000, None),
        (f"Bearer {ticket('alice', secret='s' * 64, algorithm='HS512')}", None),
    ],
)
@pytest.mark.parametrize(
    "path", ["/{}/services/public/who", "/{}/services", "/{}/info", "/assets/config.json"]
)
def test_a_bad_header_is_401_and_never_anonymous(
    hub: Hyphad, alice: Provider, path: str, header: str, text: str | None
) -> None:  # HTTP-62
    headers = {"Authorization": header, "Cookie": f"access_token={ALICE}"}
    status, data, answer = hub.request(path.format(HOME), headers=headers)
    assert (status, answer["www-authenticate"]) == (401, "Bearer")
    body = json.loads(data)
    assert list(body) == ["detail"]
    if text is not None:
        assert body["detail"] == text


def test_expired_tokens_say_so(hub: Hyphad) -> None:
    token = ticket("alice", lifetime=-60)
    answer = hub.get("/assets/config.json", **bearer(token))
    assert answer == (401, {"detail": "The token has expired. Please fetch a new one"})


def test_a_revoked_token(hub: Hyphad, alice: Provider) -> None:  # HTTP-62
    token = alice.token()
    assert who(hub, **bearer(token))[0] == 200
    alice.run(lambda: alice.server.revoke_token(token))
    assert hub.get("/assets/config.json", **bearer(token)) == (
        401,
        {"detail": "Token has been revoked"},
    )


@pytest.mark.parametrize("header", ["Basic ", "Basic !!!", "Basic Z2l0Og==", "basic /////w=="])
def test_basic_without_a_password_is_no_credential(
    hub: Hyphad, alice: Provider, header: str
) -> None:  # HTTP-60
    assert who(hub, Authorization=header, Cookie=f"access_token={ALICE}")[1] == [
        "ws-anonymous",
        "anonymouz-http",
    ]


def test_query_parameters_are_no_credentials(hub: Hyphad, alice: Provider) -> None:  # HTTP-60
    path = f"/{HOME}/services/protected/who?token={ALICE}&access_token={ALICE}"
    assert hub.get(path)[0] == 403


def test_tokens_for_one_purpose_are_refused(hub: Hyphad, alice: Provider) -> None:  # AUTH-37
    token = ticket("alice", "file:download openid")
    status, text = who(hub, **bearer(token))
    assert (status, text[:50]) == (403, "Specialized token with scopes ['file:download'] ca")
    assert hub.get("/assets/config.json", **bearer(token))[0] == 403
    assert who(hub, **bearer(ticket("alice", "openid profile")))[0] == 200


# the cookie


def test_the_cookie_counts_where_no_other_site_has_a_hand_in_it(
    hub: Hyphad, alice: Provider
) -> None:  # AUTH-87
    cookie = {"Cookie": f"other=1; access_token={ALICE}"}
    own = f"http://127.0.0.1:{hub.port}"
    for headers in (
        {},
        {"Origin": own},
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ):
        assert who(hub, **cookie, **headers) == (200, [HOME, "alice"])
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ):
        assert who(hub, **cookie, **headers) == (200, ["ws-anonymous", "anonymouz-http"])


def test_a_link_from_elsewhere_to_a_page_keeps_the_cookie(hub: Hyphad) -> None:  # AUTH-87
    headers = {
        "Cookie": f"access_token={ALICE}",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
    }
    status, data, _ = hub.request(f"/{HOME}/info", headers=headers)
    assert (status, json.loads(data)["id"]) == (200, HOME)
    assert hub.request(f"/{HOME}/info", b"", headers)[0] == 405


BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


def test_without_fetch_metadata_a_page_must_show_that_it_is_ours(
    hub: Hyphad, alice: Provider
) -> None:
    """Browsers say where a request comes from only to servers with https, or on the own machine;
    on a lab's network an image or a link of a page on another port is stopped by this (AUTH-87)."""
    cookie = {"Cookie": f"access_token={ALICE}", **BROWSER}
    own = f"http://127.0.0.1:{hub.port}"
    for headers in ({"Referer": f"{own}/page"}, {"Origin": own}):
        assert who(hub, **cookie, **headers) == (200, [HOME, "alice"])
    for headers in (
        {},
        {"Referer": "http://127.0.0.1:1/page"},
        {"Referer": "http://[bad/"},
        {"Referer": f"http://evil.example/{own}/"},
        {"Upgrade-Insecure-Requests": "1"},
    ):
        assert who(hub, **cookie, **headers) == (200, ["ws-anonymous", "anonymouz-http"])


def test_a_typed_address_of_a_page_keeps_the_cookie_there(hub: Hyphad) -> None:  # AUTH-87
    headers = {"Cookie": f"access_token={ALICE}", **BROWSER}
    assert hub.request(f"/{HOME}/info", headers=headers)[0] == 403
    headers["Upgrade-Insecure-Requests"] = "1"
    assert hub.request(f"/{HOME}/info", headers=headers)[0] == 200


def test_named_origins_may_use_the_cookie(make_hyphad: Callable[..., Hyphad]) -> None:  # D-2
    daemon = make_hyphad(
        "--jwt-secret", JWT_SECRET, "--allow-origins", "http://lab.example"
    ).start()
    for origin, expected in (
        ("http://lab.example", "alice"),
        ("http://x.example", "anonymouz-http"),
    ):
        headers = {"Cookie": f"access_token={ALICE}", "Origin": origin}
        user = json.loads(daemon.request("/assets/config.json", headers=headers)[1])["user"]
        assert user["id"] == expected


@pytest.mark.parametrize("stale", ["nonsense", ticket("alice", lifetime=-60)])
def test_a_stale_cookie_is_cleared(hub: Hyphad, alice: Provider, stale: str) -> None:  # AUTH-45
    path = f"/{HOME}/services/public/who"
    cookie = {"Cookie": f"access_token={stale}"}
    status, data, headers = hub.request(path, headers=cookie)
    assert (status, json.loads(data)[1]) == (200, "anonymouz-http")
    cleared = headers["set-cookie"]
    assert cleared.startswith("access_token=")
    assert "Max-Age=0" in cleared
    assert "Path=/" in cleared
    status, data, _ = hub.request(path, b"{}", {**cookie, **JSON})
    assert (status, list(json.loads(data))) == (401, ["detail"])
    assert hub.request("/", headers=cookie)[0] == 200


# addresses


def test_blocked_users_and_addresses(make_hyphad: Callable[..., Hyphad]) -> None:  # AUTH-141
    flags = ("--jwt-secret", JWT_SECRET, "--root-token", ROOT_TOKEN)
    daemon = make_hyphad(*flags, "--trusted-proxies", "127.0.0.1").start()
    admin = Provider(daemon.url, client_id="admin", token=ROOT_TOKEN)
    tools = admin.run(lambda: admin.server.get_service("admin-utils"))
    admin.run(lambda: tools.block_user("alice", reason="spam"))
    admin.run(lambda: tools.block_ip("10.9.9.9", reason="noise"))
    answer = daemon.get("/assets/config.json", **bearer(ALICE))
    assert (answer[0], list(answer[1])) == (403, ["detail"])
    assert answer[1]["detail"].startswith("User is blocked: ")
    for path in ("/assets/config.json", "/static/icon.svg", "/"):
        status, answer = daemon.get(path, **{"X-Forwarded-For": "10.9.9.9"})
        assert (status, answer["detail"][:15]) == (403, "IP is blocked: ")
    assert daemon.get("/health", **{"X-Forwarded-For": "10.9.9.9"})[0] == 200
    admin.stop()


def test_servers_for_themselves_answer_to_local_names_only(hub: Hyphad) -> None:  # AUTH-87
    def status(host: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", hub.port)
        connection.request("GET", "/health/readiness", headers={"Host": host})
        return connection.getresponse().status

    port = hub.port
    for host in (
        f"localhost:{port}",
        f"127.0.0.1:{port}",
        f"[::1]:{port}",
        "127.9.9.9",
        "a.localhost",
    ):
        assert status(host) == 200
    for host in (f"evil.example:{port}", "10.0.0.1", "localhost.evil.example", ""):
        assert status(host) == 421


def test_other_names_must_be_allowed(make_hyphad: Callable[..., Hyphad]) -> None:  # AUTH-87
    daemon = make_hyphad(
        "--allowed-hosts", "lab.example", "--public-base-url", "https://hub.example/x"
    ).start()
    for host, status in (("lab.example", 200), ("hub.example", 200), ("evil.example", 421)):
        assert daemon.get("/health/readiness", Host=host)[0] == status


def test_visitors_may_be_kept_out(make_hyphad: Callable[..., Hyphad]) -> None:
    daemon = make_hyphad("--jwt-secret", JWT_SECRET, "--anonymous-access", "off").start()
    answer = daemon.get("/public/services")
    assert answer == (401, {"detail": "Authentication required"})
    assert daemon.get("/public/services", **bearer(ALICE))[0] == 200
    assert daemon.get("/health")[0] == 200

"""People log in from their programs, share a workspace, and take it back, all with real clients."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from coroutines import until
from hypha_rpc import connect_to_server, login, logout
from hypha_rpc import sync as sync_client
from nodes import node
from rawclient import RawClient, Refused, Rejected
from running import Hyphad
from visitors import HOME, PASSWORD, Visitor, add_user, command, token_of

PROFILE = {
    "token", "workspace", "expires_in", "email", "email_verified", "name", "nickname", "user_id",
    "picture",
}  # fmt: skip


@pytest.fixture(scope="module")
def ann(hub: Hyphad) -> str:
    """An administrator; her id."""
    return add_user(hub, "ann@lab.org", admin=True)


@pytest.fixture(scope="module")
def bob(hub: Hyphad, ann: str) -> str:
    """A user; his id."""
    return add_user(hub, "bob@lab.org")


def approve(hub: Hyphad, login_url: str, email: str = "bob@lab.org") -> str:
    """What a person does in the browser: log in, on the page that the URL leads to."""
    browser = Visitor(hub)
    page = browser.get(login_url)
    assert page.status == 200 and "A program asks for access" in page.text, page.text
    fields = {"email": email, "password": PASSWORD, "key": page.value("key")}
    return browser.submit(page, "login", fields).title


async def approve_later(hub: Hyphad, login_url: str) -> None:
    assert await asyncio.to_thread(approve, hub, login_url) == "Login successful"


@pytest.mark.parametrize("transport", ["websocket", "http"])
async def test_login_with_the_asynchronous_client(hub: Hyphad, bob: str, transport: str) -> None:
    async def opened(context: Any) -> None:
        assert context["login_url"] == f"{hub.url}{HOME}?key={context['key']}"
        await approve_later(hub, context["login_url"])

    token = await login({"server_url": hub.url, "login_callback": opened, "transport": transport})
    async with connect_to_server({"server_url": hub.url, "token": token}) as server:
        assert server.config.workspace == f"ws-user-{bob}"
        assert server.config.user["id"] == bob


async def test_login_with_the_synchronous_client(hub: Hyphad, bob: str) -> None:
    def program() -> tuple[dict[str, Any], str]:
        def opened(context: Any) -> None:
            assert approve(hub, context["login_url"]) == "Login successful"

        found = sync_client.login(
            {"server_url": hub.url, "login_callback": opened, "profile": True}
        )
        with sync_client.connect_to_server(
            {"server_url": hub.url, "token": found["token"]}
        ) as server:
            return dict(found), server.config["workspace"]

    profile, workspace = await asyncio.to_thread(program)
    assert set(profile) == PROFILE
    assert workspace == f"ws-user-{bob}"
    assert profile["user_id"] == bob
    assert profile["email"] == "bob@lab.org" and profile["email_verified"] is True


async def test_login_with_the_javascript_client(hub: Hyphad, bob: str) -> None:
    async with node("login.mjs", hub.url, "login", {"profile": True}) as script:
        context = await script.line()
        await approve_later(hub, context["login_url"])
        found = await script.line()
        assert set(found["result"]) == PROFILE
        assert found["workspace"] == f"ws-user-{bob}"
        assert found["user"] == bob


async def test_login_for_a_workspace_and_a_while(hub: Hyphad, bob: str) -> None:  # AUTH-75
    home = f"ws-user-{bob}"

    async def opened(context: Any) -> None:
        assert f"workspace={home}" in context["login_url"]
        assert "expires_in=120" in context["login_url"]
        await approve_later(hub, context["login_url"])

    token = await login(
        {"server_url": hub.url, "login_callback": opened, "workspace": home, "expires_in": 120}
    )
    async with connect_to_server({"server_url": hub.url, "token": token}) as server:
        user = await server.parse_token(token)
        assert user["scope"]["current_workspace"] == home
        assert user["scope"]["workspaces"] == {home: "a"}
    with pytest.raises(ConnectionAbortedError, match="does not match the specified workspace"):
        await connect_to_server({"server_url": hub.url, "token": token, "workspace": "team-q"})


async def test_nobody_comes(hub: Hyphad) -> None:  # AUTH-77
    async def opened(context: Any) -> None:
        pass

    with pytest.raises(Exception, match="Login timeout, waited for 2 seconds"):
        await login({"server_url": hub.url, "login_callback": opened, "login_timeout": 2})


async def test_waiting_is_longer_than_the_patience_for_a_call(hub: Hyphad) -> None:  # AUTH-72
    async with connect_to_server({"server_url": hub.url, "method_timeout": 1}) as server:
        service = await server.get_service("public/hypha-login")
        context = await service.start()
        with pytest.raises(Exception, match="Login timeout, waited for 3 seconds"):
            await service.check(context["key"], timeout=3)


async def test_the_person_refuses(hub: Hyphad) -> None:  # AUTH-84
    async def opened(context: Any) -> None:
        def refuse() -> str:
            browser = Visitor(hub)
            page = browser.get(context["login_url"])
            return browser.submit(page, "deny", {"key": context["key"]}).notice

        assert "Refused" in await asyncio.to_thread(refuse)

    with pytest.raises(Exception, match="refused in the browser"):
        await login({"server_url": hub.url, "login_callback": opened})


async def test_logout(hub: Hyphad) -> None:  # AUTH-74
    told = []

    async def opened(context: Any) -> None:
        told.append(context["logout_url"])

    expected = f"{hub.url}{HOME}?logout=true&close=true"
    found = await logout({"server_url": hub.url, "logout_callback": opened})
    assert found["logout_url"] == expected and told == [expected]
    async with node("login.mjs", hub.url, "logout") as script:
        assert await script.line() == {"logout_url": expected, "told": expected}


# pages of others, which report a token


async def visitor_token(hub: Hyphad) -> str:
    """A child token of a visitor who has gone."""
    async with connect_to_server({"server_url": hub.url}) as server:
        return str(await server.generate_token())


def fetch(url: str) -> Any:
    request = urllib.request.Request(url, headers={"Origin": "http://elsewhere.example"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        return json.loads(answer.read())


@pytest.mark.parametrize("profile", [False, True])
async def test_a_page_elsewhere_reports_by_get(hub: Hyphad, profile: bool) -> None:  # AUTH-79
    token = await visitor_token(hub)

    async def opened(context: Any) -> None:
        url = f"{context['report_url']}?key={context['key']}&token={token}"
        more = "&email=abc@example.com&email_verified=true" if profile else ""
        await asyncio.to_thread(fetch, url + more)

    found = await login({"server_url": hub.url, "login_callback": opened, "profile": profile})
    if profile:
        assert set(found) == PROFILE
        assert (found["token"], found["email"]) == (token, "abc@example.com")
        assert found["email_verified"] is False, "nobody has verified that"
    else:
        assert found == token


async def test_the_starter_reports_itself(hub: Hyphad) -> None:  # AUTH-79
    token = await visitor_token(hub)
    async with connect_to_server({"server_url": hub.url}) as server:
        service = await server.get_service("public/hypha-login")
        key = (await service.start())["key"]
        waiting = [asyncio.ensure_future(service.check(key, timeout=20)) for _ in range(2)]
        await service.report(key, token)
        assert await asyncio.gather(*waiting) == [token, token]
        assert (await service.check(key, timeout=0, profile=True))["token"] == token


async def test_login_over_plain_http(hub: Hyphad) -> None:  # HTTP-64
    token = await visitor_token(hub)
    service = "/public/services/hypha-login"
    context = hub.post(f"{service}/start", {})[1]
    key = context["key"]
    assert hub.post(f"{service}/check", {"key": key, "timeout": 0}) == (200, None)
    status, told = hub.post(f"{service}/report", {"key": key, "token": "bad"})
    assert status == 400
    assert told["detail"].startswith(
        "RemoteException: ValueError: Invalid token provided to report_login: 401: "
    )
    given = {"key": key, "token": token, "name": "Al", "workspace": "", "expires_in": ""}
    assert hub.post(f"{service}/report", given) == (200, None)
    status, profile = hub.get(f"{service}/check?key={key}&timeout=0&profile=1")
    assert status == 200 and set(profile) == PROFILE
    assert (profile["token"], profile["name"]) == (token, "Al")
    status, told = hub.get(f"{service}/check?key={key}&timeout=0")
    assert status == 400
    assert told["detail"] == ("RemoteException: AssertionError: Invalid key, key does not exist")


async def test_a_reported_token_is_narrowed_to_the_workspace(hub: Hyphad, bob: str) -> None:
    token, home = token_of(hub, "bob@lab.org"), f"ws-user-{bob}"  # AUTH-78
    service = "/public/services/hypha-login"
    key = hub.post(f"{service}/start", {})[1]["key"]
    given = {"key": key, "token": token, "workspace": home, "expires_in": 60}
    assert hub.post(f"{service}/report", given) == (200, None)
    found = hub.post(f"{service}/check", {"key": key, "timeout": 0})[1]
    assert found != token
    async with connect_to_server({"server_url": hub.url, "token": found}) as server:
        assert server.config.workspace == home
    key = hub.post(f"{service}/start", {})[1]["key"]
    given = {"key": key, "token": token, "workspace": "ws-user-root"}
    status, told = hub.post(f"{service}/report", given)
    assert status == 403
    assert "Invalid permission for the workspace ws-user-root" in told["detail"]


# revoking, on live connections and over restarts


async def test_a_revoked_token_ends_its_connections(hub: Hyphad, bob: str) -> None:  # AUTH-36
    token = token_of(hub, "bob@lab.org")
    owner = await RawClient.open(hub.ws_url, token=token_of(hub, "bob@lab.org"))
    live = await RawClient.open(hub.ws_url, "c1", token=token)
    child = await live.call("services.default.generate_token", {"permission": "read"})
    reader = await RawClient.open(hub.ws_url, register=False, token=child)
    await owner.call("services.default.revoke_token", token)
    for gone in (live, reader):
        code, reason = await gone.closed()
        assert (code, reason) == (1008, "Token has been revoked")
    for again in ({"token": token}, {"token": child}):
        with pytest.raises(Refused, match="Token has been revoked"):
            await RawClient.open(hub.ws_url, **again)
    back = {"client_id": "c1", "reconnection_token": live.info["reconnection_token"]}
    with pytest.raises(Refused, match="Token has been revoked"):
        await RawClient.open(hub.ws_url, **back)
    assert await owner.call("services.default.echo", 1) == 1
    await owner.close()


async def test_the_command_line_reaches_a_running_daemon(make_hyphad: Any) -> None:
    hyphad = make_hyphad().start()
    assert (hyphad.data / "setup-code").exists()
    add_user(hyphad, "ann@lab.org", admin=True)
    bob = add_user(hyphad, "bob@lab.org")
    await until(lambda: not (hyphad.data / "setup-code").exists(), what="the code goes")
    answer = await until(lambda: _logged_in(hyphad, "bob@lab.org"), what="bob is known")
    live = await RawClient.open(hyphad.ws_url, token=answer["token"])
    assert live.workspace == f"ws-user-{bob}"
    assert command(hyphad, "user", "disable", "bob@lab.org")[0] == 0
    assert await live.closed() == (1008, "Token has been revoked")
    assert not _logged_in(hyphad, "bob@lab.org")
    assert command(hyphad, "user", "enable", "bob@lab.org")[0] == 0
    answer = await until(lambda: _logged_in(hyphad, "bob@lab.org"), what="bob is enabled")
    live = await RawClient.open(hyphad.ws_url, token=answer["token"])
    code, out, _ = command(hyphad, "token", "list", "bob@lab.org", "--json")
    assert code == 0
    for session in json.loads(out):
        assert command(hyphad, "token", "revoke", session["jti"])[0] == 0
    assert await live.closed() == (1008, "Token has been revoked")


def _logged_in(hyphad: Hyphad, email: str) -> Any:
    fields = {"email": email, "password": PASSWORD}
    answer = hyphad.post("/public/services/hypha-login/login", fields)[1]
    return answer if answer["success"] else None


async def test_keys_are_rotated_without_a_logout(make_hyphad: Any) -> None:  # AUTH-105
    hyphad = make_hyphad()
    add_user(hyphad, "ann@lab.org", admin=True)
    hyphad.start()
    before = token_of(hyphad, "ann@lab.org")
    assert command(hyphad, "key", "rotate")[0] == 0

    async def rotated() -> str | None:
        token = await asyncio.to_thread(token_of, hyphad, "ann@lab.org")
        return token if token.split(".")[0] != before.split(".")[0] else None

    after = await until(rotated, what="the daemon signs with the new key")
    for token in (before, after):
        await (await RawClient.open(hyphad.ws_url, token=token)).close()
    hyphad.restart()
    live = [await RawClient.open(hyphad.ws_url, token=token) for token in (before, after)]
    visitor = await RawClient.open(hyphad.ws_url)
    assert command(hyphad, "key", "rotate", "--now")[0] == 0

    async def refused() -> bool:
        try:
            await (await RawClient.open(hyphad.ws_url, token=after)).close()
        except Refused as error:
            return "Signature verification failed." in str(error)
        return False

    await until(refused, what="the old keys are gone")
    for client in live:
        assert await client.closed() == (1008, "Token has been revoked")
    await visitor.settle()
    await visitor.close()


# the whole story


async def test_two_people_share_a_workspace_on_a_fresh_machine(make_hyphad: Any) -> None:
    hyphad = make_hyphad().start()
    code = (hyphad.data / "setup-code").read_text().strip()
    assert hyphad.log.count(code) == 1
    assert command(hyphad, "setup-code")[1].strip() == code

    # The first person opens the page, and creates the administrator.
    alice = Visitor(hyphad)
    page = alice.get("/login")
    assert page.title == "Create the administrator"
    fields = {"code": code, "email": "alice@lab.org", "name": "Alice"}
    fields |= {"password": PASSWORD, "again": PASSWORD}
    assert alice.submit(page, "setup", fields).title == "Alice"
    assert not (hyphad.data / "setup-code").exists()

    # She adds a second one, who sets a password with the link.
    page = alice.get(f"{HOME}people")
    page = alice.submit(page, "people", {"do": "add", "email": "bob@lab.org", "name": "Bob"})
    link, _, secret = page.value("link").partition("#")
    bob = Visitor(hyphad)
    fields = {"code": secret, "password": PASSWORD, "again": PASSWORD}
    assert "new password is set" in bob.submit(bob.get(link), "reset", fields).notice

    # Both log in from programs, in Python and in JavaScript.
    async def opened(context: Any) -> None:
        title = await asyncio.to_thread(approve, hyphad, context["login_url"], "alice@lab.org")
        assert title == "Login successful"

    alices = await login({"server_url": hyphad.url, "login_callback": opened})
    async with node("login.mjs", hyphad.url, "login") as script:
        context = await script.line()
        await approve_later(hyphad, context["login_url"])
        bobs = (await script.line())["result"]

    # Alice makes a workspace and shares it; Bob works in it, and makes a token for his script.
    team = {"id": "team-x", "name": "team-x", "persistent": True}
    owner = await connect_to_server({"server_url": hyphad.url, "token": alices})
    await owner.create_workspace({**team, "owners": ["bob@lab.org"]})
    config = {"server_url": hyphad.url, "token": bobs, "workspace": "team-x"}
    guest = await connect_to_server({**config, "client_id": "bobs"})
    assert await guest.echo("in") == "in"
    script_token = await guest.generate_token({"expires_in": 86_400})
    back = guest.rpc._connection._reconnection_token
    assert back
    reader = await RawClient.open(hyphad.ws_url, token=script_token)

    # She takes it back: his connections end, and nothing of his opens it again.
    await owner.create_workspace({**team, "owners": []}, overwrite=True)
    assert (await reader.closed())[0] == 1008
    for hello in (
        {"token": bobs, "workspace": "team-x"},
        {"token": script_token},
        {"client_id": "bobs", "reconnection_token": back},
    ):
        with pytest.raises(Refused, match="Permission denied for workspace"):
            await RawClient.open(hyphad.ws_url, **hello)
    bearer = {"Authorization": f"Bearer {script_token}"}
    assert hyphad.get("/team-x/info", **bearer)[0] == 403
    await owner.disconnect()

    # All of this is so after a restart; the logins still are good.
    hyphad.restart()
    with pytest.raises(Refused, match="Permission denied for workspace"):
        await RawClient.open(hyphad.ws_url, token=bobs, workspace="team-x")
    async with connect_to_server({**config, "token": alices}) as server:
        assert server.config.workspace == "team-x"
    async with connect_to_server({"server_url": hyphad.url, "token": bobs}) as server:
        with pytest.raises(Exception, match="Permission denied"):
            await server.get_workspace_info("team-x")
    assert alice.get(f"{HOME}profile").title == "Alice"
    assert bob.log_in("bob@lab.org").title == "Bob"
    assert "Traceback" not in hyphad.log


async def test_sharing_by_a_token_that_only_reads(hub: Hyphad, ann: str, bob: str) -> None:
    async with connect_to_server(  # AUTH-112
        {"server_url": hub.url, "token": token_of(hub, "ann@lab.org")}
    ) as server:
        await server.create_workspace({"id": "team-r", "name": "team-r"})
        token = await server.generate_token({"workspace": "team-r", "permission": "read"})
    guest = await RawClient.open(hub.ws_url, register=False, token=token)
    assert guest.workspace == "team-r"
    assert guest.info["user"]["parent"] == ann
    with pytest.raises(Rejected, match="Permission denied"):
        await guest.register("s")
    with pytest.raises(Rejected, match="Only admin can generate token"):
        await guest.call("services.default.generate_token", {"permission": "read"})
    await guest.close()

"""Every way in which a handshake ends badly: what is said, the close code, the close reason."""

import asyncio
import contextlib
import secrets

import pytest
import websockets
from hubs import ROOT_TOKEN
from rawclient import RawClient, Refused
from refusals import check, refused
from running import EVERYWHERE
from tickets import ticket

UNREADABLE = "Failed to decode authentication information"
ESTABLISH = "Failed to establish connection: "
USER = ESTABLISH + "Failed to authenticate user: "


# the first frame


async def test_silence_ends_after_five_seconds(hub):  # WIRE-7, WIRE-12
    loop = asyncio.get_running_loop()
    began = loop.time()
    end = await refused(hub, None)
    assert (end.message, end.code) == ("Authentication payload timeout", 1008)
    assert loop.time() - began >= 4.5


@pytest.mark.parametrize(
    "first",
    [
        "no JSON",
        "",
        b"\x81\xa1a\x01",
        b"",
        "[1]",
        "123",
        "null",
        '"text"',
        "[" * 5000,
        '{"client_id": 5}',
        '{"client_id": "a", "token": ["x"]}',
        '{"client_id": "a", "workspace": {"b": 1}}',
        '{"client_id": "a", "token": "' + "x" * 100_000 + '"}',
    ],
    ids=lambda first: repr(first)[:40],
)
async def test_unreadable_first_frame(hub, first):  # WIRE-12, D-27
    end = await refused(hub, first)
    assert end.message == end.reason == UNREADABLE
    assert end.code == 1008


async def test_text_that_is_no_utf8(hub):  # WIRE-12
    raw = await RawClient.dial(hub.ws_url)
    raw.socket.transport.write(b"\x81\x82\x00\x00\x00\x00\xff\xfe")
    with pytest.raises(Refused) as caught:
        await raw.greeted()
    # Tornado's own WebSocket ends the connection without a word.
    plain = "--no-fast-websocket" in EVERYWHERE
    assert caught.value.code in ((1006,) if plain else (1007, 1008))


@pytest.mark.parametrize("key", ["workspace", "client_id", "token", "reconnection_token"])
async def test_credentials_in_the_query(hub, key):  # WIRE-12, WIRE-128
    end = await refused(hub, None, f"?{key}=a")
    assert end.message is None
    assert end.code == 1008
    assert end.reason == (
        "Connection rejected, please  upgrade to `hypha-rpc` which pass the authentication "
        "information in the first message"
    )


async def test_an_unknown_query_is_ignored(hub):  # WIRE-6
    raw = await RawClient.open(hub.ws_url + "?v=1")
    await raw.close()


async def test_plain_http_is_told_to_upgrade(hub):  # WIRE-6
    status, body, headers = hub.request("/ws")
    assert status == 426
    assert headers["upgrade"] == "websocket"
    assert b"WebSocket" in body


async def test_every_origin_may_connect(hub):  # WIRE-6, WIRE-131
    raw = await RawClient.dial(hub.ws_url, origin="https://elsewhere.example")
    await raw.socket.send('{"client_id": "from-a-page"}')
    await raw.greeted()
    await raw.close()


async def test_unknown_keys_are_ignored(hub):  # WIRE-7
    async with RawClient.connect(hub.ws_url, colour="red", nested={"a": [1]}) as raw:
        assert raw.info["type"] == "connection_info"


# tokens


GARBAGE = {
    "garbage": "Error decoding token headers.",
    "a.b.c": "Error decoding token headers.",
    "Bearer": "Token not found",
    "Bearer a b": "Authorization header must be 'Bearer' token",
    "x" * 5000: "Token too long",
}


@pytest.mark.parametrize("key", ["token", "reconnection_token"])
@pytest.mark.parametrize(("token", "reason"), GARBAGE.items(), ids=lambda text: text[:20])
async def test_garbage_for_a_token(hub, key, token, reason):  # WIRE-12, AUTH-16, AUTH-17, AUTH-18
    hello = {"client_id": "a", key: token}
    await check(hub, hello, f"Authentication error: {reason}", 1008)


FLAWS = {
    "expired": ({"lifetime": -5}, "The token has expired. Please fetch a new one"),
    "secret": ({"secret": "o" * 40}, "Signature verification failed."),
    "algorithm": ({"algorithm": "HS512", "secret": "o" * 70}, "Invalid algorithm: HS512"),
    "none": ({"algorithm": "none", "secret": None}, "Invalid algorithm: none"),
    "audience": ({"aud": "other"}, "Invalid audience"),
    "issuer": ({"iss": "other"}, "Invalid issuer"),
    "no audience": ({"aud": None}, "Invalid token: missing aud"),
    "no issuer": ({"iss": None}, "Invalid token: missing iss"),
    "no expiry": ({"exp": None}, "Invalid token: missing exp"),
    "no subject": ({"sub": None}, "Invalid token: missing sub"),
    "scope": ({"scope": "ws:nope"}, "Invalid token scope"),
    "level": ({"scope": "ws:ws-a#x"}, "Invalid token scope"),
}


@pytest.mark.parametrize(("claims", "reason"), FLAWS.values(), ids=FLAWS.keys())
async def test_a_token_that_is_not_valid(hub, claims, reason):  # WIRE-12, AUTH-16, D-19
    hello = {"client_id": "a", "token": ticket("vera", **claims)}
    await check(hub, hello, f"Authentication error: {reason}", 1008)


async def test_a_revoked_token(hub):  # WIRE-12, AUTH-16, AUTH-36
    async with RawClient.connect(hub.ws_url) as raw:
        token = await raw.call("services.default.generate_token")
        await raw.call("services.default.revoke_token", token)
        hello = {"client_id": "b", "token": token}
        await check(hub, hello, USER + "Token has been revoked", 1008)


async def test_a_token_for_one_purpose_only(hub):  # WIRE-12, AUTH-37
    token = ticket("vera", "file:download")
    await check(
        hub,
        {"client_id": "a", "token": token},
        USER + "Specialized token with scopes ['file:download'] cannot be used for general "
        "workspace access. This token can only be used for its intended purpose.",
        1001,
    )


async def test_colonless_scopes_do_no_harm(hub):  # AUTH-37
    token = ticket("vera", "openid profile email")
    async with RawClient.connect(hub.ws_url, token=token) as raw:
        assert raw.workspace == "ws-user-vera"


async def test_bearer_in_front_of_a_token(hub):  # AUTH-17
    async with RawClient.connect(hub.ws_url, token="Bearer " + ticket("vera")) as raw:
        assert raw.workspace == "ws-user-vera"


async def test_a_token_bound_to_another_client(hub):  # WIRE-12, AUTH-38
    token = ticket("vera", "cid:A")
    await check(
        hub,
        {"client_id": "b", "token": token},
        USER + "Client id mismatch: this token is restricted to client with client_id='A'",
        1001,
    )


async def test_a_token_of_another_workspace(hub):  # WIRE-12, AUTH-38
    token = ticket("vera", "ws:ws-user-vera#a wid:ws-user-vera")
    await check(
        hub,
        {"client_id": "b", "token": token, "workspace": "ws-elsewhere"},
        USER + "Current workspace encoded in the token (ws-user-vera) does not match the "
        "specified workspace (ws-elsewhere)",
        1001,
    )


async def test_a_long_reason_is_cut_between_characters(hub):  # WIRE-12, WIRE-119
    name = "ws-" + "ü" * 90
    end = await refused(hub, {"client_id": "a", "workspace": name})
    assert end.message == f"{ESTABLISH}'Workspace {name} does not exist or is not accessible'"
    assert end.reason and 121 <= len(end.reason.encode()) <= 123
    assert end.message.startswith(end.reason)


# workspaces


@pytest.mark.parametrize("anonymous", [True, False])
async def test_an_unknown_workspace(hub, anonymous):  # WIRE-12, AUTH-8
    hello = {"client_id": "a", "workspace": "nope-nope"}
    if not anonymous:
        hello["token"] = ticket("vera")
    text = f"{ESTABLISH}'Workspace nope-nope does not exist or is not accessible'"
    await check(hub, hello, text, 1001)


@pytest.mark.parametrize("workspace", ["public", "ws-anonymous", "ws-user-root"])
async def test_no_permission(hub, workspace):  # WIRE-12, AUTH-8
    hello = {"client_id": "a", "workspace": workspace}
    await check(hub, hello, f"{ESTABLISH}Permission denied for workspace: {workspace}", 1001)


async def test_a_child_token_does_not_open_its_parents_home(hub):  # AUTH-14, AUTH-30
    async with RawClient.connect(hub.ws_url, token=ticket("wim")):
        token = ticket("child-1", "ws:ws-team#rw", parent="wim")
        text = f"{ESTABLISH}Permission denied for workspace: ws-user-wim"
        await check(hub, {"client_id": "b", "token": token, "workspace": "ws-user-wim"}, text, 1001)


@pytest.mark.parametrize("token", [None, "admin"])
async def test_the_workspace_of_all_workspaces(hub, token):  # WIRE-12, AUTH-20
    hello = {"client_id": "a", "workspace": "*"}
    if token:
        hello["token"] = ticket("ann", roles=["admin"])
    text = f"{ESTABLISH}Dynamic workspace is not allowed for this endpoint"
    await check(hub, hello, text, 1001)


async def test_public_with_a_token_not_made_for_it_is_another_workspace(hub):  # WIRE-8, AUTH-39
    async with RawClient.connect(hub.ws_url, token=ticket("vera"), workspace="public") as raw:
        assert raw.workspace == "ws-user-vera"


async def test_root_enters_its_own_workspace_only(hub):  # AUTH-46
    hello = {"client_id": "a", "token": ROOT_TOKEN, "workspace": "public"}
    end = await refused(hub, {**hello, "workspace": "ws-anonymous"})
    assert end.message and "does not match the specified workspace" in end.message
    async with RawClient.connect(hub.ws_url, token=ROOT_TOKEN) as raw:
        assert raw.workspace == "ws-user-root"
        assert raw.info["user"]["id"] == "root"


@pytest.mark.parametrize("user", ["Bob_X", "a b", "x/y", "é", "a*", "n" * 200])
async def test_a_user_id_that_makes_no_workspace_name(hub, user):  # WS-41
    end = await refused(hub, {"client_id": "a", "token": ticket(user)})
    assert end.message and end.message.startswith(f"{ESTABLISH}Invalid workspace name: ws-user-")
    assert end.code == 1001


async def test_a_user_id_of_an_identity_provider(hub):  # WS-41, AUTH-13
    async with RawClient.connect(hub.ws_url, token=ticket("github|478667")) as raw:
        assert raw.workspace == "ws-user-github|478667"


# client ids


@pytest.mark.parametrize("hello", [{}, {"client_id": None}, {"client_id": ""}])
async def test_no_client_id(hub, hello):  # WIRE-12
    end = await refused(hub, hello)
    assert end.message and end.message.startswith(
        f"{ESTABLISH}Failed to authenticate user to workspace: "
    )
    assert end.code == 1001
    hello = {**hello, "token": ticket("vera"), "workspace": "ws-user-vera"}
    text = f"{ESTABLISH}Failed to authenticate user to workspace: ws-user-vera"
    await check(hub, hello, text, 1001)


@pytest.mark.parametrize(
    "client_id", ["a/b", "a:b", "a@b", "*", "a|b", "a b", "a\n", "\x00", "é", "n" * 129]
)
async def test_bad_client_ids(hub, client_id):  # WIRE-12, WIRE-14, D-6, D-14
    hello = {"client_id": client_id}
    await check(hub, hello, f"{ESTABLISH}Invalid client id: {client_id}", 1001)


async def test_an_absurdly_long_client_id_is_not_repeated_in_full(hub):  # WIRE-14
    end = await refused(hub, {"client_id": "n" * 50_000})
    assert end.message and len(end.message) < 300


@pytest.mark.parametrize("client_id", ["a.b_c-D9", "#~+=", "n" * 128, "x__rlb", "~"])
async def test_good_client_ids(hub, client_id):  # WIRE-14
    async with RawClient.connect(hub.ws_url, client_id) as raw:
        assert raw.client_id == client_id


@pytest.mark.parametrize("client_id", ["manager", "server"])
async def test_the_ids_of_the_server_itself(hub, client_id):  # WIRE-47
    """Nobody becomes the manager or the server's own client by taking its name."""
    async with RawClient.connect(hub.ws_url) as raw:
        name = raw.info["manager_id"]
        name = name if client_id == "manager" else name.removeprefix("manager-")
    if client_id == "server":
        end = await refused(hub, {"client_id": name})
        assert end.message and "Client already exists and is active" in end.message
    else:
        async with RawClient.connect(hub.ws_url, name) as raw, RawClient.connect(hub.ws_url) as b:
            assert await b.call("services.default.echo", 1) == 1
            assert await raw.call("services.default.echo", 2) == 2


# reconnection tokens


async def test_a_reconnection_token_of_another_client(hub):  # WIRE-12, AUTH-42
    async with RawClient.connect(hub.ws_url) as raw:
        hello = {"client_id": "other", "reconnection_token": raw.info["reconnection_token"]}
        await check(hub, hello, USER + "Client id mismatch, disconnecting", 1001)


async def test_a_reconnection_token_of_another_workspace(hub):  # WIRE-12, AUTH-42
    async with RawClient.connect(hub.ws_url) as raw:
        token = raw.info["reconnection_token"]
        hello = {"client_id": raw.client_id, "reconnection_token": token, "workspace": "public"}
        text = USER + f"Invalid scope, workspace mismatch: public != {raw.workspace}"
        await check(hub, hello, text, 1001)


async def test_a_reconnection_token_without_a_workspace(hub):  # AUTH-42
    hello = {"client_id": "a", "reconnection_token": ticket("vera", "cid:a")}
    await check(hub, hello, USER + "Invalid scope, current_workspace is required", 1001)


async def test_a_reconnection_token_wins_over_a_token(hub):  # WIRE-7, AUTH-42
    async with RawClient.connect(hub.ws_url) as raw:
        again = await RawClient.open(
            hub.ws_url,
            raw.client_id,
            token="garbage",
            reconnection_token=raw.info["reconnection_token"],
        )
        assert again.workspace == raw.workspace
        await again.close()


async def test_a_reconnection_token_is_a_token_too(hub):  # WIRE-30, AUTH-42
    async with RawClient.connect(hub.ws_url) as raw:
        token, client_id, workspace = raw.info["reconnection_token"], raw.client_id, raw.workspace
    async with RawClient.connect(hub.ws_url, client_id, token=token) as raw:
        assert raw.workspace == workspace


# what a refusal leaves behind


async def test_a_refusal_is_not_heard_by_anybody_else(hub):  # WS-36
    async with RawClient.connect(hub.ws_url, "quiet", token=ticket("quin")) as bystander:
        await bystander.subscribe("client_connected", "client_disconnected")
        for hello in (
            {"client_id": "quiet", "token": ticket("quin")},
            {"client_id": "a/b", "token": ticket("quin")},
            {"client_id": "x", "token": ticket("quin"), "workspace": "public-x"},
        ):
            await refused(hub, hello)
        await bystander.settle()
        assert bystander.frames == []
        assert await bystander.call("services.default.echo", "still here") == "still here"


async def test_the_socket_ends_even_if_the_client_does_not_say_goodbye(hub):  # WIRE-12
    """A refused client that keeps silent is cut off in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    key = secrets.token_urlsafe(12)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x81\x82\x00\x00\x00\x00{}")
    async with asyncio.timeout(15):
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(1000):
                pass
    writer.close()


async def test_a_client_may_leave_in_the_middle_of_the_handshake(hub):  # WIRE-133
    for _ in range(20):
        raw = await RawClient.dial(hub.ws_url)
        await raw.socket.send('{"client_id": "gone"}')
        raw.abort()
    for _ in range(20):
        raw = await RawClient.dial(hub.ws_url)
        raw.abort()
    raw = await RawClient.dial(hub.ws_url)
    with pytest.raises(websockets.ConnectionClosed):
        await raw.socket.close()
        await raw.socket.recv()
    async with RawClient.connect(hub.ws_url, "gone") as raw:
        assert await raw.call("services.default.echo", 1) == 1

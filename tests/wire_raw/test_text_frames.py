"""Text frames after the handshake: ping, refresh, and all that is ignored."""

import asyncio
import time

import jwt
import pytest
from rawclient import RawClient
from tickets import ticket


async def test_ping_is_answered(hub):  # WIRE-15, AUTH-41
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.send_text({"type": "ping"})
        assert await raw.take_text("pong") == {"type": "pong"}


async def test_a_fresh_reconnection_token(hub):  # WIRE-15, WIRE-30, AUTH-40, AUTH-41
    async with RawClient.connect(hub.ws_url, "ada-1", token=ticket("ada")) as raw:
        await raw.send_text({"type": "refresh_token"})
        answer = await raw.take_text("reconnection_token")
        assert set(answer) == {"type", "reconnection_token"}
        claims = jwt.decode(answer["reconnection_token"], options={"verify_signature": False})
        assert claims["sub"] == "ada"
        scope = claims["scope"].split(" ")
        assert {"ws:ws-user-ada#a", "cid:ada-1", "wid:ws-user-ada"} <= set(scope)
        assert abs(claims["exp"] - time.time() - 172_800) < 60
        assert raw.info["reconnection_token_life_time"] == 172_800.0
        resumed = await RawClient.open(
            hub.ws_url, "ada-1", reconnection_token=answer["reconnection_token"]
        )
        assert resumed.info["user"]["id"] == "ada"
        await resumed.close()


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "unknown"}',
        '{"type": 5}',
        '{"type": ["ping"]}',
        "{}",
        "no JSON",
        "",
        "[1]",
        "123",
        "null",
        '"ping"',
        "[" * 900,
        '{"type": "ping", "padding": "' + "x" * 1000 + '"}',
        '{"client_id": "again"}',
        '{"type": "error", "message": "x"}',
        '{"type": "connection_info"}',
    ],
    ids=lambda text: text[:30],
)
async def test_everything_else_is_ignored(hub, text):  # WIRE-15, WIRE-120
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.send_text(text)
        await raw.settle()
        assert raw.texts == []
        assert raw.frames == []


async def test_text_that_comes_in_pieces(hub):  # WIRE-15
    async def pieces():
        for piece in ('{"ty', 'pe": "pi', 'ng"}'):
            yield piece

    async with RawClient.connect(hub.ws_url) as raw:
        await raw.socket.send(pieces())
        assert await raw.take_text("pong")


async def test_protocol_pings_are_answered(hub):  # WIRE-17
    async with RawClient.connect(hub.ws_url) as raw:
        async with asyncio.timeout(5):
            await (await raw.socket.ping(b"are you there"))


# the first text frame the server sends


async def test_connection_info(hub):  # WIRE-9, WIRE-10, AUTH-1, AUTH-6
    raw = await RawClient.open(hub.ws_url, "first", register=False)
    info, user = raw.info, raw.info["user"]
    assert info["type"] == "connection_info"
    assert info["client_id"] == "first"
    assert info["manager_id"].startswith("manager-")
    assert info["public_base_url"] == info["local_base_url"] == hub.url
    assert info["hypha_version"].startswith("0.21.")
    assert isinstance(info["reconnection_token_life_time"], float)
    assert user["id"].startswith("anonymouz-")
    assert info["workspace"] == f"ws-user-{user['id']}"
    assert set(user) == {
        "id", "roles", "is_anonymous", "scope", "email", "parent", "expires_at",
        "current_workspace",
    }  # fmt: skip
    assert user["roles"] == ["anonymous"] and user["is_anonymous"] is True
    assert user["scope"] == {
        "current_workspace": raw.workspace,
        "workspaces": {raw.workspace: "a"},
        "client_id": "first",
        "extra_scopes": user["scope"]["extra_scopes"],
    }
    assert 0 < user["expires_at"] - time.time() <= 600
    await raw.close()


async def test_connection_info_of_a_child_token(hub):  # AUTH-1, AUTH-28
    async with RawClient.connect(hub.ws_url, token=ticket("ines", email="i@example.org")) as own:
        config = {"permission": "read"}
        token = await own.call("services.default.generate_token", config)
        child = await RawClient.open(hub.ws_url, token=token, register=False)
        user = child.info["user"]
        assert user["parent"] == "ines"
        assert user["id"] != "ines"
        assert user["email"] == "i@example.org"
        assert user["scope"]["workspaces"] == {"ws-user-ines": "r"}
        assert child.workspace == "ws-user-ines"
        await child.close()


async def test_two_visitors_share_nothing(hub):  # AUTH-3, AUTH-6
    async with RawClient.connect(hub.ws_url, "x") as one, RawClient.connect(hub.ws_url, "x") as two:
        assert one.workspace != two.workspace
        assert one.info["manager_id"] == two.info["manager_id"]

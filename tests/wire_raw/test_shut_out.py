"""Who is kept out although its credentials are good: limits, blocks, kicks, unloaded workspaces."""

import pytest
from coroutines import until
from hubs import FLAGS, ROOT_TOKEN
from rawclient import RawClient, Refused, Rejected
from refusals import check
from running import Hyphad
from tickets import ticket

ESTABLISH = "Failed to establish connection: "


async def test_a_client_that_is_there_already(hub):  # WIRE-12, WIRE-32
    async with RawClient.connect(hub.ws_url, "one", token=ticket("dora")):
        hello = {"client_id": "one", "token": ticket("dora")}
        text = f"{ESTABLISH}Client already exists and is active: ws-user-dora/one"
        await check(hub, hello, text, 1001)


async def test_more_connections_than_a_user_may_have(make_hyphad):  # WIRE-12, WIRE-26
    daemon = make_hyphad("--max-connections-per-user", "2", *FLAGS).start()
    async with (
        RawClient.connect(daemon.ws_url, "one", token=ticket("mia")),
        RawClient.connect(daemon.ws_url, "two", token=ticket("mia")) as two,
    ):
        hello = {"client_id": "three", "token": ticket("mia")}
        text = "Connection limit exceeded: user mia has 2/2 connections"
        await check(daemon, hello, text, 1008)
        child = await two.call("services.default.generate_token")
        await check(daemon, {"client_id": "four", "token": child}, text, 1008)  # AUTH-2
        again = await RawClient.open(
            daemon.ws_url, "two", reconnection_token=two.info["reconnection_token"]
        )
        await again.close()
    await _admitted(daemon, "three", ticket("mia"))


async def _admitted(daemon: Hyphad, client_id: str, token: str) -> None:
    async def enters() -> bool:
        try:
            raw = await RawClient.open(daemon.ws_url, client_id, token=token)
        except Refused:
            return False
        await raw.close()
        return True

    await until(enters)


async def test_more_clients_than_a_workspace_may_have(make_hyphad):  # WIRE-12, WIRE-26
    daemon = make_hyphad("--max-clients-per-workspace", "2", *FLAGS).start()
    async with (
        RawClient.connect(daemon.ws_url, "one", token=ticket("mia")),
        RawClient.connect(daemon.ws_url, "two", token=ticket("mia")),
    ):
        hello = {"client_id": "three", "token": ticket("mia")}
        text = "Connection limit exceeded: workspace ws-user-mia has 2/2 clients"
        await check(daemon, hello, text, 1008)


async def test_blocked_users_and_addresses(make_hyphad):  # WIRE-12, AUTH-16, WS-66
    daemon = make_hyphad(*FLAGS).start()
    root = await RawClient.open(daemon.ws_url, token=ROOT_TOKEN)
    admin = {"to": f"ws-user-root/{root.info['manager_id'].removeprefix('manager-')}"}
    block = "services.admin-utils.block_"
    vic = await RawClient.open(daemon.ws_url, "vic", token=ticket("vic"))
    said = await root.call(block + "user", "vic", kwargs={"reason": "bad"}, **admin)
    assert said == "Blocked user vic, kicked 1 connections"
    assert await vic.closed() == (1008, "User blocked: bad")
    hello = {"client_id": "a", "token": ticket("vic")}
    await check(daemon, hello, "User is blocked: bad", 1008)
    child = ticket("child-of-vic", "ws:ws-user-vic#r wid:ws-user-vic", parent="vic")
    await check(daemon, {"client_id": "a", "token": child}, "User is blocked: bad", 1008)
    blocked = await root.call("services.admin-utils.list_blocked", **admin)
    assert [entry["id"] for entry in blocked["users"]] == ["vic"]
    daemon.restart()
    await check(daemon, hello, "User is blocked: bad", 1008)
    root = await RawClient.open(daemon.ws_url, token=ROOT_TOKEN)
    admin = {"to": f"ws-user-root/{root.info['manager_id'].removeprefix('manager-')}"}
    assert await root.call("services.admin-utils.unblock_user", "vic", **admin)
    await _admitted(daemon, "a", ticket("vic"))
    await root.begin(block + "ip", "127.0.0.1", kwargs={"reason": "loud"}, **admin)
    assert (await root.closed())[0] == 1008
    await check(daemon, {"client_id": "a"}, "IP is blocked: loud", 1008)


async def test_kicked_clients_stay_out_for_a_while(hub):  # WIRE-23, WS-66
    async with RawClient.connect(hub.ws_url, token=ROOT_TOKEN) as root:
        admin = f"ws-user-root/{root.info['manager_id'].removeprefix('manager-')}"
        kick = "services.admin-utils.kickout_client"
        victim = await RawClient.open(hub.ws_url, "kim", token=ticket("kim"))
        await root.call(kick, "ws-user-kim", "kim", 4001, "go away", to=admin)
        assert await victim.closed() == (4001, "go away")
        hello = {"client_id": "kim", "token": ticket("kim")}
        text = "Client has been disconnected by the server: go away"
        await check(hub, hello, text, 1008)
        token = victim.info["reconnection_token"]
        await check(hub, {"client_id": "kim", "reconnection_token": token}, text, 1008)
        other = await RawClient.open(hub.ws_url, "kim-2", token=ticket("kim"))
        await other.close()
        rejected = await root.rejection(kick, "ws-user-kim", "kim", to=admin)
        assert rejected == "AssertionError: Client not connected"


async def test_an_unloaded_workspace_lets_its_clients_go(hub):  # WIRE-24, WS-66
    async with RawClient.connect(hub.ws_url, token=ROOT_TOKEN) as root:
        admin = f"ws-user-root/{root.info['manager_id'].removeprefix('manager-')}"
        raw = await RawClient.open(hub.ws_url, "u", token=ticket("una"))
        await root.call("services.admin-utils.unload_workspace", "ws-user-una", to=admin)
        text = "Workspace unloaded: ws-user-una"
        assert await raw.closed() == (1001, text)
        assert raw.texts == [{"type": "error", "message": text}]
        token = raw.info["reconnection_token"]
        back = await RawClient.open(hub.ws_url, "u", reconnection_token=token)
        assert back.workspace == "ws-user-una"
        await back.close()


async def test_visitors_are_refused_where_they_are_not_wanted(make_hyphad):  # AUTH-10
    daemon = make_hyphad("--anonymous-access", "off", *FLAGS).start()
    with pytest.raises(Rejected, match="Authentication required"):
        async with RawClient.connect(daemon.ws_url):
            """A visitor is let in to log in, and may not even register."""
    async with RawClient.connect(daemon.ws_url, token=ticket("vera")) as raw:
        assert raw.workspace == "ws-user-vera"

"""`public/workspaces`: owners changed one by one, and how much a workspace uses."""

import json

import pytest
from providers import Provider
from running import Hyphad
from tickets import ticket

SERVICE = "/public/services/workspaces/"
ALICE = {"Authorization": f"Bearer {ticket('alice')}"}
BOB = {"Authorization": f"Bearer {ticket('bob', email='Bob@lab.example')}"}
READER = {"Authorization": f"Bearer {ticket('eve', 'ws:bench-1#r wid:bench-1')}"}
BENCH = {"workspace_id": "bench-1"}


@pytest.fixture(scope="module", autouse=True)
def bench(hub: Hyphad) -> None:
    """A workspace of Alice's with a variable in it."""
    config = {"id": "bench-1", "persistent": True, "config": {"environs": {"KEY": "v"}}}
    made = hub.post("/ws-user-alice/services/ws/create_workspace", {"config": config}, **ALICE)
    assert made[0] == 200


def test_an_owner_comes_and_goes_and_all_else_stays(hub: Hyphad) -> None:
    asked = {**BENCH, "owner": " bob@lab.example "}
    assert hub.post(SERVICE + "add_owner", asked, **BOB)[0] == 403
    assert hub.get("/bench-1/info", **BOB)[0] == 403
    owners = ["alice", "bob@lab.example"]
    for _ in range(2):  # the second time changes nothing
        assert hub.post(SERVICE + "add_owner", asked, **ALICE) == (200, owners)
    assert hub.get("/bench-1/services/ws/get_env?key=KEY", **BOB) == (200, "v")
    again = {**BENCH, "owner": "BOB@lab.example"}
    assert hub.post(SERVICE + "add_owner", again, **BOB) == (200, owners)
    gone = {**BENCH, "owner": "bob@lab.example"}
    assert hub.post(SERVICE + "remove_owner", gone, **ALICE) == (200, ["alice"])
    assert hub.get("/bench-1/info", **BOB)[0] == 403
    assert "event=owner_removed" in hub.log and "subject=bob@lab.example" in hub.log


def test_connections_of_who_owns_it_no_more_end(hub: Hyphad) -> None:  # AUTH-112
    owner = {**BENCH, "owner": "carl"}
    assert hub.post(SERVICE + "add_owner", owner, **ALICE)[0] == 200
    guest = Provider(hub.url, token=ticket("carl"), workspace="bench-1", client_id="carls")
    assert hub.post(SERVICE + "remove_owner", owner, **ALICE)[0] == 200
    hub.wait_for_log("disconnected client=bench-1/carls")
    guest.drop()


@pytest.mark.parametrize(
    ("method", "value", "said"),
    [
        ("add_owner", {**BENCH, "owner": " "}, "is expected"),
        ("add_owner", {**BENCH, "owner": "two words"}, "is expected"),
        ("add_owner", {**BENCH, "owner": "x" * 400}, "is expected"),
        ("remove_owner", {**BENCH, "owner": "nobody"}, "nobody does not own bench-1."),
        ("remove_owner", {**BENCH, "owner": "alice"}, "Add another one first."),
        ("remove_owner", {"workspace_id": "ws-user-alice", "owner": "alice"}, "always belongs"),
    ],
)
def test_what_cannot_be_is_said(hub: Hyphad, method: str, value: dict, said: str) -> None:
    status, answer = hub.post(SERVICE + method, value, **ALICE)
    assert status == 400 and said in answer["detail"]


def test_readers_and_strangers_change_nothing(hub: Hyphad) -> None:
    """Whether there is such a workspace is not told either."""
    for who in (READER, BOB, {}):
        for method in ("add_owner", "remove_owner"):
            value = {**BENCH, "owner": "alice"}
            assert hub.post(SERVICE + method, value, **who)[0] == 403
    there = hub.post(SERVICE + "add_owner", {**BENCH, "owner": "bob"}, **BOB)
    nowhere = {"workspace_id": "no-such", "owner": "bob"}
    away = hub.post(SERVICE + "add_owner", nowhere, **BOB)
    assert json.dumps(there).replace("bench-1", "no-such") == json.dumps(away)
    for fixed in ("public", "ws-anonymous", "ws-user-bob"):
        value = {"workspace_id": fixed, "owner": "alice"}
        assert hub.post(SERVICE + "add_owner", value, **ALICE)[0] == 403


def test_use_is_counted_for_those_who_may_read(hub: Hyphad) -> None:
    guest = Provider(hub.url, token=ticket("alice"), workspace="bench-1", client_id="counted")
    try:
        guest.register({"id": "one", "f": abs})
        guest.run(lambda: guest.server.log_event("seen", {"n": 1}))
        guest.run(lambda: _push(guest))
        status, use = hub.post(SERVICE + "get_usage", BENCH, **READER)
    finally:
        guest.stop()
    assert status == 200
    assert use["clients"] == {"now": 1, "limit": 1000}
    assert use["services"]["now"] == use["services_per_client"]["now"] == 1
    assert use["variables"]["now"] == 1
    assert use["events"] == {"now": 1, "limit": 100_000, "bytes": len('{"n":1}')}
    assert use["queued_tasks"]["now"] == 1 and use["queued_tasks"]["bytes"] > 0
    assert 0 < use["record"]["bytes"] < use["record"]["limit_bytes"]
    assert hub.post(SERVICE + "get_usage", BENCH, **BOB)[0] == 403
    assert hub.post(SERVICE + "get_usage", {"workspace_id": "no-such"}, **BOB)[0] == 403


async def _push(guest: Provider) -> None:
    queue = await guest.server.get_service("public/queue")
    await queue.push("jobs", {"scan": 1})

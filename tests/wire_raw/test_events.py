"""System events and custom ones: shapes, order, who hears of them, what may be subscribed to."""

import pytest
from coroutines import until
from rawclient import RawClient
from tickets import ticket

SUBSCRIBE = "services.default.subscribe"
SYSTEM = [
    "service_added", "service_removed", "service_updated", "client_connected",
    "client_disconnected", "client_updated", "workspace_loaded", "workspace_deleted",
    "workspace_changed", "workspace_ready", "workspace_unloaded", "workspace_status_changed",
]  # fmt: skip


async def test_events_of_a_client_that_comes_and_goes(hub):  # WIRE-86, WIRE-87, WS-15, WS-34
    async with RawClient.connect(hub.ws_url, "w", token=ticket("eva")) as watch:
        await watch.subscribe(*SYSTEM)
        raw = await RawClient.open(hub.ws_url, "c", token=ticket("eva"))
        await raw.register("built-in", type="built-in")
        await raw.register("svc", config={"visibility": "public", "colour": "red"})
        await raw.register("svc", config={"visibility": "public", "colour": "blue"})
        await raw.call("services.default.unregister_service", "svc")
        await raw.register("left-behind")
        await raw.close()
        await until(lambda: any(h["type"] == "client_disconnected" for h, _ in watch.frames))
        events = [header for header, extra in watch.frames if extra == {}]
        assert all(set(event) == {"type", "to", "data"} and event["to"] == "*" for event in events)
        assert [event["type"] for event in events] == [
            "client_connected",
            "client_updated",
            "service_added",
            "service_removed",
            "service_added",
            "service_removed",
            "service_added",
            "client_disconnected",
        ]
        data = [event["data"] for event in events]
        full = {"id": "ws-user-eva/c", "workspace": "ws-user-eva"}
        assert data[0] == data[1] == full
        assert data[7] == {"id": "c", "workspace": "ws-user-eva"}
        assert data[2]["config"]["colour"] == "red"
        assert data[3]["config"]["colour"] == data[4]["config"]["colour"] == "blue"
        assert set(data[2]) == {
            "config", "id", "name", "type", "description", "docs", "app_id", "service_schema",
        }  # fmt: skip
        assert data[2]["config"] == {
            "visibility": "public", "require_context": False, "workspace": "ws-user-eva",
            "flags": [], "singleton": False, "created_by": {"id": "eva"},
            "service_embedding": None, "authorized_workspaces": None, "colour": "red",
        }  # fmt: skip


async def test_events_come_before_the_answer_to_what_caused_them(hub):  # WIRE-92, WS section 12
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.subscribe("service_added", "service_removed")
        for turn in range(20):
            session = await raw.begin(
                "services.default.register_service", {"id": f"{raw.address}:s", "config": {}}
            )
            await raw.answer(session)
            kinds = [header["type"] for header, _ in raw.frames]
            assert kinds == (["service_removed"] if turn else []) + ["service_added"]
            raw.frames.clear()


async def test_events_stay_in_their_workspace(hub):  # WIRE-86, WS-62
    async with RawClient.connect(hub.ws_url) as stranger:
        await stranger.subscribe(*SYSTEM)
        async with RawClient.connect(hub.ws_url, token=ticket("eva")) as raw:
            await raw.register("svc", config={"visibility": "public"})
        await stranger.settle()
        assert stranger.frames == []


async def test_only_what_was_subscribed_to(hub):  # WIRE-88, WS-61
    async with RawClient.connect(hub.ws_url) as raw:
        assert await raw.call(SUBSCRIBE, "service_added") is True
        await raw.register("a")
        assert [header["type"] for header, _ in raw.frames] == ["service_added"]
        raw.frames.clear()
        assert await raw.call("services.default.unsubscribe", ["service_added", "never"]) is True
        await raw.register("b")
        assert raw.frames == []


FORBIDDEN = [
    (
        "other/x",
        "Subscription to event 'other/x' is forbidden. Event workspace 'other' does not match "
        "your workspace '{ws}'. Clients can only subscribe to events within their own workspace "
        "or system events.",
    ),
    (
        "ws-zz",
        "Subscription to event 'ws-zz' is forbidden as it contains workspace identifiers. Clients "
        "can only subscribe to events within their own workspace ({ws}) or system events.",
    ),
    (
        "ws-zz:x",
        "Subscription to event 'ws-zz:x' is forbidden. Workspace 'ws-zz' does not match your "
        "workspace '{ws}'. Clients can only subscribe to events within their own workspace or "
        "system events.",
    ),
]


@pytest.mark.parametrize(("name", "text"), FORBIDDEN)
async def test_events_of_other_workspaces(hub, name, text):  # WIRE-88, WS-61
    async with RawClient.connect(hub.ws_url) as raw:
        expected = "ValueError: " + text.format(ws=raw.workspace)
        assert await raw.rejection(SUBSCRIBE, name) == expected
        assert await raw.rejection(SUBSCRIBE, ["fine", name]) == expected
        await raw.send({"type": "fine", "to": "*"})
        await raw.settle()
        assert raw.frames == []


@pytest.mark.parametrize("form", ["{ws}", "{ws}/x", "{ws}:x", "*", "a:b", "my event", "client_x"])
async def test_names_that_may_be_subscribed_to(hub, form):  # WIRE-88, WS-61
    async with RawClient.connect(hub.ws_url) as raw:
        name = form.format(ws=raw.workspace)
        assert await raw.call(SUBSCRIBE, name) is True
        await raw.send({"type": name, "to": "*", "data": 5})
        assert (await raw.take_type(name))["data"] == 5


@pytest.mark.parametrize("types", [5, None, [5], {"a": 1}, ["x" * 300], ["e"] * 2000])
async def test_subscriptions_that_make_no_sense(hub, types):  # WIRE-88
    async with RawClient.connect(hub.ws_url) as raw:
        if types == ["e"] * 2000:
            assert await raw.call(SUBSCRIBE, types) is True
            return
        text = await raw.rejection(SUBSCRIBE, types)
        assert text.startswith(("ValueError", "TypeError"))


async def test_too_many_subscriptions(hub):  # WIRE-88
    async with RawClient.connect(hub.ws_url) as raw:
        text = await raw.rejection(SUBSCRIBE, [f"e{n}" for n in range(1001)])
        assert text.startswith("ValueError: Too many subscriptions")


async def test_a_star_is_only_a_name(hub):  # WS-61
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.subscribe("*")
        await raw.register("svc")
        await raw.send({"type": "news", "to": "*"})
        await raw.settle()
        assert raw.frames == []


async def test_a_long_record_comes_as_a_summary(hub):  # D-20, WIRE-20
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.subscribe("service_added")
        await raw.register("big", docs="x" * 100_000, config={"visibility": "unlisted"})
        data = (await raw.take_type("service_added"))["data"]
        assert data == {
            "id": f"{raw.address}:big",
            "name": "big",
            "type": "generic",
            "config": {"visibility": "unlisted", "workspace": raw.workspace},
        }
        await raw.register("small", docs="x" * 60_000)
        assert len((await raw.take_type("service_added"))["data"]["docs"]) == 60_000


async def test_workspace_events(hub):  # WS-42, WS-43, WS-53, WIRE-87
    """Creation and deletion are heard at home, changes where they happen, never with secrets."""
    async with RawClient.connect(hub.ws_url, token=ticket("eva")) as raw:
        await raw.subscribe(*SYSTEM)
        await raw.call("services.default.create_workspace", {"id": "ev-one", "persistent": True})
        loaded = await raw.take_type("workspace_loaded")
        assert loaded["data"]["id"] == "ev-one"
        assert "ev-one" in str((await raw.take_type("workspace_changed"))["data"]["config"])
        await raw.call("services.default.set_env", "SECRET", "hunter2")
        changed = await raw.take_type("workspace_changed")
        assert changed["data"]["id"] == "ws-user-eva"
        assert "hunter2" not in str(changed)
        await raw.call("services.default.delete_workspace", "ev-one")
        deleted = await raw.take_type("workspace_deleted")
        assert deleted["data"]["id"] == "ev-one"


async def test_a_reader_may_subscribe(hub):  # WIRE-88, WS 7.5
    async with RawClient.connect(hub.ws_url, token=ticket("eva")) as raw:
        config = {"permission": "read"}
        token = await raw.call("services.default.generate_token", config)
        reader = await RawClient.open(hub.ws_url, token=token, register=False)
        await reader.subscribe("service_added", "custom")
        await raw.register("svc")
        assert (await reader.take_type("service_added"))["data"]["name"] == "svc"
        await raw.send({"type": "custom", "to": "*"})
        await reader.take_type("custom")
        await reader.close()

"""Registering services: what is stored, what is refused, replaced, counted, and forgotten."""

import pytest
from coroutines import until
from hubs import FLAGS
from people import as_user, error_of
from rawclient import RawClient
from tickets import ticket


async def test_the_stored_record(hub):  # WS-12, WS-13, WIRE-82
    def hi(x: str):
        """Greet."""

    async with as_user(hub, "reg", client_id="c1") as server:
        given = await server.register_service(
            {
                "id": "hello",
                "name": "Hello2",
                "config": {"visibility": "public", "require_context": True, "foo": {"bar": 1}},
                "hi": hi,
                "deep": {"er": {"f": lambda: 1}},
                "unknown": 5,
            }
        )
        assert given.id == "ws-user-reg/c1:hello"
        record = await server.get_service_info("hello")
        record.pop("_rtype", None)
        schema = record.pop("service_schema")
        assert record == {
            "config": {
                "visibility": "public", "require_context": True, "workspace": "ws-user-reg",
                "flags": [], "singleton": False, "created_by": {"id": "reg"},
                "service_embedding": None, "authorized_workspaces": None, "foo": {"bar": 1},
            },
            "id": "ws-user-reg/c1:hello", "name": "Hello2", "type": "generic",
            "description": None, "docs": None, "app_id": "*",
        }  # fmt: skip
        assert schema["hi"]["function"]["name"] == "hi"
        assert schema["hi"]["function"]["parameters"]["required"] == ["x"]
        assert schema["deep"]["er"]["f"]["type"] == "function"
        assert [record] == [
            {k: v for k, v in found.items() if k != "service_schema"}
            for found in await server.list_services({"id": "hello"})
        ]


async def test_records_as_javascript_sends_them(hub):  # WS-12
    async with RawClient.connect(hub.ws_url) as raw:
        schema = {"f": {"type": "function", "function": {"name": "f"}}, "sub_fn": {"in_ner": {}}}
        await raw.register("js", description="", service_schema=schema)
        record = await raw.call("services.default.get_service_info", "js")
        assert record["service_schema"] == schema and record["description"] == ""


async def test_what_a_client_writes_about_itself_is_not_believed(hub):  # WS-12, WS-14
    async with RawClient.connect(hub.ws_url, "c", token=ticket("reg")) as raw:
        config = {"created_by": {"id": "root"}, "workspace": "public", "service_embedding": [1]}
        await raw.register("liar", config=config)
        record = await raw.call("services.default.get_service_info", "liar")
        assert record["config"]["created_by"] == {"id": "reg"}
        assert record["config"]["workspace"] == "ws-user-reg"
        assert record["config"]["service_embedding"] is None


REFUSED = [
    ({"id": "{me}:a b*"}, "ValueError: Invalid characters in service id"),
    ({"id": "{me}:a:b"}, "ValueError: Invalid characters in service id"),
    ({"id": "{me}:"}, "ValueError: Invalid characters in service id"),
    ({"id": "{me}:" + "n" * 257}, "ValueError: Invalid characters in service id"),
    ({"id": "{me}:a\x00"}, "ValueError: Invalid characters in service id"),
    ({"id": "noclient"}, "AssertionError: Service id info must contain ':'"),
    ({"id": 5}, "ValueError: Invalid service info: id"),
    ({}, "ValueError: Invalid service info: id"),
    ({"id": "{me}:a", "config": {"visibility": "private"}},
     "ValueError: Invalid service info: config.visibility"),
    ({"id": "{me}:a", "config": {"visibility": None}},
     "ValueError: Invalid service info: config.visibility"),
    ({"id": "{me}:a", "config": 5}, "ValueError: Invalid service info: config"),
    ({"id": "{me}:a", "description": "x" * 1025}, "ValueError: Invalid service info: description"),
    ({"id": "{me}:a", "name": 5}, "ValueError: Invalid service info: name"),
    ({"id": "{me}:a", "type": {}}, "ValueError: Invalid service info: type"),
    ({"id": "{me}:a", "service_schema": []}, "ValueError: Invalid service info: service_schema"),
    ({"id": "{me}:a", "docs": "x" * (1 << 20)}, "ValueError: Invalid service info: over"),
    ({"id": "{me}:a", "app_id": "x/y"}, "AssertionError: App id info must not contain '/'"),
    ({"id": "{me}:a", "config": {"visibility": "public", "authorized_workspaces": ["ws-x"]}},
     "ValueError: authorized_workspaces can only be set when visibility is 'protected', got "
     "visibility='public'"),
    ({"id": "{me}:a", "config": {"authorized_workspaces": "ws-x"}},
     "ValueError: Invalid service info: config.authorized_workspaces"),
    ({"id": "{me}:a", "config": {"x": b"bytes"}}, "ValueError: Invalid service info: not plain"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "text"), REFUSED, ids=lambda value: str(value)[:50])
async def test_records_that_are_refused(hub, record, text):  # WS-11, WS-14, WS-19, D-14, D-20
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.subscribe("service_added")
        if isinstance(record.get("id"), str):
            record = {**record, "id": record["id"].replace("{me}", raw.address)}
        said = await raw.rejection("services.default.register_service", record)
        assert said.startswith(text)
        assert raw.frames == []
        found = await raw.call("services.default.list_services")
        assert [service["type"] for service in found] == ["built-in"]


@pytest.mark.parametrize(
    "record",
    [
        {"id": "{me}:a b", "config": None},
        {"id": "{me}:my.svc", "type": None},
        {"id": "{client}:short"},
        {"id": "{me}:ünï-cøde"},
        {"id": "{me}:" + "n" * 256},
        {"id": "{me}:x", "config": {"flags": ["single-instance"], "whatever": [1, {"a": None}]}},
    ],
    ids=str,
)
async def test_records_that_are_accepted(hub, record):  # WS-11, WS-12
    async with RawClient.connect(hub.ws_url) as raw:
        place = record["id"].replace("{me}", raw.address).replace("{client}", raw.client_id)
        record = {**record, "id": place}
        assert await raw.call("services.default.register_service", record) is None
        full = place if "/" in place else f"{raw.workspace}/{place}"
        info = await raw.call("services.default.get_service_info", full)
        assert info["id"] == full
        assert info["name"] == full.rpartition(":")[2]


async def test_what_clients_keep_to_themselves(hub):  # WIRE-68, WS-14
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.subscribe("service_added")
        await raw.register("_rintf_abc")
        await raw.register("local", config={"_local_only": True})
        assert raw.frames == []
        assert len(await raw.call("services.default.list_services")) == 1


async def test_replacing(hub):  # WS-15, WS-16
    async with as_user(hub, "reg", client_id="c1") as server:
        await server.register_service({"id": "r", "type": "one", "f": lambda: 1})
        config = {"visibility": "public"}
        await server.register_service(
            {"id": "r", "type": "two", "config": config, "g": lambda: 2}, {"overwrite": True}
        )
        found = await server.list_services({"id": "r"})
        assert [service["type"] for service in found] == ["two"]
        assert await server.list_services({"type": "one"}) == []
        assert [service["id"] for service in await server.list_services("*/r")]
        assert set(await server.get_service("r")) == {"config", "g", "id", "name", "type"}


async def test_two_registrations_at_once_end_in_the_later_one(hub):  # WS section 12
    async with RawClient.connect(hub.ws_url) as raw:
        for turn in range(30):
            for half in "ab":
                record = {"id": f"{raw.address}:s", "config": {}, "docs": f"{turn}{half}"}
                await raw.begin("services.default.register_service", record)
            info = await raw.call("services.default.get_service_info", "s")
            assert info["docs"] == f"{turn}b"


async def test_a_type_that_is_checked(hub):  # WS-6, WS-22, WS-55
    async with as_user(hub, "reg") as server:
        definition = {"f": {"type": "function", "function": {"name": "f", "parameters": {}}}}
        await server.register_service_type(
            {"id": "runner", "name": "Runner", "definition": definition}
        )
        text = await error_of(
            server.register_service({"id": "x", "type": "runner", "g": str}, {"check_type": True})
        )
        assert text


# singletons, quotas


async def test_singletons(hub):  # WS-17
    async with (
        as_user(hub, "reg", client_id="c1") as one,
        as_user(hub, "reg", client_id="c2") as two,
    ):
        single = {"id": "sing", "config": {"singleton": True}, "f": str}
        await one.register_service(single)
        for record in (single, {"id": "sing", "f": str}):
            text = await error_of(two.register_service(record, {"overwrite": True}))
            assert "A singleton service with the same name (sing)" in text
        await one.register_service(single, {"overwrite": True})
        await one.register_service({"id": "sing", "f": str}, {"overwrite": True})
        await two.register_service({"id": "sing", "f": str}, {"overwrite": True})
        text = await error_of(one.register_service(single, {"overwrite": True}))
        assert "A singleton service with the same name (sing) already exists" in text
        await two.unregister_service("sing")
        await one.register_service(single, {"overwrite": True})


async def test_more_services_than_a_client_may_have(make_hyphad):  # WS-18, WIRE-26
    daemon = make_hyphad("--max-services-per-client", "3", *FLAGS).start()
    async with RawClient.connect(daemon.ws_url, "c", token=ticket("reg")) as raw:
        for number in range(3):
            await raw.register(f"s{number}")
        record = {"id": f"{raw.address}:s3", "config": {}}
        assert await raw.rejection("services.default.register_service", record) == (
            "RuntimeError: Service quota exceeded: client ws-user-reg/c already has 3 services "
            "(max 3). Remove unused services before registering new ones."
        )
        await raw.register("s0", docs="replaced")
        await raw.call("services.default.unregister_service", "s1")
        await raw.register("s3")


# removing


async def test_removing_by_name_means_the_own_one(hub):  # WS-33, section 11 number 13
    async with (
        as_user(hub, "reg", client_id="c1") as one,
        as_user(hub, "reg", client_id="c2") as two,
        as_user(hub, "reg", client_id="c3") as three,
    ):
        for server in (one, two):
            await server.register_service({"id": "same", "f": str})
        await one.unregister_service("same")
        left = await one.list_services({"id": "same"})
        assert [found["id"] for found in left] == ["ws-user-reg/c2:same"]
        assert "Service not found: nope" in await error_of(one.unregister_service("nope"))
        manager = await three.get_service("~")
        assert await error_of(manager.unregister_service("nope")) == (
            "KeyError: 'Service not found: ws-user-reg/*:nope@*'"
        )
        await one.register_service({"id": "same", "f": str})
        text = await error_of(manager.unregister_service("same"))
        assert text.startswith("AssertionError: Multiple services found for ws-user-reg/*:same@*")
        await manager.unregister_service("c1:same")
        await manager.unregister_service("same")
        assert await one.list_services({"id": "same"}) == []


async def test_everything_of_a_client_that_is_killed_goes(hub):  # 02 section 13 number 5, WS-34
    async with as_user(hub, "reg") as watch:
        events = []
        for kind in ("client_disconnected", "service_removed"):
            watch.on(kind, lambda event: events.append((event["type"], event["data"]["id"])))
        await watch.subscribe(["client_disconnected", "service_removed"])
        raw = await RawClient.open(hub.ws_url, "victim", token=ticket("reg"))
        await raw.register("one", config={"visibility": "public"})
        await raw.register("two")
        raw.abort()
        await until(lambda: events)
        assert await watch.list_services({"client_id": "victim"}) == []
        assert await watch.list_services("*/one") == []
        clients = [client["id"] for client in await watch.list_clients()]
        assert "ws-user-reg/victim" not in clients
        summary = await watch.get_summary()
        assert summary["clients"] == clients
        assert events == [("client_disconnected", "victim")]

"""Workspaces through the real client: create, list, describe, delete, environment, bookmarks."""

import asyncio

import pytest
from coroutines import until
from hubs import FLAGS, ROOT_TOKEN
from people import as_user, error_of
from rawclient import RawClient
from tickets import ticket


async def test_creating(hub):  # WS-38, WS-42
    async with as_user(hub, "wes") as server:
        made = await server.create_workspace(
            {
                "id": "wes-first",
                "name": "First",
                "description": "desc",
                "owners": [" friend ", ""],
                "config": {"k": 1},
            }
        )
        assert made["owners"] == ["friend", "wes"]
        record = await server.get_workspace_info("wes-first")
        assert record == {
            "type": "workspace", "id": "wes-first", "name": "First", "description": "desc",
            "persistent": False, "owners": ["friend", "wes"], "read_only": False, "icon": None,
            "covers": None, "docs": None, "service_types": {}, "config": {"k": 1},
            "status": {"ready": True, "errors": None},
        }  # fmt: skip
        named = await server.create_workspace({"name": "wes-named"})
        assert named["id"] == named["name"] == "wes-named"
        text = await error_of(server.create_workspace({"id": "wes-first"}))
        assert text == "RuntimeError: Workspace already exists: wes-first"
        again = await server.create_workspace({"id": "wes-first"}, overwrite=True)
        assert again["config"] == {} and again["owners"] == ["wes"]
        marks = (await server.get_workspace_info())["config"]["bookmarks"]
        assert {"wes-first", "wes-named"} <= {mark["id"] for mark in marks}
        async with as_user(hub, "wes", workspace="wes-first") as inside:
            assert (await inside.check_status()) == {
                "status": "ready",
                "errors": None,
                "user_permission": "a",
            }


NAMES = {
    "": "Workspace name must not be empty.",
    "nohyphen": "Workspace name must contain at least one hyphen (e.g. my-workspace).",
    "My-Ws": "Invalid workspace name: My-Ws, only lowercase letters, numbers and hyphens are "
    "allowed.",
    "a_-b": "Invalid workspace name: a_-b, only lowercase letters, numbers and hyphens are ",
    "a-/b": "Invalid workspace name: a-/b, only lowercase letters, numbers and hyphens are ",
    "ws-user-other": "Reserved workspace name: ws-user-other",
    "ws-anonymous-x": "Reserved workspace name: ws-anonymous-x",
    "ws-user-root": "Workspace already exists: ws-user-root",
}


@pytest.mark.parametrize(("name", "text"), NAMES.items())
async def test_names_that_are_refused(hub, name, text):  # WS-41, section 11 number 11
    async with as_user(hub, "wes") as server:
        assert text in await error_of(server.create_workspace({"id": name}))


@pytest.mark.parametrize("name", ["a-", "-a", "a--b", "a|b-c", "n-" + "x" * 126])
async def test_names_that_are_accepted(hub, name):  # WS-41
    async with as_user(hub, "wes") as server:
        assert (await server.create_workspace({"id": name}))["id"] == name
        await server.delete_workspace(name)


BAD_RECORDS = [
    {},
    {"id": 5},
    {"id": "wes-x", "owners": "wes"},
    {"id": "wes-x", "owners": [5]},
    {"id": "wes-x", "persistent": "yes"},
    {"id": "wes-x", "config": []},
    {"id": "wes-x", "config": {"b": b"bytes"}},
    {"id": "wes-x", "service_types": {"t": {"id": "t", "name": "T"}}},
    {"id": "wes-x", "description": 5},
]


@pytest.mark.parametrize("record", BAD_RECORDS, ids=str)
async def test_records_that_are_refused(hub, record):  # WS-42, section 11 number 4
    async with as_user(hub, "wes") as server:
        text = await error_of(server.create_workspace(record))
        assert text.startswith("ValueError: Invalid ")
        assert "wes-x" not in str(await server.list_workspaces())


async def test_who_may_not_create(hub):  # WS-42, AUTH-8
    async with as_user(hub) as visitor, as_user(hub, "wes") as wes, as_user(hub, "oz") as other:
        text = await error_of(visitor.create_workspace({"id": "vis-x"}))
        assert text == "Exception: Only registered user can create workspace."
        await wes.create_workspace({"id": "wes-own"})
        text = await error_of(other.create_workspace({"id": "wes-own"}, overwrite=True))
        assert text == (
            "PermissionError: Permission denied: user oz cannot overwrite workspace wes-own"
        )
        for home in ("ws-user-wes", "ws-user-never-seen", "ws-anonymous"):
            text = await error_of(other.create_workspace({"id": home}, overwrite=True))
            assert text.startswith("PermissionError: ")
        await wes.delete_workspace("wes-own")


async def test_more_workspaces_than_a_user_may_own(make_hyphad):  # WS-42
    daemon = make_hyphad("--max-workspaces-per-user", "2", *FLAGS).start()
    async with as_user(daemon, "wes") as server:
        for number in range(2):
            await server.create_workspace({"id": f"wes-{number}"})
        text = await error_of(server.create_workspace({"id": "wes-2"}))
        assert text == (
            "RuntimeError: Workspace quota exceeded: user wes already owns 2 workspaces (max 2). "
            "Delete unused workspaces before creating new ones."
        )
        token = await server.generate_token({"permission": "admin"})
        async with as_user(daemon, token=token) as child:
            assert (await error_of(child.create_workspace({"id": "wes-3"}))).startswith(
                "RuntimeError: Workspace quota exceeded: user wes"
            )
            await server.delete_workspace("wes-0")
            made = await child.create_workspace({"id": "wes-3"})
            assert made["owners"] == ["wes"]  # section 11 number 17


async def test_owners_by_mail(hub):  # WS-40, AUTH-22
    async with as_user(hub, "wes") as wes:
        await wes.create_workspace({"id": "wes-shared", "owners": ["Pal@Example.org"]})
    pal = ticket("pal", email="pal@example.org")
    async with as_user(hub, token=pal, workspace="wes-shared") as friend:
        assert (await friend.check_status())["user_permission"] == "a"
        assert "wes-shared" in [found["id"] for found in await friend.list_workspaces()]
        await friend.delete_workspace("wes-shared")
    text = await error_of(_enter(hub, token=pal, workspace="wes-shared"))
    assert "'Workspace wes-shared does not exist or is not accessible'" in text


async def _enter(hub, **options):
    async with as_user(hub, **options):
        pass


async def test_listing(hub):  # WS-44
    async with as_user(hub, "liz") as server:
        for number in range(3):
            await server.create_workspace(
                {"id": f"liz-{number}", "persistent": number == 1, "name": f"Nr {number}"}
            )
        listed = await server.list_workspaces()
        assert [found["id"] for found in listed] == ["ws-user-liz", "liz-0", "liz-1", "liz-2"]
        assert listed[1] == {
            "id": "liz-0", "name": "liz-0", "description": None, "read_only": False,
            "persistent": False, "owners": ["liz"],
        }  # fmt: skip
        page = await server.list_workspaces(offset=1, limit=2)
        assert [found["id"] for found in page] == ["liz-0", "liz-1"]
        found = await server.list_workspaces({"persistent": True})
        assert [ws["id"] for ws in found] == ["ws-user-liz", "liz-1"]
        assert await server.list_workspaces({"nothing": 1}) == []
        assert len(await server.list_workspaces(limit=256)) == 4
        assert await error_of(server.list_workspaces(offset=-1)) == (
            "ValueError: Offset number must be greater than or equal to 0"
        )
        for limit in (0, 257):
            assert await error_of(server.list_workspaces(limit=limit)) == (
                "ValueError: Limit must be greater than 0 and less than 256"
            )
        for number in range(3):
            await server.delete_workspace(f"liz-{number}")


async def test_deleting(hub):  # WS-43, section 11 number 16
    async with as_user(hub, "del", client_id="d") as server:
        await server.create_workspace({"id": "del-me", "persistent": True})
        async with as_user(hub, "del", workspace="del-me", client_id="in") as inside:
            await inside.register_service({"id": "s", "f": lambda: 1})
            assert await server.delete_workspace("del-me") is None
            assert await error_of(server.get_workspace_info("del-me")) == (
                "KeyError: 'Workspace not found: del-me'"
            )
            assert await inside.check_status() == {
                "status": "not_found",
                "error": "Workspace del-me not found",
                "user_permission": "a",
            }
            assert await inside.list_services() == []
            text = await error_of(inside.register_service({"id": "s2", "f": str}))
            assert "not found: del-me" in text
            text = await error_of(inside.generate_token())
            assert "not found: del-me" in text
        assert "del-me" not in [mark["id"] for mark in await _marks(server)]
        assert "not found" in await error_of(server.delete_workspace("del-me"))
        for fixed in ("public", "ws-user-root", "ws-anonymous"):
            assert (await error_of(server.delete_workspace(fixed))).startswith("PermissionError: ")
    async with as_user(hub, token=ROOT_TOKEN) as root:
        for fixed in ("public", "ws-user-root", "ws-anonymous"):
            text = await error_of(root.delete_workspace(fixed))
            assert text == f"PermissionError: Workspace {fixed} cannot be deleted"


async def _marks(server):
    return (await server.get_workspace_info())["config"].get("bookmarks", [])


async def test_deleting_ones_home_empties_it(hub):  # WS-43
    async with as_user(hub, "hal") as server:
        await server.set_env("K", "v")
        await server.register_service_type({"id": "t", "name": "T", "definition": {"f": {}}})
        assert await server.delete_workspace("ws-user-hal") is None
        record = await server.get_workspace_info()
        assert record["service_types"] == {}
        assert not record["config"].get("environs")
        assert await server.echo(1) == 1


async def test_environment(hub):  # WS-53
    async with as_user(hub, "enn") as server:
        assert await server.get_env() == {}
        await server.set_env("A", "1")
        await server.set_env("B", {"x": [1, None]})
        assert await server.get_env() == {"A": "1", "B": {"x": [1, None]}}
        assert await server.get_env("A") == "1"
        await server.set_env("A", None)
        assert await error_of(server.get_env("A")) == (
            "KeyError: \"Environment variable 'A' not found in workspace ws-user-enn\""
        )
        assert (await error_of(server.set_env("C", b"bytes"))).startswith("TypeError")
        assert await server.get_env() == {"B": {"x": [1, None]}}


async def test_bookmarks(hub):  # WS-54
    async with as_user(hub, "boo", client_id="b") as server, as_user(hub, "oz") as other:
        await server.create_workspace({"id": "boo-ws", "description": "d"})
        await server.register_service({"id": "s", "config": {"visibility": "public"}, "f": str})
        await server.bookmark({"bookmark_type": "service", "id": "s"})
        await server.bookmark({"bookmark_type": "workspace", "id": "boo-ws"})
        marks = await _marks(server)
        assert [mark["id"] for mark in marks] == ["ws-user-boo/b:s", "boo-ws"]
        assert marks[0]["bookmark_type"] == "service" and marks[0]["config"]["visibility"]
        async with as_user(hub, "boo", workspace="boo-ws") as inside:
            await inside.unbookmark({"bookmark_type": "service", "id": "ws-user-boo/b:s"})
        assert [mark["id"] for mark in await _marks(server)] == ["boo-ws"]
        assert await server.unbookmark({"bookmark_type": "workspace", "id": "absent"}) is None
        said = {
            "AssertionError: Bookmark type must be provided.": {"id": "boo-ws"},
            "ValueError: Invalid bookmark type: foo": {"bookmark_type": "foo", "id": "x"},
            "KeyError: 'Workspace not found: nope-x'": {
                "bookmark_type": "workspace",
                "id": "nope-x",
            },
            "KeyError: 'Service not found: ws-user-boo/*:nope@*'": {
                "bookmark_type": "service",
                "id": "nope",
            },
        }
        for text, item in said.items():
            assert await error_of(server.bookmark(item)) == text
        text = await error_of(other.bookmark({"bookmark_type": "workspace", "id": "boo-ws"}))
        assert text.startswith("PermissionError")


# service types


async def test_service_types(hub):  # WS-55
    async with as_user(hub, "typ") as server, as_user(hub, "oz") as other:
        info = {"id": "mt", "name": "MT", "definition": {"f": {}}}
        assert (await server.register_service_type(info))["id"] == "mt"
        public = {**info, "id": "ws-user-typ/pt", "config": {"visibility": "public"}}
        assert (await server.register_service_type(public))["id"] == "pt"
        assert (await server.get_service_type("mt"))["id"] == "ws-user-typ/mt"
        assert (await other.get_service_type("ws-user-typ/pt"))["name"] == "MT"
        assert [found["id"] for found in await server.list_service_types()] == ["mt", "pt"]
        said = [
            (server.register_service_type(info), "KeyError: 'Service type already exists: mt'"),
            (
                server.register_service_type({**info, "id": "ws-x/mt"}),
                "AssertionError: Workspace mismatch: ws-x != ws-user-typ, you can only register "
                "service type in your own workspace.",
            ),
            (server.get_service_type("zz"), "KeyError: 'Service type not found: zz'"),
            (
                other.get_service_type("ws-user-typ/mt"),
                "PermissionError: Permission denied for workspace ws-user-typ",
            ),
            (
                other.list_service_types("ws-user-typ"),
                "PermissionError: Permission denied for workspace ws-user-typ",
            ),
        ]
        for call, text in said:
            assert await error_of(call) == text


POISON = [
    {"id": "mt3", "name": "MT"},
    {"id": "mt3", "definition": {}},
    {"name": "MT", "definition": {}},
    {"id": "", "name": "MT", "definition": {}},
    {"id": "mt3", "name": "MT", "definition": []},
    {"id": "mt3", "name": "MT", "definition": {"x": b"b"}},
    {"id": "mt3", "name": "MT", "definition": {}, "config": [1]},
    {"id": "mt3", "name": 5, "definition": {}},
]


@pytest.mark.parametrize("info", POISON, ids=str)
async def test_a_bad_type_poisons_nothing(hub, info):  # WS-55, section 11 number 4
    async with as_user(hub, "poi") as server:
        text = await error_of(server.register_service_type(info))
        assert text.startswith(("ValueError: Invalid service type: ", "TypeError: "))
        assert await server.list_service_types() == []
    async with as_user(hub, "poi") as server, as_user(hub, "oz") as other:
        assert await server.echo(1) == 1
        assert await other.list_workspaces()


# who is here


async def test_status_summary_and_clients(hub):  # WS-48, WS-49, WS-50, WS-51
    async with (
        as_user(hub, "sum", client_id="a1") as one,
        as_user(hub, "sum", client_id="a2") as two,
        as_user(hub, "oz") as other,
    ):
        await one.register_service({"id": "s", "f": str})
        summary = await two.get_summary()
        assert summary["name"] == "ws-user-sum"
        assert summary["client_count"] == 2
        assert summary["clients"] == ["ws-user-sum/a1", "ws-user-sum/a2"]
        assert summary["service_count"] == len(summary["services"]) == 3
        assert set(summary["services"][0]) == {"id", "name", "type", "description", "config"}
        clients = await one.list_clients()
        assert [client["id"] for client in clients] == ["ws-user-sum/a1", "ws-user-sum/a2"]
        assert clients[0]["user"]["id"] == "sum"
        assert await one.ping("a2") == await one.ping("ws-user-sum/a2") == "pong"
        assert (await one.ping("ghost")).startswith("Failed to ping client ws-user-sum/ghost: ")
        assert await other.ping("ws-user-sum/a1") == (
            "Failed to ping client ws-user-sum/a1: Permission denied for workspace ws-user-sum"
        )
        assert await one.cleanup() == {}


async def test_cleaning_up_silent_clients(hub):  # WS-52
    async with as_user(hub, "cle") as server, as_user(hub, "oz") as other:
        raw = await RawClient.open(hub.ws_url, "mute", token=ticket("cle"))
        raw._serve = lambda header, extra: asyncio.sleep(0, False)
        said = await server.ping("mute", timeout=0.3)
        assert said.startswith("Failed to ping client ws-user-cle/mute: ")
        assert await server.cleanup(timeout=0.3) == {"removed_clients": ["ws-user-cle/mute"]}
        assert [c["id"] for c in await server.list_clients()] == [
            f"ws-user-cle/{server.config.client_id}"
        ]
        await raw.closed()
        assert await error_of(other.cleanup("ws-user-cle")) == (
            "PermissionError: Permission denied for workspace ws-user-cle, user: oz"
        )


async def test_logs(hub):  # WS-57
    async with as_user(hub, "log") as server, as_user(hub, "oz") as other:
        await server.log("hello")
        for number in range(2):
            await server.log_event("my_ev", {"k": number})
        events = await server.get_events("my_ev")
        assert [event["data"] for event in events] == [{"k": 0}, {"k": 1}]
        assert set(events[0]) == {"id", "event_type", "workspace", "user_id", "timestamp", "data"}
        assert events[0]["workspace"] == "ws-user-log" and events[0]["user_id"] == "log"
        stats = await server.get_event_stats()
        assert {"event_type": "my_ev", "count": 2} in stats
        assert {"event_type": "log", "count": 1} in stats
        later = await server.get_events("my_ev", start_time=events[1]["timestamp"])
        assert [event["data"] for event in later] == [{"k": 1}]
        assert await other.get_events("my_ev") == []
        assert await error_of(server.log_event("a b")) == (
            "AssertionError: Event type must not contain spaces"
        )


# coming and going


async def test_a_temporary_workspace_goes_after_its_last_client(make_hyphad):  # WS-46
    daemon = make_hyphad("--workspace-grace", "0.3", *FLAGS).start()
    async with as_user(daemon, "tem") as server:
        await server.create_workspace({"id": "tem-kept", "persistent": True})
        await server.create_workspace({"id": "tem-brief", "persistent": False})
        for name in ("tem-kept", "tem-brief"):
            async with as_user(daemon, "tem", workspace=name) as inside:
                assert await inside.echo(1) == 1

        async def gone():
            listed = [found["id"] for found in await server.list_workspaces()]
            return "tem-kept" in listed and "tem-brief" not in listed

        await until(gone)
        text = await error_of(_enter(daemon, user="tem", workspace="tem-brief"))
        assert "does not exist or is not accessible" in text
        again = await server.create_workspace({"id": "tem-brief"})
        assert again["config"] == {}


async def test_the_home_of_a_visitor_goes_too(make_hyphad):  # WS-46
    daemon = make_hyphad("--workspace-grace", "0.3", *FLAGS).start()
    async with as_user(daemon) as visitor:
        home = visitor.config.workspace
        token = await visitor.generate_token()
    async with as_user(daemon, token=ROOT_TOKEN) as root:

        async def gone():
            listed = [found["id"] for found in await root.list_workspaces()]
            return home not in listed

        await until(gone)
        text = await error_of(root.get_workspace_info(home))
        assert text == f"KeyError: 'Workspace not found: {home}'"
        assert home not in [found["id"] for found in await root.list_workspaces()]
    async with as_user(daemon, token=token) as back:
        assert back.config.workspace == home

"""Who may see, get and call a service: visibility by distance, in one table."""

import pytest
from people import as_user, error_of

DENIED = "PermissionError: Permission denied for non-public service in workspace ws-user-vic"
KINDS = {
    "public": {"visibility": "public"},
    "unlisted": {"visibility": "unlisted"},
    "protected": {"visibility": "protected"},
    "default": {},
    "shared": {"visibility": "protected", "authorized_workspaces": ["ws-user-ally"]},
}

# Who sees it in a list, gets its record and itself by id, and may call it (WS-25, WS-26, AUTH-47).
LISTED = {
    "public": {"member", "other tab", "reader", "ally", "other", "visitor"},
    "unlisted": set(),
    "protected": {"member", "other tab", "reader"},
    "default": {"member", "other tab", "reader"},
    "shared": {"member", "other tab", "reader", "ally"},
}
ADMITTED = {**LISTED, "unlisted": LISTED["public"]}


@pytest.fixture
def table(hub):
    """Everybody at once: the owner's clients, a reader, an authorised user, others."""

    class Table:
        async def __aenter__(self):
            self.owner = as_user(hub, "vic", client_id="p")
            owner = await self.owner.__aenter__()
            for name, config in KINDS.items():
                await owner.register_service({"id": name, "config": config, "f": lambda: "ran"})
            token = await owner.generate_token({"permission": "read"})
            self.entered = {
                "member": as_user(hub, "vic"),
                "other tab": as_user(hub, token=await owner.generate_token()),
                "reader": as_user(hub, token=token),
                "ally": as_user(hub, "ally"),
                "other": as_user(hub, "oz"),
                "visitor": as_user(hub),
            }
            return {name: await who.__aenter__() for name, who in self.entered.items()}

        async def __aexit__(self, *error):
            for who in (*self.entered.values(), self.owner):
                await who.__aexit__(*error)

    return Table()


async def test_the_matrix(table):  # 02 section 13 number 4
    async with table as people:
        for kind in KINDS:
            for name, server in people.items():
                place = f"{name} and {kind}"
                listed = await server.list_services("ws-user-vic")
                names = [service["id"].partition(":")[2] for service in listed]
                assert (kind in names) == (name in LISTED[kind]), place
                service_id = f"ws-user-vic/p:{kind}"
                if name in ADMITTED[kind]:
                    assert (await server.get_service_info(service_id))["id"] == service_id
                    assert await (await server.get_service(service_id)).f() == "ran", place
                    assert (await server.get_service(f"ws-user-vic/{kind}")).id == service_id
                    continue
                for call in (server.get_service, server.get_service_info):
                    assert await error_of(call(service_id)) == DENIED, place


async def test_unlisted_services_in_lists(table):  # WS-31
    async with table as people:
        for name, server in people.items():
            listed = await server.list_services({"visibility": "unlisted"})
            assert listed == []
            mine = await server.list_services(include_unlisted=True)
            names = {service["id"].partition(":")[2] for service in mine}
            assert ("unlisted" in names) == (name in {"member", "other tab", "reader"})
            if name in {"ally", "other", "visitor"}:
                ws = server.config.workspace
                assert await error_of(
                    server.list_services("ws-user-vic", include_unlisted=True)
                ) == (
                    "PermissionError: Cannot include unlisted services from workspace "
                    "ws-user-vic. Only services from your current workspace "
                    f"({ws}) can include unlisted services."
                )


async def test_outsiders_do_not_see_who_else_is_admitted(table):  # WS-25, section 11 number 7
    async with table as people:
        member, ally = people["member"], people["ally"]
        record = await member.get_service_info("ws-user-vic/p:shared")
        assert record["config"]["authorized_workspaces"] == ["ws-user-ally"]
        shown = [
            await ally.get_service_info("ws-user-vic/p:shared"),
            await ally.get_service("ws-user-vic/p:shared"),
            *await ally.list_services({"workspace": "ws-user-vic", "id": "shared"}),
        ]
        for record in shown:
            assert "authorized_workspaces" not in record["config"]
        assert len(shown) == 3


async def test_outsiders_do_not_see_whose_client_it_is(table):  # section 11 number 6
    async with table as people:
        listed = await people["other"].list_services("ws-user-vic")
        (builtin,) = [found for found in listed if found["id"] == "ws-user-vic/p:built-in"]
        assert builtin["config"]["created_by"] == {"id": "vic"}
        mine = await people["member"].get_service_info("ws-user-vic/p:built-in")
        assert mine["config"]["created_by"]["scope"]["workspaces"]["ws-user-vic"] == "a"


async def test_a_protected_method_called_behind_the_servers_back(table):  # WS-26, WIRE-46
    """The provider itself refuses; the server does not pretend to be somebody else."""
    async with table as people:
        other, member = people["other"], people["member"]
        api = await member.get_service("ws-user-vic/p:protected")
        descriptor = await other.get_service("ws-user-vic/p:public")
        path = descriptor.f.__rpc_object__["_rmethod"].replace("public", "protected")
        forged = other.rpc._generate_remote_method(
            {**descriptor.f.__rpc_object__, "_rmethod": path}
        )
        text = await error_of(forged())
        assert "Permission denied for invoking protected method" in text
        assert "workspace mismatch: ws-user-vic != ws-user-oz" in text
        assert await api.f() == "ran"


async def test_an_owner_in_another_workspace_of_its_own(hub):  # WS-26
    """It may get the protected service, but the provider does not know it there."""
    async with as_user(hub, "eri", client_id="p") as home:
        await home.register_service({"id": "es", "f": lambda: 1})
        await home.create_workspace({"id": "eri-second"})
        async with as_user(hub, "eri", workspace="eri-second") as away:
            api = await away.get_service("ws-user-eri/es")
            text = await error_of(api.f())
            assert "workspace mismatch: ws-user-eri != eri-second" in text


async def test_visible_ones_are_chosen_from(hub):  # WS-25, section 11 number 8
    """A protected instance of the same name is neither chosen nor named."""
    async with (
        as_user(hub, "vic", client_id="a1") as one,
        as_user(hub, "vic", client_id="a2") as two,
        as_user(hub) as visitor,
    ):
        await one.register_service({"id": "same", "config": {"visibility": "public"}, "f": str})
        await two.register_service({"id": "same", "f": str})
        for _ in range(5):
            assert (await visitor.get_service("ws-user-vic/same")).id == "ws-user-vic/a1:same"
        text = await error_of(one.get_service("same"))
        assert "ws-user-vic/a1:same" in text and "ws-user-vic/a2:same" in text
        await one.unregister_service("same")
        await one.register_service({"id": "other", "f": str})
        assert await error_of(visitor.get_service("ws-user-vic/same")) == DENIED

"""What a token allows: the matrix of the manager's methods, and every way up that is closed."""

import asyncio
import time
from typing import Any

import jwt
import pytest
from hubs import ROOT_TOKEN
from people import as_user, error_of
from tickets import ticket

LEVELS = ("read", "read_write", "admin")
TYPE = {"id": "t", "name": "T", "definition": {"f": {}}}

# Method, arguments, least permission on the own workspace (WS 7.5).
MATRIX: list[tuple[str, list[Any], str]] = [
    ("list_services", [], "read"),
    ("get_service_info", ["public/queue"], "read"),
    ("subscribe", ["service_added"], "read"),
    ("unsubscribe", ["service_added"], "read"),
    ("ping", ["owner"], "read"),
    ("get_events", [], "read"),
    ("get_event_stats", [], "read"),
    ("list_workspaces", [], "read"),
    ("list_clients", [], "read"),
    ("list_service_types", [], "read"),
    ("get_workspace_info", [], "read"),
    ("check_status", [], "read"),
    ("get_summary", [], "read"),
    ("echo", [1], "read_write"),
    ("log", ["x"], "read_write"),
    ("log_event", ["x"], "read_write"),
    ("register_service_type", [TYPE], "read_write"),
    ("set_env", ["K", "v"], "read_write"),
    ("get_env", [], "read_write"),
    ("unregister_service", ["owner:extra"], "read_write"),
    ("cleanup", [], "admin"),
    ("generate_token", [], "read_write"),
    ("revoke_token", ["TOKEN"], "admin"),
]


@pytest.mark.parametrize(("method", "args", "least"), MATRIX, ids=[row[0] for row in MATRIX])
async def test_the_matrix(hub, method, args, least):  # 02 section 13 number 8, WS 7.5
    async with as_user(hub, "mat", client_id="owner") as owner:
        for level in LEVELS:
            await owner.register_service({"id": "extra", "f": str}, {"overwrite": True})
            token = await owner.generate_token({"permission": level})
            async with as_user(hub, token=token) as child:
                words = [token if arg == "TOKEN" else arg for arg in args]
                name = f"{method}-{level}"
                if method == "register_service_type":
                    words = [{**TYPE, "id": f"t-{level}"}]
                manager = await child.get_service("~")
                call = manager[method](*words)
                if LEVELS.index(level) >= LEVELS.index(least):
                    await call
                    continue
                text = await error_of(call)
                if method == "generate_token":
                    assert text == "PermissionError: Only admin can generate token.", name
                else:
                    assert text.startswith(
                        "PermissionError: Permission denied for workspace ws-user-mat"
                    ), name


async def test_a_reader_cannot_register(hub):  # AUTH-24, WS-7
    """Its connection stays usable although its built-in service could not be registered."""
    async with as_user(hub, "mat") as owner:
        await owner.register_service({"id": "tool", "f": lambda: 1})
        token = await owner.generate_token({"permission": "read"})
        async with as_user(hub, token=token) as reader:
            text = await error_of(reader.register_service({"id": "x", "f": str}))
            assert "Permission denied for workspace ws-user-mat" in text
            assert await (await reader.get_service("tool")).f() == 1
            listed = [client["id"] for client in await reader.list_clients()]
            assert f"ws-user-mat/{reader.config.client_id}" in listed  # WS-50


# ways up


async def test_a_reader_cannot_raise_itself(hub):  # AUTH-30, WS-58, section 11 number 5
    async with as_user(hub, "mat") as owner:
        await owner.create_workspace({"id": "mat-team"})
        for config in ({}, {"workspace": "mat-team"}):
            token = await owner.generate_token({"permission": "read", **config})
            async with as_user(hub, token=token) as reader:
                for permission in LEVELS:
                    text = await error_of(reader.generate_token({"permission": permission}))
                    assert text == "PermissionError: Only admin can generate token."
                text = await error_of(reader.generate_token({"workspace": "ws-user-mat"}))
                assert text.startswith("PermissionError: ")
                for workspace in ("ws-user-mat", "mat-team"):
                    text = await error_of(reader.delete_workspace(workspace))
                    assert text == f"PermissionError: Permission denied for workspace {workspace}"
                text = await error_of(reader.create_workspace({"id": "mat-team"}, overwrite=True))
                assert text.startswith("PermissionError: ")
        assert "mat-team" in [found["id"] for found in await owner.list_workspaces()]


async def test_a_writer_cannot_become_admin(hub):  # AUTH-30
    async with as_user(hub, "mat") as owner:
        token = await owner.generate_token({"permission": "read_write"})
        async with as_user(hub, token=token) as writer:
            text = await error_of(writer.generate_token({"permission": "admin"}))
            assert text.startswith("PermissionError: ")
            same = await writer.generate_token({"permission": "read_write"})
            assert _claims(same)["scope"].startswith("ws:ws-user-mat#rw ")
            assert (await error_of(writer.revoke_token(same))).startswith("PermissionError")
            assert (await error_of(writer.cleanup())).startswith("PermissionError")


async def test_a_child_of_one_workspace_reaches_no_other(hub):  # AUTH-30
    async with as_user(hub, "mat") as owner:
        await owner.create_workspace({"id": "mat-other"})
        token = await owner.generate_token({"workspace": "mat-other", "permission": "admin"})
        async with as_user(hub, token=token) as child:
            assert child.config.workspace == "mat-other"
            for workspace in ("ws-user-mat", "public", "ws-user-root"):
                text = await error_of(child.generate_token({"workspace": workspace}))
                assert text == (
                    f"PermissionError: You do not have any permission for workspace: {workspace}"
                )
            text = await error_of(child.list_clients("ws-user-mat"))
            assert text == "PermissionError: Permission denied for workspace ws-user-mat"
            text = await error_of(child.get_workspace_info("ws-user-mat"))
            assert text == "PermissionError: Permission denied for workspace ws-user-mat"


INJECTIONS = [
    {"extra_scopes": ["ws:*#a"]},
    {"extra_scopes": ["ws:public#a", "wid:public"]},
    {"extra_scopes": ["cid:x"]},
    {"extra_scopes": ["fine ws:*#a"]},
    {"extra_scopes": ["fine\tws:*#a"]},
    {"extra_scopes": [""]},
    {"extra_scopes": [5]},
    {"extra_scopes": "ws:*#a"},
    {"client_id": "x ws:*#a"},
    {"client_id": "x\nws:*#a"},
    {"client_id": "x/y"},
    {"client_id": 5},
    {"workspace": "ws-user-mat ws:*#a"},
    {"workspace": "*"},
    {"permission": "a"},
    {"permission": "rw"},
    {"permission": ""},
    {"permission": 5},
    {"expires_in": -5},
    {"expires_in": "forever"},
    {"email": "root@example.org"},
]


@pytest.mark.parametrize("config", INJECTIONS, ids=str)
async def test_scopes_that_are_smuggled_in(hub, config):  # AUTH-31, AUTH-27
    async with as_user(hub, "mat") as owner, as_user(hub) as visitor:
        for server in (owner, visitor):
            try:
                token = await server.generate_token(config)
            except Exception as error:
                assert "InternalError" not in str(error)
                continue
            scope = _claims(token)["scope"]
            assert scope.startswith(f"ws:{server.config.workspace}#rw "), config
            assert "*" not in scope and "public" not in scope


async def test_texts_of_bad_token_requests(hub):  # AUTH-27, AUTH-31, WS-58
    async with as_user(hub, "mat") as owner:
        said = {
            "expires_in should be greater than 0": {"expires_in": -5},
            "String should match pattern '^(read|read_write|admin)$'": {"permission": "rw"},
            "Only callers with the 'admin' role may set TokenConfig.email": {"email": "a@b.de"},
            "Invalid scope, cannot start with ws or cid": {"extra_scopes": ["ws:*#a"]},
            "Workspace not found: no-such": {"workspace": "no-such"},
            "You do not have any permission for workspace: public": {"workspace": "public"},
        }
        for text, config in said.items():
            assert text in await error_of(owner.generate_token(config))


async def test_roles_of_an_admin_go_to_admin_tokens_only(hub):  # AUTH-30, AUTH-55
    async with as_user(hub, token=ticket("ann", roles=["admin"])) as admin:
        for permission, roles in (("read", []), ("read_write", []), ("admin", ["admin"])):
            token = await admin.generate_token({"permission": permission})
            assert _claims(token)["https://amun.ai/roles"] == roles
        assert await admin.list_clients("public") is not None
        token = await admin.generate_token({"permission": "read"})
        async with as_user(hub, token=token) as child:
            assert (await error_of(child.list_clients("public"))).startswith("PermissionError")


async def test_an_owner_with_a_broad_token_may_mint(hub):  # AUTH-20, AUTH-29
    async with as_user(hub, token=ticket("bro", "ws:*#rw")) as server:
        token = await server.generate_token({"permission": "admin"})
        assert _claims(token)["scope"].startswith("ws:ws-user-bro#a ")
    async with as_user(hub) as visitor:
        token = await visitor.generate_token()
        async with as_user(hub, token=token) as child:
            assert (await child.generate_token({"permission": "read_write"})).count(".") == 2


async def test_a_child_token(hub):  # AUTH-28, AUTH-11, AUTH-13
    async with as_user(hub, token=ticket("mat", email="m@example.org")) as owner:
        began = time.time()
        token = await owner.generate_token(
            {"client_id": "cx", "extra_scopes": ["openid"], "expires_in": 600, "user_id": "root"}
        )
        claims = _claims(token)
        assert claims["scope"] == "ws:ws-user-mat#rw cid:cx wid:ws-user-mat openid"
        assert claims["https://amun.ai/parent"] == "mat"
        assert claims["https://amun.ai/email"] == "m@example.org"
        assert claims["sub"] not in ("mat", "root") and claims["gty"] == "client-credentials"
        assert abs(claims["exp"] - began - 600) < 5
        assert abs(_claims(await owner.generate_token())["exp"] - began - 3600) < 5
        async with as_user(hub, token=token, client_id="cx") as child:
            again = _claims(await child.generate_token())
            assert "cid:cx" in again["scope"] and "openid" in again["scope"]
            assert again["https://amun.ai/parent"] == "mat"
            assert again["exp"] <= claims["exp"]
            text = await error_of(child.generate_token({"client_id": "other"}))
            assert text.startswith("PermissionError")


async def test_visitors_tokens_are_not_for_ever(hub):  # AUTH-32
    async with as_user(hub) as visitor:
        claims = _claims(await visitor.generate_token({"expires_in": 10**9}))
        assert claims["exp"] - time.time() <= 7 * 86_400 + 5


# parsing and revoking


async def test_parsing(hub):  # AUTH-33, WS-59
    async with as_user(hub, "mat") as owner, as_user(hub, "oz") as other:
        token = await owner.generate_token()
        parsed = await owner.parse_token(token)
        assert parsed["parent"] == "mat"
        assert parsed["scope"]["workspaces"] == {"ws-user-mat": "rw"}
        assert await owner.parse_token("Bearer " + token) == parsed
        assert await error_of(other.parse_token(token)) == (
            "HTTPException: 403: Token is not authorized for workspace 'ws-user-oz'"
        )
        assert "401: Invalid token structure: Error decoding token claims." in await error_of(
            owner.parse_token("garbage")
        )
        assert "Authorization is required" in await error_of(owner.parse_token(""))
        await owner.revoke_token(token)
        assert "Token has been revoked" in await error_of(owner.parse_token(token))


async def test_revoking(hub):  # AUTH-34, WS-60
    async with as_user(hub, "mat") as owner, as_user(hub, "oz") as other:
        token = await owner.generate_token()
        assert await error_of(other.revoke_token(token)) == (
            "PermissionError: Permission denied: cannot revoke this token"
        )
        assert await owner.revoke_token(token) is None
        assert await owner.revoke_token(token) is None
        assert (await error_of(owner.revoke_token("x"))).startswith("ValueError: Invalid token: ")
        expired = ticket("mat", lifetime=-5)
        assert await error_of(owner.revoke_token(expired)) == (
            "ValueError: Token has already expired"
        )
        assert await error_of(owner.revoke_token(ROOT_TOKEN)) == (
            "ValueError: The root token cannot be revoked"
        )


async def test_a_revoked_token_ends_its_connections(hub):  # AUTH-36
    """And what descends from it; the client's reconnection is refused for good."""
    async with as_user(hub, "mat") as owner:
        token = await owner.generate_token({"permission": "admin"})
        async with as_user(hub, token=token) as child:
            grandchild_token = await child.generate_token()
            async with as_user(hub, token=grandchild_token) as grandchild:
                await owner.revoke_token(token)
                for server in (child, grandchild):
                    text = await error_of(_until_it_fails(server))
                    assert text
        for gone in (token, grandchild_token):
            text = await error_of(_enter(hub, gone))
            assert "Token has been revoked" in text


async def _until_it_fails(server: Any) -> None:
    async with asyncio.timeout(15):
        while True:
            await server.echo(1)
            await asyncio.sleep(0.05)


async def _enter(hub: Any, token: str) -> None:
    async with as_user(hub, token=token):
        pass


def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


# other people's things


async def test_services_of_others_cannot_be_removed(hub):  # WS-33, section 11 number 2
    async with as_user(hub, "mat", client_id="p") as owner, as_user(hub, "oz") as other:
        await owner.register_service({"id": "pub", "config": {"visibility": "public"}, "f": str})
        manager = await other.get_service("~")
        text = await error_of(manager.unregister_service("ws-user-mat/p:pub"))
        assert text == "PermissionError: Permission denied for workspace ws-user-mat"
        text = await error_of(manager.unregister_service("public/queue"))
        assert text.startswith("PermissionError: ")
        assert (await other.get_service_info("ws-user-mat/p:pub"))["name"] == "pub"


async def test_environments_of_others_cannot_be_read(hub):  # WS-45, D-15, section 11 number 3
    async with as_user(hub, "env") as owner, as_user(hub, "oz") as other:
        await owner.set_env("SECRET", "hunter2")
        assert (await owner.get_workspace_info())["config"]["environs"] == {"SECRET": "hunter2"}
        text = await error_of(other.get_workspace_info("ws-user-env"))
        assert text == "PermissionError: Permission denied for workspace ws-user-env"
        token = await owner.generate_token({"permission": "read"})
        async with as_user(hub, token=token) as reader:
            assert "hunter2" not in str(await reader.get_workspace_info())
            assert "hunter2" not in str(await reader.list_workspaces())
            assert (await error_of(reader.get_env())).startswith("PermissionError")


async def test_records_under_other_ids(hub):  # WS-14, section 11 number 9
    async with (
        as_user(hub, "mat", client_id="a1") as one,
        as_user(hub, "mat", client_id="a2"),
        as_user(hub, "oz") as other,
    ):
        manager = await one.get_service("~")
        refused = {
            "ws-user-mat/a2:fake": "PermissionError: Cannot register services for another client",
            "ws-user-mat/ghost:fake": "PermissionError: Cannot register services for another",
            "ws-user-oz/a1:fake": "PermissionError: Service ID workspace prefix 'ws-user-oz' does "
            "not match the current workspace 'ws-user-mat'. Cannot register services in other "
            "workspaces.",
            "fake": "AssertionError: Service id info must contain ':'",
        }
        for service_id, text in refused.items():
            said = await error_of(manager.register_service({"id": service_id, "config": {}}))
            assert said.startswith(text)
        assert (await error_of(other.get_service("ws-user-mat/fake"))).startswith("KeyError")


async def test_admin_utilities_are_for_administrators(hub):  # AUTH-46, AUTH-55
    async with as_user(hub, token=ROOT_TOKEN) as root:
        utils = await root.get_service("admin-utils")
        assert await utils.list_servers() == [root.config.server_id]
        usage = await utils.get_resource_usage()
        assert usage["connections_per_user"]["root"] == 1
        token = await root.generate_token({"permission": "read_write"})
        async with as_user(hub, token=token) as helper:
            borrowed = await helper.get_service("admin-utils")
            for call in (
                borrowed.list_servers(),
                borrowed.block_user("mat"),
                borrowed.kickout_client("ws-user-root", "x"),
                borrowed.get_metrics(),
            ):
                assert await error_of(call) == (
                    "PermissionError: Only a server administrator may do this."
                )
    async with as_user(hub, "mat") as user:
        text = await error_of(user.get_service("ws-user-root/admin-utils"))
        assert text == (
            "PermissionError: Permission denied for non-public service in workspace ws-user-root"
        )
    async with as_user(hub, token=ticket("ann", roles=["admin"]), workspace="ws-user-root") as ann:
        assert await (await ann.get_service("admin-utils")).list_blocked() == {
            "users": [],
            "ips": [],
        }

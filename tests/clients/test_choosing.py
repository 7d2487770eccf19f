"""Which of several services of one name a client gets: ids and selection modes."""

import asyncio

import pytest
from people import as_user, error_of


@pytest.fixture
def three(hub):
    """Three providers of one public service, oldest first: load 5, load 1, a broken one."""

    class Three:
        async def __aenter__(self):
            self.entered = [as_user(hub, "max", client_id=name) for name in ("a1", "a2", "a3")]
            servers = [await who.__aenter__() for who in self.entered]
            record = {"id": "multi", "config": {"visibility": "public"}}
            self.asked = []

            def load(name, value):
                async def get_load():
                    self.asked.append(name)
                    await asyncio.sleep(0)
                    if value is None:
                        raise RuntimeError("broken")
                    return value

                return get_load

            for server, value in zip(servers, (5, 1, None), strict=True):
                name = server.config.client_id
                functions = {"who": lambda name=name: name, "load": load(name, value)}
                await server.register_service({**record, **functions})
            await servers[0].register_service({**record, "id": "single", "who": lambda: "a1"})
            return self

        async def __aexit__(self, *error):
            for who in self.entered:
                await who.__aexit__(*error)

    return Three()


AMBIGUOUS = (
    "AssertionError: Multiple services found for ws-user-max/*:multi@*, e.g. "
    "['ws-user-max/a1:multi', 'ws-user-max/a2:multi', 'ws-user-max/a3:multi']. You can either "
    "specify the mode as 'random', 'first', 'last', 'native:random', or use "
    "'select:criteria:function' format."
)


async def test_several_of_one_name(three, hub):  # 02 section 13 number 3, WS-24
    async with three, as_user(hub) as visitor:
        for call in (visitor.get_service, visitor.get_service_info):
            assert await error_of(call("ws-user-max/multi")) == AMBIGUOUS
            assert await error_of(call("ws-user-max/multi", {"mode": "exact"})) == AMBIGUOUS
        for name in ("a1", "a2", "a3"):
            api = await visitor.get_service(f"ws-user-max/{name}:multi")
            assert await api.who() == name


MODES = {
    "first": {"a1"},
    "last": {"a3"},
    "random": {"a1", "a2", "a3"},
    "native:random": {"a1", "a2", "a3"},
    "min_load": {"a1"},
    "select:min:load": {"a2"},
    "select:max:load": {"a1"},
    "select:first_success:load": {"a1", "a2"},
    "select:min:who": {"a1", "a2", "a3"},
    "select:first_success:nothing": {"a1", "a2", "a3"},
}


@pytest.mark.parametrize(("mode", "allowed"), MODES.items())
async def test_modes(three, hub, mode, allowed):  # WS-24
    async with three, as_user(hub) as visitor:
        got = set()
        for _ in range(60 if len(allowed) > 1 and "select" not in mode else 4):
            api = await visitor.get_service("ws-user-max/multi", mode=mode)
            got.add(await api.who())
        assert got <= allowed
        if "random" in mode:
            assert got == allowed
        info = await visitor.get_service_info("ws-user-max/multi", {"mode": mode})
        assert info["id"].partition("/")[2].partition(":")[0] in allowed


async def test_a_single_candidate_is_not_asked(three, hub):  # WS-24
    async with three as providers, as_user(hub) as visitor:
        api = await visitor.get_service("ws-user-max/single", mode="select:min:load")
        assert await api.who() == "a1"
        assert providers.asked == []


WRONG = {
    "foo": "ValueError: Invalid mode: foo. Mode must be 'random', 'first', 'last', 'exact', "
    "'min_load', 'native:random', or 'select:criteria:function' format (e.g., "
    "'select:min:get_load')",
    "select:x": "ValueError: Invalid select mode format: select:x. Expected "
    "'select:criteria:function'",
    "select:": "ValueError: Invalid select mode format: select:. Expected "
    "'select:criteria:function'",
    "select:foo:load": "ValueError: Unknown selection criteria: foo",
}


@pytest.mark.parametrize(("mode", "text"), WRONG.items())
async def test_modes_that_are_none(three, hub, mode, text):  # WS-24
    async with three, as_user(hub) as visitor:
        assert await error_of(visitor.get_service("ws-user-max/multi", mode=mode)) == text


async def test_slow_candidates_are_not_waited_for(hub):  # WS-24, section 11 number 18
    release = asyncio.Event()
    async with (
        as_user(hub, "max", client_id="slow") as slow,
        as_user(hub, "max", client_id="fast") as fast,
        as_user(hub) as visitor,
    ):
        record = {"id": "pace", "config": {"visibility": "public"}}
        await slow.register_service({**record, "load": release.wait})
        await fast.register_service({**record, "load": lambda: 9})
        api = await asyncio.wait_for(
            visitor.get_service("ws-user-max/pace", mode="select:min:load", select_timeout=0.3), 5
        )
        assert api.id == "ws-user-max/fast:pace"
        release.set()


async def test_protected_functions_are_asked_as_the_caller(hub):  # D-10
    """A `select:` mode calls nothing that its caller could not call."""
    asked = []
    async with (
        as_user(hub, "max", client_id="one") as one,
        as_user(hub, "max", client_id="two") as two,
        as_user(hub) as visitor,
    ):
        for server in (one, two):
            await server.register_service(
                {
                    "id": "pair",
                    "config": {"visibility": "public", "require_context": True},
                    "load": lambda context: asked.append(context["user"]["id"]) or 1,
                }
            )
        await visitor.get_service("ws-user-max/pair", mode="select:min:load")
        assert asked == [visitor.config.user["id"]] * 2


async def test_one_of_two_leaves(three, hub):  # 02 section 13 number 3
    async with three, as_user(hub) as visitor, as_user(hub, "max", client_id="b1") as extra:
        await extra.register_service(
            {"id": "single", "config": {"visibility": "public"}, "who": lambda: "b1"}
        )
        text = await error_of(visitor.get_service("ws-user-max/single"))
        assert text.startswith("AssertionError: Multiple services found")
        await extra.unregister_service("single")
        assert await (await visitor.get_service("ws-user-max/single")).who() == "a1"


# ids


async def test_every_form_of_an_id(hub):  # WS-23
    async with (
        as_user(hub, "ida", client_id="c1", app_id="my-app") as ida,
        as_user(hub, "oz") as other,
    ):
        await ida.register_service({"id": "hello", "config": {"visibility": "public"}, "f": str})
        for form in (
            "hello",
            "c1:hello",
            "*:hello",
            "ws-user-ida/hello",
            "ws-user-ida/c1:hello",
            "ws-user-ida/*:hello",
            "he*",
        ):
            assert (await ida.get_service_info(form))["id"] == "ws-user-ida/c1:hello", form
        for form in ("hello@nope", "c2:hello", "ws-user-oz/hello", "h?llo", "[h]ello"):
            assert (await error_of(ida.get_service(form))).startswith("KeyError"), form
        assert await error_of(ida.get_service("nope")) == (
            "KeyError: 'Service not found: ws-user-ida/*:nope@*'"
        )
        assert await error_of(other.get_service("ws-nowhere/c:nope@app")) == (
            "KeyError: 'Service not found: ws-nowhere/c:nope@app'"
        )
        assert (await error_of(other.get_service("hypha-login"))).startswith("KeyError")
        assert (await other.get_service_info("public/hypha-login"))["type"] == "functions"


MALFORMED = {
    "*": "AssertionError: Invalid service id: *, it cannot be a wildcard.",
    "a/b/c": "AssertionError: Service id must contain at most one '/'",
    "a:b:c": "AssertionError: Service id must contain at most one ':'",
    "a@b@c": "AssertionError: Service id must contain at most one '@'",
    "*/x": "AssertionError: You must specify a workspace for the service query, otherwise please "
    "call list_services to find the service.",
}


@pytest.mark.parametrize(("service_id", "text"), MALFORMED.items())
async def test_ids_that_are_none(hub, service_id, text):  # WS-23
    async with as_user(hub) as visitor:
        assert await error_of(visitor.get_service(service_id)) == text
        assert await error_of(visitor.get_service_info(service_id)) == text


@pytest.mark.parametrize("form", ["~", "public/~", "ws-user-nobody/~"])
async def test_the_manager_by_name(hub, form):  # WS-8
    async with as_user(hub) as visitor:
        manager = await visitor.get_service(form)
        assert manager.id == "default"
        assert await manager.echo(1) == 1
        info = await visitor.get_service_info(form)
        assert info["id"] == "~" and info["config"]["workspace"] == "*"
        assert "register_service" in info["service_schema"]


async def test_the_manager_is_in_no_list(hub):  # WS-8
    async with as_user(hub) as visitor:
        assert await visitor.list_services("*/default") == []


async def test_an_exported_default_service(hub):  # WS-6, WS-15
    """`export` registers `default`; its `setup` runs once, before it is announced."""
    order = []
    async with as_user(hub, "exa", client_id="x") as server:
        server.on("service_added", lambda event: order.append("added"))
        await server.subscribe("service_added")

        async def setup():
            order.append("setup")

        await server.export({"setup": setup, "f": lambda: 1})
        assert order == ["setup", "added"]
        await server.export({"setup": setup, "f": lambda: 2})
        assert order == ["setup", "added", "added"]
        app = await server.get_app("x")
        assert await app.f() == 2
        assert [found["id"] for found in await server.list_apps()] == ["ws-user-exa/x:default"]


async def test_a_client_gets_its_own_service(hub):  # WS-28
    async with as_user(hub) as server:
        await server.register_service({"id": "own", "f": lambda: 1})
        apis = await asyncio.gather(*(server.get_service("own") for _ in range(5)))
        assert [await api.f() for api in apis] == [1] * 5


async def test_case_conversion(hub):  # WS-27
    async with as_user(hub) as server:
        nested = {"in_ner": lambda: 2, "list_of": [{"as_it_is": 1}]}
        await server.register_service(
            {"id": "cases", "hi_there": lambda: 1, "sub_part": nested, "val": 5}
        )
        api = await server.get_service("cases", {"case_conversion": "camel"})
        assert await api.hiThere() == 1
        assert await api["subPart"]["inNer"]() == 2
        assert api["subPart"]["listOf"] == [{"as_it_is": 1}]
        assert api.val == 5

"""The server lends its authority to nobody: what a hostile provider makes it call (D-10)."""

import pytest
from rawclient import RawClient
from tickets import ticket

GET = "services.default.get_service"


@pytest.fixture
def scene(hub):
    """A victim with a protected service, and an attacker who answers for its own services."""

    class Scene:
        async def __aenter__(self):
            self.victim = await RawClient.open(hub.ws_url, "victim", token=ticket("vic"))
            await self.victim.register("secret")
            self.attacker = await RawClient.open(hub.ws_url, "attacker", token=ticket("att"))
            return self.victim, self.attacker

        async def __aexit__(self, *error):
            await self.victim.close()
            await self.attacker.close()

    return Scene()


def _stolen(victim: RawClient, kind: str = "method") -> dict[str, object]:
    return {
        "_rtype": kind,
        "_rtarget": victim.address,
        "_rmethod": "services.secret.f",
        "_rpromise": "*",
    }


async def test_a_setup_that_is_somebody_elses(scene):  # D-10, WS-15
    async with scene as (victim, attacker):
        attacker.serving["services.built-in.get_service"] = lambda name: {
            "id": name,
            "setup": _stolen(victim),
        }
        await attacker.register("default", config={"visibility": "public"})
        await victim.settle()
        assert victim.frames == []


async def test_a_setup_of_ones_own_is_called_as_oneself(scene):  # D-10, WS-15
    async with scene as (_, attacker):
        attacker.serving["services.built-in.get_service"] = lambda name: {
            "id": name,
            "setup": {**_stolen(attacker), "_rmethod": "services.default.setup"},
        }
        session = await attacker.begin(
            "services.default.register_service", {"id": f"{attacker.address}:default", "config": {}}
        )
        header, _ = await attacker.taken("services.default.setup")
        assert header["user"]["id"] == "att" and header["ws"] == "ws-user-att"
        assert header["from"].startswith("ws-user-att/")
        reply = {
            "type": "method",
            "to": header["from"],
            "method": f"{header['session']}.resolve",
        }
        await attacker.send(reply, {"args": [None]})
        assert await attacker.answer(session) is None


async def test_a_setup_that_never_ends_or_fails(scene):  # WS-15
    async with scene as (_, attacker):
        attacker.serving["services.built-in.get_service"] = lambda name: "no service at all"
        await attacker.register("default")
        info = await attacker.call("services.default.get_service_info", "default")
        assert info["name"] == "default"


@pytest.mark.parametrize("kind", ["method", "generator"])
async def test_a_service_made_of_others_functions(scene, hub, kind):  # D-10, WS-27
    """Descriptors pass through as they are; the server itself calls none of them."""
    async with scene as (victim, attacker), RawClient.connect(hub.ws_url) as caller:
        attacker.serving["services.built-in.get_service"] = lambda name: {
            "id": name,
            "load": _stolen(victim, kind),
            "config": {"visibility": "public"},
        }
        await attacker.register("trap", config={"visibility": "public"})
        api = await caller.call(GET, "ws-user-att/trap")
        assert api["load"] == _stolen(victim, kind)
        assert api["id"] == "ws-user-att/attacker:trap"
        await victim.settle()
        assert victim.frames == []


async def test_select_modes_call_what_the_caller_could(scene, hub):  # D-10, WS-24
    async with (
        scene as (victim, attacker),
        RawClient.connect(hub.ws_url, "two", token=ticket("att")) as second,
        RawClient.connect(hub.ws_url) as caller,
    ):
        for raw in (attacker, second):
            raw.serving["services.built-in.get_service"] = lambda name: {"id": name, "config": {}}
            await raw.register("pair", config={"visibility": "public"})
        config = {"mode": "select:min:load", "select_timeout": 0.5}
        session = await caller.begin(GET, "ws-user-att/pair", config)
        header, _ = await attacker.taken("services.pair.load")
        assert header["user"]["id"] == caller.info["user"]["id"]
        assert header["ws"] == caller.workspace
        assert header["from"].partition("/")[0] == caller.workspace
        assert (await caller.answer(session))["id"].startswith("ws-user-att/")
        assert victim.frames == []


async def test_answers_of_somebody_else_do_not_count(scene, hub):  # WIRE-46, WIRE-47
    """Whoever learns a session still cannot answer in the place of the one who was asked."""
    async with scene as (victim, attacker), RawClient.connect(hub.ws_url) as caller:
        await victim.register("open", config={"visibility": "public"})
        session = await caller.begin(GET, "ws-user-vic/open")
        asked, _ = await victim.taken("services.built-in.get_service")
        forged = {"type": "method", "to": asked["from"], "method": f"{asked['session']}.resolve"}
        await attacker.send(forged, {"args": [{"id": "forged", "config": {}}]})
        await attacker.settle()
        await victim.send(forged, {"args": [{"id": "right", "config": {}, "real": True}]})
        assert (await caller.answer(session))["real"] is True


async def test_a_callback_argument_is_only_data_for_the_manager(scene):  # D-10
    async with scene as (victim, attacker):
        assert await attacker.call("services.default.echo", _stolen(victim)) == _stolen(victim)
        await victim.settle()
        assert victim.frames == []

"""Whatever is registered and removed, every index says the same as the list of what is there."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hyphad.core.address import parse_service
from hyphad.core.records import Service
from hyphad.core.registry import Registry

WORKSPACES = ("ws-a", "ws-b")
CLIENTS = ("c1", "c2")
NAMES = ("built-in", "hello", "help")
TYPES = ("generic", "functions", None)
APPS = ("*", "app-1")
VISIBILITIES = ("public", "protected", "unlisted")


def make(workspace, client_id, name, *, kind="generic", app_id="*", visibility="public"):
    record = {"config": {"visibility": visibility}, "name": name, "type": kind, "app_id": app_id}
    return Service(f"{workspace}/{client_id}:{name}", workspace, client_id, name, record)


services = st.builds(
    make,
    st.sampled_from(WORKSPACES),
    st.sampled_from(CLIENTS),
    st.sampled_from(NAMES),
    kind=st.sampled_from(TYPES),
    app_id=st.sampled_from(APPS),
    visibility=st.sampled_from(VISIBILITIES),
)


class RegistryMachine(RuleBasedStateMachine):
    """Puts and removes at random; a list in order of registration is the model."""

    def __init__(self):
        super().__init__()
        self.registry = Registry()
        self.model: list[Service] = []

    @rule(service=services)
    def put(self, service):
        old = next((s for s in self.model if s.id == service.id), None)
        assert self.registry.put(service) is old
        self.model = [s for s in self.model if s is not old] + [service]

    @rule(workspace=st.sampled_from(WORKSPACES), client_id=st.sampled_from(CLIENTS))
    def remove_client(self, workspace, client_id):
        client = f"{workspace}/{client_id}"
        gone = [s for s in self.model if s.client == client]
        assert self.registry.remove_client(client) == gone
        self.model = [s for s in self.model if s.client != client]

    @rule(service=services)
    def remove(self, service):
        old = next((s for s in self.model if s.id == service.id), None)
        assert self.registry.remove(service.id) is old
        self.model = [s for s in self.model if s is not old]

    @invariant()
    def every_index_agrees_with_the_list(self):
        registry, model = self.registry, self.model
        assert len(registry) == len(model)
        assert list(registry.public()) == [s for s in model if s.visibility == "public"]
        for ws in WORKSPACES:
            here = [s for s in model if s.workspace == ws]
            assert list(registry.of_workspace(ws)) == here
            for name in NAMES:
                assert list(registry.named(ws, name)) == [s for s in here if s.name == name]
            for kind in ("generic", "functions"):
                assert list(registry.of_type(ws, kind)) == [s for s in here if s.type == kind]
            for app in APPS:
                assert list(registry.of_app(ws, app)) == [s for s in here if s.app_id == app]
            for client_id in CLIENTS:
                mine = [s for s in here if s.client_id == client_id]
                assert list(registry.of_client(f"{ws}/{client_id}")) == mine
                assert registry.count_of_client(f"{ws}/{client_id}") == len(mine)
        for service in model:
            assert registry.get(service.id) is service

    def teardown(self):
        for service in list(self.model):
            self.registry.remove(service.id)
        assert len(self.registry) == 0
        assert self.registry._indexes == {}, "an empty registry keeps no memory of what it had"


TestRegistry = RegistryMachine.TestCase


@pytest.fixture
def registry():
    registry = Registry()
    for client_id in ("c2", "c1"):
        registry.put(make("ws-a", client_id, "hello"))
    registry.put(make("ws-a", "c3", "hello", app_id="app-1"))
    registry.put(make("ws-a", "c1", "help"))
    registry.put(make("ws-b", "c1", "hello"))
    return registry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", ["c2:hello", "c1:hello", "c3:hello"]),
        ("c1:hello", ["c1:hello"]),
        ("c1:nope", []),
        ("nobody:hello", []),
        ("ws-nope/hello", []),
        ("hello@app-1", ["c3:hello"]),
        ("hello@*", ["c2:hello", "c1:hello", "c3:hello"]),
        ("c1:hello@app-1", []),
        ("hel*", ["c2:hello", "c1:hello", "c3:hello", "c1:help"]),
        ("c1:hel*", ["c1:hello", "c1:help"]),
        ("hel*@app-1", ["c3:hello"]),
        ("c*:hello", ["c2:hello", "c1:hello", "c3:hello"]),
        ("*1:hello", ["c1:hello"]),
        ("he?lo", []),
        ("[h]ello", []),
    ],
)
def test_what_an_id_finds_oldest_first(registry, text, expected):  # WS-23
    found = registry.find(parse_service(text, "ws-a"))
    assert [service.id for service in found] == [f"ws-a/{part}" for part in expected]


def test_a_replaced_service_counts_as_new(registry):  # WS-24: registration order
    registry.put(make("ws-a", "c2", "hello"))
    assert [s.client_id for s in registry.named("ws-a", "hello")] == ["c1", "c3", "c2"]


def test_what_was_found_may_be_removed_while_looking(registry):
    for service in registry.find(parse_service("hello", "ws-a")):
        registry.remove(service.id)
    assert list(registry.named("ws-a", "hello")) == []

"""Events reach those who subscribed in that workspace, and nobody subscribes to another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.errors import Invalid
from hyphad.core.events import MAX_SUBSCRIPTIONS, SYSTEM_EVENTS, Events, check_event_types
from hyphad.core.identity import Permission, Scope, User
from hyphad.core.records import Caller, service_from_wire

OWN = "ws-user-own"
LATER = "Clients can only subscribe to events within their own workspace or system events."
HINT = f"Clients can only subscribe to events within their own workspace ({OWN}) or system events."


class Ear:
    """A subscriber that keeps what it is sent."""

    def __init__(self):
        self.subscriptions = set()
        self.heard = []

    def send(self, *parts):
        self.heard.append(parts)


@pytest.fixture
def events():
    return Events(lambda kind, data: repr((kind, data)).encode())


@pytest.mark.parametrize("name", sorted(SYSTEM_EVENTS))
def test_system_events_are_open_to_all(name):  # WIRE-88
    assert check_event_types(name, OWN) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "hello",
        "a:b",
        "*",
        "",
        "wsx",
        "WS-user-else",
        OWN,
        OWN + "/x",
        OWN + ":x",
        OWN + "/x:y",
        "a.b-c d",
        "n" * 256,
    ],
)
def test_names_of_ones_own(name):  # WIRE-88, WS-61, AUTH-121
    assert check_event_types(name, OWN) == [name]
    assert check_event_types([name, "hello"], OWN) == [name, "hello"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[
            (
                name,
                f"Subscription to event '{name}' is forbidden. Event workspace '{owner}' does not "
                f"match your workspace '{OWN}'. {LATER}",
            )
            for name, owner in (
                ("a/b", "a"),
                ("/b", ""),
                ("ws-else/x", "ws-else"),
                (OWN + "2/x", OWN + "2"),
                (OWN[:-1] + "/x", OWN[:-1]),
                ("x" + OWN + "/x", "x" + OWN),
                (f"ws-else/{OWN}/x", "ws-else"),
                (OWN + ":x/y", OWN + ":x"),
            )
        ],
        *[
            (
                name,
                f"Subscription to event '{name}' is forbidden. Workspace '{owner}' does not match "
                f"your workspace '{OWN}'. {LATER}",
            )
            for name, owner in (("ws-else:x", "ws-else"), (OWN + "2:x", OWN + "2"))
        ],
        *[
            (
                name,
                f"Subscription to event '{name}' is forbidden as it contains workspace "
                f"identifiers. {HINT}",
            )
            for name in ("ws-zz", OWN + "2", OWN[:-1], "ws-")
        ],
        ("n" * 257, "Event type is longer than 256 characters"),
    ],
)
def test_names_that_point_to_another_workspace(name, text):  # WIRE-88, WS-61, AUTH-121
    with pytest.raises(Invalid) as caught:
        check_event_types(name, OWN)
    assert caught.value.rpc_text == f"ValueError: {text}"
    with pytest.raises(Invalid):
        check_event_types(["hello", name], OWN)


@pytest.mark.parametrize("types", [None, 5, {"a": 1}, ["a", 1], [["a"]], b"a", ("a",)])
def test_what_is_no_name_or_list_of_names(types):  # WIRE-88
    with pytest.raises(Invalid, match="must be a string or a list of strings"):
        check_event_types(types, OWN)


@given(st.text("ws-userown/:*x", max_size=20))
def test_no_name_begins_with_a_foreign_workspace(name):  # AUTH-121
    try:
        check_event_types(name, OWN)
    except Invalid:
        return
    owner, slash, _ = name.partition("/")
    assert not slash or owner == OWN
    if name.startswith("ws-"):
        assert name == OWN or name.startswith((OWN + "/", OWN + ":"))


def test_only_subscribers_of_that_type_in_that_workspace_hear_it(events):  # WIRE-86, WS-62
    here, there, other, deaf = Ear(), Ear(), Ear(), Ear()
    events.subscribe("ws-a", ["service_added", "x"], here)
    events.subscribe("ws-b", ["service_added"], there)
    events.subscribe("ws-a", ["service_removed"], other)
    events.emit("ws-a", "service_added", 1)
    assert here.heard == [(b"('service_added', 1)",)]
    assert [there.heard, other.heard, deaf.heard] == [[], [], []]


def test_a_star_is_only_its_own_name(events):  # WS-61
    ear = Ear()
    events.subscribe("ws-a", ["*"], ear)
    events.emit("ws-a", "service_added", 1)
    assert ear.heard == []
    events.emit("ws-a", "*", 1)
    assert len(ear.heard) == 1


def test_an_event_is_packed_once_for_all_and_not_at_all_for_none():  # WIRE-86
    packed = []
    events = Events(lambda kind, data: packed.append(kind) or b"frame")
    events.emit("ws-a", "x", 1)
    assert packed == []
    ears = [Ear(), Ear(), Ear()]
    for ear in ears:
        events.subscribe("ws-a", ["x"], ear)
    events.emit("ws-a", "x", 1)
    assert packed == ["x"]
    assert [ear.heard for ear in ears] == [[(b"frame",)]] * 3


def test_subscribing_twice_is_hearing_once(events):  # WS-61
    ear = Ear()
    events.subscribe("ws-a", ["x", "x"], ear)
    events.subscribe("ws-a", ["x"], ear)
    events.emit("ws-a", "x", 1)
    assert len(ear.heard) == 1
    events.unsubscribe("ws-a", ["x"], ear)
    events.emit("ws-a", "x", 1)
    assert len(ear.heard) == 1


def test_unsubscribing_what_was_never_subscribed_is_no_error(events):  # WS-61
    ear = Ear()
    events.unsubscribe("ws-a", ["x", "y"], ear)
    events.subscribe("ws-a", ["x"], ear)
    events.unsubscribe("ws-a", ["y"], ear)
    assert ear.subscriptions == {"x"}


def test_a_subscriber_that_has_gone_is_forgotten_and_its_types_returned(events):  # WIRE-25, WIRE-29
    ear, stays = Ear(), Ear()
    events.subscribe("ws-a", ["x", "y"], ear)
    events.subscribe("ws-a", ["x"], stays)
    assert events.drop("ws-a", ear) == {"x", "y"}
    events.emit("ws-a", "x", 1)
    events.emit("ws-a", "y", 1)
    assert ear.heard == []
    assert len(stays.heard) == 1
    events.drop("ws-a", stays)
    assert events._subscribers == {}


def test_subscriptions_are_bounded_and_taken_all_or_none(events):  # WIRE-88
    ear = Ear()
    events.subscribe("ws-a", [f"e{i}" for i in range(MAX_SUBSCRIPTIONS - 1)], ear)
    with pytest.raises(Invalid, match="at most 1000 a connection"):
        events.subscribe("ws-a", ["one", "two"], ear)
    assert events.subscribers("ws-a", "one") == []
    assert "one" not in ear.subscriptions
    events.subscribe("ws-a", ["one", "e1"], ear)
    assert len(ear.subscriptions) == MAX_SUBSCRIPTIONS


def test_the_daemons_own_listeners_hear_every_workspace(events):
    heard = []
    events.listen(lambda *event: heard.append(event))
    events.emit("ws-a", "x", 1)
    events.emit("ws-b", "y", 2)
    assert heard == [("ws-a", "x", 1), ("ws-b", "y", 2)]


def test_who_leaves_while_an_event_is_sent_does_not_disturb_it(events):  # WS-62
    class Leaver(Ear):
        def send(self, *parts):
            super().send(*parts)
            events.drop("ws-a", self)

    ears = [Leaver(), Leaver(), Ear()]
    for ear in ears:
        events.subscribe("ws-a", ["x"], ear)
    events.emit("ws-a", "x", 1)
    assert [len(ear.heard) for ear in ears] == [1, 1, 1]
    events.emit("ws-a", "x", 1)
    assert [len(ear.heard) for ear in ears] == [1, 1, 2]


@pytest.mark.parametrize(("size", "whole"), [(1000, True), (65536, True), (65537, False)])
def test_a_long_record_goes_out_as_its_summary(size, whole):  # D-20
    sent = []
    events = Events(lambda kind, data: sent.append((kind, data)) or b"")
    user = User("u", scope=Scope({"ws-a": Permission.ADMIN}))
    caller = Caller(user, "ws-a", "c1")
    room = size - service_from_wire({"id": "c1:svc", "docs": ""}, caller).size
    service = service_from_wire({"id": "c1:svc", "docs": "d" * room}, caller)
    assert service.size == size
    events.subscribe("ws-a", ["service_added"], Ear())
    events.emit_service("service_added", service)
    expected = service.record if whole else service.summary()
    assert sent == [("service_added", expected)]

"""Frames between fake transports: who they are from is not for them to say, and none is lost."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyphad.core.events import SYSTEM_EVENTS, Events
from hyphad.core.identity import root_user
from hyphad.wire import frame
from hyphad.wire.link import HIGH_WATER, FlowLimits
from hyphad.wire.router import SERVER_TYPES, Router, event_frame

MANAGER, SERVER = "*/manager-one", "server-one"
ROOT = root_user().to_dict()
STAMPED = {"from", "ws", "user"}


class LocalPeer:
    """A peer inside the daemon that keeps what it gets."""

    def __init__(self):
        self.received = []
        self.gone = []

    def receive(self, header, extra, caller):
        self.received.append((dict(header), bytes(extra), caller))

    def peer_gone(self, address):
        self.gone.append(address)


class World:
    """A router with its manager and deputy, and links by address."""

    def __init__(self, connect):
        self.events = Events(event_frame)
        self.router = Router(MANAGER, SERVER, self.events, grace=10.0)
        self.manager, self.deputy = LocalPeer(), LocalPeer()
        self.router.local[MANAGER] = self.manager
        self.router.deputy = self.deputy
        self._connect = connect

    def join(self, address, level="a", **options):
        link = self._connect(address, level, **options)
        self.router.attach(link)
        return link

    def send(self, link, header, extra=None):
        """Route one frame as its client would send it."""
        body = b"" if extra is None else frame.pack(extra)
        return self.router.route(link, frame.pack(header) + body)


@pytest.fixture
def world(connect):
    return lambda: World(connect)


def received(link):
    """What a client got, each as `(header, extra)`."""
    found = []
    for data in link.transport.frames:
        header, offset, _ = frame.split(data)
        found.append((header, frame.unpack(data[offset:]) if data[offset:] else None))
    link.transport.frames.clear()
    return found


def rejection(link):
    """The one rejection a client got: where it says it comes from, of what, and its text."""
    [(header, extra)] = received(link)
    [error] = extra["args"]
    assert header["type"] == "method"
    assert header["to"] == link.address
    assert header["method"] == f"{header['parent']}.reject"
    assert "session" not in header
    assert error["_rtype"] == "error"
    assert error["_rtrace"] == ""
    return header["from"], header["parent"], error["_rvalue"]


def call(to, session="S", **more):
    return {"type": "method", "to": to, "method": "services.x.f", "session": session, **more}


# stamping


@pytest.mark.parametrize("to", ["c2", "ws-a/c2"])
async def test_a_call_arrives_with_the_senders_identity(world, to):  # WIRE-38, WIRE-44, WIRE-45
    here = world()
    sender, target = here.join("ws-a/c1", "rw"), here.join("ws-a/c2")
    extra = {"args": ["World"], "promise": "*", "t": 15.0}
    assert here.send(sender, call(to, extra_field=[1]), extra) is None
    assert received(target) == [
        (
            {
                **call("ws-a/c2", extra_field=[1]),
                "from": "ws-a/c1",
                "ws": "ws-a",
                "user": sender.caller.user.to_dict(),
            },
            extra,
        )
    ]
    assert received(sender) == []


async def test_a_call_crosses_workspaces(world):  # WIRE-46
    here = world()
    sender, target = here.join("ws-a/c1", "r"), here.join("ws-b/c1")
    here.send(sender, call("ws-b/c1"))
    [(header, _)] = received(target)
    assert (header["from"], header["ws"], header["to"]) == ("ws-a/c1", "ws-a", "ws-b/c1")
    assert header["user"]["scope"]["workspaces"] == {"ws-a": "r"}


FORGED = {
    "from": MANAGER,
    "ws": "ws-b",
    "user": ROOT,
    "ctx": {"user": ROOT, "ws": "ws-b", "from": MANAGER},
}


@pytest.mark.parametrize("to", ["ws-a/c2", "ws-b/c3", MANAGER, f"public/{SERVER}"])
@pytest.mark.parametrize("forged", [{key: value} for key, value in FORGED.items()] + [FORGED])
async def test_a_forged_header_is_overwritten(world, to, forged):  # WIRE-42, AUTH-5
    here = world()
    sender = here.join("ws-a/c1")
    for address in ("ws-a/c2", "ws-b/c3"):
        here.join(address)
    here.send(sender, {**forged, **call(to)}, {"args": []})
    local = here.manager.received + here.deputy.received
    if local:
        [(header, _, caller)] = local
        assert caller is sender.caller
        assert header["from"] == "ws-a/c1"
        assert not {"ws", "user", "ctx"} & set(header)
    else:
        [(header, _)] = received(here.router.links[to])
        assert header["from"] == "ws-a/c1"
        assert header["ws"] == "ws-a"
        assert header["user"] == sender.caller.user.to_dict()
        assert "ctx" not in header


TWICE = {
    "from": (MANAGER, "ws-a/c1"),
    "type": ("force-exit", "note"),
    "to": ("ws-b/c3", "ws-a/c2"),
}


@pytest.mark.parametrize("key", sorted(TWICE))
@pytest.mark.parametrize("long_form", [False, True])
async def test_a_field_that_stands_twice_arrives_once(world, key, long_form):  # WIRE-42, WIRE-43
    """What counts here is what arrives: a receiver that takes the first must not be misled."""
    here = world()
    sender, target, other = (here.join(a) for a in ("ws-a/c1", "ws-a/c2", "ws-b/c3"))
    fields = {"type": "note", "to": "ws-a/c2", "from": "ws-a/c1"}
    forged, true = TWICE[key]
    pairs = b"".join(frame.pairs({name: value}) for name, value in fields.items() if name != key)
    raw = frame.pairs({key: forged}) + pairs + frame.pairs({key: true})
    start = b"\xdf\x00\x00\x00\x04" if long_form else b"\x84"
    here.router.route(sender, start + raw)
    [data] = target.transport.frames
    assert data.count(frame.pack(key)) == 1
    assert frame.pack(forged) not in data
    assert frame.unpack(data)[key] == true
    assert received(other) == []


@pytest.mark.parametrize("key", sorted(frame.RESERVED))
@pytest.mark.parametrize("to", ["ws-a/c2", "ws-b/c3", MANAGER, f"ws-a/{SERVER}", "*"])
async def test_a_forged_extra_is_refused(world, key, to):  # WIRE-42
    here = world()
    sender = here.join("ws-a/c1")
    others = [here.join("ws-a/c2"), here.join("ws-b/c3")]
    here.send(sender, call(to), {"args": [], key: "forged"})
    assert rejection(sender)[1:] == (
        "S",
        "PermissionError: Invalid message: reserved field in payload",
    )
    here.send(sender, {"type": "hello", "to": to}, {key: "forged"})
    for link in (sender, *others):
        assert received(link) == []
    assert here.manager.received == here.deputy.received == []


async def test_text_that_reads_as_a_reserved_word_elsewhere_is_refused(world):  # WIRE-42
    here = world()
    sender, target = here.join("ws-a/c1"), here.join("ws-a/c2")
    overlong = b"\xa4\xc1\xa3tx\xc0"
    here.router.route(sender, b"\x85" + frame.pairs(call("c2")) + overlong)
    here.router.route(sender, frame.pack(call("c2")) + b"\x81" + overlong)
    here.router.route(sender, b"\x82" + frame.pairs({"to": "c2"}) + b"\xa4type\xa5\xc1\xb0ing")
    assert received(target) == []
    assert len(received(sender)) == 2, "and the one without session is dropped"


headers = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key not in {"to", "type", "session", "ctx"} | STAMPED),
    st.recursive(
        st.none() | st.integers(0, 1 << 63) | st.text(max_size=5) | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=4,
    ),
    max_size=20,
)
bodies = st.binary(max_size=300).map(lambda data: frame.pack({"args": [data]}) + data)


@given(headers=st.lists(headers, max_size=4), body=bodies)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_but_the_identity_passes_byte_for_byte(world, headers, body):  # WIRE-38
    async def run():
        here = world()
        sender, target = here.join("ws-a/c1"), here.join("ws-b/c2")
        for number, header in enumerate(headers):
            fields = {**header, "type": "note", "to": "ws-b/c2"}
            if number % 2:
                fields = {"from": "ws-a/c1", **fields}
            here.router.route(sender, frame.pack(fields) + body)
        assert len(target.transport.frames) == len(headers)
        for header, data in zip(headers, target.transport.frames, strict=True):
            found, offset, _ = frame.split(data)
            assert data[offset:] == body
            identity = {key: found.pop(key) for key in STAMPED}
            assert identity == {
                "from": "ws-a/c1",
                "ws": "ws-a",
                "user": sender.caller.user.to_dict(),
            }
            assert found == {**header, "type": "note", "to": "ws-b/c2"}

    asyncio.run(run())


@given(st.lists(st.binary(max_size=120), max_size=10))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_bring_the_router_down_or_reach_anybody(world, frames):  # WIRE-40, WIRE-132
    async def run():
        here = world()
        sender, other = here.join("ws-a/c1"), here.join("ws-a/c2")
        for data in frames:
            assert here.router.route(sender, data) is None
        assert received(other) == []

    asyncio.run(run())


# bad frames


@pytest.mark.parametrize(
    "header",
    [
        {"type": "method"},
        {"to": "c2"},
        {"type": 5, "to": "c2"},
        {"type": "method", "to": 5},
        {"type": "method", "to": None},
        {"type": "method", "to": ["c2"]},
        {"type": "method", "to": ""},
        {"type": "method", "to": "a/b/c"},
        {"type": "method", "to": "ws-a/c2/"},
        {"type": None, "to": "c2"},
        {"type": b"method", "to": "c2"},
        {"type": "method", "to": b"c2"},
        {b"type": "method", b"to": "c2"},
        {},
    ],
)
async def test_frames_without_a_target_or_type_are_refused(world, header):  # WIRE-40, WIRE-44
    here = world()
    sender, other = here.join("ws-a/c1"), here.join("ws-a/c2")
    here.send(sender, header)
    assert received(sender) == []
    here.send(sender, {**header, "session": "S"})
    source, session, text = rejection(sender)
    assert (source, session) == (MANAGER, "S")
    assert "'to' and 'type' are required" in text
    assert received(other) == []


@pytest.mark.parametrize("session", [5, None, ["S"], b"S", {"a": 1}])
async def test_what_is_no_session_gets_no_answer(world, session):  # WIRE-52
    here = world()
    sender = here.join("ws-a/c1")
    here.send(sender, call("nobody", session))
    assert received(sender) == []


@pytest.mark.parametrize("data", [b"", b"\xc1", b"[]", frame.pack([1]), frame.pack("x"), b"\x81"])
async def test_garbage_is_ignored(world, data):  # WIRE-40
    here = world()
    sender = here.join("ws-a/c1")
    assert here.router.route(sender, data) is None
    assert received(sender) == []
    assert sender.alive


@pytest.mark.parametrize("levels", [450, 1000])
async def test_a_header_nested_too_deeply_is_ignored(world, levels):  # WIRE-40
    here = world()
    sender, target = here.join("ws-a/c1"), here.join("ws-a/c2")
    deep = frame.pairs(call("c2")) + b"\xa4data" + b"\x91" * levels + b"\xc0"
    here.router.route(sender, b"\x85" + deep)
    assert received(target) == received(sender) == []


# server types and broadcasts


@pytest.mark.parametrize("kind", sorted(SERVER_TYPES))
@pytest.mark.parametrize("to", ["ws-a/c2", "ws-b/c3", "*", MANAGER])
async def test_only_the_server_sends_its_types(world, kind, to):  # WIRE-43, WS-63
    here = world()
    sender = here.join("ws-a/c1")
    others = [here.join("ws-a/c2"), here.join("ws-b/c3")]
    for link in (sender, *others):
        here.events.subscribe(link.workspace, [kind], link)
    here.send(sender, {"type": kind, "to": to, "data": {"id": "c2", "workspace": "ws-a"}})
    assert [received(link) for link in (sender, *others)] == [[], [], []]
    assert here.manager.received == []
    here.send(sender, {"type": kind, "to": to, "session": "S"})
    assert f"type '{kind}' is the server's" in rejection(sender)[2]


def test_the_types_that_only_the_server_sends():  # WIRE-43
    named = "connection_info reconnection_token ping pong error peer_not_found force-exit"
    assert set(named.split()) | SYSTEM_EVENTS == SERVER_TYPES


async def test_a_direct_message_needs_no_subscription(world):  # WIRE-90
    here = world()
    sender, target = here.join("ws-a/c1", "r"), here.join("ws-b/c2")
    here.send(sender, {"type": "note", "to": "ws-b/c2", "data": 1})
    assert [header["type"] for header, _ in received(target)] == ["note"]


@pytest.mark.parametrize("to", ["*", "ws-a/*"])
async def test_a_broadcast_reaches_the_subscribers_of_its_workspace(world, to):  # WIRE-89, WS-63
    here = world()
    sender, subscribed, deaf = (here.join(f"ws-a/c{number}") for number in range(3))
    stranger = here.join("ws-b/c1")
    for link in (sender, subscribed, stranger):
        here.events.subscribe(link.workspace, ["note"], link)
    here.send(sender, {"type": "note", "to": to, "data": {"a": 1}, "ctx": 1}, {"more": 1})
    expected = (
        {
            "type": "note",
            "to": "ws-a/*",
            "data": {"a": 1},
            "from": "ws-a/c0",
            "ws": "ws-a",
            "user": sender.caller.user.to_dict(),
        },
        {"more": 1},
    )
    assert received(sender) == received(subscribed) == [expected]
    assert received(deaf) == received(stranger) == []


@pytest.mark.parametrize("to", ["ws-b/*", "*/*", "/*", "ws-/*"])
async def test_a_broadcast_stays_in_its_workspace(world, to):  # WIRE-44, WIRE-117
    here = world()
    sender, stranger = here.join("ws-a/c1"), here.join("ws-b/c1")
    for link in (sender, stranger):
        here.events.subscribe(link.workspace, ["note"], link)
        here.events.subscribe(to[:-2], ["note"], link)
    here.send(sender, {"type": "note", "to": to})
    assert received(sender) == received(stranger) == []
    here.send(sender, {"type": "note", "to": to, "session": "S"})
    text = f"Permission denied: cannot broadcast to workspace {to[:-2]}"
    assert rejection(sender)[2].endswith(text)


@pytest.mark.parametrize("to", ["*", "ws-a/*"])
async def test_a_read_only_client_does_not_broadcast(world, to):  # WIRE-51, AUTH-26
    here = world()
    sender, other = here.join("ws-a/c1", "r"), here.join("ws-a/c2", "r")
    here.events.subscribe("ws-a", ["note"], other)
    here.send(sender, {"type": "note", "to": to})
    assert received(sender) == received(other) == []
    here.send(sender, {"type": "note", "to": to, "session": "S"})
    assert rejection(sender)[2].endswith(
        "Read-only client ws-a/c1 cannot broadcast messages. Only point-to-point messages are "
        "allowed for read-only clients."
    )
    here.send(sender, {"type": "note", "to": "c2"})
    here.send(sender, call(MANAGER))
    assert len(received(other)) == 1
    assert len(here.manager.received) == 1


async def test_a_call_is_not_broadcast(world):  # WIRE-91
    here = world()
    sender, other = here.join("ws-a/c1"), here.join("ws-a/c2")
    here.events.subscribe("ws-a", ["method"], other)
    here.send(sender, {"type": "method", "to": "*", "method": "services.x.f"})
    assert received(other) == []


async def test_a_system_event_is_a_header_only(world):  # WIRE-86
    here = world()
    link = here.join("ws-a/c1")
    here.events.subscribe("ws-a", ["client_disconnected"], link)
    data = {"id": "B", "workspace": "ws-a"}
    here.events.emit("ws-a", "client_disconnected", data)
    assert received(link) == [({"type": "client_disconnected", "to": "*", "data": data}, None)]


# missing targets


@pytest.mark.parametrize(
    ("to", "full"),
    [
        ("nobody", "ws-a/nobody"),
        ("ws-a/nobody", "ws-a/nobody"),
        ("ws-none/nobody", "ws-none/nobody"),
        ("*/manager-two", "*/manager-two"),
        ("*/c1", "*/c1"),
        ("/c2", "/c2"),
        ("ws-a/", "ws-a/"),
    ],
)
async def test_a_call_to_nobody_is_rejected_at_once(world, to, full):  # WIRE-52, WIRE-54
    here = world()
    sender = here.join("ws-a/c1")
    here.join("ws-a/c2")
    here.send(sender, call(to), {"args": [1], "promise": "*"})
    frames = received(sender)
    assert frames == [
        (
            {
                "type": "method",
                "from": full,
                "to": "ws-a/c1",
                "method": "S.reject",
                "parent": "S",
                "ws": "ws-a",
                "user": ROOT,
            },
            {
                "args": [
                    {
                        "_rtype": "error",
                        "_rvalue": f"Target peer {full} is not connected",
                        "_rtrace": "",
                    }
                ]
            },
        )
    ]


async def test_an_answer_to_nobody_is_dropped(world):  # WIRE-52
    here = world()
    sender = here.join("ws-a/c1")
    here.send(sender, {"type": "method", "to": "ws-b/gone", "method": "S.resolve", "parent": "S"})
    assert received(sender) == []


# local peers


@pytest.mark.parametrize(
    ("to", "name"),
    [
        (MANAGER, "manager"),
        (f"public/{SERVER}", "deputy"),
        (f"ws-a/{SERVER}", "deputy"),
        (SERVER, "deputy"),
    ],
)
async def test_the_servers_own_peers_get_the_caller_from_the_link(world, to, name):  # WIRE-42, 50
    here = world()
    sender = here.join("ws-a/c1", "r")
    here.send(sender, call(to), {"args": [1]})
    [(header, extra, caller)] = getattr(here, name).received
    full = to if "/" in to else f"ws-a/{to}"
    assert header == {**call(full), "from": "ws-a/c1"}
    assert frame.unpack(extra) == {"args": [1]}
    assert caller is sender.caller
    assert received(sender) == []


async def test_an_earlier_manager_id_is_still_the_manager(world):  # D-5
    here = world()
    here.router.local["*/manager-zero"] = here.manager
    sender = here.join("ws-a/c1")
    here.send(sender, call("*/manager-zero"))
    [(header, _, _)] = here.manager.received
    assert header["to"] == "*/manager-zero", "so that the answer comes from there"


async def test_the_server_sends_as_root_in_the_targets_workspace(world):  # WIRE-45, WS-21
    here = world()
    target = here.join("ws-b/c2")
    fields = {"type": "method", "from": MANAGER, "to": "ws-b/c2", "method": "services.x.f"}
    assert here.router.send(dict(fields), frame.pack({"args": []}), None)
    assert received(target) == [({**fields, "ws": "ws-b", "user": ROOT}, {"args": []})]


async def test_the_server_sends_for_a_user_as_that_user(world, caller):  # D-10
    here = world()
    target = here.join("ws-b/c2")
    who = caller("ws-a/c1", "r")
    fields = {"type": "method", "from": f"ws-a/{SERVER}", "to": "ws-b/c2", "method": "services.x.f"}
    assert here.router.send(dict(fields), b"", who)
    [(header, _)] = received(target)
    assert header == {**fields, "ws": "ws-a", "user": who.user.to_dict()}


async def test_the_server_learns_that_its_target_is_not_there(world):  # WIRE-56
    here = world()
    fields = {"type": "method", "from": MANAGER, "to": "ws-b/c2", "method": "x", "session": "S"}
    assert not here.router.send(fields, b"", None)


async def test_the_servers_peers_reach_each_other(world, caller):
    here = world()
    who = caller("ws-a/c1")
    to_deputy = {"type": "method", "from": MANAGER, "to": f"ws-a/{SERVER}", "method": "x"}
    to_manager = {"type": "method", "from": f"ws-a/{SERVER}", "to": MANAGER, "method": "x"}
    assert here.router.send(dict(to_deputy), b"extra", None)
    assert here.router.send(dict(to_manager), b"extra", who)
    assert here.manager.received == here.deputy.received == []
    await asyncio.sleep(0)
    [(header, extra, as_root)] = here.deputy.received
    assert (header, extra) == (to_deputy, b"extra")
    assert as_root.user == root_user()
    [(header, extra, as_user)] = here.manager.received
    assert (header, extra) == (to_manager, b"extra")
    assert as_user is who


# order and flow


async def test_frames_of_a_sender_arrive_in_order(world):  # WIRE-39
    here = world()
    senders = [here.join(f"ws-a/c{number}") for number in range(2)]
    target = here.join("ws-b/c1", fresh=True)
    for number in range(100):
        here.send(senders[number % 2], {"type": "note", "to": "ws-b/c1", "number": number})
        if number == 50:
            target.touch()
    assert [header["number"] for header, _ in received(target)] == list(range(100))


async def test_a_sender_is_told_to_wait_for_a_slow_target_only(world):  # WIRE-27
    here = world()
    sender, slow, quick = (here.join(f"ws-a/c{number}") for number in range(3))
    slow.transport.stuck = True
    extra = {"args": [b"x" * (HIGH_WATER + 1)]}
    wait = here.send(sender, call("c1"), extra)
    assert wait is slow.drained is not None
    assert here.send(sender, call("c2"), extra) is None
    assert len(received(quick)) == 1
    here.router.detach(slow)
    assert wait.done()


async def test_a_broadcast_waits_for_its_slowest_subscriber(world):  # WIRE-27
    here = world()
    sender, slow, quick = (here.join(f"ws-a/c{number}") for number in range(3))
    for link in (slow, quick):
        here.events.subscribe("ws-a", ["note"], link)
    slow.transport.stuck = True
    wait = here.send(sender, {"type": "note", "to": "*"}, {"a": b"x" * (HIGH_WATER + 1)})
    assert wait is slow.drained is not None


async def test_a_target_that_is_being_closed_gets_nothing_more(world):
    here = world()
    sender = here.join("ws-a/c1")
    target = here.join("ws-a/c2", limits=FlowLimits())
    target.close(1008, "kicked")
    here.send(sender, call("c2"))
    assert target.transport.frames == []


# links that come and go


async def test_the_newest_link_of_an_address_gets_its_frames(world):  # WIRE-33
    here = world()
    sender, old = here.join("ws-a/c1"), here.join("ws-a/c2")
    new = here._connect("ws-a/c2", resumed=True)
    assert here.router.attach(new) is old
    here.send(sender, call("c2"))
    assert len(received(new)) == 1
    assert not here.router.detach(old), "a late end of the old one changes nothing"
    assert here.router.links["ws-a/c2"] is new
    assert here.manager.gone == []
    assert here.router.detach(new)
    assert here.manager.gone == here.deputy.gone == ["ws-a/c2"]
    assert "ws-a/c2" not in here.router.links


async def test_callers_of_other_workspaces_are_told_when_their_target_goes(world):  # WIRE-55
    here = world()
    stranger, neighbour, target = (here.join(a) for a in ("ws-b/c1", "ws-a/c2", "ws-a/c3"))
    here.send(stranger, call("ws-a/c3", "first"))
    here.send(stranger, call("ws-a/c3", "second"))
    here.send(neighbour, call("ws-a/c3", "third"))
    here.send(target, {"type": "method", "to": "ws-b/c1", "method": "first.resolve"})
    received(stranger)
    here.router.detach(target)
    assert received(stranger) == [
        (
            {
                "type": "peer_not_found",
                "from": MANAGER,
                "to": "ws-b/c1",
                "session": "second",
                "peer_id": "ws-a/c3",
                "error": "Client disconnected: ws-a/c3",
                "ws": "ws-b",
                "user": ROOT,
            },
            None,
        )
    ]
    assert received(neighbour) == [], "its own workspace hears client_disconnected"


@pytest.mark.parametrize("verb", ["resolve", "reject"])
async def test_an_answered_call_is_forgotten(world, verb):  # WIRE-55
    here = world()
    stranger, target = here.join("ws-b/c1"), here.join("ws-a/c3")
    here.send(stranger, call("ws-a/c3", "S.nested"))
    here.send(target, {"type": "method", "to": "ws-b/c1", "method": f"S.nested.{verb}"})
    received(stranger)
    here.router.detach(target)
    assert received(stranger) == []


async def test_nobody_else_can_make_a_call_forgotten(world):  # WIRE-55
    here = world()
    stranger, target, other = (here.join(a) for a in ("ws-b/c1", "ws-a/c3", "ws-c/c1"))
    here.send(stranger, call("ws-a/c3"))
    here.send(other, {"type": "method", "to": "ws-b/c1", "method": "S.resolve"})
    received(stranger)
    here.router.detach(target)
    assert [header["type"] for header, _ in received(stranger)] == ["peer_not_found"]


async def test_calls_to_a_peer_that_is_away_wait_for_its_return(world):  # D-26, WIRE-39
    here = world()
    sender, target = here.join("ws-a/c1"), here.join("ws-b/c2")
    here.router.detach(target)
    here.router.away.expect("ws-b/c2", "someone", ["x"], ["note"])
    for number in range(5):
        here.send(sender, call("ws-b/c2", f"s{number}"), {"args": [number]})
    manager = {"type": "method", "from": MANAGER, "to": "ws-b/c2", "method": "services.x.f"}
    assert here.router.send({**manager, "session": "m"}, frame.pack({"args": ["m"]}), None)
    assert received(sender) == []

    back = here.join("ws-b/c2", resumed=True, fresh=True)
    here.send(sender, call("ws-b/c2", "s5"), {"args": [5]})
    assert back.transport.frames == []
    back.touch()
    frames = received(back)
    assert [extra["args"][0] for _, extra in frames] == [0, 1, 2, 3, 4, "m", 5]
    assert frames[0][0]["from"] == "ws-a/c1"
    assert frames[0][0]["user"] == sender.caller.user.to_dict()
    assert frames[5][0]["from"] == MANAGER
    assert (frames[5][0]["ws"], frames[5][0]["user"]) == ("ws-b", ROOT)
    assert back.subscriptions == {"note"}
    await asyncio.sleep(20)
    assert received(sender) == []


async def test_a_restarted_peer_gets_its_calls_when_the_service_is_back(world):  # D-26
    here = world()
    sender = here.join("ws-a/c1")
    here.router.away.expect("ws-b/c2", "someone", ["x"])
    here.send(sender, call("ws-b/c2"))
    back = here.join("ws-b/c2")
    assert received(back) == []
    here.router.service_back("ws-b/c2", "built-in")
    assert received(back) == []
    here.router.service_back("ws-b/c2", "x")
    assert [header["session"] for header, _ in received(back)] == ["S"]
    here.router.service_back("ws-b/never-here", "x")


async def test_calls_to_a_peer_that_does_not_come_back_are_rejected(world):  # D-26, WIRE-54
    here = world()
    sender, left = here.join("ws-a/c1"), here.join("ws-a/c9")
    here.router.away.expect("ws-b/c2", "someone")
    here.send(sender, call("ws-b/c2"))
    here.send(sender, {"type": "note", "to": "ws-b/c2"})
    here.send(left, call("ws-b/c2", "other"))
    manager = {"type": "method", "from": MANAGER, "to": "ws-b/c2", "method": "x", "session": "m"}
    assert here.router.send(manager, b"", None)
    here.router.detach(left)
    here.manager.gone.clear()
    await asyncio.sleep(11)
    assert rejection(sender) == ("ws-b/c2", "S", "Target peer ws-b/c2 is not connected")
    assert here.manager.gone == ["ws-b/c2"], "which ends the manager's own call"


async def test_what_cannot_be_held_is_rejected_and_not_dropped(world):  # D-26
    here = world()
    sender = here.join("ws-a/c1")
    here.router.away.expect("ws-a/c2", "someone")
    here.send(sender, call("ws-a/c2"), {"args": [b"x" * (9 << 20)]})
    assert rejection(sender) == ("ws-a/c2", "S", "Target peer ws-a/c2 is not connected")


# calls that stay open, links that are shut out, order over a restart


async def test_a_call_that_sends_signs_of_life_is_still_open(world):  # WIRE-55, WIRE-60
    here = world()
    stranger, target = here.join("ws-b/c1"), here.join("ws-a/c3")
    here.send(stranger, call("ws-a/c3"))
    here.send(target, {"type": "method", "to": "ws-b/c1", "method": "S.heartbeat", "parent": "S"})
    received(stranger)
    here.router.detach(target)
    assert [header["type"] for header, _ in received(stranger)] == ["peer_not_found"]


@pytest.mark.parametrize(
    ("header", "extra"),
    [({"type": "method", "method": "x"}, {"ctx": 1}), ({"type": "force-exit"}, None)],
)
async def test_a_refusal_comes_from_the_full_target(world, header, extra):  # WIRE-54
    here = world()
    sender = here.join("ws-a/c1")
    here.send(sender, {**header, "to": "c2", "session": "S"}, extra)
    assert rejection(sender)[0] == "ws-a/c2"


async def test_open_calls_survive_a_reconnection_of_their_target(world):  # WIRE-33, WIRE-55
    here = world()
    stranger = here.join("ws-b/c1")
    here.join("ws-a/c3")
    here.send(stranger, call("ws-a/c3"))
    resumed = here.join("ws-a/c3", resumed=True)
    received(stranger)
    here.router.detach(resumed)
    assert [header["type"] for header, _ in received(stranger)] == ["peer_not_found"]


@pytest.mark.parametrize("how", ["kicked", "superseded"])
async def test_a_client_that_was_shut_out_is_not_heard(world, how):  # WIRE-23, AUTH-36, D-22
    here = world()
    sender, target = here.join("ws-a/c1"), here.join("ws-a/c2")
    if how == "kicked":
        sender.close(1008, "Token has been revoked")
    else:
        here.join("ws-a/c1")
        sender.end()
    here.send(sender, call("c2"))
    here.send(sender, call(MANAGER))
    assert received(target) == []
    assert here.manager.received == []


async def test_calls_do_not_overtake_those_that_were_held(world):  # WIRE-39, D-26
    here = world()
    sender = here.join("ws-a/c1")
    here.router.away.expect("ws-b/c2", "someone", ["x"])
    here.send(sender, call("ws-b/c2", "first"))
    back = here.join("ws-b/c2")
    here.send(sender, call("ws-b/c2", "second"))
    here.router.service_back("ws-b/c2", "x")
    assert [header["session"] for header, _ in received(back)] == ["first", "second"]


# the end of a run


async def test_while_stopping_calls_are_kept_and_answers_delivered(world):  # WIRE-106, D-26
    here = world()
    caller, provider = here.join("ws-a/c1"), here.join("ws-a/c2")
    here.router.stop()
    here.send(caller, call("ws-a/c2", "new"))
    here.send(provider, {"type": "method", "to": "ws-a/c1", "method": "S.resolve"})
    assert [header["method"] for header, _ in received(caller)] == ["S.resolve"]
    assert received(provider) == []
    here.send(caller, call(MANAGER))
    assert len(here.manager.received) == 1
    for link in (caller, provider):
        link.close(1001, "Server is shutting down")
    here.send(caller, call("ws-a/c2", "late"))
    here.send(provider, {"type": "method", "to": "ws-a/c1", "method": "S.resolve"})
    here.send(caller, call(MANAGER))
    assert len(here.manager.received) == 1, "its answer could not be sent"
    kept = here.router.unsent()
    assert [(to, held.session or held.method) for to, held in kept] == [
        ("ws-a/c1", "S.resolve"),
        ("ws-a/c2", "new"),
        ("ws-a/c2", "late"),
    ]
    header, _, _ = frame.split(kept[1][1].data)
    assert header["from"] == "ws-a/c1"
    assert header["user"] == caller.caller.user.to_dict()


async def test_who_was_shut_out_is_not_heard_at_the_end_either(world):  # WIRE-23
    here = world()
    kicked = here.join("ws-a/c1")
    here.join("ws-a/c2")
    kicked.close(1008, "Token has been revoked")
    here.router.stop()
    here.send(kicked, call("ws-a/c2"))
    assert here.router.unsent() == []


async def test_calls_of_the_server_end_with_it(world):
    here = world()
    here.join("ws-a/c2")
    here.router.away.expect("ws-a/c9", "someone")
    own = {"type": "method", "from": MANAGER, "to": "ws-a/c9", "method": "services.x.f"}
    assert here.router.send({**own, "session": "m"}, b"", None)
    assert here.router.unsent() == []
    assert here.manager.gone == ["ws-a/c9"]


async def test_a_call_to_a_client_that_is_being_closed_is_rejected(world):  # WIRE-53
    here = world()
    caller, closing = here.join("ws-a/c1"), here.join("ws-a/c2")
    closing.close(1001, "Slow consumer")
    here.send(caller, call("ws-a/c2"))
    assert rejection(caller) == ("ws-a/c2", "S", "Target peer ws-a/c2 is not connected")

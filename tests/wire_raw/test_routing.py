"""Where frames go, what the server writes into them, and what it refuses to carry."""

import asyncio

import msgpack
import pytest
from rawclient import RawClient, Rejected, pack
from tickets import ticket

RESERVED = ("type", "from", "to", "ws", "user", "ctx", "method", "session", "parent")


@pytest.fixture
def two(hub):
    """Opens two clients of two users, and a bystander in the second one's workspace."""

    class Two:
        async def __aenter__(self):
            self.one = await RawClient.open(hub.ws_url, "one")
            self.two = await RawClient.open(hub.ws_url, "two", token=ticket("tess"))
            self.near = await RawClient.open(hub.ws_url, "near", token=ticket("tess"))
            return self.one, self.two, self.near

        async def __aexit__(self, *error):
            for raw in (self.one, self.two, self.near):
                await raw.close()

    return Two()


async def test_a_call_carries_the_truth_about_its_sender(two):  # WIRE-38, WIRE-45, AUTH-5
    async with two as (one, far, _):
        session = await one.begin("services.x.f", 1, to=far.address, header={"extra_field": [1]})
        header, extra = await far.take(lambda h, e: h.get("session") == session)
        assert header == {
            "type": "method",
            "from": one.address,
            "to": far.address,
            "method": "services.x.f",
            "session": session,
            "extra_field": [1],
            "ws": one.workspace,
            "user": one.info["user"],
        }
        assert extra == {"args": [1], "promise": "*", "t": 15.0}


@pytest.mark.parametrize(
    "forged",
    [
        {"from": "*/manager"},
        {"ws": "ws-user-tess"},
        {"user": {"id": "root", "roles": ["admin"]}},
        {"ctx": {"user": {"id": "root"}, "ws": "ws-user-tess"}},
        {"from": 5, "ws": [], "user": "root", "ctx": None},
    ],
    ids=str,
)
async def test_a_forged_header_has_no_effect(two, forged):  # WIRE-42, WIRE-110
    async with two as (one, far, _):
        await one.begin("services.x.f", to=far.address, header=forged)
        header, _ = await far.taken("services.x.f")
        assert header["from"] == one.address
        assert header["ws"] == one.workspace
        assert header["user"]["id"] == one.info["user"]["id"]
        assert "ctx" not in header
        call = one.call("services.default.get_workspace_info", "ws-user-tess", header=forged)
        with pytest.raises(Rejected, match="Permission denied for workspace ws-user-tess"):
            await call


@pytest.mark.parametrize("key", RESERVED)
@pytest.mark.parametrize("to", ["client", "manager"])
async def test_a_forged_payload_is_refused(two, key, to):  # WIRE-42, WIRE-110
    async with two as (one, far, _):
        target = far.address if to == "client" else one.manager
        text = await one.rejection("services.x.f", to=target, extra={key: {"id": "root"}})
        assert text == "PermissionError: Invalid message: reserved field in payload"
        await far.settle()
        assert far.frames == []


async def test_a_forged_payload_without_a_session_is_dropped(two):  # WIRE-42, WIRE-40
    async with two as (one, far, _):
        header = {"type": "method", "to": far.address, "method": "services.x.f"}
        await one.send(header, {"args": [], "from": "*/manager"})
        await one.settle()
        await far.settle()
        assert far.frames == [] and one.frames == []


async def test_a_name_given_twice_does_not_hide_a_forgery(two):  # WIRE-42
    """The same key twice in the header, the second time with the truth's opposite."""
    async with two as (one, far, _):
        pairs = [
            ("type", "method"),
            ("from", one.address),
            ("to", far.address),
            ("method", "services.x.f"),
            ("from", "*/manager"),
            ("user", {"id": "root"}),
            ("user", {"id": "root"}),
        ]
        data = bytes((0x80 | len(pairs),)) + b"".join(
            msgpack.packb(key) + msgpack.packb(value) for key, value in pairs
        )
        await one.socket.send(data)
        header, _ = await far.taken("services.x.f")
        assert header["from"] == one.address
        assert header["user"]["id"] == one.info["user"]["id"]


async def test_the_payload_passes_byte_for_byte(two):  # WIRE-38, WIRE-71
    """Odd encodings, ext types, bytes after the second map: all of it stays what it was."""
    async with two as (one, far, _):
        body = b"\x82\xdb\x00\x00\x00\x04args\xdd\x00\x00\x00\x01\xd6\xff\x00\x00\x00\x01"
        body += b"\xa4data\xcb\x40\x2e\x00\x00\x00\x00\x00\x00" + b"\xc1rest"
        got: list[bytes] = []
        far._reader.cancel()
        await asyncio.gather(far._reader, return_exceptions=True)
        await one.socket.send(pack({"type": "note", "to": far.address}) + body)
        async with asyncio.timeout(5):
            got.append(await far.socket.recv())
        assert got[0].endswith(body)
        far.start()


@pytest.mark.parametrize("form", ["bare", "full"])
async def test_both_forms_of_an_address(two, form):  # WIRE-44, WIRE-48
    async with two as (_, far, near):
        to = near.client_id if form == "bare" else near.address
        await far.begin("services.x.f", to=to)
        header, _ = await near.taken("services.x.f")
        assert header["to"] == near.address
        near.serving["services.x.g"] = lambda: "answered"
        assert await far.call("services.x.g", to=to) == "answered"


async def test_frames_of_one_sender_stay_in_order(two):  # WIRE-39
    async with two as (one, far, near):
        count = 2000
        for number in range(count):
            await one.send({"type": "note", "to": far.address, "n": number})
            if number % 3 == 0:
                await near.send({"type": "other", "to": far.address})
        await far.take(lambda h, e: h.get("n") == count - 1)
        numbers = [header["n"] for header, _ in far.frames if header["type"] == "note"]
        assert numbers == list(range(count - 1))


async def test_five_thousand_messages_in_a_burst(two):  # WIRE-21, D-23
    async with two as (one, far, _):
        data = pack({"type": "note", "to": far.address})
        for _ in range(5000):
            await one.socket.send(data)
        await one.send({"type": "last", "to": far.address})
        await far.take_type("last")
        assert sum(header["type"] == "note" for header, _ in far.frames) == 5000
        await one.settle()


@pytest.mark.parametrize(
    "kind",
    [
        "connection_info", "reconnection_token", "ping", "pong", "error", "peer_not_found",
        "force-exit", "client_disconnected", "service_added", "workspace_deleted",
    ],
)  # fmt: skip
@pytest.mark.parametrize("to", ["peer", "broadcast"])
async def test_types_that_are_the_servers_own(two, kind, to):  # WIRE-43, WS-63
    async with two as (one, far, near):
        await far.subscribe(kind if "_" in kind or "-" in kind else "custom")
        target = far.address if to == "peer" else "*"
        sender = one if to == "peer" else near
        await sender.send({"type": kind, "to": target, "data": {"id": "two"}})
        await sender.send({"type": kind, "to": target, "session": "s1"})
        _, extra = await sender.taken("s1.reject")
        text = extra["args"][0]["_rvalue"]
        assert text == f"PermissionError: Invalid message: type '{kind}' is the server's"
        await far.settle()
        assert far.frames == []


async def test_a_typed_message_to_a_peer_needs_no_subscription(two):  # WIRE-90
    async with two as (one, far, _):
        await one.send({"type": "greeting", "to": far.address, "data": {"a": 1}})
        header = await far.take_type("greeting")
        assert header["data"] == {"a": 1}
        assert header["from"] == one.address
        assert header["ws"] == one.workspace


async def test_the_manager_is_one_peer_for_all(two):  # WIRE-79, WIRE-47
    async with two as (one, far, _):
        for raw in (one, far):
            session = await raw.begin("services.built-in.ping", "ping")
            header, _ = await raw.taken(f"{session}.resolve")
            assert header["from"] == raw.manager
            assert header["to"] == raw.address
            assert header["ws"] == raw.workspace
            assert header["parent"] == session
            assert header["user"] == {
                "id": "root", "roles": ["admin"], "is_anonymous": False,
                "scope": {"current_workspace": "*", "workspaces": {"*": "a"}, "client_id": None,
                          "extra_scopes": None},
                "email": None, "parent": None, "expires_at": None, "current_workspace": None,
            }  # fmt: skip


# broadcasts


async def test_a_broadcast_reaches_subscribers_of_the_own_workspace(two):  # WIRE-89, WS-63
    async with two as (one, far, near):
        for raw in (one, far, near):
            await raw.subscribe("news")
        await near.call("services.default.unsubscribe", "news")
        await far.send({"type": "news", "to": "*", "data": {"a": 1}})
        header = await far.take_type("news")
        assert header == {
            "type": "news",
            "to": "ws-user-tess/*",
            "data": {"a": 1},
            "from": far.address,
            "ws": "ws-user-tess",
            "user": far.info["user"],
        }
        await far.send({"type": "news", "to": "ws-user-tess/*", "data": {"a": 2}})
        assert (await far.take_type("news"))["data"] == {"a": 2}
        for raw in (one, near):
            await raw.settle()
            assert raw.frames == []


async def test_a_broadcast_into_another_workspace_is_refused(two):  # WIRE-44, WIRE-117, WS-63
    async with two as (one, far, _):
        await far.subscribe("news")
        await one.send({"type": "news", "to": "ws-user-tess/*", "session": "s"})
        _, extra = await one.taken("s.reject")
        assert extra["args"][0]["_rvalue"] == (
            "PermissionError: Permission denied: cannot broadcast to workspace ws-user-tess"
        )
        await far.settle()
        assert far.frames == []


async def test_a_read_only_client_cannot_broadcast(two, hub):  # WIRE-51, AUTH-26
    async with two as (_, far, near):
        await near.subscribe("news")
        config = {"permission": "read"}
        token = await far.call("services.default.generate_token", config)
        reader = await RawClient.open(hub.ws_url, "ro", token=token, register=False)
        for to in ("*", "ws-user-tess/*"):
            await reader.send({"type": "news", "to": to})
            await reader.send({"type": "news", "to": to, "session": "s"})
            _, extra = await reader.taken("s.reject")
            assert extra["args"][0]["_rvalue"] == (
                "PermissionError: Read-only client ws-user-tess/ro cannot broadcast messages. "
                "Only point-to-point messages are allowed for read-only clients."
            )
        await reader.send({"type": "news", "to": near.address, "data": 1})
        assert (await near.take_type("news"))["data"] == 1
        near.serving["services.x.f"] = lambda: 5
        assert await reader.call("services.x.f", to=near.address) == 5
        assert near.frames == []
        await reader.close()


async def test_a_method_cannot_be_broadcast(two):  # WIRE-91
    async with two as (_, far, near):
        await near.subscribe("method")
        text = await far.rejection("services.x.f", to="*")
        assert "a method cannot be broadcast" in text
        await near.settle()
        assert near.frames == []


async def test_a_strangers_frame_that_would_cut_the_connection(two):  # WIRE-20
    """Python clients end at a frame of over a mebibyte; who sends such ones can take them."""
    big = {"pad": b"x" * (1 << 20)}
    async with two as (one, far, near):
        text = await one.rejection("services.x.f", to=far.address, extra=big)
        assert text == (
            "PermissionError: Message too large for the target: send it in chunks of at most "
            "1048576 bytes"
        )
        await far.settle()
        assert far.frames == []
        await near.send({"type": "note", "to": far.address}, big)
        await far.take_type("note")
        await far.send({"type": "note", "to": near.address}, big)
        await near.take_type("note")
        await one.send({"type": "note", "to": far.address}, big)
        await far.take_type("note")
        assert await one.call("services.built-in.ping", "ping", extra=big) == "pong"


# targets that are not there


@pytest.mark.parametrize(
    "to", ["nobody", "ws-user-tess/nobody", "ws-nowhere/nobody", "*/nobody", "*/manager-old-1"]
)
async def test_a_target_that_never_was(two, to):  # WIRE-52, WIRE-54, WIRE-112
    async with two as (one, _, _):
        session = await one.begin("services.x.f", to=to)
        header, extra = await one.taken(f"{session}.reject", 1)
        full = to if "/" in to else f"{one.workspace}/{to}"
        assert header["from"] == full
        assert header["to"] == one.address
        assert header["parent"] == session
        assert extra["args"] == [
            {
                "_rtype": "error",
                "_rvalue": f"Target peer {full} is not connected",
                "_rtrace": "",
            }
        ]


async def test_an_answer_to_somebody_gone_makes_no_noise(two):  # WIRE-52
    async with two as (one, _, _):
        await one.send({"type": "method", "to": "gone", "method": "s.resolve"}, {"args": [1]})
        await one.send({"type": "method", "to": "a/gone", "method": "s.heartbeat"})
        await one.settle()
        assert one.frames == []


async def test_the_foreign_caller_of_a_client_that_leaves(two):  # WIRE-55, WIRE-113
    async with two as (one, far, near):
        await near.subscribe("client_disconnected")
        session = await one.begin("services.x.f", to=far.address)
        settled = await one.begin("services.x.g", to=far.address)
        await far.take(lambda h, e: h.get("session") == settled)
        reply = {"type": "method", "to": one.address, "method": f"{settled}.resolve"}
        await far.send(reply, {"args": [1]})
        await one.answer(settled)
        await far.close()
        header = await one.take_type("peer_not_found", 1)
        assert header["session"] == session
        assert header["peer_id"] == far.address
        assert header["from"] == one.manager
        assert header["to"] == one.address
        assert header["error"] == f"Client disconnected: {far.address}"
        event = await near.take_type("client_disconnected")
        assert event["data"] == {"id": "two", "workspace": "ws-user-tess"}
        await one.settle()
        assert one.frames == []

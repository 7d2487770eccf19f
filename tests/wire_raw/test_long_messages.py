"""Messages longer than one frame, the chunks they come in, and frames that are too long."""

import asyncio
import secrets

import msgpack
import pytest
from rawclient import RawClient, pack
from tickets import ticket

ECHO = "services.default.echo"


@pytest.mark.parametrize("size", [262_144, 600_000, 5_000_000])
async def test_long_messages_both_ways(hub, size):  # WIRE-75, WIRE-76, WIRE-77, WIRE-20
    """A long argument in chunks, and the long answer in chunks, of at most a MiB a frame."""
    data = secrets.token_bytes(1024) * (size // 1024)
    async with RawClient.connect(hub.ws_url) as raw:
        cache: dict[str, dict[int, bytes]] = {}
        done = asyncio.Event()
        path = "services.built-in.message_cache."
        raw.serving[path + "create"] = lambda key, *rest: cache.setdefault(key, {}) and None
        raw.serving[path + "set"] = lambda key, index, part, *rest: cache[key].update({index: part})
        raw.serving[path + "process"] = lambda *rest: done.set()
        session = secrets.token_hex(8)
        header = {"type": "method", "from": "forged", "to": raw.manager, "method": ECHO,
                  "session": session}  # fmt: skip
        whole = pack(header, {"args": [data], "promise": "*", "t": 15})
        remote = "services.built-in.message_cache."
        await raw.call(remote + "create", "k", False)
        for index in range(-(-len(whole) // 262_144)):
            part = whole[index * 262_144 : (index + 1) * 262_144]
            await raw.call(remote + "set", "k", index, part, False)
        await raw.call(remote + "process", "k", False)
        if size <= 262_144:
            assert await raw.answer(session) == data
            return
        async with asyncio.timeout(20):
            await done.wait()
        (key,) = cache
        assert key == session
        joined = b"".join(cache[key][index] for index in range(len(cache[key])))
        unpacker = msgpack.Unpacker(max_buffer_size=0)
        unpacker.feed(joined)
        head, extra = list(unpacker)
        assert head["method"] == f"{session}.resolve"
        assert extra["args"] == [data]


async def test_a_single_frame_of_fifteen_mebibytes(hub):  # WIRE-19, D-17
    data = b"x" * (15 << 20)
    async with RawClient.connect(hub.ws_url) as raw:
        assert await raw.call("services.default.set_env", "k", "v", extra={"pad": data}) is None
        said = await raw.rejection(
            "services.default.log_event", "my type", {"d": 1}, extra={"p": data}
        )
        assert said == "AssertionError: Event type must not contain spaces"


async def test_a_frame_that_is_too_long(hub):  # WIRE-19
    raw = await RawClient.open(hub.ws_url)
    async with RawClient.connect(hub.ws_url) as bystander:
        size = (17 << 20).to_bytes(8, "big")
        raw.socket.transport.write(b"\x82\xff" + size + b"mask" + b"the beginning")
        code, _ = await raw.closed()
        assert code == 1009
        assert await bystander.call(ECHO, 1) == 1


async def test_chunks_of_one_client_are_not_anothers(hub):  # WIRE-76, WIRE-123
    cache = "services.built-in.message_cache."
    async with RawClient.connect(hub.ws_url) as one, RawClient.connect(hub.ws_url) as two:
        await one.call(cache + "create", "k", False)
        said = await two.rejection(cache + "set", "k", 0, b"x", False)
        assert "Message with key k does not exists." in said
        said = await two.rejection(cache + "process", "k", False)
        assert "Message with key k does not exists." in said
        header = {"type": "method", "to": one.manager, "method": ECHO, "session": "s1"}
        await one.call(cache + "set", "k", 0, pack(header, {"args": [7], "promise": "*"}), False)
        await one.call(cache + "process", "k", False)
        assert await one.answer("s1") == 7


@pytest.mark.parametrize(
    "forged", [{"ctx": {"user": {"id": "root"}}}, {"from": "*/manager"}, {"user": {"id": "root"}}]
)
async def test_a_forgery_in_chunks_has_no_effect(hub, forged):  # WIRE-76, WIRE-42
    cache = "services.built-in.message_cache."
    async with RawClient.connect(hub.ws_url, token=ticket("theo")) as raw:
        call = {"type": "method", "to": raw.manager, "session": "s"}
        call["method"] = "services.default.get_workspace_info"
        for header, extra in (({**call, **forged}, {}), (call, forged)):
            body = {"args": ["ws-user-root"], "promise": "*", "t": 15, **extra}
            await raw.call(cache + "create", "k", False)
            await raw.call(cache + "set", "k", 0, pack(header, body), False)
            if extra:
                said = await raw.rejection(cache + "process", "k", False)
                assert "reserved field" in said
                continue
            await raw.call(cache + "process", "k", False)
            _, extra = await raw.taken("s.reject")
            said = extra["args"][0]["_rvalue"]
            assert said == "PermissionError: Permission denied for workspace ws-user-root"


async def test_too_much_in_chunks(make_hyphad):  # WIRE-76, D-16
    daemon = make_hyphad(
        "--max-unfinished-per-client", "3000000", "--max-unfinished-total", "4000000"
    ).start()
    cache = "services.built-in.message_cache."
    part = b"x" * 1_000_000
    async with (
        RawClient.connect(daemon.ws_url) as one,
        RawClient.connect(daemon.ws_url) as two,
        RawClient.connect(daemon.ws_url) as three,
    ):
        for raw in (one, two):
            await raw.call(cache + "create", "k", False)
        for index in range(3):
            await one.call(cache + "set", "k", index, part, False)
        await two.call(cache + "set", "k", 0, part, False)
        said = await two.rejection(cache + "set", "k", 1, part, False)
        assert "Message too large for the server" in said
        await three.call(cache + "create", "k", False)
        await three.call(cache + "set", "k", 0, part, False)
        said = await one.rejection(cache + "set", "k", 3, part, False)
        assert "Message too large for the server" in said
        await one.call(cache + "create", "k2", False)
        for index in range(3):
            await one.call(cache + "set", "k2", index, part[:500_000], False)
        for number in range(300):
            await two.begin(cache + "create", f"k{number}", False)
        rejected = 0
        for _ in range(300):
            header, _ = await two.take(lambda h, e: h["method"].endswith((".resolve", ".reject")))
            rejected += header["method"].endswith(".reject")
        assert rejected == 300 - 256
        assert await three.call(ECHO, 1) == 1


async def test_chunks_of_a_client_that_has_gone_are_forgotten(make_hyphad):  # WIRE-76, D-16
    daemon = make_hyphad(
        "--max-unfinished-per-client", "3000000", "--max-unfinished-total", "3000000"
    ).start()
    cache = "services.built-in.message_cache."
    for _ in range(3):
        async with RawClient.connect(daemon.ws_url) as raw:
            await raw.call(cache + "create", "k", False)
            for index in range(2):
                await raw.call(cache + "set", "k", index, b"x" * 1_000_000, False)

"""The same protocol over Tornado's own WebSocket as over the C parser, which the others test."""

import json

import pytest
from hubs import FLAGS
from rawclient import RawClient, Refused, answered_right_behind_the_hello
from running import Hyphad

ECHO = "services.default.echo"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A daemon without the C parser."""
    folder = tmp_path_factory.mktemp("plain")
    daemon = Hyphad(folder, "--no-fast-websocket", "--ws-idle-timeout", "3", *FLAGS).start()
    yield daemon
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log


async def test_calls(plain):
    async with RawClient.connect(plain.ws_url) as raw:
        assert await raw.call(ECHO, {"a": b"x" * 100_000}) == {"a": b"x" * 100_000}
        await raw.send_text({"type": "ping"})
        await raw.take_text("pong")


async def test_frames_right_behind_the_hello_wait_until_the_client_is_in(plain):
    await answered_right_behind_the_hello(plain)


async def test_refusals(plain):  # WIRE-12
    raw = await RawClient.dial(plain.ws_url)
    await raw.socket.send(json.dumps({"client_id": "a/b"}))
    with pytest.raises(Refused) as caught:
        await raw.greeted()
    text = "Failed to establish connection: Invalid client id: a/b"
    assert (caught.value.message, caught.value.code, caught.value.reason) == (text, 1001, text)
    raw = await RawClient.dial(plain.ws_url + "?token=x")
    with pytest.raises(Refused) as caught:
        await raw.greeted()
    assert caught.value.message is None and caught.value.code == 1008


async def test_long_frames(plain):  # WIRE-19
    raw = await RawClient.open(plain.ws_url)
    assert await raw.call(ECHO, 1, extra={"pad": b"x" * (15 << 20)}) == 1
    size = (17 << 20).to_bytes(8, "big")
    raw.socket.transport.write(b"\x82\xff" + size + b"mask" + b"the beginning")
    assert (await raw.closed())[0] == 1009


async def test_silence(plain):  # WIRE-18
    raw = await RawClient.open(plain.ws_url)
    assert await raw.closed() == (1001, "Idle timeout (3s)")
    assert raw.texts == [{"type": "error", "message": "Idle timeout (3s)"}]


async def test_superseding(plain):  # WIRE-33
    first = await RawClient.open(plain.ws_url, "a")
    token = first.info["reconnection_token"]
    second = await RawClient.open(plain.ws_url, "a", reconnection_token=token)
    assert await first.closed() == (1001, "Superseded by a newer connection")
    assert await second.call(ECHO, 2) == 2
    await second.close()

"""The clients' HTTP transport by hand: streams, POSTs, their owners, and what a break does."""

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from coroutines import until
from providers import Provider
from rawstream import RawStream, control
from running import Hyphad
from tickets import JWT_SECRET, ticket

from hyphad.core.errors import TimedOut
from hyphad.web import transport

ALICE, BOB = ticket("alice"), ticket("bob")
HOME = "ws-user-alice"
PUBLIC = {"visibility": "public"}


def eventually(true: Callable[[], Any], what: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.05)


def services(hub: Hyphad, workspace: str) -> list[str]:
    status, found = hub.get(f"/{workspace}/services")
    return [service["id"] for service in found] if status == 200 else []


def test_the_stream_begins_with_who_one_is(hub: Hyphad) -> None:  # WIRE-94, WIRE-95
    stream = RawStream(hub, ALICE, client_id="a1")
    assert stream.headers["content-type"] == "application/x-msgpack-stream"
    assert stream.headers["cache-control"] == "no-cache"
    assert stream.headers["x-accel-buffering"] == "no"
    info = stream.info
    assert (info["type"], info["workspace"], info["client_id"]) == ("connection_info", HOME, "a1")
    assert info["user"]["id"] == "alice"
    assert {"manager_id", "reconnection_token", "reconnection_token_life_time"} <= set(info)
    assert {"public_base_url", "local_base_url", "hypha_version"} <= set(info)
    stream.close()


def test_a_client_id_is_made_where_none_is_given(hub: Hyphad) -> None:  # WIRE-94
    stream = RawStream(hub, ALICE)
    assert len(stream.info["client_id"]) > 10
    stream.close()


def test_visitors_get_a_workspace_of_their_own(hub: Hyphad) -> None:  # D-12, AUTH-50
    one, two = RawStream(hub, client_id="v"), RawStream(hub, client_id="v")
    assert one.info["workspace"] != two.info["workspace"]
    assert one.info["user"]["id"] != two.info["user"]["id"]
    assert one.info["workspace"].startswith("ws-user-anonymouz-")
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("token", "query", "status", "body"),
    [
        ("nonsense", {}, 401, {"detail": "Error decoding token headers."}),
        (
            ALICE,
            {"reconnection_token": "nonsense"},
            401,
            {
                "success": False,
                "detail": "Invalid reconnection token: 401: Error decoding token headers.",
            },
        ),
        (
            BOB,
            {"workspace": HOME},
            403,
            {"success": False, "detail": f"Permission denied for workspace {HOME}"},
        ),
        (
            ALICE,
            {"workspace": "nope-x"},
            404,
            {"success": False, "detail": "'Workspace nope-x does not exist or is not accessible'"},
        ),
    ],
)
def test_refusals(
    hub: Hyphad, token: str, query: dict[str, str], status: int, body: dict[str, Any]
) -> None:  # WIRE-97
    RawStream(hub, ALICE, client_id="first").close()
    stream = RawStream(hub, token, client_id="r", **query)
    assert (stream.status, stream.error) == (status, body)


def test_tokens_for_one_purpose_are_refused(hub: Hyphad) -> None:  # AUTH-37
    stream = RawStream(hub, ticket("alice", "file:download"), client_id="x")
    assert (stream.status, "Specialized token" in stream.error["detail"]) == (403, True)


def test_control_messages(hub: Hyphad) -> None:  # WIRE-98, WIRE-99
    stream = RawStream(hub, ALICE, client_id="ctl")
    assert stream.post({}, body=control("ping")) == (200, None)
    assert stream.next()[0] == {"type": "pong"}
    assert stream.post({}, body=control("refresh_token"))[0] == 200
    message = stream.next()[0]
    assert message["type"] == "reconnection_token"
    again = RawStream(hub, ALICE, client_id="ctl", reconnection_token=message["reconnection_token"])
    assert again.info["client_id"] == "ctl"
    again.close()


def test_calls_in_both_directions(hub: Hyphad) -> None:  # WIRE-93
    stream = RawStream(hub, ALICE, client_id="both")
    schema = {"f": {"type": "function", "function": {"name": "f"}}}
    stream.register("svc", config=PUBLIC, service_schema=schema)
    assert stream.call("services.default.echo", {"x": [1, b"\x00"]}) == {"x": [1, b"\x00"]}
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(hub.get, f"/{HOME}/services/both:svc/f?a=1")
        header, extra = stream.next("ping")
        assert (header["method"], extra["args"]) == ("services.svc.f", [{"a": 1}])
        resolve = f"{header['session']}.resolve"
        reply = {"type": "method", "to": header["from"], "method": resolve}
        stream.post(reply, {"args": ["done"]})
        assert answer.result() == (200, "done")
    stream.close()


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "Empty request body"),
        (b"\xc1", 400, "Failed to decode message: "),
        (b"\x93\x01\x02\x03", 400, "Failed to decode message: "),
        (b"x" * 100, 400, "Failed to decode message: "),
    ],
)
def test_bad_posts(hub: Hyphad, body: bytes, status: int, detail: str) -> None:  # WIRE-99
    stream = RawStream(hub, ALICE, client_id="bad")
    found, answer = stream.post({}, body=body)
    assert (found, answer["detail"][: len(detail)]) == (status, detail)
    assert stream.post({}, body=control("ping"))[0] == 200
    stream.close()


def test_frames_over_the_limit(hub: Hyphad) -> None:  # D-17
    stream = RawStream(hub, ALICE, client_id="long")
    status, answer = stream.post({"type": "method", "to": "x"}, {"args": [bytes(17 << 20)]})
    assert (status, answer["hint"]) == (413, "Send it in chunks.")
    status, answer = stream.post({"type": "method", "to": "x", "data": [1] * 200_000}, {})
    assert (status, "the header has more than" in answer["detail"]) == (431, True)
    stream.close()


def test_posts_without_a_stream(hub: Hyphad) -> None:  # WIRE-99
    def post(path: str, body: bytes) -> tuple[int, str]:
        status, data, _ = hub.request(path, body, {"Content-Type": "application/msgpack"})
        return status, json.loads(data)["detail"]

    assert post("/rpc", b"\x80") == (400, "client_id is required")
    nowhere = "/rpc?client_id=x&workspace=ws-none"
    assert post(nowhere, control("ping")) == (400, "Stateless calls require type='method'")
    assert post(nowhere, control("method"))[0] == 400
    socket = Provider(hub.url, client_id="sock", token=ALICE)
    assert post(f"/rpc?client_id=sock&workspace={HOME}", control("method"))[0] == 400
    socket.stop()


# whose stream it is: WIRE-103


def test_strangers_cannot_speak_for_a_stream(hub: Hyphad) -> None:  # WIRE-103
    stream = RawStream(hub, ALICE, client_id="mine")
    for token in (None, BOB):
        assert stream.post({}, body=control("ping"), token=token)[0] == 403
    assert stream.post({}, body=control("ping"), token="nonsense")[0] == 401
    assert stream.post({}, body=control("ping"))[0] == 200
    stream.close()


def test_lesser_tokens_of_the_owner_cannot_either(hub: Hyphad) -> None:  # WIRE-103
    stream = RawStream(hub, ALICE, client_id="owner")
    reader = ticket("child", f"ws:{HOME}#r wid:{HOME}", parent="alice")
    assert stream.post({}, body=control("ping"), token=reader)[0] == 403
    other = ticket("alice", lifetime=1800)
    assert stream.post({}, body=control("ping"), token=other)[0] == 200
    stream.close()


def test_a_visitor_with_a_token_is_no_visitor(hub: Hyphad) -> None:
    stream = RawStream(hub, client_id="v1")
    assert stream.post({}, body=control("ping"), token=BOB)[0] == 403
    assert stream.post({}, body=control("ping"))[0] == 200
    stream.close()


def test_visitors_that_keep_cookies_prove_themselves(hub: Hyphad) -> None:  # WIRE-103
    stream = RawStream(hub, client_id="v2")
    cookie = stream.headers["set-cookie"].partition(";")[0]
    assert "HttpOnly" in stream.headers["set-cookie"]
    assert stream.post({}, body=control("ping"), cookie=cookie)[0] == 200
    assert stream.post({}, body=control("ping"))[0] == 403
    assert stream.post({}, body=control("ping"), cookie="hyphad_rpc=guess")[0] == 403
    again = RawStream(hub, client_id="v2", reconnection_token=stream.info["reconnection_token"])
    assert again.post({}, body=control("ping"), cookie=cookie)[0] == 200
    assert again.post({}, body=control("ping"))[0] == 403
    again.close()


def test_browsers_are_given_no_cookie(hub: Hyphad) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", "/rpc?client_id=b", headers={"Origin": "http://page.example"})
    answer = connection.getresponse()
    assert answer.getheader("Set-Cookie") is None
    assert answer.getheader("Access-Control-Allow-Origin") == "*"
    connection.close()


def test_the_login_cookie_is_no_credential_here(hub: Hyphad) -> None:  # AUTH-87
    stream = RawStream(hub, ALICE, client_id="nocookie")
    cookie = f"access_token={ALICE}"
    assert stream.post({}, body=control("ping"), token=None, cookie=cookie)[0] == 403
    stream.close()


def test_visitors_may_be_held_to_logging_in(
    make_hyphad: Callable[..., Hyphad],
) -> None:  # WIRE-103
    daemon = make_hyphad("--jwt-secret", JWT_SECRET, "--anonymous-access", "http-only").start()
    stream = RawStream(daemon, client_id="v")
    with pytest.raises(AssertionError, match="PermissionError"):
        stream.register("svc", config=PUBLIC)
    stream.close()
    known = RawStream(daemon, ALICE, client_id="a")
    known.register("svc", config=PUBLIC)
    known.close()


# what a break does: WIRE-101


def test_a_client_that_does_not_come_back_leaves_nothing(
    make_hyphad: Callable[..., Hyphad],
) -> None:  # WIRE-101
    daemon = make_hyphad("--jwt-secret", JWT_SECRET, "--reconnect-grace", "1").start()
    watcher = Provider(daemon.url, client_id="w", token=ALICE)
    events: list[Any] = []
    watcher.server.on("client_disconnected", events.append)
    watcher.run(lambda: watcher.server.subscribe(["client_disconnected"]))
    stream = RawStream(daemon, ALICE, client_id="ghost")
    stream.register("built-in", config=PUBLIC)
    stream.register("svc", config=PUBLIC)
    assert "ghost:svc" in services(daemon, HOME)
    stream.close()
    eventually(lambda: "ghost:svc" not in services(daemon, HOME), "the service is gone")
    eventually(lambda: events, "the event")
    assert "ghost:built-in" not in services(daemon, HOME)
    assert len(events) == 1
    watcher.stop()


def test_a_client_that_comes_back_has_lost_nothing(hub: Hyphad) -> None:  # WIRE-101, WIRE-105
    stream = RawStream(hub, ALICE, client_id="back")
    stream.register("svc", config=PUBLIC)
    stream.close()
    caller = RawStream(hub, ALICE, client_id="asks")
    header = {"type": "method", "to": f"{HOME}/back", "method": "services.svc.f", "session": "s"}
    for number in range(3):
        caller.post({**header, "session": f"s{number}"}, {"args": [number], "promise": "*"})
    assert "back:svc" in services(hub, HOME)
    token = stream.info["reconnection_token"]
    again = RawStream(hub, ALICE, client_id="back", workspace=HOME, reconnection_token=token)
    held = [again.next("ping") for _ in range(3)]
    assert [extra["args"] for _, extra in held] == [[0], [1], [2]]
    assert {head["from"] for head, _ in held} == {f"{HOME}/asks"}
    assert "back:svc" in services(hub, HOME)
    again.close()
    caller.close()


def test_a_second_stream_supersedes_the_first(hub: Hyphad) -> None:  # WIRE-101
    first = RawStream(hub, ALICE, client_id="twice")
    token = first.info["reconnection_token"]
    second = RawStream(hub, ALICE, client_id="twice", reconnection_token=token)
    assert first.ended()
    assert second.post({}, body=control("ping"))[0] == 200
    assert second.next("ping")[0] == {"type": "pong"}
    second.close()


def test_a_newcomer_without_the_token_takes_the_place_of_a_parked_one(hub: Hyphad) -> None:
    first = RawStream(hub, ALICE, client_id="parked")
    first.register("old", config=PUBLIC)
    first.close()

    def opened() -> bool:
        stream = RawStream(hub, ALICE, client_id="parked")
        stream.close()
        return stream.status == 200

    eventually(opened, "the place is free")
    assert "parked:old" not in services(hub, HOME)


def test_another_user_comes_as_itself(hub: Hyphad) -> None:  # D-11
    guest = ticket("bob", f"ws:{HOME}#a wid:{HOME} cid:target")
    stream = RawStream(hub, ALICE, client_id="target")
    stream.register("svc", config=PUBLIC)
    stream.close()
    taken = RawStream(hub, BOB, client_id="target", reconnection_token=guest)
    assert (taken.status, taken.info["user"]["id"]) == (200, "bob")
    assert "target:svc" not in services(hub, HOME)
    assert taken.post({}, body=control("ping"), token=ALICE)[0] == 403
    taken.close()


def test_revoking_ends_the_stream(hub: Hyphad) -> None:  # AUTH-36
    client = Provider(hub.url, client_id="admin1", token=ALICE)
    token = client.token()
    stream = RawStream(hub, token, client_id="doomed")
    assert stream.status == 200
    client.run(lambda: client.server.revoke_token(token))
    assert stream.ended()
    assert stream.post({}, body=control("ping"))[0] in (400, 401, 403)
    client.stop()


class Pump(transport.RpcEndpoint):
    """The part of the endpoint that writes, without a request."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, chunk: Any) -> None:
        self.written += chunk

    async def flush(self, include_footers: bool = False) -> None:  # type: ignore[override]
        await asyncio.sleep(0)


async def test_pings_keep_a_silent_stream_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # WIRE-94, WIRE-98
    assert transport.PING_SECONDS == 10.0  # the Python client gives up after 30
    monkeypatch.setattr(transport, "PING_SECONDS", 0.01)
    admission: Any = None
    stream, pump = transport.StreamTransport(admission, 0.0, None), Pump()
    pumping = asyncio.ensure_future(pump._pump(stream))
    ping = b"\0\0\0\x0b" + control("ping")
    await until(lambda: pump.written.count(ping) >= 2)
    stream.send_bytes(b"frame")
    await until(lambda: pump.written.endswith(ping * 2))
    stream.close(1000, "enough")
    await pumping
    assert pump.written.replace(ping, b"") == b"\0\0\0\x05frame"


class Silent:
    """As much of a link as its watch looks at."""

    address = "ws-a/silent"
    last_seen = 0.0

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ended: list[tuple[int, str]] = []

    def close(self, code: int, reason: str) -> None:
        self.ended.append((code, reason))


@pytest.mark.parametrize("alive", [True, False])
async def test_a_silent_stream_is_asked_before_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:  # WIRE-102
    monkeypatch.setattr(transport, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(transport, "SILENT_SECONDS", 0.0)
    asked = []

    async def call(target: str, method: str, *args: Any, timeout: float) -> str:
        asked.append((target, method, *args))
        if not alive:
            raise TimedOut("No answer")
        return "pong"

    link: Any = Silent()
    watch = transport.Watch(link, call)
    await until(lambda: link.ended or len(asked) > 2 * transport.MAX_MISSED)
    watch.stop()
    assert asked[0] == ("ws-a/silent", "services.built-in.ping", "ping")
    if alive:
        assert link.ended == []
    else:
        assert (link.ended, len(asked)) == ([(1001, "Not responding")], transport.MAX_MISSED)

"""Services called with plain HTTP: what goes in, what comes out, and how failures are told."""

import asyncio
import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from coroutines import until
from providers import Provider
from rawclient import RawClient
from running import Hyphad

JSON = {"Content-Type": "application/json"}
MSGPACK = {"Content-Type": "application/msgpack"}


def ask(hub: Hyphad, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, data, _ = hub.request(path, body, named)
    return status, json.loads(data)


def detail(hub: Hyphad, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """(status, detail) of an answer that must have the one error body (HTTP-57)."""
    status, answer = ask(hub, path, body, **headers)
    assert answer["success"] is False
    assert set(answer) <= {"success", "detail", "hint"}
    return status, answer["detail"]


# calling, HTTP-103 and the guide


def test_the_curl_lines_of_the_guide(hub: Hyphad, ws: str) -> None:
    assert ask(hub, f"{ws}/services/prov:t/hello?name=World") == (200, "Hello World!")
    body = b'{"name": "Alice"}'
    assert ask(hub, f"{ws}/services/prov:t/hello", body, Content_Type="application/json") == (
        200,
        "Hello Alice!",
    )
    status, listed = ask(hub, f"{ws}/services")
    assert status == 200
    assert "prov:t" in [service["id"] for service in listed]


def test_a_query_becomes_typed_keyword_arguments(hub: Hyphad, ws: str) -> None:  # HTTP-42
    query = (
        "a=1&b=1.5&c=-3&d=1e3&g=true&h=null&i=%5B1%2C2%5D&j=%7B%22x%22%3A1%7D&k=&l=%22q%22"
        "&m=007&n=1_000&p=%205"
    )
    expected = {
        "a": 1, "b": 1.5, "c": -3.0, "d": 1000.0, "g": "true", "h": "null", "i": "[1,2]",
        "j": {"x": 1}, "k": "", "l": '"q"', "m": 7, "n": 1000.0, "p": 5.0,
    }  # fmt: skip
    answer = ask(hub, f"{ws}/services/t/echo?{query}")
    assert answer == (200, {"args": [], "kwargs": expected})
    kwargs = answer[1]["kwargs"]
    assert [type(kwargs[name]) for name in "acm"] == [int, float, int]


def test_reserved_names_are_no_arguments(hub: Hyphad, ws: str) -> None:  # HTTP-41
    query = "workspace=zz&service_id=yy&function_key=xx&_mode=random&mode=m"
    assert ask(hub, f"{ws}/services/t/echo?{query}")[1]["kwargs"] == {"mode": "m"}
    body = b'{"workspace":"zz","service_id":"y","function_key":"x","_mode":"bogus","mode":"m"}'
    assert ask(hub, f"{ws}/services/t/echo", body, Content_Type="application/json")[1][
        "kwargs"
    ] == {"mode": "m"}


def test_the_query_of_a_post_adds_nothing(hub: Hyphad, ws: str) -> None:  # HTTP-43
    answer = ask(hub, f"{ws}/services/t/echo?q=1", b'{"a":2}', Content_Type="application/json")
    assert answer[1] == {"args": [], "kwargs": {"a": 2}}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"name":"W"}'),
        ("APPLICATION/JSON; charset=utf-8", b'{"name":"W"}'),
        ("application/json; charset=utf-16", '{"name":"W"}'.encode("utf-16")),
        ("text/plain;charset=UTF-8", b'{"name":"W"}'),
        ("application/msgpack", b"\x81\xa4name\xa1W"),
        ("application/x-msgpack", b"\x81\xa4name\xa1W"),
        ("application/x-www-form-urlencoded", b"name=W"),
        ("application/x-www-form-urlencoded; charset=latin-1", b"name=W"),
        ("application/x-www-form-urlencoded", b'{"name":"W"}'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nW\r\n--b--\r\n',
        ),
    ],
)
def test_bodies_of_every_accepted_type(
    hub: Hyphad, ws: str, kind: str, body: bytes
) -> None:  # HTTP-43, HTTP-44
    status, data, _ = hub.request(f"{ws}/services/t/echo", body, {"Content-Type": kind})
    answer = msgpack.unpackb(data) if "msgpack" in kind else json.loads(data)
    assert (status, answer) == (200, {"args": [], "kwargs": {"name": "W"}})


def test_a_charset_is_honoured_in_forms(hub: Hyphad, ws: str) -> None:
    kind = "application/x-www-form-urlencoded; charset=latin-1"
    assert ask(hub, f"{ws}/services/t/echo", b"a=%FC", Content_Type=kind)[1]["kwargs"] == {"a": "ü"}


def test_arrays_and_single_values_are_positional(hub: Hyphad, ws: str) -> None:  # HTTP-45
    for body, args in ((b"[1,2]", [1, 2]), (b"5", [5]), (b'"x"', ["x"]), (b"null", [None])):
        answer = ask(hub, f"{ws}/services/t/echo", body, Content_Type="application/json")
        assert answer == (200, {"args": args, "kwargs": {}})
    assert ask(hub, f"{ws}/services/t/add", b"[3,4]", Content_Type="application/json") == (200, 7)


def test_an_empty_body_has_no_arguments(hub: Hyphad, ws: str) -> None:
    for kind in ("application/json", "application/xml", "application/msgpack"):
        status, data, _ = hub.request(f"{ws}/services/t/hello", b"", {"Content-Type": kind})
        assert (status, b"Hello World!" in data) == (200, True)


def test_compressed_bodies(hub: Hyphad, ws: str) -> None:  # HTTP-46
    body = gzip.compress(b'{"name":"Zip"}')
    headers = {"Content_Type": "application/json", "Content_Encoding": "gzip"}
    assert ask(hub, f"{ws}/services/t/hello", body, **headers) == (200, "Hello Zip!")
    assert detail(hub, f"{ws}/services/t/hello", body[:-9], **headers)[0] == 400
    assert detail(hub, f"{ws}/services/t/hello", b"no gzip", **headers)[0] == 400
    headers["Content_Encoding"] = "br"
    status, text = detail(hub, f"{ws}/services/t/hello", body, **headers)
    assert (status, "Content-Encoding 'br'" in text) == (415, True)


def test_special_values_reach_the_provider_decoded(hub: Hyphad, ws: str) -> None:  # HTTP-47
    array = {
        "_rtype": "ndarray",
        "_rvalue": b"\x01\x00\x02\x00",
        "_rshape": [2],
        "_rdtype": "int16",
    }
    body = msgpack.packb({"x": array, "s": {"_rtype": "set", "_rvalue": [1, 2]}})
    status, data, _ = hub.request(f"{ws}/services/t/echo", body, MSGPACK)
    assert status == 200
    kwargs = msgpack.unpackb(data)["kwargs"]
    assert kwargs["x"] == array
    assert kwargs["s"] == {"_rtype": "set", "_rvalue": [1, 2]}


def test_functions_cannot_be_smuggled_in(hub: Hyphad, ws: str) -> None:  # HTTP-47
    method = {"_rtype": "method", "_rtarget": "ws-a/b", "_rmethod": "services.x.y"}
    hidden = json.dumps({"deep": [{"f": method}]}).replace("_rtype", "\\u005frtype")
    for body in (json.dumps({"f": method}), hidden):
        answer = detail(hub, f"{ws}/services/t/echo", body.encode(), Content_Type="text/plain")
        assert answer == (400, "Callbacks are not supported over HTTP")
    for mark in ("_rtype", "%5Frtype", "%5Cu005frtype"):
        query = f"f=%7B%22{mark}%22%3A%22method%22%7D"
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        for answer in (
            detail(hub, f"{ws}/services/t/echo?{query}"),
            detail(hub, f"{ws}/services/t/echo", query.encode(), **form),
        ):
            assert answer == (400, "Callbacks are not supported over HTTP")
    for charset in ("utf-16", "utf-32"):
        headers = {"Content_Type": f"application/json; charset={charset}"}
        body = json.dumps({"f": method}).encode(charset)
        assert detail(hub, f"{ws}/services/t/echo", body, **headers)[0] == 400
    text = {"a": {"_rtype": "ndarray", "_rvalue": "text"}}
    headers = {"Content_Type": "application/json"}
    assert detail(hub, f"{ws}/services/t/echo", json.dumps(text).encode(), **headers)[0] == 400


def deep(levels: int) -> bytes:
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


def test_what_is_not_too_deep_is_passed_on(hub: Hyphad, ws: str) -> None:
    headers = {"Content_Type": "application/json"}
    assert ask(hub, f"{ws}/services/t/hello", b'{"name":' + deep(190) + b"}", **headers)[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"{bad", "application/json", 400, "Invalid request body: Expecting property name"),
        (b"\xff", "application/json", 400, "Invalid request body: 'utf-8' codec"),
        (b"[" * 100_000, "application/json", 400, "Invalid request body: "),
        (b"{}", "application/json; charset=klingon", 400, "Invalid request body: unknown"),
        (b"{}", "application/json; charset=undefined", 400, "Invalid request body: unknown"),
        (b"{}", "application/json; charset=punycode", 400, "Invalid request body: unknown"),
        (b"{}", "application/json; charset=hex_codec", 400, "Invalid request body: 'hex_codec'"),
        (deep(300), "application/json", 400, "Invalid request body: nested too deeply"),
        (b"\x91" * 300 + b"\x01", "application/msgpack", 400, "Invalid request body: nested"),
        (b'{"a":"\\udc80"}', "application/json", 400, "RemoteException: TypeError: The argument"),
        (b"\x81\xa1a\xa1\xff", "application/msgpack", 400, "RemoteException: TypeError: The arg"),
        (b"\x81\xa1a", "application/msgpack", 400, "Invalid request body: "),
        (b"\x80\x80", "application/msgpack", 400, "Invalid request body: unpack(b) received"),
        (b"\xdd\xff\xff\xff\xff", "application/msgpack", 400, "Invalid request body: "),
        (b"\x91" * 5000 + b"\x01", "application/msgpack", 400, "Invalid request body: "),
        (
            b"\x81\x01\x02",
            "application/msgpack",
            400,
            "Invalid request body: int is not allowed for map key when strict_map_key=True",
        ),
        (b"<a/>", "application/xml", 415, "Invalid content-type (supported types: application/"),
        (b"x", "multipart/form-data; boundary=b", 400, "Invalid body: "),
    ],
)
def test_bad_bodies(
    hub: Hyphad, ws: str, body: bytes, kind: str, status: int, reason: str
) -> None:  # HTTP-43
    found, text = detail(hub, f"{ws}/services/t/echo", body, Content_Type=kind)
    assert (found, text[: len(reason)]) == (status, reason)


def test_bad_json_in_a_query(hub: Hyphad, ws: str) -> None:
    text = (
        "Invalid request body: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)"
    )
    assert detail(hub, f"{ws}/services/t/echo?a=%7Bbad") == (400, text)


def test_integers_beyond_64_bits_are_refused(hub: Hyphad, ws: str) -> None:
    status, text = detail(hub, f"{ws}/services/t/echo?a={1 << 70}")
    assert (status, "an integer of more than 64 bits" in text) == (400, True)


# what is called


def test_dotted_paths_and_encoded_ones(hub: Hyphad, ws: str) -> None:  # HTTP-34, HTTP-53
    assert ask(hub, f"{ws}/services/t/nest.a.f?a=3&b=4") == (200, 7)
    assert ask(hub, f"{ws}/services/t/nest%2Ea%2Ef") == (200, 3)
    assert ask(hub, f"{ws}/services/*:t/hello") == (200, "Hello World!")
    assert ask(hub, f"{ws}/services/prov:t@*/hello") == (200, "Hello World!")
    assert hub.request(f"/services{ws}%2Fprov:t/hello")[0] == 404


def test_constants_are_shown(hub: Hyphad, ws: str) -> None:  # HTTP-53, HTTP-40
    function = {"type": "function", "function": None}
    tree = {"a": {"f": function, "k": 5}, "s": "text"}
    assert ask(hub, f"{ws}/services/t/nest") == (200, tree)
    assert ask(hub, f"{ws}/services/t/const", Content_Type="application/msgpack") == (200, 42)
    assert ask(hub, f"{ws}/services/t/id") == (200, f"{ws[1:]}/prov:t")
    assert ask(hub, f"{ws}/services/t/type") == (200, "mytype")
    assert ask(hub, f"{ws}/services/t/config.visibility") == (200, "public")
    url = f"{hub.url}{ws}/services/prov:t"
    assert ask(hub, f"{ws}/services/t/config.url") == (200, url)


def test_what_is_missing_or_empty_is_not_found(hub: Hyphad, ws: str) -> None:  # HTTP-53
    for key in ("nofn", "nest.a.zz", "zero", "hello.x", "built", "nest.."):
        answer = ask(hub, f"{ws}/services/t/{key}")
        assert answer == (404, {"success": False, "detail": f"{key} not found."})


def test_near_names_are_told(hub: Hyphad, ws: str, provider: Provider) -> None:
    status, answer = ask(hub, f"{ws}/services/t/helo")
    assert (status, answer["detail"]) == (404, "helo not found.")
    assert answer["hint"] == "Did you mean hello?"
    status, answer = ask(hub, f"{ws}/services/tt/hello")
    assert answer["detail"] == f"RemoteException: KeyError: 'Service not found: {ws[1:]}/*:tt@*'"
    assert answer["hint"] == "Did you mean t?"
    assert "hint" not in ask(hub, f"{ws}/services/prott/hello")[1]
    mine = {"Authorization": f"Bearer {provider.token()}"}
    assert ask(hub, f"{ws}/services/prott/hello", **mine)[1]["hint"] == "Did you mean prot?"


def test_unknown_services_and_workspaces(hub: Hyphad, ws: str) -> None:  # HTTP-57
    assert detail(hub, "/ws-nope/services/x/y") == (
        404,
        "RemoteException: KeyError: 'Service not found: ws-nope/*:x@*'",
    )
    assert detail(hub, f"{ws}/services/a%2Fb/y")[0] == 404
    assert detail(hub, f"{ws}/services/x")[0] == 404


def test_several_providers_need_a_mode(hub: Hyphad) -> None:  # HTTP-49
    first = Provider(hub.url, client_id="m1")
    first.register({"id": "multi", "who": lambda: "m1", "load": lambda: 2})
    token = first.token()
    second = Provider(hub.url, client_id="m2", token=token)
    try:
        second.register({"id": "multi", "who": lambda: "m2", "load": lambda: 1})
        path = f"/{first.workspace}/services/multi/who"
        status, text = detail(hub, path)
        assert status == 400
        start = f"RemoteException: AssertionError: Multiple services found for {first.workspace}/"
        assert text.startswith(start)
        assert ask(hub, f"{path}?_mode=first") == (200, "m1")
        assert ask(hub, f"{path}?_mode=last", b"{}", Content_Type="application/json")[1] == "m2"
        assert ask(hub, f"{path}?_mode=random")[1] in ("m1", "m2")
        assert ask(hub, f"{path}?_mode=select:min:load") == (200, "m2")
        status, text = detail(hub, f"{path}?_mode=bogus")
        assert status == 400
        assert text.startswith("RemoteException: ValueError: Invalid mode: bogus. Mode must be")
        assert detail(hub, f"/{first.workspace}/services/multi")[0] == 400
    finally:
        second.stop()
        first.stop()


async def test_services_without_a_schema_are_called_too(hub: Hyphad) -> None:
    async with RawClient.connect(hub.ws_url) as raw:
        method = {"_rtype": "method", "_rtarget": raw.client_id, "_rpromise": "*"}
        api = {
            "greet": {**method, "_rmethod": "services.bare.greet"},
            "stolen": {**method, "_rtarget": "*/manager", "_rmethod": "services.x.y"},
            "limit": 3,
        }
        raw.serving["services.built-in.get_service"] = lambda name: api
        raw.serving["services.bare.greet"] = lambda kwargs: f"hi {kwargs['name']}"
        await raw.register("bare", config={"visibility": "public"})

        async def get(path: str) -> tuple[int, Any]:
            return await asyncio.to_thread(hub.get, f"/{raw.workspace}/services/bare/{path}")

        assert await get("greet?name=Bo") == (200, "hi Bo")
        assert await get("limit") == (200, 3)
        assert (await get("none"))[0] == 404
        assert (await get("stolen"))[0] == 400  # D-10


# results


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", None),
        ("text", "Grüße"),
        ("tuple", [1, 2, 3]),
        ("set", {"_rtype": "set", "_rvalue": [1, 2]}),
        ("number", 1.5),
        ("integer", -7),
    ],
)
def test_results_in_json(hub: Hyphad, ws: str, name: str, expected: Any) -> None:  # HTTP-54
    status, data, headers = hub.request(f"{ws}/services/t/value?name={name}")
    assert (status, json.loads(data)) == (200, expected)
    assert headers["content-type"] == "application/json"
    assert "etag" not in headers


def test_json_is_compact_utf8(hub: Hyphad, ws: str) -> None:  # HTTP-1
    assert hub.request(f"{ws}/services/t/value?name=text")[1] == '"Grüße"'.encode()
    assert hub.request(f"{ws}/services/t/echo?a=1")[1] == b'{"args":[],"kwargs":{"a":1}}'


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bytes", "TypeError: Object of type bytes is not JSON serializable"),
        ("array", "TypeError: Object of type ndarray is not JSON serializable"),
        ("no_number", "ValueError: Out of range float values are not JSON compliant"),
    ],
)
def test_what_json_cannot_say_is_406(hub: Hyphad, ws: str, name: str, message: str) -> None:
    body = json.dumps({"name": name}).encode()
    status, text = detail(hub, f"{ws}/services/t/value", body, Content_Type="application/json")
    assert (status, text) == (406, f"{message}; use Content-Type: application/msgpack")
    answer = ask(hub, f"{ws}/services/t/value", body, Content_Type="application/json")[1]
    assert "hint" not in answer  # the arguments were right


def test_results_in_messagepack(hub: Hyphad, ws: str) -> None:  # HTTP-54
    def packed(name: str, **headers: str) -> bytes:
        status, data, answer = hub.request(
            f"{ws}/services/t/value?name={name}", headers=headers or MSGPACK
        )
        assert (status, answer["content-type"]) == (200, "application/msgpack")
        return data

    assert packed("none") == b"\xc0"
    assert packed("bytes") == bytes.fromhex("c4030001ff")
    assert packed("tuple") == bytes.fromhex("93010203")
    assert packed("none", Accept="text/html, application/x-msgpack") == b"\xc0"
    assert packed("array") == bytes.fromhex(
        "84a65f7274797065a76e646172726179a75f7276616c7565c418000000000000803f0000004000004040000080"
        "400000a040a75f727368617065920203a75f726474797065a7666c6f61743332"
    )
    assert msgpack.unpackb(packed("no_number")) != msgpack.unpackb(packed("no_number"))


def test_functions_in_results(hub: Hyphad, ws: str) -> None:
    status, text = detail(hub, f"{ws}/services/t/value?name=function")
    assert (status, text[:16]) == (500, "AssertionError: ")
    status, value = ask(hub, f"{ws}/services/t/value?name=nested")
    assert status == 200
    assert value["f"]["type"] == value["list"][1]["g"]["type"] == "function"
    assert "_rtarget" not in json.dumps(value)


def test_long_json_is_compressed_where_that_is_wanted(hub: Hyphad, ws: str) -> None:  # HTTP-66
    path = f"{ws}/services/t/value?name=long"
    _, data, headers = hub.request(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert (headers["content-encoding"], json.loads(gzip.decompress(data))) == ("gzip", "x" * 5000)
    assert "Accept-Encoding" in headers["vary"]
    for accepted in ("identity", "gzip;q=0", ""):
        _, data, headers = hub.request(path, headers={"Accept-Encoding": accepted})
        assert ("content-encoding" in headers, json.loads(data)) == (False, "x" * 5000)
    short = hub.request(f"{ws}/services/t/hello", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short[2]


# errors


@pytest.mark.parametrize(
    ("kind", "message", "status", "shown"),
    [
        ("ValueError", "bad thing", 400, "ValueError: bad thing"),
        ("KeyError", "missing-key", 404, "KeyError: 'missing-key'"),
        ("PermissionError", "no way", 403, "PermissionError: no way"),
        ("RuntimeError", "generic failure", 500, "RuntimeError: generic failure"),
        ("RuntimeError", "the file was not found", 500, "RuntimeError: the file was not found"),
        ("RuntimeError", "PermissionError: no", 500, "RuntimeError: PermissionError: no"),
        ("Exception", "multi\nline\nmessage", 500, "Exception: multi\nline\nmessage"),
        ("ValueError", "", 400, "ValueError"),
    ],
)
@pytest.mark.parametrize("function", ["fail", "fail_later"])
def test_errors_of_functions(
    hub: Hyphad, ws: str, function: str, kind: str, message: str, status: int, shown: str
) -> None:  # HTTP-56, D-8
    body = json.dumps({"kind": kind, "message": message}).encode()
    path = f"{ws}/services/t/{function}"
    found = detail(hub, path, body, Content_Type="application/json")
    assert found == (status, f"RemoteException: {shown}")


def test_wrong_arguments_are_told_with_the_right_ones(hub: Hyphad, ws: str) -> None:
    status, answer = ask(hub, f"{ws}/services/t/add?zz=1")
    assert status == 400
    assert answer["detail"].startswith("RemoteException: TypeError: ")
    assert answer["hint"].startswith("Usage: add(a: ")
    status, answer = ask(hub, f"{ws}/services/t/fail")
    assert (status, "hint" in answer) == (400, False)


def test_no_path_and_no_traceback_gets_out(hub: Hyphad, ws: str) -> None:  # AUTH-124
    paths = ["fail", "fail_later", "add", "value?name=object", "nofn", "broken"]
    for path in paths:
        data = hub.request(f"{ws}/services/t/{path}")[1]
        assert b"Traceback" not in data
        assert b'File \\"' not in data
        assert b".py" not in data


def test_detailed_errors_on_request(make_hyphad: Any) -> None:  # HTTP-56
    daemon = make_hyphad("--expose-detailed-errors").start()
    client = Provider(daemon.url, client_id="p")

    def fail() -> None:
        raise ValueError("bad thing")

    client.register({"id": "t", "fail": fail})
    status, text = detail(daemon, f"/{client.workspace}/services/t/fail")
    assert (status, "Traceback" in text, "bad thing" in text) == (400, True, True)
    client.stop()


async def test_a_provider_that_dies_is_noticed_at_once(hub: Hyphad) -> None:  # HTTP-58
    raw = await RawClient.open(hub.ws_url)
    schema = {"wait": {"type": "function", "function": {"name": "wait"}}}
    await raw.register("gone", config={"visibility": "public"}, service_schema=schema)
    path = f"/{raw.workspace}/services/gone/wait"
    call = asyncio.create_task(asyncio.to_thread(hub.get, path))
    await raw.taken("services.gone.wait")
    started = time.monotonic()
    raw.abort()
    status, answer = await call
    assert (status, time.monotonic() - started < 5) == (504, True)
    start = f"TimeoutError: Method call timed out: {raw.address}:services.gone.wait"
    assert answer["detail"].startswith(start)
    assert answer["detail"].endswith("client disconnected")


def test_an_answer_that_is_too_large_is_told_at_once(
    make_hyphad: Callable[..., Hyphad],
) -> None:
    daemon = make_hyphad("--max-unfinished-per-client", "1000000").start()
    provider = Provider(daemon.url, client_id="prov")

    async def serve(asgi: dict[str, Any]) -> None:
        await asgi["send"]({"type": "http.response.start", "status": 200, "headers": []})
        await asgi["send"]({"type": "http.response.body", "body": bytes(2_000_000)})

    provider.register({"id": "t", "long": lambda size: "x" * size})
    provider.register({"id": "web", "type": "asgi", "serve": serve})
    try:
        ws = f"/{provider.workspace}"
        status, text = detail(daemon, f"{ws}/services/t/long?size=2000000")
        assert (status, "at most 1000000 bytes" in text) == (503, True)
        assert ask(daemon, f"{ws}/services/t/long?size=600000") == (200, "x" * 600_000)
        status, data, _ = daemon.request(f"{ws}/apps/web/")
        assert (status, b"at most 1000000 bytes" in data) == (503, True)
    finally:
        provider.stop()


async def test_a_call_whose_caller_has_gone_leaves_nothing(hub: Hyphad) -> None:  # HTTP-58
    async with RawClient.connect(hub.ws_url) as raw:
        schema = {"wait": {"type": "function", "function": {"name": "wait"}}}
        await raw.register("hold", config={"visibility": "public"}, service_schema=schema)
        with socket.create_connection(("127.0.0.1", hub.port)) as caller:
            line = f"GET /{raw.workspace}/services/hold/wait HTTP/1.1\r\nHost: localhost\r\n\r\n"
            caller.sendall(line.encode())
            await raw.taken("services.hold.wait")
            assert await waiting(hub) == 1

        async def nothing() -> bool:
            return await waiting(hub) == 0

        await until(nothing)


async def waiting(hub: Hyphad) -> float:
    """Calls of the server's own that wait for an answer."""
    _, text = await asyncio.to_thread(hub.get, "/metrics")
    line = next(line for line in text.splitlines() if line.startswith("hyphad_calls_waiting "))
    return float(line.split()[1])


def test_a_long_call_is_kept_alive(hub: Hyphad, ws: str) -> None:  # HTTP-58
    assert ask(hub, f"{ws}/services/t/slow?seconds=1.5") == (200, "done")


def test_calls_of_many_callers_go_side_by_side(hub: Hyphad, ws: str) -> None:
    answers: list[tuple[int, Any]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(hub.get(f"{ws}/services/t/slow?seconds=1")))
        for _ in range(8)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, "done")] * 8
    assert time.monotonic() - started < 6


# methods


def test_other_methods_are_refused_with_the_right_ones(hub: Hyphad, ws: str) -> None:  # HTTP-32
    status, data, headers = hub.request(f"{ws}/services/t/hello", method="DELETE")
    assert (status, json.loads(data)) == (405, {"detail": "Method Not Allowed"})
    assert headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert hub.request(f"{ws}/services", b"{}", method="POST")[2]["allow"] == "GET, HEAD, OPTIONS"
    assert hub.request(f"{ws}/services/t/hello", method="OPTIONS")[0] == 405


def test_head_goes_where_get_goes(hub: Hyphad, ws: str) -> None:  # HTTP-32
    for path in (f"{ws}/services/t/hello", f"{ws}/services", "/health", "/metrics"):
        status, data, headers = hub.request(path, method="HEAD")
        assert (status, data, int(headers["content-length"]) > 0) == (200, b"", True)
    status, data, headers = hub.request(f"{ws}/services/t/count", method="HEAD")
    assert (status, data) == (200, b"")
    assert headers["content-type"] == "text/event-stream; charset=utf-8"


def test_git_style_credentials(hub: Hyphad, ws: str, provider: Provider) -> None:  # HTTP-60
    basic = base64.b64encode(f"git:{provider.token()}".encode()).decode()
    answer = ask(hub, f"{ws}/services/prot/hello", Authorization=f"Basic {basic}")
    assert answer == (200, "Hello World!")

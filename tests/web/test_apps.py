"""`asgi` services over HTTP: a FastAPI application behind the real client library."""

import hashlib
import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypha_rpc.utils.serve import register_asgi_service
from providers import Provider
from running import Hyphad
from webapp import Seen, application, by_hand

MIB = 1 << 20


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def apps(hub: Hyphad, seen: Seen) -> Iterator[Provider]:
    client = Provider(hub.url, client_id="apps")
    client.run(lambda: register_asgi_service(client.server, "web", application(seen)))
    client.register({"id": "raw", "type": "ASGI", "serve": by_hand})
    client.register({"id": "plain", "type": "mytype", "serve": by_hand})

    async def hidden(args: dict[str, Any]) -> None:
        await by_hand(args)

    client.register({"id": "hidden", "type": "asgi", "serve": hidden, "config": PROTECTED})
    yield client
    client.stop()


PROTECTED = {"visibility": "protected"}


@pytest.fixture
def web(apps: Provider) -> str:
    return f"/{apps.workspace}/apps/web"


def resident(hub: Hyphad) -> int:
    """Resident memory of the daemon, in bytes."""
    assert hub.process is not None
    pages = Path(f"/proc/{hub.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def dump(hub: Hyphad, path: str, body: bytes | None = None, **options: Any) -> dict[str, Any]:
    status, data, _ = hub.request(path, body, **options)
    assert status == 200
    answer: dict[str, Any] = json.loads(data)
    return answer


def test_an_application_answers(hub: Hyphad, web: str) -> None:
    status, data, headers = hub.request(f"{web}/")
    assert (status, json.loads(data)) == (200, {"home": True})
    assert headers["content-type"] == "application/json"
    assert not any(name.startswith("access-control") for name in headers)  # HTTP-73


def test_the_slash_is_added(hub: Hyphad, web: str) -> None:  # HTTP-16, HTTP-75
    status, _, headers = hub.request(f"{web}?a=1")
    assert (status, headers["location"]) == (307, f"{web}/")
    assert hub.request("/ws-nope/apps/none", headers={})[0] == 307


def test_the_scope(hub: Hyphad, web: str) -> None:  # HTTP-71
    headers = {
        "X-A": "1",
        "Cookie": "c=d",
        "Content-Type": "text/x-test",
        "Authorization": "Basic ",
    }
    path = "/dump/a%20b%2Fc"
    scope = dump(hub, f"{web}{path}?a=1&_mode=random", b"hello", headers=headers)
    assert scope["type"] == "http"
    assert (scope["method"], scope["scheme"], scope["http_version"]) == ("POST", "http", "1.1")
    assert (scope["path"], scope["raw_path"]) == ("/dump/a b/c", path)
    assert scope["root_path"] == ""
    assert scope["query"] == "a=1&_mode=random"
    assert scope["server"] == ["127.0.0.1", hub.port]
    assert scope["client"][0] == "127.0.0.1"
    assert (scope["workspace"], scope["service_id"]) == (web.split("/")[1], "web")
    assert scope["body"] == "hello"
    shown = [[name, value] for name, value in scope["headers"]]
    for pair in (["x-a", "1"], ["cookie", "c=d"], ["content-type", "text/x-test"]):
        assert pair in shown


@pytest.mark.parametrize("query", ["flag", "a=b=c", "a=1&a=2&", "%ff", "?"])
def test_any_query_is_passed_on(hub: Hyphad, web: str, query: str) -> None:  # HTTP-74
    assert dump(hub, f"{web}/dump/x?{query}")["query"] == query


def test_methods_go_through(hub: Hyphad, web: str) -> None:  # HTTP-73
    assert dump(hub, f"{web}/dump/x", b"put", method="PUT")["method"] == "PUT"
    preflight = {"Origin": "http://x.example", "Access-Control-Request-Method": "POST"}
    assert dump(hub, f"{web}/dump/x", method="OPTIONS", headers=preflight)["method"] == "OPTIONS"
    status, data, headers = hub.request(f"{web}/dump/x", method="HEAD")
    assert (status, data, int(headers["content-length"]) > 0) == (200, b"", True)


def test_the_login_cookie_stays_here(hub: Hyphad, web: str, apps: Provider) -> None:  # D-13
    cookie = f"a=1; access_token={apps.token()}; hyphad_session=x; b=2"
    scope = dump(hub, f"{web}/dump/x", headers={"Cookie": cookie})
    assert ["cookie", "a=1; b=2"] in scope["headers"]
    only = dump(hub, f"{web}/dump/x", headers={"Cookie": "access_token=stale"})
    assert "cookie" not in dict(only["headers"])


def test_cookies_of_an_application(hub: Hyphad, web: str) -> None:  # HTTP-73, AUTH-88
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"{web}/cookies")
    set_cookies = connection.getresponse().headers.get_all("Set-Cookie")
    assert [cookie.partition(";")[0] for cookie in set_cookies or []] == ["a=1", "b=2"]


def test_redirects_and_forms(hub: Hyphad, web: str) -> None:
    status, _, headers = hub.request(f"{web}/away")
    assert (status, headers["location"]) == (302, "/elsewhere")
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n\r\n'
        + bytes(300_000)
        + b'\r\n--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhi\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = dump(hub, f"{web}/file", form, headers=headers)
    assert answer == {"name": "x.bin", "size": 300_000, "note": "hi"}


def test_pieces_arrive_as_they_are_sent(hub: Hyphad, web: str) -> None:  # HTTP-73
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"{web}/steps")
    answer = connection.getresponse()
    assert answer.getheader("Transfer-Encoding") == "chunked"
    times = []
    for number in range(3):
        assert answer.readline() == f"c{number}\n".encode()
        times.append(time.monotonic())
    assert times[2] - times[0] > 0.3


def test_a_long_download_takes_no_memory(hub: Hyphad, web: str) -> None:
    size = 200 * MIB
    hub.request(f"{web}/download?size={MIB}")
    before = most = resident(hub)
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"{web}/download?size={size}")
    answer, received = connection.getresponse(), 0
    while piece := answer.read(MIB):
        received += len(piece)
        most = max(most, resident(hub))
    assert received == size
    assert most - before < 16 * MIB


def test_a_reader_that_pauses_takes_no_memory(hub: Hyphad, web: str) -> None:
    hub.request(f"{web}/download?size={MIB}")
    before = resident(hub)
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"{web}/download?size={100 * MIB}")
    answer = connection.getresponse()
    for _ in range(20):
        time.sleep(0.05)
        assert resident(hub) - before < 16 * MIB
    answer.close()


def test_a_long_upload_takes_no_memory(hub: Hyphad, web: str, seen: Seen) -> None:  # HTTP-72
    piece = os.urandom(MIB)
    digest = hashlib.sha256()
    before = most = resident(hub)
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.putrequest("POST", f"{web}/upload")
    connection.putheader("Content-Length", str(100 * MIB))
    connection.endheaders()
    for _ in range(100):
        connection.send(piece)
        digest.update(piece)
        most = max(most, resident(hub))
    answer = json.loads(connection.getresponse().read())
    assert answer == {"size": 100 * MIB, "digest": digest.hexdigest()}
    assert most - before < 16 * MIB
    assert seen.chunks > 100


def test_a_chunked_upload(hub: Hyphad, web: str) -> None:  # HTTP-72
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    pieces = (bytes([number]) * 10_000 for number in range(50))
    connection.request("POST", f"{web}/upload", pieces, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["size"] == 500_000


def test_an_answer_may_come_before_the_body_is_there(hub: Hyphad, web: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.putrequest("POST", f"{web}/boom")
    connection.putheader("Content-Length", str(MIB))
    connection.endheaders()
    connection.send(b"x")
    assert connection.getresponse().status == 405


def test_a_reader_that_leaves_ends_the_application(hub: Hyphad, web: str, seen: Seen) -> None:
    closed = seen.closed
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"{web}/forever")
    answer = connection.getresponse()
    assert answer.readline() == b"tick\n"
    answer.close()
    connection.close()
    end = time.monotonic() + 10
    while seen.closed == closed:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("silent", 502, "The application ended without an answer"),
        ("raise", 500, "RemoteException: RuntimeError: asgi boom"),
        ("denied", 403, "RemoteException: PermissionError: not you"),
        ("body-first", 400, "BadCall"),
        ("bad-status", 400, "status from 200 to 599"),
        ("bad-header", 400, "Invalid header"),
        ("twice", 400, "TypeError: Unexpected ASGI message"),
    ],
)
def test_applications_that_fail(
    hub: Hyphad, apps: Provider, path: str, status: int, text: str
) -> None:  # HTTP-74
    found, data, headers = hub.request(f"/{apps.workspace}/apps/raw/{path}")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert "x-evil" not in headers
    if text != "BadCall":
        assert text in data.decode()
    assert found in (status, 500)


@pytest.mark.parametrize("path", ["late", "half", "short"])
def test_an_answer_that_is_cut_off_is_never_taken_for_whole(
    hub: Hyphad, apps: Provider, path: str
) -> None:  # HTTP-74
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        hub.request(f"/{apps.workspace}/apps/raw/{path}")


def test_a_provider_that_goes_cuts_the_answer_off(hub: Hyphad) -> None:  # HTTP-74
    client = Provider(hub.url, client_id="goer")
    client.register({"id": "raw", "type": "asgi", "serve": by_hand})
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    connection.request("GET", f"/{client.workspace}/apps/raw/wait")
    answer = connection.getresponse()
    client.drop()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


def test_duplicate_headers_are_kept(hub: Hyphad, apps: Provider) -> None:  # HTTP-73
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"/{apps.workspace}/apps/raw/fine")
    answer = connection.getresponse()
    assert answer.headers.get_all("X-A") == ["1", "2"]
    assert answer.read() == b"partend"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/ws-nope/apps/web/", 404, "Workspace ws-nope does not exist or is not accessible"),
        ("/{}/apps/none/", 404, "RemoteException: KeyError: 'Service not found: {}/*:none@*'"),
        ("/{}/apps/plain/", 500, "Invalid service type: mytype"),
        (
            "/{}/apps/hidden/",
            403,
            "RemoteException: PermissionError: Permission denied for non-public service in "
            "workspace {}",
        ),
    ],
)
def test_what_is_no_application(
    hub: Hyphad, apps: Provider, path: str, status: int, text: str
) -> None:  # HTTP-74
    found, data, headers = hub.request(path.format(apps.workspace))
    assert (found, data.decode()) == (status, text.format(apps.workspace))
    assert headers["content-type"] == "text/plain; charset=utf-8"


def test_bad_tokens_are_told_in_plain_text(hub: Hyphad, web: str) -> None:  # HTTP-62
    status, data, _ = hub.request(f"{web}/", headers={"Authorization": "Bearer x"})
    assert (status, data) == (401, b"Error decoding token headers.")


def test_members_reach_a_protected_application(hub: Hyphad, apps: Provider) -> None:
    headers = {"Authorization": f"Bearer {apps.token()}"}
    assert hub.request(f"/{apps.workspace}/apps/hidden/x", headers=headers)[0] == 200


def test_websockets_of_applications_are_refused(hub: Hyphad, web: str) -> None:  # HTTP-76
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    assert hub.request(f"{web}/socket", headers=headers)[0] == 403

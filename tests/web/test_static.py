"""Files: the daemon's own, the client library, and mounted folders."""

import gzip
import http.client
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import Hyphad


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<h1>hi</h1>")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("abc" * 1000)
    (folder / "sub" / "b b.txt").write_text("b")
    (folder / "deep").mkdir()
    (folder / "deep" / "index.html").write_text("deep")
    (folder / "link").symlink_to("/etc/passwd")
    (folder.parent / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory, site: Path):
    daemon = Hyphad(tmp_path_factory.mktemp("m"), "--static-mounts", f"/files:{site}").start()
    yield daemon
    daemon.stop()


def raw(hub: Hyphad, path: str) -> tuple[int, bytes]:
    """A request whose path nobody cleans up on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("path", "status", "start"),
    [
        ("/files", 200, b"<h1>hi</h1>"),
        ("/files/", 200, b"<h1>hi</h1>"),
        ("/files/sub/a.txt", 200, b"abc"),
        ("/files/sub/b%20b.txt", 200, b"b"),
        ("/files/deep", 200, b"deep"),
        ("/files/deep/", 200, b"deep"),
        ("/files/sub", 404, b'{"detail":"Not Found"}'),
        ("/files/none", 404, b'{"detail":"Not Found"}'),
        ("/files/link", 404, b'{"detail":"Not Found"}'),
    ],
)
def test_mounts(mounted: Hyphad, path: str, status: int, start: bytes) -> None:  # HTTP-87
    found, data, _ = mounted.request(path)
    assert (found, data[: len(start)]) == (status, start)


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.txt", "/files/%2e%2e/secret.txt", "/files/..%2fsecret.txt",
        "/files/sub/../../secret.txt", "/files//etc/passwd", "/files/%2fetc%2fpasswd",
        "/files/....//secret.txt", "/files/%00", "/files/..\\secret.txt", "/files/sub%00/a.txt",
        "/static/../README.md", "/static/%2e%2e/README.md", "/assets/../README.md",
    ],
)  # fmt: skip
def test_nothing_outside_is_served(mounted: Hyphad, path: str) -> None:  # HTTP-69
    status, data = raw(mounted, path)
    assert status == 404
    assert b"secret" not in data or b"File not found" in data
    assert b"Traceback" not in data


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["..", ".", "sub", "%2e%2e", "%2f", "/", "a.txt", "secret.txt"])))
def test_no_mixture_of_dots_gets_out(mounted: Hyphad, parts: list[str]) -> None:  # HTTP-69
    _, data = raw(mounted, "/files/" + "/".join(parts))
    assert data != b"secret"


def test_paths_that_nobody_knows(mounted: Hyphad) -> None:  # HTTP-69
    for path in ("/../etc/passwd", "/%2e%2e/etc/passwd"):
        status, data = raw(mounted, path)
        assert (status, json.loads(data)) == (
            404,
            {"success": False, "detail": "File not found: ../etc/passwd"},
        )


def test_caching(mounted: Hyphad, site: Path) -> None:  # HTTP-68
    _, _, headers = mounted.request("/files/sub/a.txt")
    assert headers["accept-ranges"] == "bytes"
    assert headers["last-modified"]
    etag = headers["etag"]
    assert not etag.startswith("W/")
    status, data, again = mounted.request("/files/sub/a.txt", headers={"If-None-Match": etag})
    assert (status, data, again["etag"]) == (304, b"", etag)
    (site / "changing.txt").write_text("one")
    first = mounted.request("/files/changing.txt")[2]["etag"]
    (site / "changing.txt").write_text("two!")
    status, data, _ = mounted.request("/files/changing.txt", headers={"If-None-Match": first})
    assert (status, data) == (200, b"two!")


def test_ranges(mounted: Hyphad) -> None:  # HTTP-68
    headers = {"Range": "bytes=1-4", "Accept-Encoding": "gzip"}
    status, data, answer = mounted.request("/files/sub/a.txt", headers=headers)
    assert (status, data, answer["content-range"]) == (206, b"bcab", "bytes 1-4/3000")
    assert mounted.request("/files/sub/a.txt", headers={"Range": "bytes=9999-"})[0] == 416


def test_head_and_other_methods(mounted: Hyphad) -> None:  # HTTP-32
    status, data, headers = mounted.request("/files/sub/a.txt", method="HEAD")
    assert (status, data, headers["content-length"]) == (200, b"", "3000")
    status, data, headers = mounted.request("/files/sub/a.txt", b"x", method="POST")
    assert (status, json.loads(data)) == (405, {"detail": "Method Not Allowed"})
    assert headers["allow"] == "GET, HEAD, OPTIONS"


def test_texts_are_compressed(mounted: Hyphad) -> None:  # HTTP-66
    plain = mounted.request("/files/sub/a.txt")[2]["etag"]
    headers = {"Accept-Encoding": "gzip"}
    status, data, answer = mounted.request("/files/sub/a.txt", headers=headers)
    assert (status, gzip.decompress(data)) == (200, b"abc" * 1000)
    assert answer["etag"] != plain
    assert "Accept-Encoding" in answer["vary"]
    again = {**headers, "If-None-Match": answer["etag"]}
    assert mounted.request("/files/sub/a.txt", headers=again)[0] == 304
    assert "content-encoding" not in mounted.request("/files/index.html", headers=headers)[2]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/static/openapi.js", "text/javascript; charset=utf-8"),
        ("/static/img/hypha-logo-black.svg", "image/svg+xml"),
        ("/static/console.css", "text/css; charset=utf-8"),
        ("/static/openapi.css", "text/css; charset=utf-8"),
    ],
)
def test_files_of_the_daemon(mounted: Hyphad, path: str, kind: str) -> None:  # HTTP-20, HTTP-86
    status, data, headers = mounted.request(path)
    assert (status, headers["content-type"], len(data) > 100) == (200, kind, True)
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["", ".", "index.html", "console", "__init__.py", "nothing"])
def test_pages_are_not_served_as_files(mounted: Hyphad, name: str) -> None:  # HTTP-69, HTTP-86
    status, data, _ = mounted.request(f"/static/{name}")
    assert (status, data) == (404, b'{"detail":"Not Found"}')


def test_credentials_do_not_matter(mounted: Hyphad) -> None:  # HTTP-62
    headers = {"Authorization": "Bearer nonsense", "Cookie": "access_token=x"}
    for path in (
        "/static/icon.svg",
        "/files/",
        "/health",
        "/metrics",
    ):
        assert mounted.request(path, headers=headers)[0] == 200


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ("/a/b:{}", "Only top-level routes are supported."),
        ("/ws:{}", "The route '/ws' collides with an existing route."),
        ("/health:{}", "The route '/health' collides with an existing route."),
        ("/x:/does/not/exist", "The directory '/does/not/exist' does not exist."),
    ],
)
def test_bad_mounts_stop_the_start(
    make_hyphad: Callable[..., Hyphad], tmp_path: Path, mount: str, reason: str
) -> None:  # HTTP-87
    daemon = make_hyphad("--static-mounts", mount.format(tmp_path))
    assert daemon.spawn().wait(20) == 3
    daemon.process = None
    assert reason in daemon.log

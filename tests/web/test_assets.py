"""The JavaScript client: installed from npm or a file, served to pages, and missed with advice."""

import base64
import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Hyphad
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from hyphad import cli, jsclient
from hyphad.web.assets import asset_routes

REPOSITORY = Path(__file__).parents[2]
MODULE = "/assets/hypha-rpc-websocket.mjs"
FILES = {
    "package/LICENSE": b"MIT",
    "package/package.json": b"{}",
    "package/dist/hypha-rpc-websocket.js": b"var hypha = 1;",
    "package/dist/hypha-rpc-websocket.mjs": b"export const hypha = 1;",
    "package/dist/hypha-rpc-websocket.min.mjs.map": b"{}",
    "package/dist/../../escape.js": b"evil",
    "package/dist/other.js": b"other",
}
KEPT = {"LICENSE", "hypha-rpc-websocket.js", "hypha-rpc-websocket.mjs",
        "hypha-rpc-websocket.min.mjs.map"}  # fmt: skip


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package like the real one, with the checksum that is asked for."""
    file = tmp_path / "client.tgz"
    with tarfile.open(file, "w:gz") as archive:
        for name, data in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("package/dist/hypha-rpc-websocket.min.js")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    digest = hashlib.sha512(file.read_bytes()).digest()
    monkeypatch.setattr(jsclient, "SHA512", base64.b64encode(digest).decode())
    return file


def install(data: Path, *words: str) -> int:
    return cli.main(["assets", "install", *words, "--data-dir", str(data)])


def installed(data: Path) -> set[str]:
    return {path.name for path in (data / "assets").iterdir()}


def test_only_the_client_is_taken_from_a_file(tmp_path: Path, package: Path) -> None:
    assert install(tmp_path / "data", str(package)) == 0
    assert installed(tmp_path / "data") == KEPT
    assert not list(tmp_path.rglob("escape.js"))


def test_npm_is_asked_for_the_pinned_version(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(tmp_path / "bin", f'echo "$@" >{tmp_path}/asked; cp {package} .')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    assert install(tmp_path / "data") == 0
    assert installed(tmp_path / "data") == KEPT
    assert (tmp_path / "asked").read_text().startswith(f"pack hypha-rpc@{jsclient.VERSION} ")


def test_another_package_is_refused(
    tmp_path: Path, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write_bytes(package.read_bytes() + b"x")
    assert install(tmp_path / "data", str(package)) == 3
    assert "its checksum is another one" in capsys.readouterr().err
    assert not (tmp_path / "data" / "assets").exists()


@pytest.mark.parametrize("script", [None, "echo no network >&2; exit 1"])
def test_without_npm_it_says_how_to_do_it_by_hand(
    tmp_path: Path,
    script: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bin").mkdir()
    if script is not None:
        npm(tmp_path / "bin", script)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    assert install(tmp_path / "data") == 3
    said = capsys.readouterr().err
    assert "npm pack hypha-rpc@" in said and "hyphad assets install hypha-rpc-" in said
    assert script is None or "no network" in said


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(tmp_path / "data", str(tmp_path / "nope.tgz")) == 3
    assert "nope.tgz: No such file" in capsys.readouterr().err


def test_pages_load_it_once_it_is_there(  # HTTP-20, HTTP-86
    make_hyphad: Callable[..., Hyphad], package: Path
) -> None:
    """A daemon that is running already serves it too."""
    daemon = make_hyphad().start()
    status, value = daemon.get(MODULE)
    assert status == 404 and "hyphad assets install" in value["detail"]
    assert install(daemon.data, str(package)) == 0
    status, body, headers = daemon.request(MODULE, headers={"Origin": "http://elsewhere.example"})
    assert (status, body) == (200, FILES["package/dist/hypha-rpc-websocket.mjs"])
    assert headers["content-type"].startswith("application/javascript")
    assert headers["access-control-allow-origin"] == "*"
    assert daemon.request("/static/hypha-rpc-websocket.js")[0] == 200
    assert daemon.request("/assets/LICENSE")[0] == 404


def build(target: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Build the package as pip does, where programs are looked for in `path`."""
    pytest.importorskip("setuptools", minversion="65")
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(target)]
    env = {**os.environ, "PATH": path}
    return subprocess.run(
        command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", [None, "echo no network >&2; exit 1", "echo x >other.tgz"])
def test_the_build_goes_on_without_the_client(tmp_path: Path, script: str | None) -> None:
    """No npm, no network, and a package that is another one."""
    (tmp_path / "bin").mkdir()
    if script is not None:
        npm(tmp_path / "bin", script)
    done = build(tmp_path / "build", str(tmp_path / "bin"))
    assert done.returncode == 0, done.stderr
    assert "built without the JavaScript client" in done.stderr
    built = tmp_path / "build" / "lib" / "hyphad" / "static"
    assert (built / "index.html").exists() and not (built / "client").exists()


async def test_what_came_with_the_package_is_served(tmp_path: Path, package: Path) -> None:
    """The build unpacks it beside the pages; that one comes before one in the data directory."""
    shipped, data = tmp_path / "shipped", tmp_path / "data"
    assert jsclient.install(shipped, package)
    (data / "assets").mkdir(parents=True)
    for name in KEPT:
        (data / "assets" / name).write_text("an older one")
    (shipped / "hypha-rpc-websocket.js").unlink()
    server = HTTPServer(Application(asset_routes(data, shipped)))
    (socket,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([socket])
    url = f"http://127.0.0.1:{socket.getsockname()[1]}/assets/hypha-rpc-websocket"
    client = AsyncHTTPClient()
    answers = [
        await client.fetch(url + end, raise_error=False) for end in (".mjs", ".js", ".min.js")
    ]
    server.stop()
    bodies = [answer.body for answer in answers]
    assert bodies[:2] == [b"export const hypha = 1;", b"an older one"]
    assert answers[2].code == 404 and b"hyphad assets install" in bodies[2]


def npm(folder: Path, script: str) -> None:
    """A program that stands in for npm."""
    folder.mkdir(exist_ok=True)
    file = folder / "npm"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)

"""Starts that must fail: at once, with one line that says what is wrong, and exit code 3."""

import os
import socket
import sqlite3
from pathlib import Path

import pytest
from hubs import FLAGS
from running import Hyphad

EXIT_FAILED = 3


def _fails(daemon: Hyphad, *flags: str, code: int = EXIT_FAILED) -> str:
    """Start it, expect it to end with that code; what it said, one line of it."""
    before = len(daemon.log)
    process = daemon.spawn(*flags)
    assert process.wait(10) == code, daemon.log
    daemon.process = None
    said = daemon.log[before:]
    assert "Traceback" not in said, said
    lines = [line for line in said.splitlines() if "CRITICAL" in line or "rror" in line]
    assert len(lines) == 1, said
    return lines[0]


def test_a_second_daemon_on_the_same_data(make_hyphad):  # D-28
    first: Hyphad = make_hyphad(*FLAGS).start()
    second: Hyphad = make_hyphad(*FLAGS)
    second.data = first.data
    said = _fails(second)
    assert str(first.data) in said
    assert "Another hyphad" in said
    assert first.get("/health/readiness")[0] == 200
    first.stop()
    second.start()


def test_a_second_daemon_on_the_same_port(make_hyphad):  # D-28
    first: Hyphad = make_hyphad(*FLAGS).start()
    second: Hyphad = make_hyphad(*FLAGS)
    second.port = first.port
    said = _fails(second)
    assert f"port {first.port}" in said and "--port" in said
    assert first.get("/health/readiness")[0] == 200
    third: Hyphad = make_hyphad(*FLAGS)
    third.data = second.data
    third.start()


def test_a_port_that_somebody_else_has(make_hyphad):  # D-28
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        daemon: Hyphad = make_hyphad(*FLAGS)
        daemon.port = sock.getsockname()[1]
        assert f"port {daemon.port}" in _fails(daemon)


def test_an_address_that_is_none(make_hyphad):
    assert "256.1.1.1" in _fails(make_hyphad(*FLAGS), "--host", "256.1.1.1")


def test_a_restart_right_after_the_end(make_hyphad):
    """The port is free again at once, whatever state its old connections are in."""
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", daemon.port)):
            daemon.kill()
            daemon.start()


def test_a_data_directory_that_is_a_file(make_hyphad):
    daemon: Hyphad = make_hyphad(*FLAGS)
    daemon.data.write_text("a file")
    assert str(daemon.data) in _fails(daemon)


def test_a_data_directory_that_cannot_be_made(make_hyphad):
    daemon: Hyphad = make_hyphad(*FLAGS)
    daemon.data = Path("/proc/sys/hyphad-data")
    assert "/proc/sys/hyphad-data" in _fails(daemon)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_of_somebody_else(make_hyphad):
    daemon: Hyphad = make_hyphad(*FLAGS)
    daemon.data.mkdir(mode=0o500)
    assert str(daemon.data) in _fails(daemon)


def test_a_database_that_is_none(make_hyphad):
    daemon: Hyphad = make_hyphad(*FLAGS)
    daemon.data.mkdir(mode=0o700)
    (daemon.data / "hyphad.db").write_bytes(b"no database " * 1000)
    assert "hyphad.db" in _fails(daemon)


def test_a_database_of_a_newer_version(make_hyphad):
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    daemon.stop()
    with sqlite3.connect(daemon.data / "hyphad.db") as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    said = _fails(daemon)
    assert "newer" in said


CONFIGS = {
    "no TOML": ("port = = 5", ""),
    "unknown key": ("prot = 5", "prot"),
    "wrong type": ("port = 'x'", "port"),
    "out of range": ("port = 99999", "port"),
}


@pytest.mark.parametrize(("text", "named"), CONFIGS.values(), ids=CONFIGS.keys())
def test_a_configuration_that_cannot_be_read(make_hyphad, tmp_path, text, named):
    file = tmp_path / "hyphad.toml"
    file.write_text(text)
    daemon: Hyphad = make_hyphad(*FLAGS)
    process = daemon.spawn("--config", str(file))
    assert process.wait(10) in (2, EXIT_FAILED)
    assert "Traceback" not in daemon.log
    assert str(file) in daemon.log and named in daemon.log


def test_a_configuration_that_is_not_there(make_hyphad, tmp_path):
    daemon: Hyphad = make_hyphad(*FLAGS)
    process = daemon.spawn("--config", str(tmp_path / "missing.toml"))
    assert process.wait(10) in (2, EXIT_FAILED)
    assert "missing.toml" in daemon.log and "Traceback" not in daemon.log


def test_root_tokens_that_are_too_weak(make_hyphad):  # AUTH-54
    daemon: Hyphad = make_hyphad()
    for token, text in (
        ("short", "Root token must be at least 32 characters long"),
        ("token-" * 8, "Root token appears to be too simple (contains 'token')"),
    ):
        process = daemon.spawn("--root-token", token)
        assert process.wait(10) == EXIT_FAILED
        assert text in daemon.log
        assert token not in daemon.log
        daemon.process = None


def test_options_of_the_reference_server_are_named_once(make_hyphad):  # D-7
    daemon: Hyphad = make_hyphad("--enable-s3", "--enable-server-apps", *FLAGS).start()
    ignored = [line for line in daemon.log.splitlines() if "option_ignored" in line]
    assert len(ignored) == 2

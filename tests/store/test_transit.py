"""Frames between two runs: handed out once, soon, and never after damage."""

import stat
import time

import pytest

from hyphad.store import transit

FRAMES = [("ws-a/c1", b"\x80\xc1", "ws-a/c2", "services.x.f", "S"), ("ws-a/c2", b"", "", "m", None)]


def test_what_was_kept_is_handed_out_once(tmp_path):
    file = tmp_path / transit.FILE_NAME
    assert transit.take(file) == []
    transit.keep(file, FRAMES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert transit.take(file) == FRAMES
    assert transit.take(file) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", [transit.USEFUL_SECONDS + 1, -100])
def test_what_is_old_or_of_another_clock_is_dropped(seconds, tmp_path, monkeypatch):
    file = tmp_path / transit.FILE_NAME
    transit.keep(file, FRAMES)
    now = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: now)
    assert transit.take(file) == []
    assert not file.exists()


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x92\x01\x02", b"\x92\xcb", b"\x92\x01\x91\x91\x01"]
)
def test_damage_is_said_and_keeps_nobody_from_starting(data, tmp_path, caplog):
    file = tmp_path / transit.FILE_NAME
    file.write_bytes(data)
    assert transit.take(file) == []
    assert not file.exists()
    assert caplog.messages[0].startswith("bad_file ")


def test_a_disk_that_refuses_is_said(tmp_path, caplog):
    transit.keep(tmp_path / "missing" / "file", FRAMES)
    assert caplog.messages == ["not_kept frames=2 reason='No such file or directory'"]

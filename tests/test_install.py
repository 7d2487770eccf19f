"""`hyphad install-service`: what it writes and runs, twice, and how it takes all of it away."""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hyphad.commands import install
from hyphad.config import load

CONF = Path(__file__).parents[1] / "conf"


class Machine:
    """Folders in place of those of the machine; what would be run is noted."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.ran: list[str] = []
        self.fails = ""
        snippets = {name: root / kept.name / name for name, kept in install.SNIPPETS.items()}
        monkeypatch.setattr(install, "UNITS", root / "units")
        monkeypatch.setattr(install, "CONFIG", root / "etc" / "hyphad.toml")
        monkeypatch.setattr(install, "SNIPPETS", snippets)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, words: tuple[str, ...], check: bool) -> None:
        line = " ".join(words)
        if self.fails and self.fails in line:
            raise subprocess.CalledProcessError(1, words)
        self.ran.append(line)

    def do(self, *flags: str) -> int:
        self.ran.clear()
        parser = argparse.ArgumentParser()
        install.arguments(parser)
        return install.install(load({}, {}), parser.parse_args(flags))

    def files(self) -> dict[str, str]:
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {path.name: path.read_text() for path in paths}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "machine", monkeypatch)


def test_twice_is_as_once(machine: Machine) -> None:
    assert machine.do() == 0
    assert machine.ran == ["systemctl daemon-reload", "systemctl enable --now hyphad.service"]
    once = machine.files()
    assert set(once) == {"hyphad.service", "hyphad.toml"}
    assert machine.do() == 0
    assert machine.files() == once
    assert not any("restart" in line for line in machine.ran), "nobody notices a second time"


def test_the_settings_of_the_operator_stay(machine: Machine) -> None:
    machine.do()
    install.CONFIG.write_text('log_level = "debug"\n')
    machine.do("--socket")
    machine.do("--uninstall")
    assert machine.files() == {"hyphad.toml": 'log_level = "debug"\n'}


def test_a_unit_of_an_older_version_is_renewed_and_the_service_restarted(machine: Machine) -> None:
    machine.do()
    (install.UNITS / "hyphad.service").write_text("[Service]\nExecStart=/old\n")
    assert machine.do() == 0
    assert machine.ran[-1] == "systemctl try-restart hyphad.service"
    assert "/old" not in machine.files()["hyphad.service"]


def test_a_dry_run_changes_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--dry-run", "--socket", "--fixed-user"], ["--dry-run", "--uninstall"]):
        assert machine.do(*flags) == 0
        assert (machine.files(), machine.ran) == ({}, [])
    said = capsys.readouterr().out.splitlines()
    assert said
    assert all(line.startswith("would ") for line in said)


def test_uninstalling_takes_away_what_was_installed(machine: Machine) -> None:
    machine.do("--socket", "--fixed-user")
    assert "hyphad.socket" in machine.files()
    assert machine.do("--uninstall") == 0
    assert machine.ran == [
        "systemctl disable --now hyphad.socket",
        "systemctl disable --now hyphad.service",
        "systemctl daemon-reload",
    ]
    assert set(machine.files()) == {"hyphad.toml"}
    assert machine.do("--uninstall") == 0


def test_a_step_that_fails_is_named(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.fails = "enable"
    assert machine.do() == install.EXIT_FAILED
    assert "could not enable and start hyphad.service" in capsys.readouterr().err


def test_only_root_may(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert machine.do() == install.EXIT_FAILED
    assert "sudo" in capsys.readouterr().err
    assert machine.files() == {}


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="needs systemd-sysusers")
def test_systemd_makes_the_fixed_user_of_the_snippet(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    snippet = str(CONF / "hyphad.sysusers")
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", snippet], check=True, timeout=60)
    line = next(
        line
        for line in (tmp_path / "etc" / "passwd").read_text().splitlines()
        if line.startswith("hyphad:")
    )
    assert line.endswith((":/usr/sbin/nologin", ":/sbin/nologin"))
    assert line.split(":")[5] == "/var/lib/hyphad"


@pytest.mark.skipif(
    shutil.which("systemd-tmpfiles") is None or os.geteuid() != 0, reason="needs root and systemd"
)
def test_systemd_makes_secrets_private_as_the_snippet_says(tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "hyphad"
    folder.mkdir(parents=True)
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nhyphad:x:4711:\n")
    for name in ("hyphad.toml", "root_token"):
        (folder / name).touch(0o666)
    snippet = str(CONF / "hyphad.tmpfiles")
    command = ["systemd-tmpfiles", f"--root={tmp_path}", "--create", snippet]
    subprocess.run(command, check=True, timeout=60)
    found = {
        path.name: (oct(path.stat().st_mode & 0o777), path.stat().st_gid)
        for path in (folder, *folder.iterdir())
    }
    assert found == {
        "hyphad": ("0o750", 4711),
        "hyphad.toml": ("0o640", 4711),
        "root_token": ("0o600", 0),
    }

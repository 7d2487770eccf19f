"""The command line: which command, which settings, which exit code, and what is said."""

import argparse
import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyphad import HYPHA_VERSION, __version__, cli, config, daemon
from hyphad.auth.keys import load_ring
from hyphad.checks import check
from hyphad.cli import COMMANDS, Command, main
from hyphad.config import Settings, load
from hyphad.options import IGNORED_SWITCHES, IGNORED_VALUES, OPTIONS
from hyphad.store.database import Database
from hyphad.store.datadir import DataDir

GOOD_TOKEN = "Zk9vQ2xYw7RfT1uLm4NpS8aHbJcEdGiK"


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch) -> Iterator[None]:
    """No settings but those of the test; the log as it was before."""
    for name in list(os.environ):
        if name.startswith(("HYPHA_", "HYPHAD_", "AUTH0_")) or name == "JWT_SECRET":
            monkeypatch.delenv(name)
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "none.toml")
    root, ours = logging.getLogger(), logging.getLogger("hyphad")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before


@pytest.fixture
def served(monkeypatch) -> list[Settings]:
    """What the daemon was started with; it ends at once with exit code 7."""
    started: list[Settings] = []

    def run(settings: Settings, reload: object = None) -> int:
        started.append(settings)
        return 7

    monkeypatch.setattr(daemon, "run", run)
    return started


# which command


@pytest.mark.parametrize("words", [[], ["serve"], ["server"]])
def test_serving_is_the_default(words, served):
    assert main([*words, "--port", "9000"]) == 7
    assert [settings.port for settings in served] == [9000]


def test_no_word_at_all_serves(served):
    assert main([]) == 7
    assert served[0].port == 9527


@pytest.mark.parametrize("words", [["version"], ["--version"], ["serve", "--version"]])
def test_the_version_is_told_whatever_the_settings_are(words, capsys, monkeypatch):
    monkeypatch.setenv("HYPHAD_PORT", "many")
    assert main(words) == 0
    assert capsys.readouterr().out == f"hyphad {__version__} (speaks hypha {HYPHA_VERSION})\n"


@pytest.mark.parametrize("words", [["--help"], ["serve", "--help"], ["help"], ["help", "serve"]])
def test_help_names_every_flag_and_every_command(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    for option in OPTIONS.values():
        assert f"{option.flag} " in shown or f"{option.flag}, " in shown
    for command in COMMANDS:
        assert f"  {command.name} " in shown
    assert "--redis-uri" not in shown


def test_a_command_of_two_words_is_found_and_its_group_explained(capsys, monkeypatch):
    def add(settings: Settings, args: argparse.Namespace) -> int:
        print(f"adding {args.name} in {settings.data_dir}")
        return 0

    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")

    commands = [*COMMANDS, Command("lamp add", "", add, arguments), Command("lamp list", "", add)]
    monkeypatch.setattr(cli, "COMMANDS", commands)
    assert main(["lamp", "add", "lab", "--data-dir", "/d"]) == 0
    assert capsys.readouterr().out == "adding lab in /d\n"
    assert main(["lamp"]) == 2
    assert "lamp is a group of commands: lamp add, lamp list" in capsys.readouterr().err
    assert main(["lamp", "ad"]) == 2


# what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prt", "1"], "unknown argument '--prt'; did you mean '--port'? See"),
        (["--log_level=info"], "unknown argument '--log_level'; did you mean '--log-level'? See"),
        (["--zzzzzzzz"], "unknown argument '--zzzzzzzz'. See `hyphad serve --help`."),
        (["--port"], "argument --port: expected one argument. See `hyphad serve --help`."),
        (["--por", "1"], "unknown argument '--por'; did you mean '--port'? See"),
        (["chek"], "unknown command 'chek'; did you mean 'check'? See `hyphad --help`."),
        (["zzzz"], "unknown command 'zzzz'. See `hyphad --help`."),
        (["--port", "1", "check"], "the command comes first: hyphad check --flag. See"),
        (["--port", "many"], "flag --port: port = 'many': must be a whole number from 0 to 65535"),
        (["--port", "-1"], "flag --port: port = -1: must be a whole number from 0 to 65535"),
        (["--signup", "x"], "flag --signup: signup = 'x': must be one of closed, invite, approve,"),
        (["--config", "/no.toml"], "configuration file /no.toml: cannot be read: No such file"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words, said, capsys, served):
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"hyphad: {said}")
    assert shown.err.count("\n") == 1
    assert (shown.out, served) == ("", [])


def test_a_weak_root_token_is_exit_code_3_and_not_quoted(capsys, served):  # AUTH-54
    assert main(["--root-token", "sesame-open"]) == 3
    assert "sesame-open" not in capsys.readouterr().err
    assert served == []


# flags


@pytest.mark.parametrize("flag", ["--no-enable-mcp", "--disable-mcp"])
def test_features_can_be_turned_off(flag, served):
    main([flag])
    assert served[0].enable_mcp is False
    assert served[0].sources["enable_mcp"] == "flag --enable-mcp"


def test_features_that_are_on_can_be_turned_on(served):
    main(["--enable-mcp", "--enable-a2a", "--enable-local-auth"])
    assert (served[0].enable_mcp, served[0].enable_local_auth, served[0].ignored) == (
        True,
        True,
        (),
    )


def test_lists_may_be_long_repeated_or_empty(served):
    mounts = ["--static-mounts", "/a:my folder", "/b:y", "--static-mounts", "/c:z"]
    main([*mounts, "--startup-functions", "--allow-origins", "http://a,http://b"])
    assert served[0].static_mounts == ["/a:my folder", "/b:y", "/c:z"]
    assert served[0].startup_functions == []
    assert served[0].allow_origins == ["http://a", "http://b"]


def test_every_option_of_the_reference_is_accepted(served):  # HTTP-94
    used = {
        "host": "0.0.0.0",
        "port": "9000",
        "public-base-url": "https://hub.example/",
        "base-path": "/hub",
        "allow-origins": "http://a",
        "server-id": "one",
        "static-mounts": "/a:./x",
        "startup-functions": "./start.py:main",
        "root-token": GOOD_TOKEN,
    }
    words = [word for name, value in used.items() for word in (f"--{name}", value)]
    words += ["--enable-local-auth", "--enable-mcp", "--enable-a2a"]
    words += [word for name in sorted(IGNORED_VALUES) for word in (f"--{name}", "1")]
    words += [f"--{name}" for name in sorted(IGNORED_SWITCHES)]
    assert main(words) == 7
    ignored = served[0].ignored
    assert len(ignored) == len(IGNORED_VALUES) + len(IGNORED_SWITCHES)
    assert "flag --redis-uri: ignored, one process needs no Redis" in ignored
    assert served[0].root_token == GOOD_TOKEN


def test_a_useless_option_may_even_lack_its_value(served):
    assert main(["--redis-uri"]) == 7
    assert len(served[0].ignored) == 1


def test_file_and_environment_are_read(tmp_path, monkeypatch, served):
    file = tmp_path / "hyphad.toml"
    file.write_text('port = 1\nhost = "::1"\nserver_id = "file"')
    monkeypatch.setenv("HYPHAD_PORT", "2")
    monkeypatch.setenv("HYPHAD_HOST", "::2")
    main(["--config", str(file), "--port", "3"])
    assert (served[0].port, served[0].host, served[0].server_id) == (3, "::2", "file")


def test_a_reload_reads_the_file_anew_and_keeps_the_flags(tmp_path, monkeypatch):
    file = tmp_path / "hyphad.toml"
    file.write_text('log_level = "info"\nport = 1')
    seen = []

    def run(settings, reload):
        file.write_text('log_level = "debug"\nport = 1')
        seen.extend([settings, reload()])
        return 0

    monkeypatch.setattr(daemon, "run", run)
    main(["--config", str(file), "--port", "3"])
    assert [(settings.log_level, settings.port) for settings in seen] == [("info", 3), ("debug", 3)]


def test_telling_the_version_loads_neither_the_web_server_nor_the_database():
    script = (
        "import sys; from hyphad.cli import main; main(['version'])\n"
        "assert not {'tornado', 'sqlite3', 'jsonschema', 'asyncio'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check"], 0),
        (["check", "--port", "many"], 2),
        (["check", "--static-mounts", "/a:/no/such/folder"], 3),
        (["nonsense"], 2),
        (["--root-token", "weak"], 3),
    ],
)
def test_the_process_ends_with_the_exit_code(words, code, tmp_path):
    environ = {**os.environ, "HYPHAD_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-m", "hyphad", *words], env=environ, capture_output=True, check=False
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


# check


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "data"


def findings(data: Path, **flags: object) -> tuple[int, list[str]]:
    """Exit code and lines of a check, those that only repeat the settings left out."""
    lines: list[str] = []
    code = check(load({"data_dir": str(data), **flags}, {}), lines.append)
    return code, [line for line in lines if " from flag " not in line]


async def make_database(data: Path) -> Path:
    data.mkdir(mode=0o700, exist_ok=True)
    file = DataDir(data).database_file
    await Database.open(file).close()
    return file


@pytest.fixture
def database(data) -> Path:
    return asyncio.run(make_database(data))


def test_check_of_a_place_where_nothing_is_yet_makes_nothing(data):
    code, lines = findings(data)
    assert code == 0
    assert lines == [
        f"ok       data directory {data} will be made at the first start",
        f"ok       signing keys will be made in {data}/keys at the first start",
        f"ok       database {data}/hyphad.db will be made at the first start",
    ]
    assert not data.exists()


def test_check_says_where_each_setting_comes_from(data, tmp_path):
    lines: list[str] = []
    settings = load({"data_dir": str(data)}, {"HYPHA_PORT": "1", "HYPHA_REDIS_URI": "x"})
    assert check(settings, lines.append) == 0
    assert "ok       data_dir from flag --data-dir" in lines
    assert "ok       port from environment variable HYPHA_PORT" in lines
    assert any(line.startswith("warning  environment variable HYPHA_REDIS_URI") for line in lines)
    assert not any("log_level" in line for line in lines)


def test_check_of_a_running_daemon_finds_all_well(hyphad):
    files = {path: path.stat().st_mtime_ns for path in hyphad.data.rglob("*") if path.is_file()}
    code, lines = findings(hyphad.data)
    assert (code, [line for line in lines if not line.startswith("ok ")]) == (0, [])
    assert set(files) == {path for path in hyphad.data.rglob("*") if path.is_file()}
    assert hyphad.get("/health/readiness")[0] == 200


def test_check_leaves_a_database_at_rest_as_it_is(data, database):
    before = {path.name: path.stat().st_mtime_ns for path in data.iterdir()}
    code, lines = findings(data)
    assert code == 0
    assert any(line.startswith(f"ok       database {database}, schema ") for line in lines)
    assert {path.name: path.stat().st_mtime_ns for path in data.iterdir()} == before


def test_check_finds_a_database_of_a_newer_version(data, database):
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version=9999")
    connection.close()
    code, lines = findings(data)
    assert code == 3
    assert any("is of a newer hyphad (schema 9999" in line for line in lines)


def test_check_tells_of_a_schema_to_come(data, database):
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version=0")
    connection.close()
    code, lines = findings(data)
    assert code == 0
    assert "at the next start" in lines[-1]


def test_check_finds_a_file_that_is_no_database(data):
    data.mkdir()
    (data / "hyphad.db").write_bytes(b"no database " * 1000)
    code, lines = findings(data)
    assert code == 3
    assert lines[-1].startswith(f"problem  database {data}/hyphad.db: ")
    assert "restore a backup" in lines[-1]


def test_check_finds_keys_that_others_can_read(data):
    file = _keys(data) / "jwt-keys.json"
    file.chmod(0o644)
    code, lines = findings(data)
    assert code == 3
    assert any(line.startswith("problem ") and "other users" in line for line in lines)
    assert findings(data, fix_permissions=True)[0] == 0
    assert file.stat().st_mode & 0o777 == 0o644


def _keys(data: Path) -> Path:
    data.mkdir(mode=0o700)
    load_ring(data / "keys")
    return data / "keys"


def test_check_finds_damaged_keys(data):
    (_keys(data) / "jwt-keys.json").write_text("{}")
    code, lines = findings(data)
    assert code == 3
    assert any(line.startswith("problem ") and "is damaged" in line for line in lines)


def test_check_needs_no_keys_if_there_is_a_secret(data):
    code, lines = findings(data, jwt_secret="x" * 32)
    assert code == 0
    assert [line for line in lines if "signing keys" in line or "warning" in line] == []


def test_check_warns_of_a_short_secret_without_showing_it(data):
    code, lines = findings(data, jwt_secret="sesame")
    assert code == 0
    assert any(line.startswith("warning  jwt_secret is shorter than 32 bytes") for line in lines)
    assert "sesame" not in "".join(lines)


def test_check_warns_of_secrets_that_everybody_can_read(data, tmp_path):
    token = tmp_path / "token"
    token.write_text(GOOD_TOKEN)
    token.chmod(0o644)
    code, lines = findings(data, root_token_file=str(token))
    assert code == 0
    assert f"warning  {token} holds root_token and every user can read it: chmod o= {token}" in (
        lines
    )
    token.chmod(0o640)
    assert not any("every user" in line for line in findings(data, root_token_file=str(token))[1])


def test_check_finds_a_data_directory_that_is_a_file(data):
    data.write_text("")
    code, lines = findings(data)
    assert code == 3
    assert f"problem  data directory {data} is not a directory" in lines


def test_check_finds_a_data_directory_below_a_file(data):
    data.write_text("")
    code, lines = findings(data / "below")
    assert code == 3
    assert any("may not make it in" in line for line in lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("folder_mode", "data_mode", "said"),
    [
        (0o755, 0o755, ": this user may not write there"),
        (0o777, 0o777, " belongs to another user"),
        (0o755, None, ": this user may not make it in "),
        (0o700, 0o755, ": Permission denied"),
    ],
)
def test_check_finds_a_data_directory_that_this_user_may_not_use(folder_mode, data_mode, said):
    script = """
import os, sys
from hyphad.checks import check
from hyphad.config import load
settings = load({"data_dir": sys.argv[1]}, {})
os.setuid(65534)
raise SystemExit(check(settings, print))
"""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        if data_mode is not None:
            data.mkdir()
            data.chmod(data_mode)
            os.chown(data, 65533, 65533)
        Path(folder).chmod(folder_mode)
        done = subprocess.run(
            [sys.executable, "-c", script, data], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (3, "")
    assert any(
        line.startswith("problem ") and str(data) in line and said in line
        for line in done.stdout.splitlines()
    )


def test_check_finds_folders_that_are_not_there(data, tmp_path):
    code, lines = findings(data, static_mounts=[f"/a:{tmp_path}", "/b:/no/such/folder"])
    assert code == 3
    assert "problem  static_mounts: /no/such/folder is not a directory" in lines


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_check_finds_a_certificate_that_cannot_be_used(content, data, tmp_path):
    file = tmp_path / "cert.pem"
    if content is not None:
        file.write_text(content)
    code, lines = findings(data, tls_cert=str(file), tls_key=str(file))
    assert code == 3
    assert any(line.startswith(f"problem  tls_cert {file}") for line in lines)

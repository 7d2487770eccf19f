"""Accounts, tokens, keys and the audit log from the command line."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Hyphad
from visitors import PASSWORD, add_user, command, log_in

from hyphad.auth.keys import load_ring
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.store.database import Database
from hyphad.store.migrations import MIGRATIONS

Make = Callable[..., Hyphad]


@pytest.fixture
def lab(make_hyphad: Make) -> Hyphad:
    """A data directory that no daemon uses, with ann the administrator and bob."""
    found = make_hyphad()
    add_user(found, "ann@lab.org", admin=True)
    add_user(found, "bob@lab.org")
    return found


def said(hyphad: Hyphad, *words: str, given: str = "") -> str:
    """What a command prints when it succeeds."""
    code, out, errors = command(hyphad, *words, given=given)
    assert code == 0, errors
    assert errors == ""
    return out


def complaint(hyphad: Hyphad, *words: str, given: str = "") -> str:
    """The one line of a command that fails."""
    code, out, errors = command(hyphad, *words, given=given)
    assert code == 3, (out, errors)
    assert len(errors.splitlines()) == 1 and errors.startswith("hyphad: ")
    return errors


def people(hyphad: Hyphad) -> dict[str, dict]:
    return {
        person["email"]: person for person in json.loads(said(hyphad, "user", "list", "--json"))
    }


def test_accounts_are_listed_without_their_passwords(lab: Hyphad) -> None:  # AUTH-99
    found = people(lab)
    assert found["ann@lab.org"]["roles"] == ["admin", "user"]
    assert found["bob@lab.org"]["roles"] == ["user"]
    assert found["bob@lab.org"]["status"] == "active" and found["bob@lab.org"]["email_verified"]
    assert "argon2" not in json.dumps(found) and "password" not in json.dumps(found)
    assert "bob@lab.org" in said(lab, "user", "list")


def test_accounts_are_changed(lab: Hyphad) -> None:
    said(lab, "user", "role", "bob@lab.org", "admin")
    assert people(lab)["bob@lab.org"]["roles"] == ["admin", "user"]
    said(lab, "user", "role", "ann@lab.org", "user")
    assert "last enabled administrator" in complaint(lab, "user", "disable", "bob@lab.org")
    assert "last enabled administrator" in complaint(lab, "user", "remove", "bob@lab.org")
    said(lab, "user", "disable", "ann@lab.org")
    assert people(lab)["ann@lab.org"]["status"] == "disabled"
    said(lab, "user", "enable", people(lab)["ann@lab.org"]["id"])
    said(lab, "user", "verify", "ann@lab.org")
    said(lab, "user", "remove", "ann@lab.org")
    assert list(people(lab)) == ["bob@lab.org"]
    assert "User not found" in complaint(lab, "user", "enable", "ann@lab.org")


def test_passwords_come_from_standard_input_or_by_a_link(lab: Hyphad) -> None:
    words = ("user", "passwd", "bob@lab.org")
    assert "--password-stdin" in complaint(lab, *words)
    assert "at least 8" in complaint(lab, *words, "--password-stdin", given="short\n")
    assert "commonest" in complaint(lab, *words, "--password-stdin", given="password1\n")
    said(lab, *words, "--password-stdin", given="eight green doors\n")
    assert "/public/apps/hypha-login/reset#" in said(lab, *words, "--link")
    said(lab, "user", "add", "cat@lab.org", "--name", "Cat", "--link")
    assert people(lab)["cat@lab.org"]["name"] == "Cat"
    assert "already registered" in complaint(lab, "user", "add", "CAT@lab.org", "--link")
    lab.start()
    assert not log_in(lab, "bob@lab.org")["success"]
    assert log_in(lab, "bob@lab.org", password="eight green doors")["success"]


def test_tokens_are_made_listed_and_revoked(lab: Hyphad) -> None:
    bob = people(lab)["bob@lab.org"]["id"]
    generic = said(lab, "token", "create", "bob@lab.org", "--days", "90").strip()
    home = f"ws-user-{bob}"
    words = ("token", "create", "bob@lab.org", "--workspace", home, "--permission", "read")
    reader = said(lab, *words, "--label", "the balance").strip()
    env = said(lab, "token", "create", "bob@lab.org", "--env").splitlines()
    assert [line.partition("=")[0] for line in env] == [
        "HYPHA_SERVER_URL", "HYPHA_WORKSPACE", "HYPHA_TOKEN",
    ]  # fmt: skip
    assert "do not have any permission" in complaint(
        lab, "token", "create", "bob@lab.org", "--workspace", "ws-user-root"
    )
    found = json.loads(said(lab, "token", "list", "bob@lab.org", "--json"))
    assert {item["label"] for item in found} == {"the balance", "made by hyphad token create"}
    assert generic not in json.dumps(found)
    lab.start()
    for token in (generic, reader):
        user = lab.get("/assets/config.json", Authorization=f"Bearer {token}")[1]["user"]
        assert bob in (user["id"], user["parent"])
    assert user["scope"]["workspaces"] == {home: "r"}
    lab.stop()
    balance = next(item["jti"] for item in found if item["label"] == "the balance")
    said(lab, "token", "revoke", balance)
    said(lab, "token", "revoke", generic)
    assert "No such token" in complaint(lab, "token", "revoke", "nothing")
    lab.start()
    for token in (generic, reader):
        answer = lab.get("/assets/config.json", Authorization=f"Bearer {token}")
        assert answer == (401, {"detail": "Token has been revoked"})


def test_a_token_as_the_reference_command_prints_it(lab: Hyphad) -> None:  # HTTP-100
    words = ("--user-id", "u1", "--role", "user", "--workspace", "ws-q", "--expires-in", "60")
    out = said(lab, "generate-token", *words, "--scope", "ws-r#read", "--client-id", "c1")
    lines = out.splitlines()
    assert lines[0] == "Generated token for user 'u1':"
    assert [line.split(":")[0] for line in lines[1:5]] == [
        "  Workspace", "  Permission", "  Expires in", "  Roles",
    ]  # fmt: skip
    assert lines[5:7] == ["", "Token:"]
    claims = Tokens(load_ring(lab.data / "keys"), Dialect()).verify(lines[7])
    assert claims.raw["scope"] == "ws:ws-q#rw ws:ws-r#r cid:c1 wid:ws-q"
    out = said(lab, "generate-token")
    claims = Tokens(load_ring(lab.data / "keys"), Dialect()).verify(out.splitlines()[-1])
    assert claims.roles == ("anonymous",) and claims.sub.startswith("anonymous-")
    assert claims.raw["scope"] == f"ws:ws-user-{claims.sub}#rw wid:ws-user-{claims.sub}"
    assert "Invalid client id" in complaint(lab, "generate-token", "--client-id", "a b ws:*#a")
    assert "Invalid token scope" in complaint(lab, "generate-token", "--workspace", "x ws:*#a")


def test_a_key_verifies_until_its_last_token_has_expired(lab: Hyphad) -> None:  # AUTH-105
    token = said(lab, "token", "create", "bob@lab.org", "--days", "20").strip()
    out = said(lab, "key", "rotate")
    until = re.search(r"until (\S+)\.", out)
    claims = Tokens(load_ring(lab.data / "keys"), Dialect()).verify(token)
    old = load_ring(lab.data / "keys").keys[1]
    assert until is not None and old.retire_at is not None
    assert abs(old.retire_at - claims.expires_at) < 60
    said(lab, "key", "rotate", "--now")
    assert len(load_ring(lab.data / "keys").keys) == 1
    assert os.stat(lab.data / "keys" / "jwt-keys.json").st_mode & 0o777 == 0o600  # noqa: PTH116


def test_a_configured_secret_is_not_rotated(make_hyphad: Make) -> None:
    lab = make_hyphad("--jwt-secret", "s" * 40)
    assert "jwt_secret" in complaint(lab, "key", "rotate")


def test_the_audit_log_tells_what_was_done(lab: Hyphad) -> None:  # AUTH-109
    said(lab, "user", "disable", "bob@lab.org")
    lab.start()
    log_in(lab, "ann@lab.org")
    log_in(lab, "bob@lab.org")
    log_in(lab, "ann@lab.org", password="a wrong guess")
    lab.stop()
    out = said(lab, "audit", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    events = [(item["event"], item["outcome"]) for item in found]
    assert events[-4:] == [
        ("user_disabled", "ok"), ("login", "ok"), ("login", "refused"), ("login", "failed"),
    ]  # fmt: skip
    assert found[-1]["address"] == "127.0.0.1"
    assert PASSWORD not in out and "a wrong guess" not in out
    ann = people(lab)["ann@lab.org"]["id"]
    assert all(ann in line for line in said(lab, "audit", "--user", "ann@lab.org").splitlines())
    assert said(lab, "audit", "--event", "user_disabled").count("\n") == 1
    log = lab.log
    assert PASSWORD not in log and "a wrong guess" not in log and "event=login" in log


def test_the_setup_code_is_printed_while_there_is_one(make_hyphad: Make) -> None:  # D-3
    lab = make_hyphad()
    assert "no setup code" in complaint(lab, "setup-code")
    lab.start()
    code = said(lab, "setup-code").strip()
    assert re.fullmatch(r"([A-Z2-9]{5}-){3}[A-Z2-9]{5}", code)
    assert (lab.data / "setup-code").stat().st_mode & 0o777 == 0o600
    lab.restart()
    assert said(lab, "setup-code").strip() != code, "a new one at each start"
    lab.stop()
    add_user(lab, "ann@lab.org", admin=True)
    assert "no setup code" in complaint(lab, "setup-code")
    lab.start()
    assert "setup code" not in lab.log.rpartition("stopped")[2]


def test_a_newer_command_leaves_the_schema_of_a_running_daemon_alone(
    lab: Hyphad, tmp_path: Path
) -> None:
    file = lab.data / "hyphad.db"

    def age(version: int) -> None:
        import sqlite3

        connection = sqlite3.connect(file)
        connection.execute(f"PRAGMA user_version={version}")
        connection.close()

    lab.start()
    age(len(MIGRATIONS) - 1)
    assert "older one. Restart it first" in complaint(lab, "user", "list")
    age(len(MIGRATIONS))
    said(lab, "user", "list")


def test_commands_share_the_database_with_a_daemon_that_writes(lab: Hyphad) -> None:
    lab.start()
    for number in range(3):
        add_user(lab, f"u{number}@lab.org")
        assert log_in(lab, f"u{number}@lab.org")["success"]
    lab.stop()
    Database.open(lab.data / "hyphad.db")._shut()
    assert len(people(lab)) == 5

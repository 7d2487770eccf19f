"""Signing in, up and out: the rules behind the page and the service."""

import json

import pytest

from hyphad.auth.audit import By
from hyphad.auth.passwords import Passwords
from hyphad.auth.sessions import MAX_LOGIN_SECONDS
from hyphad.auth.signin import SIGNUP_CLOSED, WAITING, WRONG
from hyphad.auth.throttle import FREE, TooMany
from hyphad.core.errors import Denied, Invalid, Unauthenticated
from hyphad.core.identity import Permission
from hyphad.core.records import Workspace
from hyphad.store.sessions import BROWSER, PROGRAM, TOKEN

GOOD = "seven blue benches"
HERE = By(address="10.0.0.7")
THERE = By(address="10.9.9.9")


async def wrong(signin, email="ann@lab.org", by=HERE, **more):
    with pytest.raises(Denied, match=WRONG):
        await signin.with_password(email, "not the password", by, **more)


async def test_a_password_opens_its_account(identity):
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    found = await parts.signin.with_password(" ANN@lab.org", GOOD, HERE)
    assert found.id == ann.id
    assert found.last_login_at is not None
    await wrong(parts.signin)
    await wrong(parts.signin, "nobody@lab.org")
    await parts.database.close()


async def test_an_account_without_password_opens_to_nothing(identity):
    parts = identity()
    await parts.accounts.create("ann@lab.org", "Ann", None)
    await wrong(parts.signin)
    with pytest.raises(Denied, match=WRONG):
        await parts.signin.with_password("ann@lab.org", "", HERE)
    await parts.database.close()


async def test_status_is_told_only_to_who_knows_the_password(identity):  # AUTH-98
    parts = identity("approve")
    await parts.accounts.create("first@lab.org", "First", GOOD, ("admin",))
    await parts.signin.sign_up("ann@lab.org", "Ann", GOOD, None, HERE)
    await wrong(parts.signin)
    with pytest.raises(Denied, match=WAITING):
        await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    ann = parts.accounts.find("ann@lab.org")
    await parts.accounts.enable(ann.id)
    await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    await parts.accounts.disable(ann.id)
    with pytest.raises(Denied, match="disabled"):
        await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    await parts.database.close()


async def test_guessing_is_slowed_for_the_account_from_everywhere(identity):  # AUTH-106
    parts = identity()
    await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    for number in range(FREE):
        await wrong(parts.signin, by=By(address=f"10.0.0.{number}"))
    with pytest.raises(TooMany):
        await parts.signin.with_password("ann@lab.org", GOOD, THERE)
    await parts.database.close()


async def test_guessing_is_slowed_for_the_address_over_all_accounts(identity):  # AUTH-106
    parts = identity()
    await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    for number in range(FREE):
        await wrong(parts.signin, f"nobody{number}@lab.org")
    with pytest.raises(TooMany):
        await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    await parts.signin.with_password("ann@lab.org", GOOD, THERE)
    await parts.database.close()


async def test_a_known_device_is_not_locked_out_by_strangers(identity):  # D-18
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    bob = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    device = parts.signin.device(ann)
    for _ in range(FREE):
        await wrong(parts.signin, by=THERE)
    with pytest.raises(TooMany):
        await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    for forged in (parts.signin.device(bob), device[:-1] + "0", "x.y", ".", "é.é"):
        if forged != device:
            with pytest.raises(TooMany):
                await parts.signin.with_password("ann@lab.org", GOOD, HERE, forged)
    await parts.signin.with_password("ann@lab.org", GOOD, HERE, device)
    for _ in range(FREE):
        await wrong(parts.signin, device=device)
    with pytest.raises(TooMany):
        await parts.signin.with_password("ann@lab.org", GOOD, HERE, device)
    await parts.database.close()


async def test_a_password_is_hashed_again_when_the_parameters_have_changed(identity):  # AUTH-102
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    parts.accounts.passwords = Passwords("high")
    found = await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    assert found.password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert found.version == ann.version, "nobody is logged out for that"
    await parts.signin.with_password("ann@lab.org", GOOD, HERE)
    await parts.database.close()


async def test_what_was_typed_as_an_address_is_kept_only_if_it_is_one(identity):  # AUTH-109
    parts = identity()
    await wrong(parts.signin, "my secret password")
    await wrong(parts.signin, "nobody@lab.org")
    found = await parts.audited()
    assert [item["subject"] for item in found] == ["nobody@lab.org", "unknown"]
    rows = await parts.database.query("SELECT * FROM throttle")
    assert "secret" not in json.dumps(rows) and "nobody" not in json.dumps(rows)
    await parts.database.close()


# the first administrator


async def test_the_setup_code_makes_the_first_administrator_once(identity, tmp_path):  # AUTH-101
    parts = identity()
    code = parts.setup.make()
    assert (tmp_path / "setup-code").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "setup-code").read_text().strip() == code
    with pytest.raises(Denied, match="setup code is wrong"):
        await parts.signin.set_up("AAAAA-AAAAA", "ann@lab.org", "Ann", GOOD, HERE)
    with pytest.raises(Invalid, match="at least 8"):
        await parts.signin.set_up(code, "ann@lab.org", "Ann", "short", HERE)
    ann = await parts.signin.set_up(code, "ann@lab.org", "Ann", GOOD, HERE)
    assert ann.is_admin and ann.email_verified
    assert not (tmp_path / "setup-code").exists()
    with pytest.raises(Denied):
        await parts.signin.set_up(code, "eve@lab.org", "Eve", GOOD, HERE)
    with pytest.raises(Denied):
        await parts.signin.set_up("", "eve@lab.org", "Eve", GOOD, HERE)
    await parts.database.close()


async def test_a_setup_code_is_useless_once_the_command_line_made_an_admin(identity):
    parts = identity()
    code = parts.setup.make()
    await parts.accounts.create("ann@lab.org", "Ann", GOOD, ("admin",))
    with pytest.raises(Denied, match="administrator already"):
        await parts.signin.set_up(code, "eve@lab.org", "Eve", GOOD, HERE)
    await parts.database.close()


async def test_setup_codes_cannot_be_guessed_quickly(identity):  # AUTH-101, AUTH-106
    parts = identity()
    code = parts.setup.make()
    for _ in range(FREE):
        with pytest.raises(Denied):
            await parts.signin.set_up("AAAAA", "ann@lab.org", "Ann", GOOD, THERE)
    with pytest.raises(TooMany):
        await parts.signin.set_up(code, "ann@lab.org", "Ann", GOOD, THERE)
    await parts.signin.set_up(code, "ann@lab.org", "Ann", GOOD, HERE)
    await parts.database.close()


# sign up


async def test_sign_up_is_closed_by_default(identity):  # AUTH-98
    parts = identity()
    with pytest.raises(Denied) as caught:
        await parts.signin.sign_up("ann@lab.org", "Ann", GOOD, "SOME-CODE", HERE)
    assert caught.value.message == SIGNUP_CLOSED
    await parts.database.close()


async def test_an_invitation_opens_it_for_one(identity):  # AUTH-98
    parts = identity("invite")
    with pytest.raises(Denied, match="invitation"):
        await parts.signin.sign_up("ann@lab.org", "Ann", GOOD, None, HERE)
    code = await parts.accounts.invite()
    ann = await parts.signin.sign_up("ann@lab.org", "Ann", GOOD, code, HERE)
    assert ann.is_active and ann.email_verified and not ann.is_admin
    with pytest.raises(Invalid):
        await parts.signin.sign_up("bob@lab.org", "Bob", GOOD, code, HERE)
    await parts.database.close()


async def test_who_signs_up_openly_is_not_believed_its_address(identity):  # AUTH-97
    parts = identity("open")
    ann = await parts.signin.sign_up("ann@lab.org", "Ann", GOOD, None, HERE)
    assert ann.is_active and not ann.email_verified
    assert parts.sessions.user_of(ann).email is None
    await parts.database.close()


async def test_a_taken_address_makes_no_second_account(identity):  # AUTH-98
    parts = identity("open")
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    assert await parts.signin.sign_up("ann@lab.org", "Eve", "eight green doors", None, HERE) is None
    assert parts.accounts.find("ann@lab.org") == ann
    await wrong(parts.signin)
    await parts.database.close()


async def test_accounts_are_not_made_by_the_hundred(identity):
    parts = identity("open")
    for number in range(FREE):
        await parts.signin.sign_up(f"a{number}@lab.org", "A", GOOD, None, HERE)
    with pytest.raises(TooMany):
        await parts.signin.sign_up("b@lab.org", "B", GOOD, None, HERE)
    await parts.database.close()


async def test_a_link_sets_a_password_once_and_ends_earlier_logins(identity):  # AUTH-99, AUTH-108
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    signed = await parts.sessions.token(ann, BROWSER, "a browser", HERE)
    code = await parts.accounts.reset_link(ann.id)
    await parts.signin.reset(code, "eight green doors", HERE)
    with pytest.raises(Unauthenticated, match="revoked"):
        parts.authenticator.credential(signed.token)
    with pytest.raises(Invalid):
        await parts.signin.reset(code, "nine red carpets", HERE)
    await wrong(parts.signin)
    await parts.signin.with_password("ann@lab.org", "eight green doors", HERE)
    await parts.database.close()


async def test_a_new_password_needs_the_old_one(identity):  # AUTH-96
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD, ("admin",))
    with pytest.raises(Denied, match="Current password is incorrect"):
        await parts.signin.change_password(ann, "a guess of mine", "eight green doors", HERE)
    changed = await parts.signin.change_password(ann, GOOD, "eight green doors", HERE)
    assert changed.version == ann.version + 1
    await parts.database.close()


# tokens


async def test_a_login_token_is_generic(identity):  # AUTH-80
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    signed = await parts.sessions.token(ann, PROGRAM, "a program", HERE)
    claims = parts.tokens.verify(signed.token)
    assert claims.raw["scope"] == f"ws:ws-user-{ann.id}#a"
    assert claims.raw["ver"] == 1
    assert claims.roles == ("user",)
    assert claims.email == "ann@lab.org"
    assert claims.raw["exp"] - claims.raw["iat"] == 86_400
    listed = await parts.sessions.of(ann)
    assert [(s.jti, s.kind, s.label, s.address) for s in listed] == [
        (signed.jti, PROGRAM, "a program", "10.0.0.7")
    ]
    await parts.database.close()


async def test_a_login_lasts_at_most_thirty_days(identity):  # AUTH-32
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    signed = await parts.sessions.token(ann, PROGRAM, "", HERE, None, 1e9)
    claims = parts.tokens.verify(signed.token)
    assert claims.raw["exp"] - claims.raw["iat"] == MAX_LOGIN_SECONDS
    await parts.database.close()


async def test_a_token_for_a_workspace_is_no_stronger_than_its_user(identity):  # AUTH-95
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    await parts.directory.add(Workspace("team-x", "team-x", None, True, [ann.id]))
    await parts.directory.add(Workspace("team-y", "team-y", None, True, ["somebody"]))
    signed = await parts.sessions.token(ann, PROGRAM, "", HERE, "team-x", 60)
    claims = parts.tokens.verify(signed.token)
    assert claims.raw["scope"] == f"ws:ws-user-{ann.id}#a ws:team-x#a wid:team-x"
    for name in ("team-y", "ws-user-root", "public", "ws-user-somebody", "no-such", "*"):
        with pytest.raises(Denied, match=r"Invalid permission for the workspace"):
            await parts.sessions.token(ann, PROGRAM, "", HERE, name)
    await parts.database.close()


async def test_one_workspace_takes_no_administrator(identity):  # AUTH-30
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD, ("admin",))
    await parts.directory.add(Workspace("team-y", "team-y", None, True, ["somebody"]))
    signed = await parts.sessions.token(ann, PROGRAM, "", HERE, "team-y")
    user = parts.authenticator.credential(signed.token).user
    assert user.roles == ("user",)
    assert user.scope.level("team-y") is Permission.ADMIN
    assert user.scope.level("team-z") is Permission.NONE
    await parts.database.close()


async def test_a_token_to_hand_out_is_a_child(identity):  # AUTH-28, AUTH-30
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD, ("admin",))
    home = f"ws-user-{ann.id}"
    signed = await parts.sessions.narrowed(ann, home, Permission.READ, 60, "reader", HERE)
    user = parts.authenticator.credential(signed.token).user
    assert (user.parent, user.roles) == (ann.id, ("user",))
    assert user.scope.level(home) is Permission.READ
    bob = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    with pytest.raises(Denied):
        await parts.sessions.narrowed(bob, home, Permission.READ, 60, "", HERE)
    assert [s.kind for s in await parts.sessions.of(ann)] == [TOKEN]
    await parts.database.close()


@pytest.mark.parametrize("made_with", ["token", "narrowed"])
async def test_what_rests_on_ownership_ends_with_it(identity, made_with):  # AUTH-112
    parts = identity()
    bob = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    team = Workspace("team-x", "team-x", None, True, ["alice", "bob@lab.org"])
    await parts.directory.add(team)
    if made_with == "token":
        signed = await parts.sessions.token(bob, PROGRAM, "", HERE, "team-x")
    else:
        signed = await parts.sessions.narrowed(bob, "team-x", Permission.READ_WRITE, 60, "", HERE)
    level = lambda: parts.authenticator.credential(signed.token).user.scope.level("team-x")  # noqa: E731
    assert level() >= Permission.READ_WRITE
    await parts.directory.add(Workspace("team-x", "team-x", None, True, ["alice"]))
    assert level() is Permission.NONE
    await parts.directory.add(Workspace("team-x", "team-x", None, True, [bob.id]))
    assert level() >= Permission.READ_WRITE, "by id as well as by e-mail"
    await parts.database.close()


async def test_an_ended_session_is_ended_for_good(identity):  # AUTH-108
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    bob = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    signed = await parts.sessions.token(ann, BROWSER, "", HERE)
    other = await parts.sessions.token(ann, BROWSER, "", HERE)
    with pytest.raises(Invalid, match="ended already"):
        await parts.sessions.end(bob, signed.jti, HERE)
    parts.authenticator.credential(signed.token)
    await parts.sessions.end(ann, signed.jti, HERE)
    with pytest.raises(Unauthenticated, match="Token has been revoked"):
        parts.authenticator.credential(signed.token)
    parts.authenticator.credential(other.token)
    assert parts.ended == [True]
    assert [s.jti for s in await parts.sessions.of(ann)] == [other.jti]
    await parts.database.close()


async def test_signing_out_everywhere_ends_children_too(identity):  # AUTH-108
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    home = f"ws-user-{ann.id}"
    tokens = [
        (await parts.sessions.token(ann, BROWSER, "", HERE)).token,
        (await parts.sessions.narrowed(ann, home, Permission.READ, 60, "", HERE)).token,
    ]
    await parts.accounts.end_sessions(ann.id)
    for token in tokens:
        with pytest.raises(Unauthenticated, match="Token has been revoked"):
            parts.authenticator.credential(token)
    assert await parts.sessions.of(ann) == []
    await parts.database.close()


async def test_a_token_of_an_account_that_never_was_is_refused(identity):  # AUTH-108
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    user = parts.sessions.user_of(ann)
    for version in (None, 0, 2):
        token = parts.tokens.mint(user, 60, version=version)
        with pytest.raises(Unauthenticated, match="Token has been revoked"):
            parts.authenticator.credential(token)
    token = parts.tokens.mint(user.with_scope(user.scope), 60, version=1)
    parts.authenticator.credential(token)
    await parts.database.close()


# programs that wait


async def test_completing_gives_the_program_a_token_of_its_own(identity):  # AUTH-83
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    logins = parts.signin.logins
    key = logins.start("10.0.0.9", None, "client c1", None, 600.0).key
    await parts.signin.complete(key, ann, HERE)
    await parts.signin.complete(key, ann, HERE)
    result = await logins.wait(key, None, 0)
    assert result.profile() == {
        "token": result.token,
        "workspace": f"ws-user-{ann.id}",
        "expires_in": 600.0,
        "email": "ann@lab.org",
        "email_verified": True,
        "name": "Ann",
        "nickname": None,
        "user_id": ann.id,
        "picture": None,
    }
    listed = await parts.sessions.of(ann)
    assert [(s.kind, s.label) for s in listed] == [(PROGRAM, "client c1 at 10.0.0.9")]
    await parts.database.close()


async def test_what_was_asked_for_at_the_start_counts(identity):  # AUTH-78, AUTH-95
    parts = identity()
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    key = parts.signin.logins.start("", None, "p", "ws-user-root").key
    with pytest.raises(Denied, match="Invalid permission for the workspace ws-user-root"):
        await parts.signin.complete(key, ann, HERE)
    assert parts.signin.logins.find(key).is_pending
    await parts.database.close()

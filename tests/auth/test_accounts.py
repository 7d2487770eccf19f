"""Accounts: what may be done with them, and what that ends."""

import pytest

from hyphad.auth.accounts import digest, new_code
from hyphad.auth.audit import By
from hyphad.core.errors import Conflict, Denied, Invalid, NotFound
from hyphad.store.accounts import PENDING, REMOVED, AccountTable
from hyphad.store.codes import INVITE, RESET

GOOD = "seven blue benches"
BY = By("boss", "10.0.0.7")


async def test_an_account_is_there_after_a_restart(identity):  # AUTH-92, AUTH-150
    parts = identity()
    made = await parts.accounts.create(" Ann@Lab.ORG ", "Ann  Lee", GOOD, ("admin",), by=BY)
    again = AccountTable(parts.database).get(made.id)
    assert again == made
    assert again.email == "ann@lab.org"
    assert again.name == "Ann Lee"
    assert again.roles == ("admin", "user")
    assert again.password.startswith("$argon2id$")
    assert GOOD not in repr(again) and again.password not in repr(again)
    await parts.database.close()


async def test_ids_are_made_by_the_server(identity):  # AUTH-100
    parts = identity()
    made = await parts.accounts.create("ann@lab.org", "root", GOOD)
    first, second, digits = made.id.split("-")
    assert first.isalpha() and second.isalpha() and len(digits) == 8 and digits.isdigit()
    await parts.database.close()


@pytest.mark.parametrize(
    ("email", "name", "password", "roles", "reason"),
    [
        ("", "Ann", GOOD, ("user",), "valid e-mail"),
        ("ann", "Ann", GOOD, ("user",), "valid e-mail"),
        ("ann@", "Ann", GOOD, ("user",), "valid e-mail"),
        ("a nn@lab.org", "Ann", GOOD, ("user",), "valid e-mail"),
        ("ann@lab.org\nx", "Ann", GOOD, ("user",), "valid e-mail"),
        ("ann@lab.org/x", "Ann", GOOD, ("user",), "valid e-mail"),
        ("a" * 250 + "@lab.org", "Ann", GOOD, ("user",), "valid e-mail"),
        ("ann@lab.org", "A" * 65, GOOD, ("user",), "64 printable"),
        ("ann@lab.org", "A\u202enn", GOOD, ("user",), "64 printable"),
        ("ann@lab.org", "Ann", "short", ("user",), "at least 8"),
        ("ann@lab.org", "Ann", GOOD, ("root",), "Unknown role"),
    ],
)
async def test_what_is_no_account(identity, email, name, password, roles, reason):
    parts = identity()
    with pytest.raises(Invalid, match=reason):
        await parts.accounts.create(email, name, password, roles)
    assert len(parts.accounts.table) == 0
    await parts.database.close()


async def test_an_address_has_one_account(identity):
    parts = identity()
    await parts.accounts.create("ann@lab.org", "Ann", GOOD)
    with pytest.raises(Conflict):
        await parts.accounts.create("ANN@lab.org ", "Another", GOOD)
    await parts.database.close()


@pytest.mark.parametrize("end", ["disable", "remove", "demote"])
async def test_the_last_administrator_stays(identity, end):  # AUTH-99
    parts = identity()
    accounts = parts.accounts
    ann = await accounts.create("ann@lab.org", "Ann", GOOD, ("admin",))
    gone = await accounts.create("gus@lab.org", "Gus", GOOD, ("admin",))
    await accounts.disable(gone.id)
    ends = {
        "disable": lambda: accounts.disable(ann.id),
        "remove": lambda: accounts.remove(ann.id),
        "demote": lambda: accounts.set_roles(ann.id, ("user",)),
    }
    with pytest.raises(Denied, match="last enabled administrator"):
        await ends[end]()
    assert accounts.table.get(ann.id) == ann, "nothing of it has happened"
    assert AccountTable(parts.database).get(ann.id) == ann
    await accounts.enable(gone.id)
    await ends[end]()
    await parts.database.close()


async def test_two_processes_cannot_both_remove_the_last_but_one(identity):  # AUTH-99
    parts = identity()
    accounts = parts.accounts
    ann = await accounts.create("ann@lab.org", "Ann", GOOD, ("admin",))
    bob = await accounts.create("bob@lab.org", "Bob", GOOD, ("admin",))
    other = AccountTable(parts.database)
    await other.change(bob.id, lambda a: a.with_newer(roles=("user",)))
    assert accounts.table.get(bob.id).is_admin, "this process has not heard of it yet"
    with pytest.raises(Denied):
        await accounts.disable(ann.id)
    await parts.database.close()


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        (lambda a, i: a.set_password(i, "eight green doors"), True),
        (lambda a, i: a.set_roles(i, ("admin",)), True),
        (lambda a, i: a.disable(i), True),
        (lambda a, i: a.end_sessions(i), True),
        (lambda a, i: a.remove(i), True),
        (lambda a, i: a.rename(i, "Bobby"), False),
        (lambda a, i: a.verify_email(i), False),
        (lambda a, i: a.enable(i), False),
    ],
)
async def test_what_ends_all_earlier_tokens(identity, change, ends):  # AUTH-108
    parts = identity()
    made = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    heard = []
    parts.accounts.table.on_changed.append(heard.append)
    await change(parts.accounts, made.id)
    assert (parts.accounts.table.version(made.id) > made.version) is ends
    assert heard == ([made.id] if ends else [])
    await parts.database.close()


async def test_a_removed_account_leaves_its_id_taken(identity, monkeypatch):  # AUTH-100, AUTH-152
    parts = identity()
    made = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    await parts.accounts.remove(made.id)
    assert list(parts.accounts.table) == []
    assert not parts.accounts.table.is_active(made.id)
    with pytest.raises(NotFound):
        parts.accounts.find(made.id)
    with pytest.raises(NotFound):
        parts.accounts.find("bob@lab.org")
    with pytest.raises(NotFound):
        await parts.accounts.enable(made.id)
    stone = AccountTable(parts.database).get(made.id)
    assert (stone.status, stone.email, stone.password) == (REMOVED, None, None)
    ids = iter([made.id, "calm-owl-00000001"])
    monkeypatch.setattr("hyphad.auth.accounts.readable_id", lambda: next(ids))
    again = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    assert again.id == "calm-owl-00000001"
    await parts.database.close()


async def test_approving_vouches_for_the_address_and_enabling_does_not(identity):  # AUTH-97
    parts = identity()
    accounts = parts.accounts
    waits = await accounts.create("a@lab.org", "A", GOOD, status=PENDING, verified=False)
    came = await accounts.create("b@lab.org", "B", GOOD, verified=False)
    assert (await accounts.enable(waits.id)).email_verified
    await accounts.disable(came.id)
    assert not (await accounts.enable(came.id)).email_verified
    assert (await accounts.verify_email(came.id)).email_verified
    await parts.database.close()


async def test_a_code_works_once_and_only_if_what_it_allows_works(identity):  # AUTH-98
    parts = identity()
    accounts = parts.accounts
    code = await accounts.invite(roles=("user",), by=BY)
    found = await accounts.code(code.lower().replace("-", " "), INVITE)
    with pytest.raises(Invalid, match="at least 8"):
        await accounts.create("a@lab.org", "A", "short", code=found.digest)
    await accounts.create("a@lab.org", "A", GOOD, code=found.digest)
    with pytest.raises(Invalid, match="not valid any more"):
        await accounts.create("b@lab.org", "B", GOOD, code=found.digest)
    with pytest.raises(Invalid, match="not valid"):
        await accounts.code(code, INVITE)
    await parts.database.close()


async def test_codes_are_for_their_purpose_their_time_and_their_user(identity):  # AUTH-99
    parts = identity()
    accounts = parts.accounts
    bob = await accounts.create("bob@lab.org", "Bob", None)
    first = await accounts.reset_link(bob.id, BY)
    with pytest.raises(Invalid):
        await accounts.code(first, INVITE)
    second = await accounts.reset_link(bob.id, BY)
    with pytest.raises(Invalid):
        await accounts.code(first, RESET)
    await accounts.disable(bob.id)
    with pytest.raises(Invalid):
        await accounts.code(second, RESET)
    late = await accounts.invite(seconds=0.0, by=BY)
    with pytest.raises(Invalid):
        await accounts.code(late, INVITE)
    rows = await parts.database.query("SELECT * FROM codes")
    assert not [row for row in rows if first in str(row) or second in str(row)], "only digests"
    await parts.database.close()


def test_codes_are_hard_to_guess_and_easy_to_copy():  # AUTH-101
    code = new_code()
    assert [len(group) for group in code.split("-")] == [5, 5, 5, 5]
    assert not set(code) & set("0O1IL")
    assert len({new_code() for _ in range(100)}) == 100
    assert digest(code) == digest(code.lower()) == digest(code.replace("-", ""))


async def test_what_happens_is_audited(identity):  # AUTH-109
    parts = identity()
    bob = await parts.accounts.create("bob@lab.org", "Bob", GOOD, by=BY)
    await parts.accounts.disable(bob.id, BY)
    found = await parts.audited()
    assert [(item["event"], item["actor"], item["subject"], item["address"]) for item in found] == [
        ("user_disabled", "boss", bob.id, "10.0.0.7"),
        ("user_created", "boss", bob.id, "10.0.0.7"),
    ]
    assert GOOD not in str(found)
    assert len(await parts.audited(event="user_created")) == 1
    assert len(await parts.audited(user=bob.id)) == 2
    assert await parts.audited(user="nobody") == []
    await parts.database.close()


async def test_a_damaged_account_hides_no_other(identity, caplog):
    parts = identity()
    bob = await parts.accounts.create("bob@lab.org", "Bob", GOOD)
    ann = await parts.accounts.create("ann@lab.org", "Ann", GOOD)

    def damage(connection):
        connection.execute("UPDATE accounts SET record = '{' WHERE id = ?", (bob.id,))

    await parts.database.write(damage)
    table = AccountTable(parts.database)
    assert [account.id for account in table] == [ann.id]
    assert any("bad_row table=accounts" in line for line in caplog.messages)
    await parts.database.close()

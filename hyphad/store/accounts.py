"""Local accounts: who may log in with a password (AUTH-92, AUTH-100).

Asked at every authentication, so they are answered from memory. A change is made in the writer on
the row as it is on disk, because the command line may change the same file meanwhile; the rule that
one enabled administrator stays is therefore kept here and nowhere else (AUTH-99).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hyphad.core.errors import Conflict, Denied, Invalid, NotFound
from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, text_of, to_json

ACTIVE, PENDING, DISABLED, REMOVED = "active", "pending", "disabled", "removed"
_FIELDS = (
    "name roles status email_verified version created_at last_login_at removed_at".split()
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """One person. A removed account keeps its row, so that its id is never given out again.

    `version` counts what ends all earlier tokens: a new password, other roles, being disabled
    (AUTH-108). `password` is the hash with its parameters, None before one was set. Times are unix
    seconds.
    """

    id: str
    email: str | None
    name: str
    roles: tuple[str, ...] = ("user",)
    status: str = ACTIVE
    email_verified: bool = False
    version: int = 1
    created_at: float = 0.0
    last_login_at: float | None = None
    removed_at: float | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def is_active(self) -> bool:
        return self.status == ACTIVE

    def with_newer(self, **changes: Any) -> "Account":
        """Changed in a way that ends all earlier tokens."""
        return replace(self, version=self.version + 1, **changes)


Edit = Callable[[Account], Account]


class AccountTable:
    """The accounts by id and by e-mail. `on_changed` hears of accounts whose tokens have ended."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._accounts: dict[str, Account] = {}
        self._emails: dict[str, str] = {}
        self.on_changed: list[Callable[[str], None]] = []
        self.load()

    def load(self) -> None:
        """Take over what is on disk: at start, and after another process has changed it."""
        rows = self._db.read("SELECT id, email, record, password FROM accounts ORDER BY rowid")
        known, self._accounts, self._emails = self._accounts, {}, {}
        for account in good_rows("accounts", "id", rows, _parse):
            self._remember(account)
        for user_id, before in known.items():
            self._tell(before, self._accounts.get(user_id))

    # the accounts, as far as tokens are concerned (`auth.authenticate.Accounts`)

    def version(self, user_id: str) -> int | None:
        account = self._accounts.get(user_id)
        return account.version if account is not None else None

    def is_active(self, user_id: str) -> bool:
        account = self._accounts.get(user_id)
        return account is None or account.is_active

    # reading

    def get(self, user_id: str) -> Account | None:
        """Also removed ones."""
        return self._accounts.get(user_id)

    def by_email(self, email: str) -> Account | None:
        user_id = self._emails.get(email)
        return self._accounts[user_id] if user_id is not None else None

    def __iter__(self) -> Iterator[Account]:
        """All but removed ones, oldest first."""
        return iter([a for a in self._accounts.values() if a.status != REMOVED])

    def __len__(self) -> int:
        return len(self._emails)

    def removed(self) -> list[Account]:
        return [account for account in self._accounts.values() if account.status == REMOVED]

    @property
    def has_admin(self) -> bool:
        """Whether somebody can administer this server; until then there is a setup code."""
        return any(account.is_admin and account.is_active for account in self)

    # changing; the futures resolve when the change is on disk

    def insert(
        self, account: Account, code: str | None = None, first_admin: bool = False
    ) -> "asyncio.Future[Account]":
        """A new account; uses up the one-time code of that digest, if there is one.

        Fails with `Conflict` if the address has an account, with `Invalid` if the code is gone,
        with `Denied` if the first administrator is there already.
        """

        def insert(connection: sqlite3.Connection) -> Account:
            if first_admin and _count_admins(connection):
                raise Denied("There is an administrator already.")
            if connection.execute(
                "SELECT 1 FROM accounts WHERE id = ? OR email = ?", (account.id, account.email)
            ).fetchone():
                raise Conflict("Email already registered")
            spend(connection, code)
            connection.execute(
                "INSERT INTO accounts (id, email, record, password) VALUES (?, ?, ?, ?)",
                (account.id, *_columns(account)),
            )
            return account

        return self._db.write(insert, self._remember)

    def change(
        self, user_id: str, edit: Edit, code: str | None = None
    ) -> "asyncio.Future[Account]":
        """Change an account as it is on disk; `edit` may run twice and returns the new one.

        Fails with `NotFound`, and with `Denied` for what would leave nobody to administer.
        """

        def change(connection: sqlite3.Connection) -> Account:
            row = connection.execute(
                "SELECT id, email, record, password FROM accounts WHERE id = ?", (user_id,)
            ).fetchone()
            before = _parse(dict(row)) if row is not None else None
            if before is None or before.status == REMOVED:
                raise NotFound(f"User not found: {user_id}")
            spend(connection, code)
            after = edit(before)
            connection.execute(
                "UPDATE accounts SET email = ?, record = ?, password = ? WHERE id = ?",
                (*_columns(after), user_id),
            )
            if _administers(before) and not _count_admins(connection):
                raise Denied(
                    "This is the last enabled administrator; make another one first, "
                    "so that somebody can administer this server."
                )
            return after

        return self._db.write(change, self._replace)

    def _replace(self, account: Account) -> None:
        before = self._accounts.get(account.id)
        if before is not None and before.email is not None:
            self._emails.pop(before.email, None)
        self._remember(account)
        if before is not None:
            self._tell(before, account)

    def _remember(self, account: Account) -> None:
        self._accounts[account.id] = account
        if account.email is not None and account.status != REMOVED:
            self._emails[account.email] = account.id

    def _tell(self, before: Account, after: Account | None) -> None:
        if after is None or after.version != before.version or after.is_active < before.is_active:
            for hear in self.on_changed:
                hear(before.id)


def spend(connection: sqlite3.Connection, code: str | None) -> None:
    """Use up a one-time code inside a change, so that it works once and only if that works."""
    if code is None:
        return
    deleted = connection.execute("DELETE FROM codes WHERE digest = ?", (code,))
    if deleted.rowcount != 1:
        raise Invalid("This code is not valid any more. Ask for a new one.")


def _administers(account: Account) -> bool:
    return account.is_admin and account.is_active


def _count_admins(connection: sqlite3.Connection) -> int:
    rows = connection.execute("SELECT id, email, record, password FROM accounts")
    found = good_rows("accounts", "id", map(dict, rows), _parse)
    return sum(_administers(account) for account in found)


def _columns(account: Account) -> tuple[str | None, str, str | None]:
    record = {name: getattr(account, name) for name in _FIELDS}
    return account.email, to_json(record), account.password


def _parse(row: dict[str, Any]) -> Account:
    record = from_json(row["record"], dict)
    email, password = row["email"], row["password"]
    values = {name: record[name] for name in _FIELDS if name in record}
    roles = values.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValueError("roles are no list of strings")
    if not isinstance(values.get("version"), int) or not isinstance(values.get("status"), str):
        raise ValueError("no version or status")
    values["roles"] = tuple(roles)
    return Account(
        text_of(row["id"]),
        None if email is None else text_of(email),
        str(values.pop("name", "")),
        **values,
        password=None if password is None else text_of(password),
    )

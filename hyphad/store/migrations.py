"""The schema, as the list of steps that lead to it; `PRAGMA user_version` counts the steps taken.

A new family of tables, or a change of one, is a function appended to `MIGRATIONS`; what stands
there is never edited, because databases in the field have gone through it.
"""

import logging
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hyphad.store.backup import copy_database
from hyphad.store.errors import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

log = logging.getLogger(__name__)


def _runtime_state(tables: "Tables") -> None:
    """Workspaces and what goes with them; JSON columns are named after what they hold."""
    tables.table("workspaces").create({"id": str, "record": str}, pk="id")
    tables.table("revoked").create({"key": str, "expires_at": float}, pk="key")
    tables.table("blocks").create(
        {"kind": str, "value": str, "reason": str, "expires_at": float}, pk=("kind", "value")
    )
    tables.table("events").create(
        {
            "id": int,
            "event_type": str,
            "workspace": str,
            "user_id": str,
            "timestamp": str,
            "data": str,
        },
        pk="id",
    )
    tables.table("events").create_index(["workspace"])
    tables.table("presence").create({"client": str, "user_id": str, "services": str}, pk="client")
    # AUTOINCREMENT: a task may go back to its old id, so no later one may have got that id.
    tables.execute(
        "CREATE TABLE queue_tasks (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " workspace TEXT, queue TEXT, task TEXT)"
    )
    tables.table("queue_tasks").create_index(["workspace"])
    tables.table("meta").create({"key": str, "value": str}, pk="key")


def _identity(tables: "Tables") -> None:
    """Accounts and what keeps them safe."""
    tables.table("accounts").create(
        {"id": str, "email": str, "record": str, "password": str}, pk="id"
    )
    tables.table("accounts").create_index(["email"], unique=True)
    tables.table("codes").create(
        {
            "digest": str,
            "purpose": str,
            "expires_at": float,
            "created_by": str,
            "user_id": str,
            "roles": str,
        },
        pk="digest",
    )
    tables.table("sessions").create(
        {
            "jti": str,
            "user_id": str,
            "kind": str,
            "label": str,
            "workspace": str,
            "permission": str,
            "address": str,
            "created_at": float,
            "expires_at": float,
        },
        pk="jti",
    )
    tables.table("sessions").create_index(["user_id"])
    tables.table("throttle").create({"key": str, "failures": int, "last": float}, pk="key")
    tables.table("audit").create(
        {
            "id": int,
            "moment": float,
            "event": str,
            "outcome": str,
            "actor": str,
            "subject": str,
            "address": str,
            "detail": str,
        },
        pk="id",
    )


MIGRATIONS: list[Callable[["Tables"], None]] = [_runtime_state, _identity]


def schema_of(connection: sqlite3.Connection) -> int:
    """The number of steps this database has gone through."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, file: Path) -> None:
    """Bring the database up to date; one that holds something is copied first.

    Each step is one transaction with its number. Raises `StoreError`, `sqlite3.Error`.
    """
    before = schema_of(connection)
    if before >= len(MIGRATIONS):
        return
    advice = ""
    if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        kept = file.with_name(f"{file.name}.v{before}.bak")
        copy_database(connection, kept)
        advice = f" A copy from before is {kept}."
    tables = _tables_of(connection)
    for number, step in enumerate(MIGRATIONS[before:], before + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(tables)
            connection.execute(f"PRAGMA user_version={number}")
            connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StoreError(
                f"The database {file} could not be brought to schema {number}: {error}. "
                f"Nothing of that step was kept; go back to the version of hyphad that wrote it, "
                f"or move the file away to start empty.{advice}"
            ) from error
    log.info("migrated file=%s from=%d to=%d", file, before, len(MIGRATIONS))


def _tables_of(connection: sqlite3.Connection) -> "Tables":
    """The connection as `sqlite_utils` sees it.

    Imported here because most starts have nothing to migrate, and without numpy and pandas, which
    it would load wherever they are installed (12 MiB and more) for column types not used here.
    """
    hidden = [name for name in ("numpy", "pandas") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        from sqlite_utils import Database as Tables
    finally:
        for name in hidden:
            del sys.modules[name]
    return Tables(connection, recursive_triggers=False, execute_plugins=False)

"""What goes wrong with the disk, in words: at start-up for the operator, later for the caller."""

import sqlite3

from hyphad.core.errors import Invalid, StorageError

DISK_FULL = (
    "The disk is full (or refuses writes); nothing was changed. Free some space and try again."
)
LOCKED = "Another program holds the database; nothing was changed. Close it and try again."
DAMAGED = "The database is damaged; nothing was changed. Stop hyphad and restore a backup."

_TEXTS = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_IOERR: DISK_FULL,
    sqlite3.SQLITE_READONLY: DISK_FULL,
    sqlite3.SQLITE_CANTOPEN: DISK_FULL,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}


class StoreError(Exception):
    """The store cannot be opened, copied or migrated; the text says what to do next."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 when the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def for_caller(error: Exception) -> Exception:
    """The fault that a caller is told when its change or query failed (D-28).

    An error that is neither the disk's nor the caller's is a bug and comes back as it is.
    """
    fault: Exception = error
    if isinstance(error, UnicodeEncodeError):
        fault = Invalid("Text with half a surrogate pair cannot be stored")
    elif isinstance(error, sqlite3.Error) and primary_code(error) in _TEXTS:
        fault = StorageError(_TEXTS[primary_code(error)])
    if fault is not error:
        fault.__cause__ = error
    return fault

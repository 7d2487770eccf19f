"""Copies of a database while it is in use: one private file, complete or not there at all."""

import sqlite3
from pathlib import Path

from hyphad.store.errors import StoreError
from hyphad.store.files import make_private, sync


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Write what the source holds at this moment to `target`, replacing it. Raises `StoreError`.

    Neither readers nor the writer wait meanwhile. The copy needs no side files.
    """
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        make_private(part, exclusive=True)
        try:
            _fill(source, part)
            sync(part)
            part.replace(target)
            sync(target.absolute().parent)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(
            f"The database could not be copied to {target}: {reason}. "
            "Free some space there, or choose another place."
        ) from error


def _fill(source: sqlite3.Connection, part: Path) -> None:
    copy = sqlite3.connect(part)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()

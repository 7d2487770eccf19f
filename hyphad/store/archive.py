"""Backups: the database and the signing keys of a data directory in one private file.

create(Path("/var/lib/hyphad"), Path("hyphad-backup.tar"))     # while the daemon runs, too
restore(Path("hyphad-backup.tar"), Path("/var/lib/hyphad"))    # only while it does not
"""

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hyphad.store import migrations
from hyphad.store.backup import copy_database
from hyphad.store.datadir import DATABASE_NAME
from hyphad.store.errors import StoreError
from hyphad.store.files import make_private, sync

if TYPE_CHECKING:
    from tarfile import TarInfo

KEYS = "keys/jwt-keys.json"
MEMBERS = (DATABASE_NAME, KEYS)
PREFIX, SUFFIX = "hyphad-", ".tar"


def create(data: Path, target: Path) -> None:
    """Write a backup of `data` to `target`, 0600, complete or not at all. Raises `StoreError`."""
    import tarfile  # here, because the daemon loads this module to see which backups there are

    database = data / DATABASE_NAME
    if not database.exists():
        raise StoreError(f"{data} holds no database. Name the data directory with --data-dir.")
    part = target.with_name(target.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder:
            copy = Path(folder) / DATABASE_NAME
            with closing(sqlite3.connect(database)) as source:
                copy_database(source, copy)
            part.unlink(missing_ok=True)
            make_private(part, exclusive=True)
            with tarfile.open(part, "w") as archive:
                archive.add(copy, DATABASE_NAME, filter=_anonymous)
                if (data / KEYS).exists():
                    archive.add(data / KEYS, KEYS, filter=_anonymous)
            sync(part)
            part.replace(target)
            sync(target.absolute().parent)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"The backup {target} could not be written: {reason}.") from error
    finally:
        part.unlink(missing_ok=True)


def restore(source: Path, data: Path) -> Path | None:
    """Put a backup in place of what `data` holds, which is moved aside.

    Returns the folder with what was there before, or None. Nothing is touched unless the whole
    backup is good. Whoever calls holds the lock of the directory. Raises `StoreError`.
    """
    try:
        with tempfile.TemporaryDirectory(dir=data, prefix=".restore-") as folder:
            fresh = Path(folder)
            _unpack(source, fresh)
            _check(fresh / DATABASE_NAME, source)
            aside = _move_aside(data)
            for member in MEMBERS:
                if (fresh / member).exists():
                    (data / member).parent.mkdir(mode=0o700, exist_ok=True)
                    (fresh / member).replace(data / member)
                    sync((data / member).parent)
            return aside
    except OSError as error:
        raise StoreError(
            f"The backup {source} could not be restored: {error.strerror or error}."
        ) from error


def backups(folder: Path) -> list[Path]:
    """The scheduled backups in a folder, oldest first."""
    return sorted(folder.glob(f"{PREFIX}*{SUFFIX}")) if folder.is_dir() else []


def name_for_now() -> str:
    """`hyphad-20260131T120000.tar`, in UTC."""
    return f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S}{SUFFIX}"


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` scheduled backups."""
    for old in backups(folder)[:-keep] if keep else backups(folder):
        old.unlink(missing_ok=True)


def seconds_until_due(folder: Path, interval: float) -> float:
    """How long until the next scheduled backup: `interval` after the newest one, at least 0."""
    found = backups(folder)
    if not found:
        return 0.0
    return max(0.0, found[-1].stat().st_mtime + interval - time.time())


def _anonymous(member: "TarInfo") -> "TarInfo":
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _unpack(source: Path, folder: Path) -> None:
    """The two known members by name; whatever else an archive holds is not looked at."""
    import tarfile

    try:
        with tarfile.open(source) as archive:
            for member in MEMBERS:
                try:
                    found = archive.getmember(member)
                except KeyError:
                    continue
                content = archive.extractfile(found) if found.isreg() else None
                if content is None:
                    raise StoreError(f"{source} is no backup of hyphad: {member} is no file.")
                (folder / member).parent.mkdir(mode=0o700, exist_ok=True)
                _write(folder / member, content)
    except (tarfile.TarError, EOFError) as error:
        raise StoreError(f"{source} is no backup of hyphad, or it is damaged ({error}).") from None
    if not (folder / DATABASE_NAME).exists():
        raise StoreError(f"{source} is no backup of hyphad: it holds no database.")


def _write(target: Path, content: IO[bytes]) -> None:
    make_private(target, exclusive=True)
    with target.open("wb") as out:
        shutil.copyfileobj(content, out)
    sync(target)


def _check(database: Path, source: Path) -> None:
    try:
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            schema = migrations.schema_of(connection)
    except sqlite3.Error as error:
        found, schema = str(error), 0
    if found != "ok":
        raise StoreError(f"The database in {source} is damaged ({found}). Try an older backup.")
    if schema > len(migrations.MIGRATIONS):
        raise StoreError(f"{source} was made by a newer hyphad. Install the newer version first.")


def _move_aside(data: Path) -> Path | None:
    there = [
        data / name
        for name in (*MEMBERS, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
        if (data / name).exists()
    ]
    if not there:
        return None
    aside = data / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    aside.mkdir(mode=0o700)
    for path in there:
        path.replace(aside / path.name)
    sync(data)
    return aside

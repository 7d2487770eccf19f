"""Backups hold everything, and restoring one is all or nothing."""

import asyncio
import stat
import tarfile
from pathlib import Path

import pytest

from hyphad.auth.keys import load_ring
from hyphad.store import archive
from hyphad.store.database import Database, StoreError
from hyphad.store.workspaces import WorkspaceTable

RECORD = {"id": "ws-a", "name": "ws-a", "owners": ["me"], "persistent": True}


async def _fill(data: Path, name: str) -> None:
    database = Database.open(data / "hyphad.db")
    await WorkspaceTable(database).save({**RECORD, "id": name, "name": name})
    await database.close()


def _names(data: Path) -> list[str]:
    async def read() -> list[str]:
        database = Database.open(data / "hyphad.db")
        names = [record["id"] for record in WorkspaceTable(database).all()]
        await database.close()
        return names

    return asyncio.run(read())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    asyncio.run(_fill(folder, "ws-a"))
    load_ring(folder / "keys")
    return folder


def test_a_backup_brings_everything_back(data, tmp_path):
    archive.create(data, tmp_path / "b.tar")
    keys = (data / "keys/jwt-keys.json").read_bytes()
    asyncio.run(_fill(data, "ws-b"))
    (data / "keys/jwt-keys.json").write_bytes(b"changed")
    aside = archive.restore(tmp_path / "b.tar", data)
    assert _names(data) == ["ws-a"]
    assert (data / "keys/jwt-keys.json").read_bytes() == keys
    assert aside is not None
    assert (aside / "jwt-keys.json").read_bytes() == b"changed"
    assert _names(aside) == ["ws-a", "ws-b"]


def test_a_backup_restores_into_an_empty_directory(data, tmp_path):
    archive.create(data, tmp_path / "b.tar")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert archive.restore(tmp_path / "b.tar", empty) is None
    assert _names(empty) == ["ws-a"]


def test_a_backup_is_private(data, tmp_path):
    archive.create(data, tmp_path / "b.tar")
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    empty = tmp_path / "empty"
    empty.mkdir()
    archive.restore(tmp_path / "b.tar", empty)
    for name in archive.MEMBERS:
        assert stat.S_IMODE((empty / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["garbage", "truncated", "no database", "bad database", "link"])
def test_a_bad_backup_changes_nothing(data, tmp_path, damage):
    bad = tmp_path / "bad.tar"
    archive.create(data, bad)
    if damage == "garbage":
        bad.write_bytes(b"no tar" * 1000)
    elif damage == "truncated":
        bad.write_bytes(bad.read_bytes()[:3000])
    else:
        with tarfile.open(bad, "w") as out:
            if damage == "link":
                link = tarfile.TarInfo("hyphad.db")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                out.addfile(link)
            else:
                name = "hyphad.db" if damage == "bad database" else "other"
                (tmp_path / "x").write_bytes(b"SQLite format 3\0" + b"\7" * 5000)
                out.add(tmp_path / "x", name)
    with pytest.raises(StoreError, match=r"bad\.tar"):
        archive.restore(bad, data)
    assert _names(data) == ["ws-a"]
    assert sorted(path.name for path in data.iterdir()) == ["hyphad.db", "keys"]


def test_only_the_newest_scheduled_backups_stay(tmp_path):
    for day in range(1, 6):
        (tmp_path / f"hyphad-2026010{day}T000000.tar").write_bytes(b"")
    (tmp_path / "mine.tar").write_bytes(b"")
    archive.prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "hyphad-20260104T000000.tar",
        "hyphad-20260105T000000.tar",
        "mine.tar",
    ]


def test_no_database_is_said(tmp_path):
    with pytest.raises(StoreError, match="holds no database"):
        archive.create(tmp_path, tmp_path / "b.tar")


async def test_backups_of_a_running_daemon_leave_no_handles_open(tmp_path):
    """SQLite keeps the handle of the first for the next ones, and no more than that."""
    database = Database.open(tmp_path / "hyphad.db")

    def handles() -> int:
        files = list(Path("/proc/self/fd").iterdir())
        return sum(str(tmp_path) in str(file.readlink()) for file in files if file.is_symlink())

    archive.create(tmp_path, tmp_path / "first.tar")
    before = handles()
    for number in range(5):
        archive.create(tmp_path, tmp_path / f"{number}.tar")
    assert handles() == before
    await database.close()
    assert handles() == 0

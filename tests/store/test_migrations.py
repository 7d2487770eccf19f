"""Databases of every age open, after a copy of them was made; newer ones are left alone."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import hyphad
from hyphad.store import migrations
from hyphad.store.database import Database, StoreError
from hyphad.store.workspaces import WorkspaceTable

RECORD = {"id": "ws-a", "owners": ["me"]}
FAMILIES = {"workspaces", "revoked", "blocks", "events", "presence", "queue_tasks", "meta"}


def add_column(tables):
    tables.table("workspaces").add_column("colour", str)


def half_a_step(tables):
    tables.execute("DELETE FROM workspaces")
    tables.table("new").create({"id": int}, pk="id")
    raise ValueError("no")


def look(file, sql):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def columns(file):
    return [row[1] for row in look(file, "PRAGMA table_info(workspaces)")]


async def make(opened):
    async with opened() as db:
        await WorkspaceTable(db).save(RECORD)


def append(monkeypatch, *steps):
    monkeypatch.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, *steps])
    return len(migrations.MIGRATIONS)


@pytest.mark.parametrize("empty_file", [False, True])
async def test_a_new_database_needs_no_copy(opened, file, empty_file):
    if empty_file:
        file.touch()
    async with opened() as db:
        names = {row["name"] for row in db.read("SELECT name FROM sqlite_master")}
    assert names >= FAMILIES
    assert look(file, "PRAGMA user_version") == [(len(migrations.MIGRATIONS),)]
    assert [path.name for path in file.parent.iterdir()] == ["hyphad.db"]


async def test_an_older_database_is_copied_and_brought_up_to_date(opened, file, monkeypatch):
    await make(opened)
    known = append(monkeypatch, add_column)
    async with opened() as db:
        assert WorkspaceTable(db).all() == [RECORD]
    kept = file.with_name(f"hyphad.db.v{known - 1}.bak")
    assert "colour" in columns(file)
    assert "colour" not in columns(kept)
    assert look(kept, "SELECT id FROM workspaces") == [("ws-a",)]
    assert look(kept, "PRAGMA user_version") == [(known - 1,)]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


async def test_the_copy_opens_with_the_older_version(opened, file, monkeypatch):
    await make(opened)
    with monkeypatch.context() as newer:
        known = append(newer, add_column)
        await Database.open(file).close()
    db = Database.open(file.with_name(f"hyphad.db.v{known - 1}.bak"))
    assert WorkspaceTable(db).all() == [RECORD]
    await db.close()


async def test_several_steps_are_one_copy(opened, file, monkeypatch):
    await make(opened)
    seen = []
    known = append(monkeypatch, add_column, lambda tables: seen.append(tables.table_names()))
    async with opened():
        pass
    assert len(seen) == 1
    assert [path.name for path in file.parent.glob("*.bak")] == [f"hyphad.db.v{known - 2}.bak"]
    assert look(file, "PRAGMA user_version") == [(known,)]


async def test_an_up_to_date_database_is_left_as_it_is(opened, file):
    await make(opened)
    before = file.read_bytes()
    async with opened():
        pass
    assert file.read_bytes() == before


async def test_a_step_that_fails_leaves_nothing(opened, file, monkeypatch):
    await make(opened)
    known = append(monkeypatch, add_column, half_a_step)
    with pytest.raises(StoreError) as failed:
        Database.open(file)
    assert f"could not be brought to schema {known}: no." in str(failed.value)
    assert f"hyphad.db.v{known - 2}.bak" in str(failed.value)
    assert look(file, "SELECT id FROM workspaces") == [("ws-a",)]
    assert look(file, "PRAGMA user_version") == [(known - 1,)]
    assert look(file, "SELECT name FROM sqlite_master WHERE name = 'new'") == []


async def test_without_a_copy_no_step_is_taken(opened, file, monkeypatch):
    await make(opened)
    known = append(monkeypatch, add_column)
    file.with_name(f"hyphad.db.v{known - 1}.bak").mkdir()
    with pytest.raises(StoreError, match="could not be copied"):
        Database.open(file)
    assert "colour" not in columns(file)


async def test_a_newer_database_is_refused_and_left_alone(opened, file):
    await make(opened)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version=99")
    before = file.read_bytes()
    with pytest.raises(StoreError) as refused:
        Database.open(file)
    assert str(refused.value) == (
        f"The database {file} was written by a newer hyphad (schema 99, this one knows "
        f"{len(migrations.MIGRATIONS)}). Install the newer version, or restore a backup."
    )
    assert file.read_bytes() == before


def test_a_start_with_nothing_to_migrate_loads_no_library_for_it(file):
    script = (
        "import sys; from pathlib import Path; from hyphad.store.database import Database\n"
        "Database.open(Path(sys.argv[1]))\n"
        "print(*(name in sys.modules for name in ('sqlite_utils', 'numpy', 'pandas')))"
    )
    root = Path(hyphad.__file__).parents[1]
    loaded = [
        subprocess.check_output([sys.executable, "-c", script, file], cwd=root, text=True).split()
        for _ in range(2)
    ]
    assert loaded == [["True", "False", "False"], ["False", "False", "False"]]

"""Copies are complete or not there; taking one disturbs nobody."""

import pytest

from hyphad.store.database import Database, StoreError


def put(key, value="1"):
    """An action that writes one row."""
    return lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)).rowcount


async def keys(database):
    return {row["key"] for row in await database.query("SELECT key FROM meta")}


async def test_a_backup_is_the_moment_it_was_taken(opened, file, tmp_path):
    target = tmp_path / "copy.db"
    async with opened() as db:
        await db.write(put("a"))
        await db.backup(target)
        await db.write(put("b"))
    copy = Database.open(target)
    assert await keys(copy) == {"a"}
    await copy.close()


async def test_a_backup_replaces_an_older_one_and_leaves_no_parts(opened, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("old")
    (tmp_path / "copy.db.part").write_text("left over")
    async with opened() as db:
        await db.backup(target)
        await db.write(put("a"))
    assert target.read_bytes().startswith(b"SQLite format 3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "hyphad.db"]


async def test_a_backup_that_cannot_be_written_says_why(opened, file, tmp_path):
    async with opened() as db:
        with pytest.raises(StoreError, match=r"could not be copied to .*: No such file"):
            await db.backup(tmp_path / "nowhere" / "copy.db")
        with pytest.raises(StoreError, match="is the database itself"):
            await db.backup(file)
        (tmp_path / "folder").mkdir()
        with pytest.raises(StoreError, match="could not be copied"):
            await db.backup(tmp_path / "folder")
        assert not (tmp_path / "folder.part").exists()

"""On a full disk a change fails, memory stays as it was, and writing resumes by itself (D-28)."""

import asyncio
import logging

import pytest

from hyphad.core.errors import StorageError


def put(key, value="1"):
    """An action that writes one row."""
    return lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)).rowcount


def fill(db):
    put("big", "x" * 500_000)(db)


async def keys(database):
    return {row["key"] for row in await database.query("SELECT key FROM meta")}


async def limit_to_now(database, extra=0):
    """From now on the database may grow by `extra` pages only."""

    def limit(db):
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count={pages + extra}")

    await database.write(limit)


async def test_on_a_full_disk_only_what_does_not_fit_fails(opened, hold):
    async with opened() as db:
        await db.write(put("a", "old"))
        await limit_to_now(db, extra=2)
        release = hold(db)
        seen = []
        waiting = [db.write(put("a", "new")), db.write(fill, seen.append), db.write(put("b"))]
        release.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [done[0], done[2]] == [1, 1]
        assert isinstance(done[1], StorageError)
        assert done[1].rpc_text == (
            "OSError: The disk is full (or refuses writes); nothing was changed. "
            "Free some space and try again."
        )
        assert seen == []
        assert await keys(db) == {"a", "b"}


async def test_writing_resumes_by_itself(opened):
    async with opened() as db:
        await limit_to_now(db)
        for _ in range(3):
            with pytest.raises(StorageError):
                await db.write(fill)
        await db.write(lambda c: c.execute("PRAGMA max_page_count=100000"))
        await db.write(fill)
        assert await keys(db) == {"big"}


async def test_a_refusing_disk_is_a_line_a_minute(opened, refuse_writes, caplog, monkeypatch):
    async with opened() as db:
        refuse = await refuse_writes(db)
        refuse(True)
        for n in range(20):
            db.write_behind(put(str(n)))
        with pytest.raises(StorageError):
            await db.write(put("x"))
        lines = [record.message for record in caplog.records if record.levelno == logging.ERROR]
        assert len(lines) == 1
        assert lines[0].startswith("not_saved reason='The disk is full")
        assert lines[0].endswith("cause='attempt to write a readonly database' unsaid=0")
        monkeypatch.setattr(db._writer, "_quiet_until", 0.0)
        with pytest.raises(StorageError):
            await db.write(put("y"))
        assert caplog.records[-1].message.endswith("unsaid=20")
        assert await keys(db) == set()

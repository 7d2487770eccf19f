"""Acknowledged means on disk; what waits goes there together; what fails fails alone."""

import asyncio
import logging
import sqlite3
import threading

import pytest
from scribe import Scribe

from hyphad.core.errors import Invalid, StorageError, Unavailable
from hyphad.store import writer
from hyphad.store.database import Database, StoreError
from hyphad.store.revocations import Revocations
from hyphad.store.workspaces import WorkspaceTable


def put(key, value="1"):
    """An action that writes one row."""
    return lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)).rowcount


def fail(db):
    put("half")(db)
    raise ValueError("no")


async def keys(database):
    return {row["key"] for row in await database.query("SELECT key FROM meta")}


async def statements(database):
    """A list to which the writer's SQL is appended from now on."""
    seen = []
    await database.write(lambda db: db.set_trace_callback(seen.append))
    await database.write(lambda db: None)
    seen.clear()
    return seen


# what an acknowledgement means


def test_acknowledged_is_on_disk_when_the_writer_is_killed(tmp_path):
    scribe = Scribe(tmp_path)
    lines = [scribe.first_line() for _ in range(40)]
    lines += scribe.kill()
    database = Database.open(tmp_path / "hyphad.db")
    revocations = Revocations(database)
    revoked = [line.split()[1] for line in lines if line.startswith("revoked")]
    saved = {line.split()[1] for line in lines if line.startswith("saved")}
    workspaces = {record["id"] for record in WorkspaceTable(database).all()}
    asyncio.run(database.close())
    assert revoked
    assert [key for key in revoked if key not in revocations] == []
    assert saved <= workspaces


async def test_every_commit_waits_for_the_disk(opened):
    async with opened() as db:
        assert await db.write(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == 2
        assert await db.write(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"


async def test_a_future_has_the_result_of_its_action(opened):
    async with opened() as db:
        assert await db.write(lambda _: 7) == 7


async def test_what_was_acknowledged_can_be_read(opened):
    async with opened() as db:
        for n in range(50):
            await db.write(put("k", str(n)))
            assert await db.query("SELECT value FROM meta") == [{"value": str(n)}]
            assert db.read("SELECT value FROM meta WHERE key = ?", ["k"]) == [{"value": str(n)}]


async def test_a_query_does_not_wait_for_the_writer(opened, hold):
    async with opened() as db:
        await db.write(put("a"))
        release = hold(db)
        later = db.write(put("b"))
        assert await keys(db) == {"a"}
        release.set()
        await later


# group commit


async def test_all_that_wait_share_one_commit(opened, hold):
    async with opened() as db:
        seen = await statements(db)
        release = hold(db)
        waiting = [db.write(put(str(n))) for n in range(200)]
        release.set()
        await asyncio.gather(*waiting)
        assert seen.count("COMMIT") == 2  # the one that held the writer, and the group
        assert len(await keys(db)) == 200


async def test_a_group_has_a_bound(opened, hold, monkeypatch):
    monkeypatch.setattr(writer, "MAX_BATCH", 10)
    async with opened() as db:
        seen = await statements(db)
        release = hold(db)
        waiting = [db.write(put(str(n))) for n in range(25)]
        release.set()
        await asyncio.gather(*waiting)
        assert seen.count("COMMIT") == 4


async def test_order_is_kept(opened, hold):
    async with opened() as db:
        release = hold(db)
        waiting = [db.write(put("k", str(n))) for n in range(100)]
        release.set()
        await asyncio.gather(*waiting)
        assert db.read("SELECT value FROM meta") == [{"value": "99"}]


async def test_one_bad_action_spoils_no_other(opened, hold):
    async with opened() as db:
        seen = await statements(db)
        release = hold(db)
        waiting = [db.write(put("a")), db.write(fail), db.write(put("b"))]
        release.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [done[0], str(done[1]), done[2]] == [1, "no", 1]
        assert await keys(db) == {"a", "b"}
        assert seen.count("COMMIT") == 2


async def test_an_action_that_ends_the_transaction_spoils_no_other(opened, hold):
    def roll_back(db):
        db.execute("ROLLBACK")
        raise ValueError("gone")

    async with opened() as db:
        release = hold(db)
        waiting = [db.write(put("a")), db.write(roll_back), db.write(put("b"))]
        release.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [done[0], str(done[1]), done[2]] == [1, "gone", 1]
        assert await keys(db) == {"a", "b"}


# memory follows the disk


async def test_then_runs_before_the_future_resolves(opened):
    async with opened() as db:
        seen = []
        future = db.write(lambda _: 7, seen.append)
        assert seen == []
        await future
        assert seen == [7]


async def test_then_runs_although_the_caller_has_gone(opened, hold):
    async with opened() as db:
        seen = []
        release = hold(db)
        future = db.write(lambda _: 7, seen.append)
        future.cancel()
        release.set()
        await db.write(lambda _: None)
        assert seen == [7]


async def test_then_does_not_run_after_a_failure(opened):
    async with opened() as db:
        seen = []
        with pytest.raises(ValueError, match="no"):
            await db.write(fail, seen.append)
        assert seen == []


async def test_a_then_that_fails_fails_alone(opened, hold):
    def bad(_):
        raise ValueError("bug")

    async with opened() as db:
        release = hold(db)
        waiting = [db.write(put("a"), bad), db.write(put("b"))]
        release.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(done[0]), done[1]] == ["bug", 1]


# errors that a caller can be told


async def test_half_a_surrogate_pair_is_the_callers_error(opened):
    async with opened() as db:
        with pytest.raises(Invalid, match="surrogate"):
            await db.write(put("\ud800"))
        with pytest.raises(Invalid, match="surrogate"):
            await db.query("SELECT 1 WHERE 'a' = ?", ["\ud800"])


async def test_a_bug_stays_a_bug(opened):
    async with opened() as db:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await db.query("SELECT * FROM nobody")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await db.write(lambda c: c.execute("DELETE FROM nobody"))


async def test_a_database_held_by_another_program(opened, file, monkeypatch):
    monkeypatch.setattr("hyphad.store.database.BUSY_SECONDS", 0.05)
    async with opened() as db:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = [db.write(put(str(n))) for n in range(3)]
        for done in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(done, StorageError)
            assert str(done).startswith("Another program holds the database")
        other.execute("ROLLBACK")
        other.close()
        assert await db.write(put("a")) == 1


async def test_what_is_written_behind_is_written(opened):
    async with opened() as db:
        db.write_behind(put("a"))
        await db.write(lambda _: None)
        assert await keys(db) == {"a"}


# the end


async def test_close_writes_what_waits(file, opened, hold):
    db = Database.open(file)
    release = hold(db)
    waiting = [db.write(put(str(n))) for n in range(100)]
    db.write_behind(put("behind"))
    closing = asyncio.create_task(db.close())
    await asyncio.sleep(0)
    release.set()
    await closing
    assert all(future.done() and future.result() == 1 for future in waiting)
    async with opened() as again:
        assert len(await keys(again)) == 101


async def test_after_the_end_nothing_is_taken(opened):
    async with opened() as db:
        pass
    for refused in (db.write(put("a")), db.query("SELECT 1")):
        with pytest.raises(Unavailable, match="shutting down"):
            await refused
    db.write_behind(put("a"))
    await db.close()


async def test_the_end_does_not_wait_for_a_long_query(opened):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    async with opened() as db:
        query = asyncio.ensure_future(db.query(endless))
        started = threading.Event()
        db._reading.set_progress_handler(started.set, 1000)
        await asyncio.to_thread(started.wait)
    with pytest.raises(Unavailable):
        await query


async def test_the_log_is_gone_after_a_clean_end(opened, file):
    async with opened() as db:
        await db.write(put("a"))
        assert file.with_name("hyphad.db-wal").stat().st_size > 0
    assert [path.name for path in file.parent.iterdir()] == ["hyphad.db"]


# start-up


async def test_only_a_run_that_was_cut_off_is_checked(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="hyphad")
    scribe = Scribe(tmp_path)
    scribe.first_line()
    scribe.kill()
    for expected in (True, False):
        caplog.clear()
        await Database.open(tmp_path / "hyphad.db").close()
        assert any(line.startswith("checked ") for line in caplog.messages) == expected


async def damaged(opened, file):
    """A database with a broken page in its middle."""
    async with opened() as db:
        for n in range(50):
            await db.write(put(f"{n}", "x" * 3000))
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = b"\xff" * 8192
    file.write_bytes(data)


async def test_damage_after_a_cut_off_run_is_found(opened, file):
    await damaged(opened, file)
    file.with_name("hyphad.db-wal").write_bytes(b"cut off")
    with pytest.raises(StoreError, match=rf"^The database {file} is damaged .*Restore a backup"):
        Database.open(file)


async def test_damage_found_while_reading_is_told_alike(opened, file):
    await damaged(opened, file)
    async with opened() as db:
        with pytest.raises(
            StoreError, match=rf"^The database {file} is damaged .*Restore a backup"
        ):
            db.read("SELECT * FROM meta")
        with pytest.raises(StorageError, match="damaged"):
            await db.query("SELECT * FROM meta")


def test_a_file_that_is_no_database_is_left_alone(file):
    text = b"no database at all, but somebody's letter" * 200
    file.write_bytes(text)
    with pytest.raises(StoreError, match=rf"^The database {file} is damaged .*move the file away"):
        Database.open(file)
    assert file.read_bytes() == text


async def test_a_locked_database_is_told(opened, file, monkeypatch):
    async with opened():
        pass
    monkeypatch.setattr("hyphad.store.database.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"^Another program holds the database"):
        Database.open(file)
    other.close()

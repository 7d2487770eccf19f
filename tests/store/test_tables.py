"""Each table keeps what it was given, and survives rows that were damaged."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyphad.core.errors import Invalid, StorageError
from hyphad.store import presence
from hyphad.store.blocks import Blocks
from hyphad.store.database import Database
from hyphad.store.eventlog import MAX_DATA, EventLog
from hyphad.store.meta import Meta
from hyphad.store.presence import PresenceTable
from hyphad.store.queues import QueueTable
from hyphad.store.revocations import Revocations
from hyphad.store.workspaces import WorkspaceTable

DAMAGED_TEXT = b'{"id": "\xff"}'


async def execute(db, sql, *params):
    await db.write(lambda connection: connection.execute(sql, params))


def bad_rows(caplog):
    return [record.message for record in caplog.records if record.message.startswith("bad_row ")]


# workspaces (WS-47)


async def test_workspaces_come_back_as_they_were_last_saved(opened):
    async with opened() as db:
        table = WorkspaceTable(db)
        await table.save({"id": "ws-b", "n": 1})
        await table.save({"id": "ws-a", "n": 1})
        await table.save({"id": "ws-b", "n": 2})
        await table.save({"id": "ws-c", "n": 1})
        await table.delete("ws-c")
        await table.delete("ws-unknown")
    async with opened() as db:
        assert WorkspaceTable(db).all() == [{"id": "ws-b", "n": 2}, {"id": "ws-a", "n": 1}]


async def test_a_record_is_kept_as_it_was_when_saved(opened):
    async with opened() as db:
        record = {"id": "ws-a", "config": {"n": 1}}
        saved = WorkspaceTable(db).save(record)
        record["config"]["n"] = 2
        await saved
        assert WorkspaceTable(db).all() == [{"id": "ws-a", "config": {"n": 1}}]


async def test_a_record_that_is_no_json_is_refused(opened):
    async with opened() as db:
        with pytest.raises(Invalid, match="plain JSON"):
            WorkspaceTable(db).save({"id": "ws-a", "config": {1, 2}})
        assert WorkspaceTable(db).all() == []


@pytest.mark.parametrize(
    ("row_id", "record", "reason"),
    [
        ("ws-x", '{"id": ', "Expecting value"),
        ("ws-x", "[1]", "dict expected, list found"),
        ("ws-x", '{"id": "ws-y"}', "another id"),
        ("ws-x", None, "no text"),
        ("ws-x", 7, "another id|expected"),
        ("ws-x", b"\x00\x01", "no text"),
        ("ws-x", "[" * 100_000, "nested too deeply"),
        (None, '{"id": null}', "no text"),
    ],
)
async def test_a_damaged_workspace_is_skipped(opened, caplog, row_id, record, reason):
    async with opened() as db:
        await WorkspaceTable(db).save({"id": "ws-a"})
        await execute(db, "INSERT INTO workspaces VALUES (?, ?)", row_id, record)
        await WorkspaceTable(db).save({"id": "ws-b"})
        caplog.clear()
        assert WorkspaceTable(db).all() == [{"id": "ws-a"}, {"id": "ws-b"}]
        (line,) = bad_rows(caplog)
        assert line.startswith(f"bad_row table=workspaces id={row_id!r} reason=")
        assert any(part in line for part in reason.split("|"))


async def test_text_that_is_no_utf8_hides_no_neighbour(opened, caplog):
    async with opened() as db:
        await WorkspaceTable(db).save({"id": "ws-a"})
        sql = "INSERT INTO workspaces VALUES ('ws-x', CAST(? AS TEXT))"
        await execute(db, sql, DAMAGED_TEXT)
        assert WorkspaceTable(db).all() == [{"id": "ws-a"}]
        assert len(bad_rows(caplog)) == 1


async def test_what_belongs_to_a_workspace_goes_with_it(opened):  # WS-43
    async with opened() as db:
        for workspace in ("ws-a", "ws-b"):
            await WorkspaceTable(db).save({"id": workspace})
            await QueueTable(db).push(workspace, "q", 1)
            await EventLog(db).add("e", workspace, "me", None)
        await WorkspaceTable(db).delete("ws-a")
        assert [task[0] for task in QueueTable(db).all()] == ["ws-b"]
        assert await EventLog(db).stats("ws-a", "me") == []
        assert await EventLog(db).stats("ws-b", "me") == [{"event_type": "e", "count": 1}]


ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def runner_and_database(tmp_path_factory):
    file = tmp_path_factory.mktemp("any") / "hyphad.db"
    with asyncio.Runner() as runner:
        runner.get_loop()
        database = Database.open(file)
        yield runner, database
        runner.run(database.close())


@settings(max_examples=150)
@given(
    fields=st.dictionaries(ANY_TEXT, ANY_JSON, max_size=6),
    workspace_id=st.from_regex(r"[a-z0-9][a-z0-9|_.-]{1,30}", fullmatch=True),
)
def test_any_record_survives(runner_and_database, fields, workspace_id):  # WS-47
    runner, database = runner_and_database
    record = {**fields, "id": workspace_id}

    async def save_and_read():
        table = WorkspaceTable(database)
        await table.save(record)
        kept = table.all()
        await table.delete(workspace_id)
        return kept

    assert runner.run(save_and_read()) == [record]


# revoked tokens (WS-60)


async def test_revoked_is_revoked_after_a_restart(opened):
    async with opened() as db:
        revocations = Revocations(db)
        future = revocations.add(["a", "b"], 1e12)
        assert "a" not in revocations
        await future
        assert "a" in revocations
        assert "b" in revocations
    async with opened() as db:
        revocations = Revocations(db)
        assert ["a" in revocations, "c" in revocations, len(revocations)] == [True, False, 2]


async def test_a_revocation_is_never_shortened(opened):
    now = [100.0]
    async with opened() as db:
        revocations = Revocations(db, lambda: now[0])
        await asyncio.gather(revocations.add(["a"], 300.0), revocations.add(["a"], 200.0))
        now[0] = 250.0
        revocations.purge()
        assert "a" in revocations
        revocations.load()
        assert "a" in revocations


async def test_expired_revocations_are_forgotten(opened):
    now = [100.0]
    async with opened() as db:
        revocations = Revocations(db, lambda: now[0])
        await revocations.add(["old"], 150.0)
        await revocations.add(["new"], 250.0)
        now[0] = 200.0
        revocations.purge()
        assert ["old" in revocations, "new" in revocations] == [False, True]
    async with opened() as db:
        assert db.read("SELECT key FROM revoked") == [{"key": "new"}]


async def test_a_revocation_the_disk_refuses_is_none(opened, refuse_writes):  # D-28
    async with opened() as db:
        revocations = Revocations(db)
        refuse = await refuse_writes(db)
        refuse(True)
        with pytest.raises(StorageError):
            await revocations.add(["a"], 1e12)
        assert "a" not in revocations
        refuse(False)
        await revocations.add(["a"], 1e12)
        assert "a" in revocations


async def test_a_damaged_revocation_stays_in_force(opened, caplog):
    async with opened() as db:
        await execute(db, "INSERT INTO revoked VALUES ('a', 'soon'), ('b', NULL), ('c', 1e12)")
        revocations = Revocations(db)
        revocations.purge()
        assert all(key in revocations for key in "abc")
        assert [line[:27] for line in bad_rows(caplog)] == [
            "bad_row table=revoked id='a",
            "bad_row table=revoked id='b",
        ]


# blocks (WS-66)


async def test_blocks_last_until_their_time_and_over_restarts(opened):
    now = [100.0]
    async with opened() as db:
        blocks = Blocks(db, lambda: now[0])
        await blocks.add("user", "bob", "bad", 200.0)
        await blocks.add("ip", "10.0.0.1", "flood", 300.0)
        await blocks.add("user", "bob", "worse", 250.0)
    async with opened() as db:
        blocks = Blocks(db, lambda: now[0])
        assert blocks.reason("user", "bob") == "worse"
        assert blocks.reason("ip", "bob") is None
        assert blocks.list() == [
            {"kind": "user", "value": "bob", "reason": "worse", "expires_at": 250.0},
            {"kind": "ip", "value": "10.0.0.1", "reason": "flood", "expires_at": 300.0},
        ]
        now[0] = 250.0
        assert blocks.reason("user", "bob") is None
        assert [block["value"] for block in blocks.list()] == ["10.0.0.1"]
        blocks.purge()
    async with opened() as db:
        assert db.read("SELECT value FROM blocks") == [{"value": "10.0.0.1"}]


async def test_lifting_a_block_tells_whether_there_was_one(opened):
    async with opened() as db:
        blocks = Blocks(db)
        await blocks.add("user", "bob", "bad", 1e12)
        await blocks.add("user", "eve", "bad", 1.0)
        assert await blocks.remove("user", "bob") is True
        assert await blocks.remove("user", "bob") is False
        assert await blocks.remove("user", "eve") is False
        assert blocks.list() == db.read("SELECT * FROM blocks") == []


async def test_a_block_the_disk_refuses_is_none(opened, refuse_writes):  # D-28
    async with opened() as db:
        blocks = Blocks(db)
        await blocks.add("user", "eve", "bad", 1e12)
        refuse = await refuse_writes(db)
        refuse(True)
        with pytest.raises(StorageError):
            await blocks.add("user", "bob", "bad", 1e12)
        with pytest.raises(StorageError):
            await blocks.remove("user", "eve")
        assert [blocks.reason("user", name) for name in ("bob", "eve")] == [None, "bad"]


async def test_a_damaged_block_is_skipped(opened, caplog):
    async with opened() as db:
        await execute(
            db, "INSERT INTO blocks VALUES ('user', 'bob', 'bad', 'never'), ('ip', 'x', 'y', 1e12)"
        )
        assert [block["value"] for block in Blocks(db).list()] == ["x"]
        assert bad_rows(caplog) == ["bad_row table=blocks id='bob' reason='no number'"]


# small things


async def test_values_are_kept_over_restarts(opened):
    async with opened() as db:
        meta = Meta(db)
        assert meta.get("ids") is None
        assert meta.get("ids", []) == []
        await meta.set("ids", ["a", "b"])
        await meta.set("none", None)
    async with opened() as db:
        meta = Meta(db)
        assert meta.get("ids") == ["a", "b"]
        assert meta.get("none", 7) is None


async def test_a_value_belongs_to_who_got_it(opened):
    async with opened() as db:
        meta = Meta(db)
        value = ["a"]
        await meta.set("ids", value)
        value.append("b")
        meta.get("ids").append("c")
        assert meta.get("ids") == ["a"]


async def test_a_value_the_disk_refuses_stays_as_it_was(opened, refuse_writes):  # D-28
    async with opened() as db:
        meta = Meta(db)
        await meta.set("n", 1)
        (await refuse_writes(db))(True)
        with pytest.raises(StorageError):
            await meta.set("n", 2)
        assert meta.get("n") == 1


async def test_a_damaged_value_is_as_if_never_set(opened, caplog):
    async with opened() as db:
        await execute(db, "INSERT INTO meta VALUES ('a', '{'), ('b', '2')")
        meta = Meta(db)
        assert [meta.get("a", "none"), meta.get("b")] == ["none", 2]
        assert len(bad_rows(caplog)) == 1


# queues (WS-65)


async def test_tasks_come_back_in_order(opened):
    async with opened() as db:
        table = QueueTable(db)
        ids = [await table.push("ws-a", "q", {"n": n}) for n in range(4)]
        await table.push("ws-b", "q", "other")
        await table.delete(ids[1])
    async with opened() as db:
        tasks = QueueTable(db).all()
        assert [task for task in tasks if task[0] == "ws-a"] == [
            ("ws-a", "q", ids[n], {"n": n}) for n in (0, 2, 3)
        ]
        QueueTable(db).drop_workspace("ws-a")
    async with opened() as db:
        assert [task[3] for task in QueueTable(db).all()] == ["other"]


async def test_an_id_is_never_used_twice(opened):
    async with opened() as db:
        first = await QueueTable(db).push("ws-a", "q", 1)
        await QueueTable(db).delete(first)
    async with opened() as db:
        assert await QueueTable(db).push("ws-a", "q", 2) > first


async def test_a_task_put_back_is_at_its_old_place(opened):
    async with opened() as db:
        table = QueueTable(db)
        ids = [await table.push("ws-a", "q", n) for n in range(2)]
        for task_id in ids:
            await table.delete(task_id)
        later = await table.push("ws-a", "q", "later")
        table.restore("ws-a", "q", ids[1], 1)
        await table.delete(0)
        assert table.all() == [("ws-a", "q", ids[1], 1), ("ws-a", "q", later, "later")]


async def test_a_damaged_task_is_skipped(opened, caplog):
    async with opened() as db:
        await execute(
            db, "INSERT INTO queue_tasks VALUES (7, 'ws-a', 'q', '{'), (8, NULL, 'q', '0')"
        )
        await QueueTable(db).push("ws-a", "q", "good")
        assert [task[3] for task in QueueTable(db).all()] == ["good"]
        assert len(bad_rows(caplog)) == 2


# the event log (WS-57)


async def test_events_are_as_clients_know_them(opened):
    async with opened() as db:
        before = datetime.now(UTC).replace(tzinfo=None)
        await EventLog(db).add("my_ev", "ws-a", "me", {"k": 1})
        await EventLog(db).add("log", "ws-a", "me", "text")
        after = datetime.now(UTC).replace(tzinfo=None)
    async with opened() as db:
        first, second = await EventLog(db).find("ws-a", "me")
    assert list(first) == ["id", "event_type", "workspace", "user_id", "timestamp", "data"]
    assert first["id"] < second["id"]
    assert [first["event_type"], first["workspace"], first["user_id"]] == ["my_ev", "ws-a", "me"]
    assert [first["data"], second["data"]] == [{"k": 1}, "text"]
    assert len(first["timestamp"]) == len("2026-11-23T00:07:01.561719")
    assert before <= datetime.fromisoformat(first["timestamp"]) <= after


@pytest.fixture
def log_of_a_day(opened):
    """Events at 1, 2 and 3 o'clock (UTC) of a day, and some of somebody else."""

    async def fill(db):
        for hour, event_type in ((1, "a"), (2, "b"), (3, "a")):
            await execute(
                db,
                "INSERT INTO events (event_type, workspace, user_id, timestamp, data)"
                " VALUES (?, 'ws-a', 'me', ?, ?)",
                event_type,
                f"2026-01-31T0{hour}:00:00.000000",
                str(hour),
            )
        await EventLog(db).add("a", "ws-a", "other", 8)
        await EventLog(db).add("a", "ws-b", "me", 9)
        return EventLog(db)

    return fill


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("filters", "hours"),
    [
        ({}, [1, 2, 3]),
        ({"event_type": "a"}, [1, 3]),
        ({"event_type": "none"}, []),
        ({"start": "2026-01-31T02:00:00"}, [2, 3]),
        ({"end": "2026-01-31T02:00:00"}, [1, 2]),
        ({"start": "2026-01-31T01:00:00.000001", "end": "2026-01-31T02:59:59.999999"}, [2]),
        ({"start": "2026-01-31T02:00:00Z"}, [2, 3]),
        ({"start": "2026-01-31T04:00:00+02:00"}, [2, 3]),
        ({"start": datetime(2026, 1, 31, 2)}, [2, 3]),  # noqa: DTZ001
        ({"end": datetime(2026, 1, 31, 4, tzinfo=EAST)}, [1, 2]),
        ({"start": "2026-01-31", "end": "2026-02-01"}, [1, 2, 3]),
        ({"event_type": "a", "start": "2026-01-31T02:00:00"}, [3]),
    ],
)
async def test_filters_include_both_ends(opened, log_of_a_day, filters, hours):
    async with opened() as db:
        log = await log_of_a_day(db)
        found = await log.find("ws-a", "me", **filters)
        assert [event["data"] for event in found] == hours
        stats = await log.stats("ws-a", "me", **filters)
        kinds = [event["event_type"] for event in found]
        assert stats == [
            {"event_type": kind, "count": kinds.count(kind)} for kind in sorted(set(kinds))
        ]


async def test_what_is_no_date_is_refused(opened):
    async with opened() as db:
        with pytest.raises(Invalid, match=r"^start_time: an ISO date"):
            await EventLog(db).find("ws-a", "me", start="yesterday")
        with pytest.raises(Invalid, match=r"^end_time: an ISO date"):
            await EventLog(db).stats("ws-a", "me", end="")


async def test_only_json_of_some_length_is_logged(opened):
    async with opened() as db:
        log = EventLog(db)
        with pytest.raises(Invalid, match="plain JSON"):
            log.add("e", "ws-a", "me", b"bytes")
        with pytest.raises(Invalid, match=str(MAX_DATA)):
            log.add("e", "ws-a", "me", "x" * MAX_DATA)
        await log.add("e", "ws-a", "me", "x" * (MAX_DATA - 2))
        assert await log.stats("ws-a", "me") == [{"event_type": "e", "count": 1}]


async def test_an_answer_has_a_bound(opened, monkeypatch):
    monkeypatch.setattr("hyphad.store.eventlog.MAX_ANSWER", 1 << 20)
    async with opened() as db:
        log = EventLog(db)
        for kind in "abc":
            await log.add(kind, "ws-a", "me", "x" * 500_000)
        with pytest.raises(Invalid, match="1 MiB together; ask for one event_type"):
            await log.find("ws-a", "me")
        assert len(await log.find("ws-a", "me", "b")) == 1


async def test_the_newest_events_of_each_workspace_are_kept(opened):
    async with opened() as db:
        log = EventLog(db, keep=20, trim_every=5)
        await log.add("e", "ws-b", "me", "other")
        for n in range(73):
            await log.add("e", "ws-a", f"user-{n % 2}", n)
            kept = db.read("SELECT count(*) AS n FROM events WHERE workspace = 'ws-a'")[0]["n"]
            assert min(n + 1, 20) <= kept < 25
        numbers = [event["data"] for event in await log.find("ws-a", "user-0")]
        assert numbers[-1] == 72
        assert numbers[0] in range(48, 54)
        assert len(await log.find("ws-b", "me")) == 1


async def test_events_are_counted_on_after_a_restart(opened):
    for _ in range(12):
        async with opened() as db:
            log = EventLog(db, keep=10, trim_every=5)
            for n in range(4):
                await log.add("e", "ws-a", "me", n)
    async with opened() as db:
        assert 10 <= (await EventLog(db).stats("ws-a", "me"))[0]["count"] < 15


async def test_a_workspace_takes_its_events_along(opened):
    async with opened() as db:
        log = EventLog(db)
        await log.add("e", "ws-a", "me", 1)
        await log.add("e", "ws-b", "me", 2)
        log.drop_workspace("ws-a")
        await log.add("e", "ws-b", "me", 3)
        assert await log.find("ws-a", "me") == []
        assert len(await log.find("ws-b", "me")) == 2


async def test_a_damaged_event_is_skipped(opened, log_of_a_day, caplog):
    async with opened() as db:
        log = await log_of_a_day(db)
        await execute(db, "UPDATE events SET data = '{' WHERE event_type = 'b'")
        assert [event["data"] for event in await log.find("ws-a", "me")] == [1, 3]
        assert len(bad_rows(caplog)) == 1


# presence (D-26)


async def present(db):
    rows = await db.query("SELECT client, services FROM presence ORDER BY client")
    return {row["client"]: json.loads(row["services"]) for row in rows}


async def test_clients_are_remembered(opened):
    async with opened() as db:
        table = PresenceTable(db)
        table.save("ws-a/one", "me", ["built-in", "hello"])
        table.save("ws-a/two", "me", [])
        table.close()
    async with opened() as db:
        assert PresenceTable(db).all() == [
            ("ws-a/one", "me", ["built-in", "hello"]),
            ("ws-a/two", "me", []),
        ]


async def test_only_the_last_state_of_a_client_is_written(opened):
    async with opened() as db:
        seen = []
        table = PresenceTable(db)
        await db.write(lambda connection: connection.set_trace_callback(seen.append))
        for n in range(50):
            table.save("ws-a/one", "me", [str(n)])
            table.save("ws-a/two", "me", [str(n)])
        table.remove("ws-a/two")
        table.close()
        await db.write(lambda _: None)
        assert await present(db) == {"ws-a/one": ["49"]}
        assert len([sql for sql in seen if sql.startswith("INSERT")]) == 1


async def test_changes_are_written_without_anybody_waiting(opened, until):
    async with opened() as db:
        table = PresenceTable(db)
        for services in (["a"], ["a", "b"]):
            table.save("ws-a/one", "me", services)
            await until(lambda services=services: _is(db, {"ws-a/one": services}))
        table.remove("ws-a/one")
        await until(lambda: _is(db, {}))


async def _is(db, expected):
    return await present(db) == expected


async def test_what_the_disk_refused_is_tried_again(opened, refuse_writes, until, monkeypatch):
    monkeypatch.setattr(presence, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(presence, "GATHER_SECONDS", 0.01)
    async with opened() as db:
        tries = itertools.count()
        write = db.write
        monkeypatch.setattr(db, "write", lambda action: (next(tries), write(action))[1])
        table = PresenceTable(db)
        refuse = await refuse_writes(db)
        refuse(True)
        table.save("ws-a/one", "me", ["old"])
        table.save("ws-a/two", "me", ["two"])
        await until(lambda: _reached(tries, 3))
        table.save("ws-a/one", "me", ["new"])
        refuse(False)
        await until(lambda: _is(db, {"ws-a/one": ["new"], "ws-a/two": ["two"]}))


async def _reached(counter, number):
    return int(repr(counter)[6:-1]) >= number


async def test_those_that_leave_at_the_end_stay_known(opened):
    async with opened() as db:
        table = PresenceTable(db)
        table.save("ws-a/one", "me", ["a"])
        table.close()
        table.remove("ws-a/one")
        table.save("ws-a/two", "me", [])
    async with opened() as db:
        assert PresenceTable(db).all() == [("ws-a/one", "me", ["a"])]


async def test_those_that_did_not_come_back_are_forgotten(opened):
    async with opened() as db:
        table = PresenceTable(db)
        for name in ("back", "gone", "away"):
            table.save(f"ws-a/{name}", "me", [])
        table.close()
    async with opened() as db:
        table = PresenceTable(db)
        table.all()
        table.save("ws-a/back", "me", ["x"])
        table.remove("ws-a/away")
        table.drop_unseen()
        table.close()
    async with opened() as db:
        assert PresenceTable(db).all() == [("ws-a/back", "me", ["x"])]


async def test_a_damaged_client_is_skipped(opened, caplog):
    async with opened() as db:
        await execute(
            db,
            "INSERT INTO presence VALUES ('ws-a/a', 'me', '{}'), ('ws-a/b', 'me', '[1]'),"
            " ('ws-a/c', NULL, '[]'), ('ws-a/d', 'me', '[\"x\"]')",
        )
        assert PresenceTable(db).all() == [("ws-a/d", "me", ["x"])]
        assert len(bad_rows(caplog)) == 3

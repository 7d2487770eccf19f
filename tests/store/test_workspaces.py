"""Workspaces come back as they were saved; damaged ones are skipped (WS-47)."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyphad.core.errors import Invalid
from hyphad.store.database import Database
from hyphad.store.eventlog import EventLog
from hyphad.store.queues import QueueTable
from hyphad.store.workspaces import WorkspaceTable

DAMAGED_TEXT = b'{"id": "\xff"}'


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
async def test_a_damaged_workspace_is_skipped(
    opened, caplog, row_id, record, reason, execute, bad_rows
):
    async with opened() as db:
        await WorkspaceTable(db).save({"id": "ws-a"})
        await execute(db, "INSERT INTO workspaces VALUES (?, ?)", row_id, record)
        await WorkspaceTable(db).save({"id": "ws-b"})
        caplog.clear()
        assert WorkspaceTable(db).all() == [{"id": "ws-a"}, {"id": "ws-b"}]
        (line,) = bad_rows()
        assert line.startswith(f"bad_row table=workspaces id={row_id!r} reason=")
        assert any(part in line for part in reason.split("|"))


async def test_text_that_is_no_utf8_hides_no_neighbour(opened, execute, bad_rows):
    async with opened() as db:
        await WorkspaceTable(db).save({"id": "ws-a"})
        sql = "INSERT INTO workspaces VALUES ('ws-x', CAST(? AS TEXT))"
        await execute(db, sql, DAMAGED_TEXT)
        assert WorkspaceTable(db).all() == [{"id": "ws-a"}]
        assert len(bad_rows()) == 1


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


@settings(max_examples=50)
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

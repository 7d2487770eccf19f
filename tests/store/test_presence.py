"""Clients are remembered over restarts, with few writes, and expected once (D-26)."""

import json

from hyphad.store import presence
from hyphad.store.presence import PresenceTable


async def present(db):
    rows = await db.query("SELECT client, services FROM presence ORDER BY client")
    return {row["client"]: json.loads(row["services"]) for row in rows}


def these(*names):
    """The services of a client, as the table asks for them."""
    return lambda: list(names)


async def test_clients_are_remembered(opened):
    async with opened() as db:
        table = PresenceTable(db)
        table.save("ws-a/one", "me", these("built-in", "hello"))
        table.save("ws-a/two", "me", these())
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
            table.save("ws-a/one", "me", these(str(n)))
            table.save("ws-a/two", "me", these(str(n)))
        table.remove("ws-a/two")
        table.close()
        await db.write(lambda _: None)
        assert await present(db) == {"ws-a/one": ["49"]}
        assert len([sql for sql in seen if sql.startswith("INSERT")]) == 1


async def test_changes_are_written_without_anybody_waiting(opened, until):
    async with opened() as db:
        table = PresenceTable(db)
        for services in (["a"], ["a", "b"]):
            table.save("ws-a/one", "me", these(*services))
            await until(lambda services=services: _is(db, {"ws-a/one": services}))
        table.remove("ws-a/one")
        await until(lambda: _is(db, {}))


async def _is(db, expected):
    return await present(db) == expected


async def test_what_the_disk_refused_is_tried_again(opened, refuse_writes, until, monkeypatch):
    monkeypatch.setattr(presence, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(presence, "GATHER_SECONDS", 0.01)
    async with opened() as db:
        tries = []
        write = db.write
        monkeypatch.setattr(db, "write", lambda action: tries.append(1) or write(action))
        table = PresenceTable(db)
        refuse = await refuse_writes(db)
        refuse(True)
        table.save("ws-a/one", "me", these("old"))
        table.save("ws-a/two", "me", these("two"))
        await until(lambda: _reached(tries, 3))
        table.save("ws-a/one", "me", these("new"))
        refuse(False)
        await until(lambda: _is(db, {"ws-a/one": ["new"], "ws-a/two": ["two"]}))


async def _reached(tries, number):
    return len(tries) >= number


async def test_those_that_leave_at_the_end_stay_known(opened):
    async with opened() as db:
        table = PresenceTable(db)
        table.save("ws-a/one", "me", these("a"))
        table.close()
        table.remove("ws-a/one")
        table.save("ws-a/two", "me", these())
    async with opened() as db:
        assert PresenceTable(db).all() == [("ws-a/one", "me", ["a"])]


async def test_those_that_did_not_come_back_are_forgotten(opened):
    async with opened() as db:
        table = PresenceTable(db)
        for name in ("back", "gone", "away"):
            table.save(f"ws-a/{name}", "me", these())
        table.close()
    async with opened() as db:
        table = PresenceTable(db)
        table.all()
        table.save("ws-a/back", "me", these("x"))
        table.remove("ws-a/away")
        table.drop_unseen()
        table.close()
    async with opened() as db:
        assert PresenceTable(db).all() == [("ws-a/back", "me", ["x"])]


async def test_a_damaged_client_is_skipped(opened, execute, bad_rows):
    async with opened() as db:
        await execute(
            db,
            "INSERT INTO presence VALUES ('ws-a/a', 'me', '{}'), ('ws-a/b', 'me', '[1]'),"
            " ('ws-a/c', NULL, '[]'), ('ws-a/d', 'me', '[\"x\"]')",
        )
        assert PresenceTable(db).all() == [("ws-a/d", "me", ["x"])]
        assert len(bad_rows()) == 3

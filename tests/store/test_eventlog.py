"""Events are kept as clients know them, found by filters, and bounded (WS-57)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hyphad.core.errors import Invalid
from hyphad.store.eventlog import MAX_DATA, EventLog


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
def log_of_a_day(opened, execute):
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


async def test_a_damaged_event_is_skipped(opened, log_of_a_day, execute, bad_rows):
    async with opened() as db:
        log = await log_of_a_day(db)
        await execute(db, "UPDATE events SET data = '{' WHERE event_type = 'b'")
        assert [event["data"] for event in await log.find("ws-a", "me")] == [1, 3]
        assert len(bad_rows()) == 1

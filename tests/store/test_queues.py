"""Tasks wait in order, over restarts, and under ids of their own (WS-65)."""

from hyphad.store.queues import QueueTable


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


async def test_a_damaged_task_is_skipped(opened, execute, bad_rows):
    async with opened() as db:
        await execute(
            db, "INSERT INTO queue_tasks VALUES (7, 'ws-a', 'q', '{'), (8, NULL, 'q', '0')"
        )
        await QueueTable(db).push("ws-a", "q", "good")
        assert [task[3] for task in QueueTable(db).all()] == ["good"]
        assert len(bad_rows()) == 2

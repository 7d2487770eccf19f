"""Blocks last until their time, over restarts, and end when lifted (WS-66)."""

import pytest

from hyphad.core.errors import StorageError
from hyphad.store.blocks import Blocks


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


async def test_a_damaged_block_is_skipped(opened, execute, bad_rows):
    async with opened() as db:
        await execute(
            db, "INSERT INTO blocks VALUES ('user', 'bob', 'bad', 'never'), ('ip', 'x', 'y', 1e12)"
        )
        assert [block["value"] for block in Blocks(db).list()] == ["x"]
        assert bad_rows() == ["bad_row table=blocks id='bob' reason='no number'"]

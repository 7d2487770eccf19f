"""Small values are kept, each caller has its own, and the disk comes before memory."""

import pytest

from hyphad.core.errors import StorageError
from hyphad.store.meta import Meta


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


async def test_a_damaged_value_is_as_if_never_set(opened, execute, bad_rows):
    async with opened() as db:
        await execute(db, "INSERT INTO meta VALUES ('a', '{'), ('b', '2')")
        meta = Meta(db)
        assert [meta.get("a", "none"), meta.get("b")] == ["none", 2]
        assert len(bad_rows()) == 1

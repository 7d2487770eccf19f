"""Revoked stays revoked: over restarts, over damage, until it would have expired (WS-60)."""

import asyncio

import pytest

from hyphad.core.errors import StorageError
from hyphad.store.revocations import Revocations


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


async def test_a_damaged_revocation_stays_in_force(opened, execute, bad_rows):
    async with opened() as db:
        await execute(db, "INSERT INTO revoked VALUES ('a', 'soon'), ('b', NULL), ('c', 1e12)")
        revocations = Revocations(db)
        revocations.purge()
        assert all(key in revocations for key in "abc")
        assert [line[:27] for line in bad_rows()] == [
            "bad_row table=revoked id='a",
            "bad_row table=revoked id='b",
        ]

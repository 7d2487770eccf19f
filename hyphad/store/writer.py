"""The one thread that writes: all changes that wait go to disk in one transaction, with one fsync.

Each change runs in a savepoint of its own, so that one that fails does not spoil the others. When
SQLite gives up the whole transaction, as it does on a full disk, its changes are tried one by one,
and only those that do not fit fail (D-28).
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from hyphad.core.errors import StorageError
from hyphad.store.errors import for_caller

log = logging.getLogger(__name__)

MAX_BATCH = 1000
COMPLAINT_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Change:
    """What to do with the connection, who waits for it, and what became of it."""

    action: Callable[[sqlite3.Connection], Any]
    future: "asyncio.Future[Any] | None" = None
    then: Callable[[Any], None] | None = None
    result: Any = None
    error: Exception | None = None


class Writer:
    """Owns the connection from its construction to `stop`. All futures belong to one loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: SimpleQueue[Change | None] = SimpleQueue()
        self._ended = False
        self._quiet_until = 0.0
        self._unsaid = 0
        self._thread = threading.Thread(target=self._run, name="hyphad-writer", daemon=True)
        self._thread.start()

    def put(self, change: Change) -> None:
        self._waiting.put(change)

    def stop(self) -> None:
        """Returns when everything put before is on disk, or has failed."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._commit(batch)
            self._report(batch)

    def _next_batch(self) -> list[Change]:
        """Wait for a change, then take all that wait; empty when there will be no more."""
        batch: list[Change] = []
        while not self._ended and len(batch) < MAX_BATCH:
            if batch and self._waiting.empty():
                break
            change = self._waiting.get()
            if change is None:
                self._ended = True
            else:
                batch.append(change)
        return batch

    def _commit(self, batch: list[Change]) -> None:
        """Leaves in each change what became of it; raises nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            for change in batch:
                change.error = error
            return
        try:
            for change in batch:
                self._apply(change)
            self._connection.execute("COMMIT")
        except Exception as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if len(batch) == 1:
                batch[0].error = error
                return
            for change in batch:
                change.error = None
                self._commit([change])

    def _apply(self, change: Change) -> None:
        """Raises only when the whole transaction is gone."""
        self._connection.execute("SAVEPOINT change")
        try:
            change.result = change.action(self._connection)
        except Exception as error:
            if not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO change")
            change.error = error
        self._connection.execute("RELEASE change")

    def _report(self, batch: list[Change]) -> None:
        for change in batch:
            if change.error is not None:
                change.error = for_caller(change.error)
                if change.future is None or isinstance(change.error, StorageError):
                    self._complain(change.error)
        waited_for = [change for change in batch if change.future is not None]
        if waited_for and waited_for[0].future is not None:
            loop = waited_for[0].future.get_loop()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, waited_for)

    def _complain(self, error: Exception) -> None:
        """At most one line a minute: a full disk must not fill the log as well."""
        now = time.monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        cause = error.__cause__ or error
        log.error("not_saved reason=%r cause=%r unsaid=%d", str(error), str(cause), self._unsaid)
        self._quiet_until = now + COMPLAINT_SECONDS
        self._unsaid = 0


def _settle(changes: list[Change]) -> None:
    """On the loop: memory follows the disk, whether or not the caller still waits."""
    for change in changes:
        if change.error is None and change.then is not None:
            try:
                change.then(change.result)
            except Exception as error:
                log.exception("bug in=then")
                change.error = error
        future = change.future
        if future is None or future.done():
            continue
        if change.error is None:
            future.set_result(change.result)
        else:
            future.set_exception(change.error)

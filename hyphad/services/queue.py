"""Task queues of a workspace: first in, first out, kept on disk (WS-65)."""

import asyncio
import re
from collections import deque
from typing import Annotated, Any

from hyphad.core.errors import Invalid, StorageError
from hyphad.core.identity import Permission
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.queues import QueueTable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
MAX_WAIT = 300.0
MAX_PEEK = 100

QueueName = Annotated[str, "Letters, digits, hyphens, underscores and dots."]
Task = tuple[int, Any]


class Queues:
    """The public `queue` service. A task belongs to the workspace of the client that pushed it."""

    def __init__(self, table: QueueTable) -> None:
        self._table = table
        self._tasks: dict[tuple[str, str], deque[Task]] = {}
        self._waiting: dict[tuple[str, str], deque[asyncio.Future[Task]]] = {}
        for workspace, queue, task_id, task in table.all():
            self._tasks.setdefault((workspace, queue), deque()).append((task_id, task))

    @rpc(Permission.READ_WRITE)
    async def push(
        self,
        caller: Caller,
        queue_name: QueueName,
        task: Annotated[Any, {"type": "object", "description": "Any JSON value."}],
    ) -> None:
        """Append a task; it is on disk when this returns."""
        key = _key(caller, queue_name)
        task_id = await self._table.push(*key, task)
        self._offer(key, (task_id, task))

    @rpc(Permission.READ_WRITE)
    async def pop(
        self,
        caller: Caller,
        queue_name: QueueName,
        timeout: Annotated[float, {"minimum": 0, "maximum": MAX_WAIT}] = 30,
    ) -> Any:
        """Take the oldest task, waiting up to `timeout` seconds for one; null if none came."""
        key = _key(caller, queue_name)
        if not 0 <= timeout <= MAX_WAIT:
            raise Invalid(f"timeout must be between 0 and {MAX_WAIT:g} seconds")
        task = self._first(key) or await self._wait(key, timeout)
        if task is None:
            return None
        try:
            await asyncio.shield(self._table.delete(task[0]))
        except asyncio.CancelledError:
            # Its client has gone: the row is as good as deleted, so it has to be written again.
            self._table.restore(*key, *task)
            self._put_back(key, task)
            raise
        except StorageError:
            self._put_back(key, task)
            raise
        return task[1]

    @rpc(Permission.READ_WRITE)
    def get_length(self, caller: Caller, queue_name: QueueName) -> int:
        """Count the tasks that wait."""
        return len(self._tasks.get(_key(caller, queue_name), ()))

    @rpc(Permission.READ_WRITE)
    def peek(
        self,
        caller: Caller,
        queue_name: QueueName,
        n: Annotated[int, {"minimum": 1, "maximum": MAX_PEEK}] = 1,
    ) -> list[Any]:
        """Show the next tasks without taking them."""
        if not 1 <= n <= MAX_PEEK:
            raise Invalid(f"n must be between 1 and {MAX_PEEK}")
        tasks = self._tasks.get(_key(caller, queue_name), deque())
        return [task for _, task in list(tasks)[:n]]

    def drop_workspace(self, workspace: str) -> None:
        """The workspace is gone, and its queues with it."""
        mine = [key for key in self._tasks if key[0] == workspace]
        for key in mine:
            del self._tasks[key]
        if mine:
            self._table.drop_workspace(workspace)

    # waiting

    def _first(self, key: tuple[str, str]) -> Task | None:
        tasks = self._tasks.get(key)
        if not tasks:
            return None
        task = tasks.popleft()
        if not tasks:
            del self._tasks[key]
        return task

    async def _wait(self, key: tuple[str, str], timeout: float) -> Task | None:
        """In order of arrival; one that is cancelled swallows no task."""
        if timeout == 0:
            return None
        waiter: asyncio.Future[Task] = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(key, deque())
        line.append(waiter)
        taken = False
        try:
            async with asyncio.timeout(timeout):
                task = await waiter
                taken = True
                return task
        except TimeoutError:
            return None
        finally:
            if waiter in line:
                line.remove(waiter)
            elif not taken and not waiter.cancelled():
                self._put_back(key, waiter.result())
            if not line and self._waiting.get(key) is line:
                del self._waiting[key]

    def _offer(self, key: tuple[str, str], task: Task) -> None:
        if not self._hand_over(key, task):
            self._tasks.setdefault(key, deque()).append(task)

    def _put_back(self, key: tuple[str, str], task: Task) -> None:
        if not self._hand_over(key, task):
            self._tasks.setdefault(key, deque()).appendleft(task)

    def _hand_over(self, key: tuple[str, str], task: Task) -> bool:
        line = self._waiting.get(key, deque())
        while line:
            waiter = line.popleft()
            if not waiter.done():
                waiter.set_result(task)
                return True
        return False


def _key(caller: Caller, queue: str) -> tuple[str, str]:
    if not _NAME.fullmatch(queue):
        raise Invalid(
            f"Invalid queue name: {queue[:160]!r}. Queue names must be 1-128 characters, start "
            "with alphanumeric, and contain only alphanumeric, hyphens, underscores, and dots."
        )
    return caller.workspace, queue

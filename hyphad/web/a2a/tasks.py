"""Answers of agents that come bit by bit, kept for a while so that one can come back to them.

A task goes on when its reader leaves, for a minute; a reader who returns hears the rest (MCP-74,
MCP-75). What has ended stays for an hour, as far as there is room.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hyphad.core.errors import Fault
from hyphad.web.a2a.agent import Entry, error_parts, parts_of, said, text_part

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
ALONE_SECONDS = 60.0
MAX_TASKS = 1000
MAX_OWN = 100  # of one caller with one agent, so that nobody drives out all others
MAX_ITEMS = 10_000
MAX_TASK_TEXT = 16 << 20
MAX_TEXT = 64 << 20
ENDED = ("completed", "failed", "canceled")
Owner = tuple[str, str]


@dataclass(slots=True)
class Task:
    """One answer in the making. `owner` is who asked, and which service."""

    owner: Owner
    message: Entry
    context_id: str
    id: str = field(default_factory=lambda: str(uuid4()))
    state: str = "working"
    parts: list[Entry] = field(default_factory=list)
    size: int = 0
    ended_at: float = 0.0
    reason: Entry | None = None
    work: "asyncio.Task[None] | None" = None
    readers: set["asyncio.Queue[Entry | None]"] = field(default_factory=set)
    _artifact: str = field(default_factory=lambda: str(uuid4()))
    _changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def to_dict(self) -> Entry:
        shown: Entry = {
            "kind": "task",
            "id": self.id,
            "contextId": self.context_id,
            "status": self._status(),
            "history": [self.message],
        }
        if self.parts:
            shown["artifacts"] = [{"artifactId": self._artifact, "parts": self.parts}]
        return shown

    def add(self, parts: list[Entry]) -> None:
        """The next piece of the answer."""
        event = {
            "kind": "artifact-update",
            "taskId": self.id,
            "contextId": self.context_id,
            "artifact": {"artifactId": self._artifact, "parts": parts},
            "append": bool(self.parts),
            "lastChunk": False,
        }
        self.parts.extend(parts)
        self.size += sum(len(str(part)) for part in parts)
        self._tell(event)

    def end(self, state: str, reason: list[Entry] | None = None) -> None:
        """The last word; nothing follows."""
        self.state, self.ended_at = state, time.monotonic()
        self._changed_at = datetime.now(UTC)
        if reason:
            self.reason = {**said(reason, self.context_id), "taskId": self.id}
        self._tell(self.last_event())
        for reader in self.readers:
            reader.put_nowait(None)

    def last_event(self) -> Entry:
        return {
            "kind": "status-update",
            "taskId": self.id,
            "contextId": self.context_id,
            "status": self._status(),
            "final": True,
        }

    def _status(self) -> Entry:
        status: Entry = {"state": self.state, "timestamp": self._changed_at.isoformat()}
        return {**status, "message": self.reason} if self.reason is not None else status

    def _tell(self, event: Entry) -> None:
        for reader in self.readers:
            reader.put_nowait(event)


class Tasks:
    """All tasks, of all callers."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, task: Task, items: AsyncGenerator[Any, None]) -> Task:
        """Gather the answer from now on, whoever reads along."""
        self._make_room(task.owner)
        self._tasks[task.id] = task
        task.work = asyncio.ensure_future(self._gather(task, items))
        return task

    def find(self, task_id: Any, owner: Owner) -> Task | None:
        """A task of this owner; nobody else's."""
        task = self._tasks.get(task_id) if isinstance(task_id, str) else None
        return task if task is not None and task.owner == owner else None

    def of(self, owner: Owner) -> list[Task]:
        return [task for task in self._tasks.values() if task.owner == owner]

    async def _gather(self, task: Task, items: AsyncGenerator[Any, None]) -> None:
        count = 0
        try:
            async for item in items:
                count += 1
                task.add(parts_of(item))
                if count >= MAX_ITEMS or task.size > MAX_TASK_TEXT:
                    task.end("failed", [text_part("Error: the answer is too long")])
                    return
            task.end("completed")
        except asyncio.CancelledError:
            if not task.ended:
                task.end("canceled")
        except Fault as error:
            task.end("failed", error_parts(error))
        except Exception:
            log.exception("agent_failed service=%s", task.owner[1])
            task.end("failed", [text_part("Error: hyphad failed to handle this; see its log")])
        finally:
            await items.aclose()

    async def read(self, task: Task) -> AsyncGenerator[Entry, None]:
        """The task as it is, then what happens to it until it ends."""
        reader: asyncio.Queue[Entry | None] = asyncio.Queue()
        task.readers.add(reader)
        try:
            yield task.to_dict()
            if task.ended:
                yield task.last_event()
                return
            while (event := await reader.get()) is not None:
                yield event
        finally:
            task.readers.discard(reader)
            if not task.readers and not task.ended:
                loop = asyncio.get_running_loop()
                loop.call_later(ALONE_SECONDS, self._abandon, task)

    @staticmethod
    def _abandon(task: Task) -> None:
        """Nobody has come back for it."""
        if not task.readers and task.work is not None:
            task.work.cancel()

    def _make_room(self, owner: Owner) -> None:
        """Drop what ended long ago, then the oldest, until there is room for one more of these."""
        before = time.monotonic() - KEEP_SECONDS
        for task in [task for task in self._tasks.values() if task.ended]:
            if task.ended_at < before:
                del self._tasks[task.id]
        own = self.of(owner)
        for task in own[: max(0, len(own) + 1 - MAX_OWN)]:
            self._drop(task)
        size = sum(task.size for task in self._tasks.values())
        for task in list(self._tasks.values()):
            if len(self._tasks) < MAX_TASKS and size <= MAX_TEXT:
                return
            size -= task.size
            self._drop(task)

    def _drop(self, task: Task) -> None:
        del self._tasks[task.id]
        if task.work is not None:
            task.work.cancel()

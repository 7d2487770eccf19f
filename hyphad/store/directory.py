"""The workspaces that exist: in memory for reading, written through to SQLite for keeping.

A change is on disk before it shows in memory, so that a full disk leaves everything as it was
(D-28). Workspaces that are not persistent go some seconds after their last client (WS-46); they
are kept on disk meanwhile, so that a restart of the daemon does not lock their clients out.
Homes of anonymous visitors are written only when something was put into them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, Protocol

from hyphad.core.errors import Fault, NotFound
from hyphad.core.events import Events
from hyphad.core.identity import ANONYMOUS_PREFIX, ROOT_ID, User
from hyphad.core.policy import FIXED_WORKSPACES, owns
from hyphad.core.records import Workspace

log = logging.getLogger(__name__)

RESTART_GRACE = 60.0


class Table(Protocol):
    """Where records are kept; both futures resolve when the change is on disk."""

    def all(self) -> list[dict[str, Any]]: ...

    def save(self, record: dict[str, Any]) -> "asyncio.Future[None]": ...

    def delete(self, workspace_id: str) -> "asyncio.Future[None]": ...


class Directory:
    """Workspaces by id. `grace` is in seconds; `occupied(id)` tells whether clients are in one."""

    def __init__(self, table: Table, events: Events, grace: float) -> None:
        self._table = table
        self._events = events
        self._grace = grace
        self._workspaces: dict[str, Workspace] = {}
        self._owned: dict[str, set[str]] = {}
        self._saved: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self.occupied: Callable[[str], bool] = lambda _: False
        self.on_removed: list[Callable[[str], None]] = []
        self.on_owners_changed: list[Callable[[], None]] = []

    def load(self) -> None:
        """Read what the last run left, and make sure of the three that always exist (WS-39)."""
        for record in self._table.all():
            try:
                self._put(Workspace.from_dict(record))
            except Fault as error:
                log.error("bad_row table=workspaces id=%r reason=%r", record.get("id"), str(error))
        self._saved = set(self._workspaces)
        names = {"ws-anonymous": "Anonymous Workspace"}
        for fixed in FIXED_WORKSPACES:
            if fixed not in self._workspaces:
                only_read = fixed != "ws-user-root"
                name = names.get(fixed, fixed)
                self._put(Workspace(fixed, name, None, True, [ROOT_ID], read_only=only_read))

    def start(self) -> None:
        """Give clients of workspaces that are not persistent time to come back."""
        for workspace in list(self._workspaces.values()):
            if not workspace.persistent:
                self._schedule_removal(workspace.id, max(self._grace, RESTART_GRACE))

    def __contains__(self, workspace_id: str) -> bool:
        return workspace_id in self._workspaces

    def __iter__(self) -> Iterator[Workspace]:
        return iter(list(self._workspaces.values()))

    def __len__(self) -> int:
        return len(self._workspaces)

    def get(self, workspace_id: str) -> Workspace | None:
        return self._workspaces.get(workspace_id)

    def find(self, workspace_id: str) -> Workspace:
        """Raises `NotFound` with the text that clients know (WS-47)."""
        workspace = self._workspaces.get(workspace_id)
        if workspace is None:
            raise NotFound(f"Workspace not found: {workspace_id}")
        return workspace

    def owned_by(self, user: User) -> list[Workspace]:
        """Workspaces that list the user as an owner, by id or verified e-mail; and the home."""
        ids = {user.id, user.effective_id, (user.email or "").lower()}
        found = {ws for owner in ids if owner for ws in self._owned.get(owner, ())}
        if user.home in self._workspaces:
            found.add(user.home)
        owned = [self._workspaces[workspace_id] for workspace_id in found]
        return sorted((ws for ws in owned if owns(user, ws)), key=lambda ws: ws.created)

    def home_of(self, user: User) -> Workspace:
        """The personal workspace of a user, made on first use (WS-39)."""
        existing = self._workspaces.get(user.home)
        if existing is not None:
            return existing
        owner = user.effective_id
        if owner.startswith(ANONYMOUS_PREFIX):
            home = Workspace(user.home, user.home, "Anonymous workspace", False, [owner])
            home.read_only = True
            self._put(home)
            return home
        text = f"Workspace for user {owner}"
        home = Workspace(user.home, user.home, text, True, [owner, ROOT_ID])
        self._put(home)
        self._saved.add(home.id)
        self._table.save(_record(home)).add_done_callback(_log_failure)
        return home

    async def add(self, workspace: Workspace) -> None:
        """Create or replace a workspace; on disk when this returns."""
        await asyncio.shield(self._add(workspace))

    async def _add(self, workspace: Workspace) -> None:
        """Not to be cut off between disk and memory by a caller that goes away."""
        async with self._lock(workspace.id):
            await self._table.save(_record(workspace))
            self._saved.add(workspace.id)
            self._put(workspace)

    async def change(self, workspace_id: str, edit: Callable[[Workspace], None]) -> Workspace:
        """Apply `edit` to a copy, write it, then let it be seen; emits `workspace_changed`.

        Raises `Invalid` for an edit after which the record would be refused at the next start.
        """
        return await asyncio.shield(self._change(workspace_id, edit))

    async def _change(self, workspace_id: str, edit: Callable[[Workspace], None]) -> Workspace:
        async with self._lock(workspace_id):
            changed = deepcopy(self.find(workspace_id))
            edit(changed)
            Workspace.from_dict(changed.to_dict())  # What is written must be readable again.
            await self._table.save(_record(changed))
            self._saved.add(workspace_id)
            self._put(changed)
        self._events.emit(workspace_id, "workspace_changed", changed.without_secrets())
        return changed

    async def remove(self, workspace_id: str) -> Workspace:
        """Delete for good; on disk when this returns. Raises `NotFound`."""
        return await asyncio.shield(self._remove(workspace_id))

    async def _remove(self, workspace_id: str) -> Workspace:
        async with self._lock(workspace_id):
            workspace = self.find(workspace_id)
            await self._table.delete(workspace_id)
            self._take(workspace_id)
        return workspace

    def entered(self, workspace_id: str) -> None:
        """A client has come in: the workspace stays."""
        timer = self._leaving.pop(workspace_id, None)
        if timer is not None:
            timer.cancel()

    def left(self, workspace_id: str) -> None:
        """A client has gone; a workspace that is not persistent goes after the last one (WS-46)."""
        workspace = self._workspaces.get(workspace_id)
        if workspace is None or workspace.persistent or self.occupied(workspace_id):
            return
        self._schedule_removal(workspace_id, self._grace)

    def _schedule_removal(self, workspace_id: str, delay: float) -> None:
        self.entered(workspace_id)
        loop = asyncio.get_running_loop()
        self._leaving[workspace_id] = loop.call_later(delay, self._unload, workspace_id)

    def _unload(self, workspace_id: str) -> None:
        self._leaving.pop(workspace_id, None)
        workspace = self._workspaces.get(workspace_id)
        if workspace is None or workspace.persistent or self.occupied(workspace_id):
            return
        if workspace_id in self._saved:
            self._table.delete(workspace_id).add_done_callback(_log_failure)
        self._take(workspace_id)
        self._events.emit(workspace_id, "workspace_unloaded", workspace.without_secrets())

    def _put(self, workspace: Workspace) -> None:
        known = self._workspaces.get(workspace.id)
        if known is not None:
            workspace.created = known.created
            self._disown(known)
        self._workspaces[workspace.id] = workspace
        for owner in _owners(workspace):
            self._owned.setdefault(owner, set()).add(workspace.id)
        if known is not None and set(known.owners) != set(workspace.owners):
            for tell in self.on_owners_changed:
                tell()

    def _take(self, workspace_id: str) -> None:
        workspace = self._workspaces.pop(workspace_id)
        self._disown(workspace)
        self._saved.discard(workspace_id)
        self._locks.pop(workspace_id, None)
        self.entered(workspace_id)
        for tell in self.on_removed:
            tell(workspace_id)

    def _disown(self, workspace: Workspace) -> None:
        for owner in _owners(workspace):
            mine = self._owned.get(owner)
            if mine is not None:
                mine.discard(workspace.id)
                if not mine:
                    del self._owned[owner]

    def _lock(self, workspace_id: str) -> asyncio.Lock:
        return self._locks.setdefault(workspace_id, asyncio.Lock())


def _owners(workspace: Workspace) -> Iterable[str]:
    return {owner.lower() if "@" in owner else owner for owner in workspace.owners}


def _record(workspace: Workspace) -> dict[str, Any]:
    return {**workspace.to_dict(), "created": workspace.created}


def _log_failure(done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and done.exception() is not None:
        log.error("not_saved table=workspaces reason=%r", str(done.exception()))

"""Events and the event log: what happens in a workspace, and who is told (WS-56, WS-57, WS-61)."""

import asyncio
import logging
from typing import Annotated, Any

from hyphad.core.errors import Fault, Misuse
from hyphad.core.events import Events, check_event_types
from hyphad.core.identity import Permission
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.eventlog import EventLog
from hyphad.wire.router import Router

log = logging.getLogger(__name__)

TypeName = Annotated[str | None, "Only events of this type."]
Start = Annotated[str | None, {"format": "date-time", "description": "Earliest moment."}]
End = Annotated[str | None, {"format": "date-time", "description": "Latest moment."}]


class NotConnected(Fault):
    """A call that only makes sense on a live connection."""

    kind = "RuntimeError"
    status = 400


class Activity:
    """Methods of the manager that concern events."""

    def __init__(self, event_log: EventLog, events: Events, router: Router) -> None:
        self._log = event_log
        self._events = events
        self._router = router

    @rpc(Permission.READ_WRITE)
    def echo(self, caller: Caller, data: Annotated[Any, "Anything."]) -> Any:
        """Return what it is given, to test a connection."""
        return data

    @rpc(Permission.READ_WRITE)
    def log(
        self, caller: Caller, msg: Annotated[Any, {"type": "string"}]
    ) -> "asyncio.Future[None]":
        """Write a message into the event log of the workspace."""
        return self._log.add("log", caller.workspace, caller.user.id, msg)

    @rpc(Permission.READ_WRITE)
    def log_event(
        self,
        caller: Caller,
        event_type: Annotated[str, "A name without spaces."],
        data: Annotated[dict[str, Any] | None, "Any JSON value."] = None,
    ) -> "asyncio.Future[None]":
        """Write an event into the event log of the workspace; on disk when this returns."""
        if " " in event_type:
            raise Misuse("Event type must not contain spaces")
        return self._log.add(event_type, caller.workspace, caller.user.id, data)

    @rpc(Permission.READ)
    async def get_events(
        self,
        caller: Caller,
        event_type: TypeName = None,
        start_time: Start = None,
        end_time: End = None,
    ) -> list[dict[str, Any]]:
        """Get the caller's own events in the log of the workspace, oldest first."""
        return await self._log.find(
            caller.workspace, caller.user.id, event_type, start_time, end_time
        )

    @rpc(Permission.READ)
    async def get_event_stats(
        self,
        caller: Caller,
        event_type: TypeName = None,
        start_time: Start = None,
        end_time: End = None,
    ) -> list[dict[str, Any]]:
        """Count the caller's own events in the log of the workspace, by type."""
        return await self._log.stats(
            caller.workspace, caller.user.id, event_type, start_time, end_time
        )

    @rpc()
    def subscribe(
        self, caller: Caller, event_type: Annotated[str | list[str], "One name or several."]
    ) -> bool:
        """Receive events of the caller's workspace from now on."""
        types = check_event_types(event_type, caller.workspace)
        link = self._router.links.get(caller.address)
        if link is None:
            raise NotConnected(f"Connection not found for client {caller.address}")
        self._events.subscribe(caller.workspace, types, link)
        return True

    @rpc()
    def unsubscribe(
        self, caller: Caller, event_type: Annotated[str | list[str], "One name or several."]
    ) -> bool:
        """Stop receiving events."""
        types = check_event_types(event_type, caller.workspace)
        link = self._router.links.get(caller.address)
        if link is not None:
            self._events.unsubscribe(caller.workspace, types, link)
        return True

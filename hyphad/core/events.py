"""Subscribe and emit, per workspace: who hears of which event (WIRE-86 to WIRE-89, WS-61, WS-62).

A subscriber is anything with a `send(frame)` method. System events reach every subscriber of the
workspace as one frame, packed once; parts of the daemon listen with plain functions.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hyphad.core.errors import Invalid
from hyphad.core.records import Service

log = logging.getLogger(__name__)

SYSTEM_EVENTS = frozenset(
    (
        "service_added",
        "service_removed",
        "service_updated",
        "client_connected",
        "client_disconnected",
        "client_updated",
        "workspace_loaded",
        "workspace_deleted",
        "workspace_changed",
        "workspace_ready",
        "workspace_unloaded",
        "workspace_status_changed",
    )
)
MAX_RECORD_IN_EVENT = 64 * 1024
MAX_SUBSCRIPTIONS = 1000

Listener = Callable[[str, str, Any], None]
PublicListener = Callable[[str, Any], None]


class Subscriber(Protocol):
    """What an event is delivered to."""

    subscriptions: set[str]

    def send(self, *parts: bytes) -> None: ...


class Events:
    """The event bus. `encode(type, data)` makes the frame that subscribers receive."""

    def __init__(
        self, encode: Callable[[str, Any], bytes], max_subscriptions: int = MAX_SUBSCRIPTIONS
    ) -> None:
        self._encode = encode
        self._most = max_subscriptions
        self._subscribers: dict[tuple[str, str], dict[Subscriber, None]] = {}
        self._listeners: list[Listener] = []
        self._public: dict[PublicListener, None] = {}

    def listen(self, listener: Listener) -> None:
        """Call `listener(workspace, type, data)` for every system event, inside the daemon."""
        self._listeners.append(listener)

    def subscribe(self, workspace: str, types: Iterable[str], subscriber: Subscriber) -> None:
        """Add all of `types`, or raise `Invalid` where they are too many for a connection."""
        wanted = subscriber.subscriptions | set(types)
        if len(wanted) > self._most:
            raise Invalid(f"Too many subscriptions: at most {self._most} a connection")
        for kind in wanted - subscriber.subscriptions:
            self._subscribers.setdefault((workspace, kind), {})[subscriber] = None
        subscriber.subscriptions = wanted

    def unsubscribe(self, workspace: str, types: Iterable[str], subscriber: Subscriber) -> None:
        """Remove; what was never subscribed is no error."""
        for kind in set(types) & subscriber.subscriptions:
            self._remove(workspace, kind, subscriber)
            subscriber.subscriptions.discard(kind)

    def drop(self, workspace: str, subscriber: Subscriber) -> set[str]:
        """Forget a subscriber that has gone; returns what it had subscribed to."""
        types = set(subscriber.subscriptions)
        self.unsubscribe(workspace, types, subscriber)
        return types

    def subscribers(self, workspace: str, kind: str) -> list[Subscriber]:
        return list(self._subscribers.get((workspace, kind), ()))

    def emit(self, workspace: str, kind: str, data: Any) -> None:
        """Send a system event to all who subscribed to it in that workspace."""
        for listener in self._listeners:
            listener(workspace, kind, data)
        subscribers = self.subscribers(workspace, kind)
        if subscribers:
            frame = self._encode(kind, data)
            for subscriber in subscribers:
                subscriber.send(frame)

    def emit_service(self, kind: str, service: Service) -> None:
        """`service_added` or `service_removed` with the record, or its summary if long (D-20)."""
        short = service.size <= MAX_RECORD_IN_EVENT
        self.emit(service.workspace, kind, service.record if short else service.summary())
        self.tell_public(kind, service)

    def tell_public(self, kind: str, service: Service) -> None:
        """Only to those who listen to public services; not to the workspace."""
        if self._public and service.visibility == "public" and not service.is_presence:
            for tell in list(self._public):
                tell(kind, service.summary())

    def listen_public(self, tell: PublicListener) -> None:
        """Call `tell(type, summary)` for public services of any workspace that come and go."""
        self._public[tell] = None

    def unlisten_public(self, tell: PublicListener) -> None:
        self._public.pop(tell, None)

    def _remove(self, workspace: str, kind: str, subscriber: Subscriber) -> None:
        found = self._subscribers.get((workspace, kind))
        if found is not None:
            found.pop(subscriber, None)
            if not found:
                del self._subscribers[(workspace, kind)]


def check_event_types(types: Any, workspace: str) -> list[str]:
    """One name or a list of names, none of another workspace (WIRE-88). Raises `Invalid`."""
    names = [types] if isinstance(types, str) else types
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Invalid("event_type must be a string or a list of strings")
    for name in names:
        _check_event_type(name, workspace)
    return names


def _check_event_type(name: str, workspace: str) -> None:
    if len(name) > 256:
        raise Invalid("Event type is longer than 256 characters")
    if name in SYSTEM_EVENTS:
        return
    where = "Clients can only subscribe to events within their own workspace"
    own = name == workspace or name.startswith((workspace + "/", workspace + ":"))
    named = name.startswith("ws-")
    for mark, what in (("/", "Event workspace"), (":", "Workspace")):
        owner, found, _ = name.partition(mark)
        if found and owner != workspace and (mark == "/" or (named and not own)):
            raise Invalid(
                f"Subscription to event '{name}' is forbidden. {what} '{owner}' does not match "
                f"your workspace '{workspace}'. {where} or system events."
            )
    if named and not own:
        raise Invalid(
            f"Subscription to event '{name}' is forbidden as it contains workspace identifiers. "
            f"{where} ({workspace}) or system events."
        )

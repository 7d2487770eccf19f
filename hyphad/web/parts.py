"""What request handlers may use, handed to each of them by the routes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hyphad.auth.admission import Admission
from hyphad.auth.authenticate import Authenticator
from hyphad.auth.presence import Presence
from hyphad.config import Settings
from hyphad.core.registry import Registry
from hyphad.store.directory import Directory
from hyphad.wire.peer import Peer
from hyphad.wire.router import Router


@dataclass(slots=True)
class Parts:
    """The parts of the daemon that the web speaks to. `ready` answers whether requests may come."""

    settings: Settings
    info: dict[str, Any]
    authenticator: Authenticator
    admission: Admission
    presence: Presence
    directory: Directory
    registry: Registry
    router: Router
    manager: Peer
    deputy: Peer
    ready: Callable[[], bool]
    started: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

"""What request handlers may use, handed to each of them by the routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hyphad.auth.admission import Admission
from hyphad.auth.authenticate import Authenticator
from hyphad.auth.presence import Presence
from hyphad.auth.signin import SignIn
from hyphad.config import Settings
from hyphad.core.registry import Registry
from hyphad.services.catalogue import Catalogue
from hyphad.services.skills import Skills
from hyphad.store.directory import Directory
from hyphad.web.counts import Counts
from hyphad.web.gateway import Gateway
from hyphad.web.identity import Identities
from hyphad.web.turns import Turns
from hyphad.wire.peer import Peer
from hyphad.wire.router import Router


@dataclass(slots=True)
class Parts:
    """The parts of the daemon that the web speaks to. `ready` answers whether requests may
    come, `custom_login` whether the operator has a login service of its own; `take_over` hands
    WebSockets to a faster protocol, where there is one."""

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
    catalogue: Catalogue
    identities: Identities
    gateway: Gateway
    skills: Skills
    counts: Counts
    signin: SignIn
    ready: Callable[[], bool]
    custom_login: Callable[[], bool]
    started: float = 0.0
    take_over: Callable[..., Awaitable[None]] | None = None
    turns: Turns = field(default_factory=Turns)

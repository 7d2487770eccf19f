"""What the web is given of all the parts, and the table of URLs made of it."""

import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tornado.web import Application

from hyphad.auth.admission import Admission
from hyphad.config import Settings
from hyphad.daemon.errors import StartFailed
from hyphad.daemon.foundation import Foundation
from hyphad.daemon.identity import Identity
from hyphad.daemon.services import Services
from hyphad.web.counts import Counts
from hyphad.web.gateway import Gateway
from hyphad.web.identity import Identities
from hyphad.web.parts import Parts
from hyphad.web.routes import application
from hyphad.web.static import BadMount

log = logging.getLogger(__name__)


def parts_of(
    base: Foundation, identity: Identity, services: Services, ready: Callable[[], bool]
) -> Parts:
    """Everything that request handlers may use. `ready` answers whether requests may come."""
    counts = Counts()
    base.events.listen(counts.happened)
    return Parts(
        settings=base.settings,
        info=base.info,
        authenticator=identity.authenticator,
        admission=identity.admission,
        presence=base.presence,
        directory=base.directory,
        registry=base.registry,
        router=base.router,
        manager=base.manager,
        deputy=base.deputy,
        catalogue=services.catalogue,
        identities=_identities(base, identity),
        skills=services.skills,
        gateway=Gateway(services.catalogue, base.manager, base.deputy, counts, base.calls),
        counts=counts,
        signin=identity.signin,
        ready=ready,
        custom_login=lambda: services.custom_auth.has_pages,
        started=time.time(),
        take_over=_fast_websocket(base.settings, identity.admission),
    )


def application_of(parts: Parts) -> Application:
    """The table of URLs. Raises `StartFailed` where a folder to serve cannot be."""
    try:
        return application(parts)
    except BadMount as error:
        raise StartFailed(str(error)) from None


def _identities(base: Foundation, identity: Identity) -> Identities:
    """Who sends HTTP requests; pages of our own public address may use the cookie."""
    settings = base.settings
    own = urlsplit(base.base_url)
    return Identities(
        identity.authenticator,
        base.directory,
        base.server_id,
        [*settings.allow_origins, f"{own.scheme}://{own.netloc}"],
        visitors=settings.anonymous_access != "off",
        base_path=settings.base_path,
    )


def _fast_websocket(
    settings: Settings, admission: Admission
) -> Callable[..., Awaitable[None]] | None:
    """What hands plain sockets to the C parser; None where it is switched off or missing."""
    if not settings.fast_websocket or settings.tls_cert:
        return None
    try:
        from hyphad.web.fastsocket import FastWebSockets
    except ImportError as error:
        log.warning("fast_websocket_off reason=%r", str(error))
        return None
    return FastWebSockets(admission, settings.max_frame_bytes).take_over

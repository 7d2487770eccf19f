"""The life of the daemon: every part built, started, drained and stopped, in that order."""

import asyncio
import contextlib
import gc
import logging

from hyphad import logs, memory
from hyphad.config import Settings
from hyphad.daemon.discovery import Discovery
from hyphad.daemon.errors import StartFailed
from hyphad.daemon.foundation import Foundation
from hyphad.daemon.identity import Identity
from hyphad.daemon.services import Services
from hyphad.daemon.site import application_of, parts_of
from hyphad.daemon.sockets import Sockets
from hyphad.daemon.upkeep import Upkeep
from hyphad.store import archive
from hyphad.store.backups import Backups
from hyphad.store.database import Database, StoreError
from hyphad.store.datadir import DataDir
from hyphad.web.local import local_application
from hyphad.wire.router import GOING_AWAY

log = logging.getLogger(__name__)

KEPT_LOG_ENTRIES = 200
DRAIN_SECONDS = 2.0
SETTLE_SECONDS, QUIET_SECONDS = 0.5, 0.05
SOCKET_NAME = "status.sock"


class Daemon:
    """One server: `await start()`, then `await stop()`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sockets = Sockets(settings)
        self.ready = False
        self._entries = logs.remember(KEPT_LOG_ENTRIES)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return self._base.base_url

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._base.router.links)

    async def start(self) -> None:
        """Ready for clients when this returns. Raises `StartFailed`, `StoreError` and the like."""
        self.sockets.load_certificate()
        self.sockets.bind()
        self._open_store()
        try:
            await self._build()
            await self._services.bring_in_operators_own()
            self.sockets.listen(self._application, self._identity.admission.addresses)
        except BaseException:
            await self._close_store()
            raise
        self.sockets.listen_locally(self._data.path / SOCKET_NAME, local_application(self._parts))
        self._upkeep.start()
        self._discovery = Discovery(self.settings, self.sockets.port)
        self._discovery.start()
        self._identity.offer_setup()
        self._identity.warn()
        self._warn()
        gc.collect()
        gc.freeze()
        memory.give_back()
        self.ready = True

    async def _build(self) -> None:
        scheme = "https" if self.sockets.tls else "http"
        local_url = f"{scheme}://127.0.0.1:{self.sockets.port}{self.settings.base_path}"
        self._base = Foundation(self.settings, self._database, self._data.path, local_url)
        self._identity = Identity(self._base)
        self._services = Services(self._base, self._identity, self._backups, self._entries)
        await self._base.bring_back()
        self._upkeep = Upkeep(self._base, self._identity, self._backups)
        self._parts = parts_of(self._base, self._identity, self._services, lambda: self.ready)
        self._application = application_of(self._parts)

    def _open_store(self) -> None:
        self._data = DataDir(self.settings.data_dir)
        self._data.open()
        self._backups = Backups(self._data.path, self.settings.backup_keep)
        try:
            self._database = Database.open(self._data.database_file)
        except BaseException as error:
            self._data.close()
            found = archive.backups(self._data.path / "backups")
            if isinstance(error, StoreError) and "damaged" in str(error) and found:
                raise StoreError(f"{error} The newest one: hyphad restore {found[-1]}") from None
            raise

    async def _close_store(self) -> None:
        await self._database.close()
        self._data.close()

    def _warn(self) -> None:
        """What works, and is not safe (AUTH-110)."""
        settings = self.settings
        public = settings.public_base_url or ""
        local = settings.host.startswith("127.") or settings.host in ("localhost", "::1")
        if not local and self.sockets.tls is None and not public.startswith("https://"):
            log.warning(
                "no_tls host=%s hint='passwords and tokens pass the network readable; "
                "`hyphad cert` makes a certificate'",
                settings.host,
            )

    def reload(self, settings: Settings) -> None:
        """Take over what can change while running: log level, signing keys, certificate."""
        logs.set_level(settings.log_level)
        self._identity.reload_keys()
        try:
            self.sockets.load_certificate()
        except StartFailed as error:
            log.error("certificate_not_reloaded reason=%r", str(error))
        keys = len(self._identity.ring.keys)
        log.info("reloaded log_level=%s keys=%d", settings.log_level, keys)

    async def stop(self) -> None:
        """Say goodbye to every client, wait two seconds for theirs, close the store."""
        self.ready = False
        self._upkeep.stop()
        self.sockets.stop()
        unannounced = asyncio.ensure_future(self._discovery.stop())
        self._base.stop()
        await self._settle()
        await self._dismiss()
        self._base.keep_frames()
        await self.sockets.close()
        await unannounced
        await self._services.close()
        await self._close_store()

    async def _settle(self) -> None:
        """A moment for services to answer what they have been asked, while there are answers."""
        router = self._base.router
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                before = -1
                while router.frames != before:
                    before = router.frames
                    await asyncio.sleep(QUIET_SECONDS)

    async def _dismiss(self) -> None:
        links = list(self._base.router.links.values())
        for link in links:
            link.close(GOING_AWAY, "Server is shutting down")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(link.alive for link in links):
                    await asyncio.sleep(0.02)
        for link in links:
            if link.alive:
                link.transport.abort()

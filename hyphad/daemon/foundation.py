"""What everything stands on: registries brought back from disk, the router, the server's peers."""

import asyncio
from pathlib import Path
from typing import Any

from hyphad import HYPHA_VERSION, __version__
from hyphad.auth.presence import Presence
from hyphad.config import Settings
from hyphad.core.events import Events
from hyphad.core.names import readable_id
from hyphad.core.quota import Calls
from hyphad.core.registry import Registry
from hyphad.store import transit
from hyphad.store.database import Database
from hyphad.store.directory import Directory
from hyphad.store.meta import Meta
from hyphad.store.presence import PresenceTable
from hyphad.store.workspaces import WorkspaceTable
from hyphad.wire.away import HeldCall
from hyphad.wire.chunks import ChunkStore
from hyphad.wire.peer import Peer
from hyphad.wire.router import Router, event_frame

KEPT_MANAGERS = 100


class Foundation:
    """Call `await bring_back()` once the server's own services are there."""

    def __init__(
        self, settings: Settings, database: Database, folder: Path, local_url: str
    ) -> None:
        self.settings = settings
        self.database = database
        self.folder = folder
        self.server_id = settings.server_id or readable_id()
        self.manager_id = f"manager-{self.server_id}"
        self.base_url = settings.public_base_url or local_url
        self.info = self._server_info(local_url)
        self.meta = Meta(database)
        self.registry = Registry()
        self.events = Events(event_frame, settings.max_subscriptions_per_client)
        self.directory = Directory(WorkspaceTable(database), self.events, settings.workspace_grace)
        self.directory.load()
        self.router = Router(
            f"*/{self.manager_id}", self.server_id, self.events, settings.reconnect_grace
        )
        self._clients = PresenceTable(database)
        self.presence = Presence(
            self.router, self.registry, self.directory, self.events, self._clients
        )
        chunks = ChunkStore(settings.max_unfinished_per_client, settings.max_unfinished_total)
        self.calls = Calls(settings.max_calls_per_user)
        shared = (self.base_url, chunks, self.calls)
        self.manager = Peer(self.router, self.manager_id, *shared, manager=True)
        self.deputy = Peer(self.router, self.server_id, *shared, manager=False)
        self.router.local[self.router.manager] = self.manager
        self.router.deputy = self.deputy

    async def bring_back(self) -> None:
        """Expect the clients of the run before, and hold what was on its way to them."""
        await self._remember_manager()
        self.presence.expect(self._clients.all())
        for to, data, sender, method, session in transit.take(self._transit_file):
            self.router.away.hold(to, HeldCall(data, sender, method, session))
        loop = asyncio.get_running_loop()
        loop.call_later(self.settings.reconnect_grace, self._clients.drop_unseen)
        self.directory.start()

    def stop(self) -> None:
        """Clients that leave from now on are expected in the next run."""
        self._clients.close()
        self.router.stop()

    def keep_frames(self) -> None:
        """What was on its way to clients, for the next run, which they will come back to."""
        frames = [
            (to, call.data, call.sender, call.method, call.session)
            for to, call in self.router.unsent()
        ]
        if frames:
            transit.keep(self._transit_file, frames)

    def counters(self) -> dict[str, Any]:
        """Counters as plain numbers."""
        return {
            "connections": len(self.router.links),
            "connections_established": self.presence.established,
            "connections_closed": self.presence.closed,
            "frames": self.router.frames,
            "rejects": self.router.rejects,
            "services": len(self.registry),
            "workspaces": len(self.directory),
        }

    @property
    def _transit_file(self) -> Path:
        return self.folder / transit.FILE_NAME

    async def _remember_manager(self) -> None:
        """Earlier ids of the manager stay its aliases: clients may still call them (D-5)."""
        known = [str(name) for name in self.meta.get("manager_ids", [])]
        known = [name for name in known if name != self.manager_id]
        for name in known:
            self.router.local[f"*/{name}"] = self.manager
        await self.meta.set("manager_ids", [*known, self.manager_id][-KEPT_MANAGERS:])

    def _server_info(self, local_url: str) -> dict[str, Any]:
        return {
            "server_id": self.server_id,
            "hypha_version": HYPHA_VERSION,
            "hyphad_version": __version__,
            "public_base_url": self.base_url,
            "local_base_url": local_url,
            "auth0_client_id": "",
            "auth0_domain": "",
            "auth0_audience": self.settings.jwt_audience,
            "auth0_issuer": self.settings.jwt_issuer,
            "login_service_url": f"{self.base_url}/public/services/hypha-login",
        }

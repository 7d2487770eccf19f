"""What administrators do to the running server: see its load, its settings and its log, back it up.

Part of the service `admin-utils`; every method asks for the role (AUTH-46).
"""

import logging
import time
from typing import Annotated, Any, Literal

from hyphad import logs
from hyphad.config import Settings
from hyphad.core import policy
from hyphad.core.errors import Fault
from hyphad.core.records import Caller
from hyphad.options import OPTIONS
from hyphad.services.base import rpc
from hyphad.store.backups import Backups, described
from hyphad.store.errors import StoreError
from hyphad.wire.link import Link
from hyphad.wire.router import Router

log = logging.getLogger(__name__)

HIDDEN = "(set, not shown)"


class BackupFailed(Fault):
    """No backup was made; the text says why."""


class Operations:
    """`memory` holds the last warnings and errors of the log."""

    def __init__(
        self, settings: Settings, router: Router, backups: Backups, memory: logs.Memory
    ) -> None:
        self._settings = settings
        self._router = router
        self._backups = backups
        self._memory = memory

    @rpc()
    def list_connections(
        self, caller: Caller, limit: Annotated[int, "How many at most."] = 100
    ) -> list[dict[str, Any]]:
        """List connected clients; those for whom most is waiting come first."""
        policy.require_admin(caller)
        links = sorted(self._router.links.values(), key=lambda link: -link.transport.queued)
        return [_shown(link) for link in links[: max(0, limit)]]

    @rpc()
    def get_configuration(self, caller: Caller) -> list[dict[str, Any]]:
        """Show every setting in force and where its value comes from; secrets stay hidden."""
        policy.require_admin(caller)
        return [
            {
                "key": option.key,
                "value": _value(getattr(self._settings, option.key), option.secret),
                "source": self._settings.sources.get(option.key, "default"),
                "help": option.help,
            }
            for option in OPTIONS.values()
        ]

    @rpc()
    def get_log(
        self, caller: Caller, limit: Annotated[int, "How many at most."] = 100
    ) -> dict[str, Any]:
        """Show the log level and the last warnings and errors, oldest first."""
        policy.require_admin(caller)
        entries = list(self._memory.entries)
        return {"level": logs.level(), "entries": entries[-max(0, limit) :] if limit > 0 else []}

    @rpc()
    def set_log_level(
        self, caller: Caller, level: Literal["debug", "info", "warning", "error"]
    ) -> None:
        """Log more or less, until the next start or reload."""
        policy.require_admin(caller)
        logs.set_level(level)
        log.warning("log_level_changed level=%s by=%s", level, caller.user.effective_id)

    @rpc()
    def list_backups(self, caller: Caller) -> list[dict[str, Any]]:
        """List the backups in the data directory, newest first."""
        policy.require_admin(caller)
        return self._backups.listed()

    @rpc()
    async def backup_now(self, caller: Caller) -> dict[str, Any]:
        """Make a backup in the data directory; it is complete when this returns."""
        policy.require_admin(caller)
        try:
            return described(await self._backups.make())
        except (StoreError, OSError) as error:
            raise BackupFailed(str(error)) from None


def _shown(link: Link) -> dict[str, Any]:
    user = link.caller.user
    return {
        "client": link.address,
        "user": user.email or user.effective_id,
        "remote": link.remote,
        "connected_at": time.time() - (link.loop.time() - link.opened),
        "frames_in": link.frames_in,
        "frames_out": link.frames_out,
        "queued_bytes": link.transport.queued,
    }


def _value(value: Any, secret: bool) -> Any:
    if secret and value is not None:
        return HIDDEN
    return value if isinstance(value, bool | int | float | list | None) else str(value)

"""What is done every few seconds, and every few hours, for as long as the daemon runs."""

import asyncio
import logging

from hyphad import memory
from hyphad.daemon.foundation import Foundation
from hyphad.daemon.identity import Identity
from hyphad.store.backups import Backups
from hyphad.store.errors import StoreError

log = logging.getLogger(__name__)

QUIET_EVENTS = 50
RETRY_SECONDS = 3600


class Upkeep:
    """`start()` and `stop()`; each of its works goes on by itself in between."""

    def __init__(self, base: Foundation, identity: Identity, backups: Backups) -> None:
        self._base = base
        self._identity = identity
        self._backups = backups
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._works: list[asyncio.Future[None]] = []
        self._events_seen = 0
        self._may_give_back = False
        self._most_memory = base.settings.max_memory_bytes or memory.ceiling()

    def start(self) -> None:
        self._sweep()
        self._works.append(asyncio.ensure_future(self._identity.watch().run()))
        if self._base.settings.backup_hours:
            self._works.append(asyncio.ensure_future(self._keep_backups()))

    def stop(self) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for work in self._works:
            work.cancel()

    def _sweep(self) -> None:
        """Close idle connections, drop what has expired."""
        loop = asyncio.get_running_loop()
        base = self._base
        idle = base.settings.ws_idle_timeout
        interval = max(0.2, min(5.0, idle / 10 if idle else 5.0))
        oldest = loop.time() - idle
        for link in list(base.router.links.values()):
            if idle and link.last_seen < oldest and link.remote:
                link.refuse(f"Idle timeout ({idle}s)", 1001)
        for peer in (base.manager, base.deputy):
            peer.sweep()
        self._identity.purge()
        self._give_back_memory()
        self._watch_memory()
        self._sweep_timer = loop.call_later(interval, self._sweep)

    def _give_back_memory(self) -> None:
        """When a busy time is over, and again when those who left are no longer expected back.

        Who connects and goes makes a time busy as well as frames do.
        """
        base = self._base
        happened = base.router.frames + base.presence.established + base.presence.closed
        events = happened - self._events_seen
        self._events_seen = happened
        self._may_give_back |= events > 0
        if self._may_give_back and events < QUIET_EVENTS:
            memory.give_back()
            self._may_give_back = base.router.away.expected > 0

    def _watch_memory(self) -> None:
        """Better to turn newcomers away, and to lose who takes nothing, than to be killed."""
        admission, used = self._identity.admission, memory.resident()
        if used > self._most_memory:
            memory.give_back()
            used = memory.resident()
        if used > self._most_memory:
            if not admission.short_of_memory:
                log.error(
                    "short_of_memory resident=%d limit=%d hint='newcomers are turned away; see "
                    "max_memory_bytes, and hyphad_slow_consumer_bytes in /metrics'",
                    used,
                    self._most_memory,
                )
            admission.short_of_memory = True
            for link in list(self._base.router.links.values()):
                if link.drained is not None:
                    link.give_up()
        elif admission.short_of_memory and used < 0.95 * self._most_memory:
            log.info("enough_memory resident=%d", used)
            admission.short_of_memory = False

    async def _keep_backups(self) -> None:
        """A backup every so many hours; a failed one is tried again an hour later."""
        interval = self._base.settings.backup_hours * 3600
        while True:
            await asyncio.sleep(max(60.0, self._backups.seconds_until_due(interval)))
            try:
                await self._backups.make()
            except (StoreError, OSError) as error:
                log.error("not_backed_up reason=%r", str(error))
                await asyncio.sleep(RETRY_SECONDS)

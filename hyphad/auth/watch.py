"""Takes over what the command line changes in the files of a running daemon (every two seconds).

`hyphad user disable` writes to the same database, `hyphad key rotate` to the same key file; both
work at once, without asking the daemon. What follows from accounts and tokens a little later is
done here too.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from hyphad.auth.accounts import KEPT_DAYS
from hyphad.auth.admission import Admission
from hyphad.auth.setup_code import SetupCode
from hyphad.auth.tokens import Tokens
from hyphad.core.errors import Fault
from hyphad.core.identity import USER_WORKSPACE
from hyphad.store.accounts import AccountTable
from hyphad.store.database import Database, StoreError
from hyphad.store.directory import Directory
from hyphad.store.meta import Meta
from hyphad.store.revocations import Revocations

log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0
DAY = 86_400.0
LAST_EXPIRY = "last_expiry"


class Watch:
    """One look is `look()`; `run()` looks for ever. `reload_keys` reads the key file anew."""

    def __init__(
        self,
        database: Database,
        accounts: AccountTable,
        revocations: Revocations,
        admission: Admission,
        directory: Directory,
        setup_code: SetupCode,
        tokens: Tokens,
        meta: Meta,
        key_file: Path,
        reload_keys: Callable[[], None],
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._revocations = revocations
        self._admission = admission
        self._directory = directory
        self._setup_code = setup_code
        self._tokens = tokens
        self._meta = meta
        self._key_file = key_file
        self._reload_keys = reload_keys
        self._keys_changed = self._key_time()
        self._version: int | None = None

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (Fault, StoreError, OSError) as error:
                log.error("not_looked reason=%r", str(error))
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Compare with what was there last time, and take over what is new."""
        version = await self._database.version()
        if self._version is not None and version != self._version:
            self._accounts.load()
            self._revocations.load()
            self._admission.close_lapsed()
            log.info("reloaded what='accounts and revocations'")
        self._version = version
        changed = self._key_time()
        if changed != self._keys_changed:
            self._reload_keys()
        self._keys_changed = changed
        if self._setup_code.current is not None and self._accounts.has_admin:
            self._setup_code.clear()
        await self._note_last_expiry()
        await self._bury()

    async def _note_last_expiry(self) -> None:
        """How long a key must verify after it was replaced (AUTH-105).

        A day more than needed, so that it is written once a day and not with every token.
        """
        if self._tokens.last_expiry > self._meta.get(LAST_EXPIRY, 0.0):
            found = await self._meta.raise_to(LAST_EXPIRY, self._tokens.last_expiry + DAY)
            self._tokens.last_expiry = found

    async def _bury(self) -> None:
        """The homes of accounts that were removed thirty days ago (AUTH-152)."""
        long_ago = time.time() - KEPT_DAYS * DAY
        for account in self._accounts.removed():
            home = USER_WORKSPACE + account.id
            if (account.removed_at or 0.0) <= long_ago and home in self._directory:
                await self._directory.remove(home)
                log.info("buried workspace=%s", home)

    def _key_time(self) -> int:
        try:
            return self._key_file.stat().st_mtime_ns
        except OSError:
            return 0

"""What the commands about accounts share: the accounts of a data directory, daemon or no daemon.

A running daemon has the same database open; it notices within two seconds what changes there.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hyphad import logs
from hyphad.auth.accounts import Accounts
from hyphad.auth.audit import By
from hyphad.auth.authenticate import Authenticator
from hyphad.auth.keys import KeyFileError, KeyRing, load_ring, ring_from_secret
from hyphad.auth.local import accounts_in
from hyphad.auth.sessions import Sessions
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.config import Settings
from hyphad.core.errors import Fault
from hyphad.core.events import Events
from hyphad.store.database import Database, StoreError
from hyphad.store.datadir import DataDir
from hyphad.store.directory import Directory
from hyphad.store.meta import Meta
from hyphad.store.revocations import Revocations
from hyphad.store.workspaces import WorkspaceTable

EXIT_FAILED = 3
BY = By("command line")


@dataclass(slots=True)
class House:
    """The parts of a data directory that the commands use."""

    settings: Settings
    database: Database
    accounts: Accounts
    revocations: Revocations
    meta: Meta

    @property
    def base_url(self) -> str:
        """Where people reach the daemon."""
        settings = self.settings
        local = f"http://127.0.0.1:{settings.port}{settings.base_path}"
        return settings.public_base_url or local

    def tokens(self) -> Tokens:
        """What signs with the keys of the data directory. Raises `KeyFileError`."""
        settings = self.settings
        dialect = Dialect(settings.jwt_issuer, settings.jwt_audience, settings.jwt_namespace)
        return Tokens(ring_of(settings), dialect)

    def sessions(self) -> Sessions:
        """Tokens for accounts. Raises `KeyFileError`."""
        directory = Directory(WorkspaceTable(self.database), Events(lambda *_: b""), 0.0)
        directory.load()
        authenticator = Authenticator(
            self.tokens(), self.revocations, None, accounts=self.accounts.table
        )
        return Sessions(
            self.accounts.sessions,
            authenticator,
            directory,
            self.revocations,
            self.accounts.audit,
            self.settings.login_token_lifetime,
            lambda: None,
        )


def ring_of(settings: Settings) -> KeyRing:
    """The signing keys that the daemon uses. Raises `KeyFileError`."""
    if settings.jwt_secret:
        return ring_from_secret(settings.jwt_secret)
    return load_ring(settings.data_dir / "keys")


def run(settings: Settings, work: Callable[[House], Awaitable[int | None]]) -> int:
    """Do something with the accounts; the exit code. What goes wrong is one line."""
    if settings.log_level == "info":
        logs.set_level("warning")  # what is done is told by the command itself
    try:
        become_owner(settings.data_dir)
        return asyncio.run(_run(settings, work)) or 0
    except (StoreError, KeyFileError, Fault) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename or settings.data_dir}: {error.strerror}")


def fail(text: str) -> int:
    print(f"hyphad: {text}", file=sys.stderr)
    return EXIT_FAILED


async def _run(settings: Settings, work: Callable[[House], Awaitable[int | None]]) -> int | None:
    async with opened(settings) as house:
        return await work(house)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """The parts, over a database that is closed at the end. Raises `StoreError`."""
    database = _open(settings.data_dir)
    accounts = accounts_in(database, settings.password_cost)
    try:
        yield House(settings, database, accounts, Revocations(database), Meta(database))
    finally:
        accounts.passwords.close()
        await database.close()


def _open(folder: Path) -> Database:
    """With the lock while there may be something to create; beside a daemon without it."""
    data = DataDir(folder)
    try:
        data.open()
    except StoreError:
        if not data.database_file.exists():
            raise
        return Database.open(data.database_file, shared=True)
    try:
        return Database.open(data.database_file)
    finally:
        data.close()


def become_owner(folder: Path) -> None:
    """Root acts as the user the daemon runs as, so that no file of the daemon becomes root's."""
    if os.geteuid() != 0 or not folder.exists():
        return
    status = folder.stat()
    if status.st_uid != 0:
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)

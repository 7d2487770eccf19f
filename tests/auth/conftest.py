"""Coroutines as tests, a daemon, and the parts of identity over a database of their own."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from coroutines import pytest_pyfunc_call
from hubs import hub

from hyphad.auth.authenticate import Authenticator
from hyphad.auth.keys import Key, KeyRing
from hyphad.auth.local import accounts_in
from hyphad.auth.login_sessions import LoginSessions
from hyphad.auth.sessions import Sessions
from hyphad.auth.setup_code import SetupCode
from hyphad.auth.signin import SignIn
from hyphad.auth.throttle import Throttle
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.core import policy
from hyphad.core.events import Events
from hyphad.store.audit import AuditTable
from hyphad.store.database import Database
from hyphad.store.directory import Directory
from hyphad.store.revocations import Revocations
from hyphad.store.throttle import ThrottleTable
from hyphad.store.workspaces import WorkspaceTable

__all__ = ["hub", "pytest_pyfunc_call"]


class Clock:
    """Unix seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """`parts = identity()`: everything that logs people in, to be called inside a test."""

    def build(signup: str = "closed", cost: str = "normal") -> SimpleNamespace:
        database = Database.open(tmp_path / "hyphad.db")
        accounts = accounts_in(database, cost)
        directory = Directory(WorkspaceTable(database), Events(lambda *_: b""), 0.0)
        directory.load()
        revocations = Revocations(database)
        tokens = Tokens(KeyRing([Key("k", b"s" * 32)]), Dialect())
        authenticator = Authenticator(
            tokens,
            revocations,
            "r" * 40,
            accounts=accounts.table,
            owns=lambda user, name: policy.still_owned(user, directory.get(name)),
        )
        audit = AuditTable(database)

        async def audited(**wanted: str) -> list[dict[str, Any]]:
            """What has been audited, newest first."""
            return await audit.find(**wanted)

        ended: list[bool] = []
        sessions = Sessions(
            accounts.sessions,
            authenticator,
            directory,
            revocations,
            accounts.audit,
            86_400,
            lambda: ended.append(True),
        )
        setup = SetupCode(tmp_path)
        throttle = Throttle(ThrottleTable(database))
        signin = SignIn(
            accounts, sessions, LoginSessions(180), throttle, setup, tokens.seal, signup
        )
        return SimpleNamespace(
            database=database,
            accounts=accounts,
            directory=directory,
            tokens=tokens,
            revocations=revocations,
            authenticator=authenticator,
            sessions=sessions,
            setup=setup,
            throttle=throttle,
            signin=signin,
            audited=audited,
            ended=ended,
        )

    return build

"""Login sessions: a program waits for a token, a person in a browser decides (AUTH-76, AUTH-77).

    session = sessions.start(remote="10.0.0.7", starter="anonymouz-...", ...)
    token = await sessions.wait(session.key, seconds=60)      # the program
    sessions.complete(session.key, Result(token))             # the page

They live in memory and for minutes. Completion wakes everybody who waits at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hyphad.core.errors import Denied, Fault, Invalid, Misuse
from hyphad.core.names import random_key

log = logging.getLogger(__name__)

MAX_OPEN = 1000
MAX_PER_ADDRESS = 20
GRACE_SECONDS = 10.0
MAX_WAIT = 3600.0
UNKNOWN = "Invalid key, key does not exist"


class LoginTimeout(Fault):
    """Nobody has logged in while the program waited."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a completed session delivers; `user_id` is who it was."""

    token: str = field(repr=False)
    user_id: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    name: str | None = None
    nickname: str | None = None
    picture: str | None = None
    workspace: str | None = None
    expires_in: float | None = None

    def profile(self) -> dict[str, object]:
        """The nine keys of a profile, null where unknown (AUTH-77)."""
        return {
            "token": self.token,
            "workspace": self.workspace,
            "expires_in": self.expires_in,
            "email": self.email,
            "email_verified": self.email_verified,
            "name": self.name,
            "nickname": self.nickname,
            "user_id": self.user_id,
            "picture": self.picture,
        }


@dataclass(slots=True, eq=False)
class LoginSession:
    """One request for a token. `starter` is the user id of the connection that made it, if it was
    a connection; `remote` its network address, `program` how it calls itself."""

    key: str
    expires_at: float
    started_at: float
    starter: str | None
    remote: str
    program: str
    workspace: str | None
    expires_in: float | None
    result: Result | None = None
    refused: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    @property
    def is_pending(self) -> bool:
        return self.result is None and not self.refused


class LoginSessions:
    """Open sessions by key. `lifetime` is in seconds from the start of a session; one that a
    program waits for lives as long as that."""

    def __init__(self, lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._sessions: dict[str, LoginSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def start(
        self,
        remote: str,
        starter: str | None,
        program: str,
        workspace: str | None = None,
        expires_in: float | None = None,
    ) -> LoginSession:
        """A new session; where there are too many, the oldest give way (AUTH-76)."""
        self.purge()
        mine = [session for session in self._sessions.values() if session.remote == remote]
        for session in mine[: max(0, len(mine) - MAX_PER_ADDRESS + 1)]:
            self._end(session)
        while len(self._sessions) >= MAX_OPEN:
            self._end(next(iter(self._sessions.values())))
        now = self._clock()
        session = LoginSession(
            random_key(),
            now + self._lifetime,
            now,
            starter,
            remote,
            program,
            workspace,
            expires_in,
        )
        self._sessions[session.key] = session
        return session

    def find(self, key: str) -> LoginSession | None:
        session = self._sessions.get(key)
        if session is None or session.expires_at <= self._clock():
            return None
        return session

    def age(self, session: LoginSession) -> float:
        """Seconds since it was started."""
        return self._clock() - session.started_at

    async def wait(self, key: str, asker: str | None, seconds: float) -> Result | None:
        """The result; None if it is pending and `seconds` is not positive.

        `asker` is the user id of a connection, None for plain HTTP: a session that a connection
        started is delivered to that user alone. Raises `Misuse`, `LoginTimeout`, `Denied`.
        """
        session = self.find(key)
        if session is None or session.starter not in (None, asker):
            raise Misuse(UNKNOWN)
        if session.is_pending and seconds > 0:
            await self._changed(session, seconds)
        if session.refused:
            self._end(session)
            raise Denied("The login was refused in the browser.")
        if session.result is not None:
            self._delivered(session)
            return session.result
        if seconds <= 0:
            return None
        raise LoginTimeout(f"Login timeout, waited for {seconds:g} seconds")

    async def _changed(self, session: LoginSession, seconds: float) -> None:
        session.waiting += 1
        seconds = min(seconds, MAX_WAIT)
        session.expires_at = max(session.expires_at, self._clock() + seconds)
        try:
            async with asyncio.timeout(seconds):
                await session.changed.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            # The program has gone, and with it whoever the token would be for (AUTH-73).
            if session.waiting == 1 and session.is_pending:
                self._end(session)
            raise
        finally:
            session.waiting -= 1

    def complete(self, key: str, result: Result) -> None:
        """Deliver. Raises `Misuse` for an unknown key, `Invalid` if somebody else was first."""
        session = self.find(key)
        if session is None:
            raise Misuse(f"{UNKNOWN} or expired")
        if session.refused or (session.result is not None and session.result != result):
            raise Invalid("Login session already completed")
        if session.result is None:
            session.result = result
            session.expires_at = self._clock() + self._lifetime
        session.changed.set()

    def refuse(self, key: str) -> None:
        """The person has said no; whoever waits is told."""
        session = self.find(key)
        if session is not None and session.is_pending:
            session.refused = True
            session.expires_at = self._clock() + GRACE_SECONDS
            session.changed.set()

    def purge(self) -> None:
        now = self._clock()
        for session in [s for s in self._sessions.values() if s.expires_at <= now]:
            self._end(session)

    def _delivered(self, session: LoginSession) -> None:
        """Used up; who started it on a connection may ask again for a moment (AUTH-77)."""
        if session.starter is None:
            self._end(session)
        else:
            session.expires_at = min(session.expires_at, self._clock() + GRACE_SECONDS)

    def _end(self, session: LoginSession) -> None:
        self._sessions.pop(session.key, None)
        session.changed.set()

"""Who may come in: from the first message of a connection to a link, or a refusal.

The rules are those of WIRE-8 and AUTH-38 to AUTH-42. A refusal is final for the clients that get
it, so each has its exact text and close code (WIRE-12); what is only temporary closes quietly.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from hyphad.auth.authenticate import REVOKED, Authenticator, Credential
from hyphad.auth.presence import Presence
from hyphad.auth.tokens import EXPIRED
from hyphad.core import address, policy
from hyphad.core.errors import Denied, Fault, Invalid, Refused, Unauthenticated, Unavailable
from hyphad.core.identity import Scope, User
from hyphad.core.quota import Quota, address_factor, address_key
from hyphad.core.records import Caller, Workspace
from hyphad.store.directory import Directory
from hyphad.wire.link import FlowLimits, Link, Transport
from hyphad.wire.router import Router

log = logging.getLogger(__name__)

PING_SECONDS = 5.0
KICK_SECONDS = 60.0
EXPIRY_GRACE = 60.0
ESTABLISH = "Failed to establish connection: "
AUTHENTICATE = ESTABLISH + "Failed to authenticate user: "

SHORT_OF_MEMORY = "The server is short of memory and takes nobody in. Try again in a minute."

Ping = Callable[[str, float], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of connections, and how long reconnection tokens live, in seconds.

    `anonymous` is what visitors may do (AUTH-10); `strict_expiry` ends connections when their
    token expires (AUTH-36).
    """

    per_user: int = 200
    per_address: int = 1000
    per_workspace: int = 1000
    reconnection_lifetime: float = 172_800.0
    anonymous: str = "full"
    strict_expiry: bool = False


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a connection (WIRE-7)."""

    client_id: str | None
    workspace: str | None
    token: str | None
    reconnection_token: str | None

    @classmethod
    def read(cls, message: Any) -> "Hello":
        """Raises `Refused` for what is not a map of strings."""
        if not isinstance(message, dict):
            raise Refused("Failed to decode authentication information", 1008)
        values = [
            message.get(key) for key in ("client_id", "workspace", "token", "reconnection_token")
        ]
        if not all(isinstance(value, str | None) for value in values):
            raise Refused("Failed to decode authentication information", 1008)
        return cls(*(value or None for value in values))


class Admission:
    """Decides on every handshake. `ping(address, seconds)` asks a client whether it is alive."""

    def __init__(
        self,
        authenticator: Authenticator,
        presence: Presence,
        directory: Directory,
        flow: FlowLimits,
        limits: Limits,
        info: dict[str, Any],
        ping: Ping,
    ) -> None:
        self.authenticator = authenticator
        self._presence = presence
        self._directory = directory
        self._flow = flow
        self._limits = limits
        self._info = info
        self._ping = ping
        self._kicked: dict[str, tuple[float, str]] = {}
        self._took_over: dict[str, float] = {}
        self._credentials: dict[Link, Credential] = {}
        self.slow = 0
        self.short_of_memory = False
        self.addresses = Quota(limits.per_address)

    @property
    def router(self) -> Router:
        return self._presence.router

    def arrive(self, remote: str) -> str | None:
        """Count a socket for its address, until `depart`; why it cannot stay, if so."""
        key, factor = address_key(remote), address_factor(remote)
        has_room = self.addresses.has_room(key, factor)
        self.addresses.take(key)
        if has_room:
            return None
        most = self.addresses.limit * factor
        return f"Connection limit exceeded: address {key} has {most}/{most} connections"

    def depart(self, remote: str) -> None:
        self.addresses.give(address_key(remote))

    async def admit(
        self, hello: Hello, transport: Transport, remote: str = "", origin: str = ""
    ) -> Link:
        """Check, wait for a silent predecessor if there is one, and enter. Raises `Refused`.

        `remote` is the client's network address, `origin` the one it uses for the server.
        """
        if self.short_of_memory:
            raise Unavailable(SHORT_OF_MEMORY)
        self._check_address(remote)
        await self.authenticator.prepare(hello.reconnection_token or hello.token)
        credential = self._authenticate(hello)
        workspace = self._workspace(hello, credential)
        caller = self._caller(hello, credential, workspace)
        caller = replace(caller, remote=remote, origin=origin)
        self._check_kicked(caller)
        resumed = await self._replace(hello, credential, caller)
        self._check_limits(caller)
        self._check_again(credential, caller)
        link = Link(caller, transport, self._flow, self._was_slow, resumed, remote)
        self._presence.join(link)
        self._credentials[link] = credential
        return link

    def _was_slow(self, link: Link) -> None:
        """A client was closed because it does not take what is sent to it (WIRE-27)."""
        self.slow += 1

    def left(self, link: Link, code: int | None) -> None:
        """The link's socket has closed."""
        self._credentials.pop(link, None)
        self._presence.leave(link, code)

    async def connection_info(self, link: Link) -> dict[str, Any]:
        """The first text frame a client gets (WIRE-9)."""
        caller = link.caller
        return {
            "type": "connection_info",
            **self._info,
            "workspace": caller.workspace,
            "client_id": caller.client_id,
            "user": caller.user.to_dict(),
            "reconnection_token": await self.reconnection_token(link),
            "reconnection_token_life_time": self._limits.reconnection_lifetime,
        }

    async def reconnection_token(self, link: Link) -> str:
        """A fresh token for this user, workspace and client id (WIRE-30, AUTH-40)."""
        caller = link.caller
        scope = caller.user.scope
        levels = {name: level for name, level in scope.workspaces.items() if name != "*"}
        levels.setdefault(caller.workspace, scope.level(caller.workspace))
        if "admin" not in caller.user.roles and "*" in scope.workspaces:
            levels["*"] = scope.workspaces["*"]
        narrowed = Scope(levels, caller.workspace, caller.client_id, scope.extra, scope.owned)
        user, lifetime = caller.user.with_scope(narrowed), self._limits.reconnection_lifetime
        if self._limits.strict_expiry and caller.user.expires_at is not None:
            lifetime = min(lifetime, caller.user.expires_at + EXPIRY_GRACE - time.time())
        if self.authenticator.hooks.generate is not None:
            return await self.authenticator.hooks.generated(user, lifetime)
        return self.authenticator.tokens.mint(
            user,
            lifetime,
            line=caller.family,
            resumed=True,
            bound=caller.bound,
            version=caller.version,
        )

    def kick(self, client: str, code: int, reason: str) -> bool:
        """Close a client and keep it out for a minute (WIRE-23); False if it is not connected."""
        link = self._presence.router.links.get(client)
        if link is None:
            return False
        self._kicked[client] = (time.monotonic() + KICK_SECONDS, reason)
        link.close(code, reason)
        return True

    def close_lapsed(self) -> None:
        """End connections whose token, account or ownership is no longer good (AUTH-36).

        To be called after a revocation, and after accounts or owners of workspaces have changed.
        """
        for link, credential in list(self._credentials.items()):
            lapsed = self.authenticator.lapsed(credential)
            if lapsed is not None:
                link.close(1008, lapsed)
            elif self._has_lost(link.caller):
                link.refuse(f"Permission denied for workspace: {link.workspace}", 1008)

    def close_signed(self) -> None:
        """End all connections that came with a token: a key was dropped at once (AUTH-105).

        They would be given new tokens under the new key, whoever had signed theirs.
        """
        for link, credential in list(self._credentials.items()):
            if credential.keys:
                link.close(1008, REVOKED)

    def _has_lost(self, caller: Caller) -> bool:
        """Whether it came in as an owner of the workspace, and is none any more (AUTH-112)."""
        user, workspace = caller.user, self._directory.get(caller.workspace)
        if workspace is None or workspace.id not in user.scope.owned:
            return False
        return not policy.still_owned(user, workspace)

    def close_expired(self) -> None:
        """End connections a minute after their token has expired, where that is wanted."""
        if not self._limits.strict_expiry:
            return
        latest = time.time() - EXPIRY_GRACE
        for link in list(self._credentials):
            user = link.caller.user
            expires_at = None if user.is_anonymous and not user.parent else user.expires_at
            if expires_at is not None and expires_at < latest:
                link.refuse(f"Authentication error: {EXPIRED}", 1008)

    # the steps

    def _check_address(self, remote: str) -> None:
        try:
            self.authenticator.check_blocked("ip", remote)
        except Denied as error:
            raise Refused(error.message, 1008) from None

    def _authenticate(self, hello: Hello) -> Credential:
        if hello.reconnection_token is None and hello.token is None:
            return self.authenticator.anonymous(self._limits.anonymous != "full")
        try:
            found = self.authenticator.credential(hello.reconnection_token or hello.token or "")
            visits = found.user.is_anonymous and not found.user.only_logs_in
            if visits and self._limits.anonymous != "full":
                # From a time when visitors were welcome (AUTH-10).
                raise Unauthenticated(policy.LOG_IN)
            return found
        except (Unauthenticated, Invalid) as error:
            if error.message == REVOKED:
                raise Refused(AUTHENTICATE + REVOKED, 1008) from None
            raise Refused(f"Authentication error: {error.message}", 1008) from None
        except Denied as error:
            raise Refused(error.message, 1008) from None

    def _workspace(self, hello: Hello, credential: Credential) -> Workspace:
        name = self._workspace_name(hello, credential)
        if name == "*":
            raise Refused(ESTABLISH + "Dynamic workspace is not allowed for this endpoint")
        user = credential.user
        workspace = self._directory.get(name)
        if workspace is None and name == user.home and _may_open_home(user, credential):
            try:
                address.check_workspace_name(name)
            except Fault as error:
                raise Refused(ESTABLISH + error.message) from None
            workspace = self._directory.home_of(user)
        if workspace is None:
            raise Refused(f"{ESTABLISH}'Workspace {name} does not exist or is not accessible'")
        return workspace

    @staticmethod
    def _workspace_name(hello: Hello, credential: Credential) -> str:
        own, bound = credential.user.home, credential.workspace
        wanted = hello.workspace
        special = credential.user.scope.specialised
        if special:
            raise Refused(
                f"{AUTHENTICATE}Specialized token with scopes {special} cannot be used for general "
                "workspace access. This token can only be used for its intended purpose."
            )
        if hello.reconnection_token is not None:
            if bound is None:
                raise Refused(AUTHENTICATE + "Invalid scope, current_workspace is required")
            if wanted is not None and wanted != bound:
                raise Refused(
                    f"{AUTHENTICATE}Invalid scope, workspace mismatch: {wanted} != {bound}"
                )
            return bound
        if wanted == "public" and hello.token is not None and bound != "public":
            return bound or own
        if wanted is not None and bound is not None and wanted != bound:
            raise Refused(
                f"{AUTHENTICATE}Current workspace encoded in the token ({bound}) does not match "
                f"the specified workspace ({wanted})"
            )
        return wanted or bound or own

    def _caller(self, hello: Hello, credential: Credential, workspace: Workspace) -> Caller:
        client_id = hello.client_id
        if client_id is None:
            raise Refused(f"{ESTABLISH}Failed to authenticate user to workspace: {hello.workspace}")
        if not address.valid_client_id(client_id):
            raise Refused(f"{ESTABLISH}Invalid client id: {client_id[:160]}")
        scoped = credential.user.scope.client_id
        if hello.reconnection_token is not None:
            if scoped != client_id:
                raise Refused(AUTHENTICATE + "Client id mismatch, disconnecting")
        elif scoped is not None and scoped != client_id:
            raise Refused(
                f"{AUTHENTICATE}Client id mismatch: this token is restricted to client with "
                f"client_id='{scoped}'"
            )
        try:
            user = policy.enter(credential.user, workspace, client_id)
        except Denied as error:
            raise Refused(ESTABLISH + error.message) from None
        return Caller(
            user,
            workspace.id,
            client_id,
            credential.bound is not None,
            credential.family,
            credential.version,
        )

    def _check_again(self, credential: Credential, caller: Caller) -> None:
        """What may have ended while a silent predecessor was waited for (AUTH-36, AUTH-112)."""
        lapsed = self.authenticator.lapsed(credential)
        if lapsed is not None:
            raise Refused(AUTHENTICATE + lapsed, 1008)
        if self._has_lost(caller):
            raise Refused(f"{ESTABLISH}Permission denied for workspace: {caller.workspace}")
        self._check_address(caller.remote)
        try:
            self.authenticator.check_blocked("user", caller.user.effective_id)
        except Denied as error:
            raise Refused(error.message, 1008) from None

    def _check_kicked(self, caller: Caller) -> None:
        until, reason = self._kicked.get(caller.address, (0.0, ""))
        if until > time.monotonic():
            raise Refused(f"Client has been disconnected by the server: {reason}", 1008)
        self._kicked.pop(caller.address, None)

    async def _replace(self, hello: Hello, credential: Credential, caller: Caller) -> bool:
        """Deal with a live connection of that address; true where the newcomer resumes it."""
        router = self._presence.router
        where = caller.address
        if router.local_peer(where) is not None:
            raise Refused(f"{ESTABLISH}Client already exists and is active: {where}")
        resuming = hello.reconnection_token is not None
        existing = router.links.get(where)
        if existing is None:
            return resuming
        same_user = existing.caller.user.effective_id == caller.user.effective_id
        outdated = credential.issued_at < self._took_over.get(where, 0.0)
        if resuming and same_user and not outdated:
            return True
        answers = not existing.parked and await self._ping(where, PING_SECONDS)
        if answers and router.links.get(where) is existing:
            if resuming and same_user:
                raise Refused("Superseded by a newer connection", 1008)
            raise Refused(f"{ESTABLISH}Client already exists and is active: {where}")
        if router.links.get(where) is existing:
            self._presence.remove_dead(existing)
            # Tokens know whole seconds; those of the silent one are at least five older.
            self._took_over[where] = float(int(time.time()))
        elif router.links.get(where) is not None:
            raise Refused(f"{ESTABLISH}Client already exists and is active: {where}")
        return False

    def _check_limits(self, caller: Caller) -> None:
        if caller.address in self._presence.router.links:
            return
        user_id, workspace = caller.user.effective_id, caller.workspace
        mine, here = (
            self._presence.count_of_user(user_id),
            self._presence.count_of_workspace(workspace),
        )
        if user_id != "root" and mine >= self._limits.per_user:
            raise Refused(
                f"Connection limit exceeded: user {user_id} has {mine}/{self._limits.per_user} "
                "connections",
                1008,
            )
        if here >= self._limits.per_workspace:
            raise Refused(
                f"Connection limit exceeded: workspace {workspace} has "
                f"{here}/{self._limits.per_workspace} clients",
                1008,
            )


def _may_open_home(user: User, credential: Credential) -> bool:
    """A first-hand user may always; a child token if its scope names the home."""
    return user.parent is None or user.scope.level(user.home) > 0


async def quiet_ping(call: Awaitable[Any], seconds: float) -> bool:
    """Whether a ping was answered in time."""
    try:
        async with asyncio.timeout(seconds):
            return bool(await call == "pong")
    except (TimeoutError, Fault):
        return False

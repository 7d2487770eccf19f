"""The daemon: builds every part, starts it, drains it, stops it. Nothing else knows all parts.

sys.exit(run(settings))
"""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from hyphad import HYPHA_VERSION, __version__, logs, memory, systemd
from hyphad.auth.admission import Admission, Limits, quiet_ping
from hyphad.auth.authenticate import Authenticator
from hyphad.auth.keys import (
    KEY_FILE,
    MIN_SECRET,
    KeyFileError,
    KeyRing,
    load_ring,
    ring_from_secret,
)
from hyphad.auth.local import accounts_in
from hyphad.auth.login_sessions import LoginSessions
from hyphad.auth.presence import Presence
from hyphad.auth.sessions import Sessions
from hyphad.auth.setup_code import SetupCode
from hyphad.auth.signin import SignIn
from hyphad.auth.throttle import Throttle
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.auth.watch import LAST_EXPIRY, Watch
from hyphad.config import ConfigError, Settings
from hyphad.core import policy
from hyphad.core.errors import Invalid
from hyphad.core.events import Events
from hyphad.core.names import readable_id
from hyphad.core.registry import Registry
from hyphad.services.activity import Activity
from hyphad.services.admin import AdminUtils
from hyphad.services.base import service_of
from hyphad.services.catalogue import Catalogue
from hyphad.services.custom_auth import CustomAuth
from hyphad.services.login import LoginService
from hyphad.services.manager import Publisher, manager_service
from hyphad.services.mcp_outbound import McpServers
from hyphad.services.operations import Operations
from hyphad.services.queue import Queues
from hyphad.services.skills import Skills
from hyphad.services.startup import ServerApi, StartupFailed, run_startup
from hyphad.services.token_list import TokenList
from hyphad.services.tokens import TokenDesk
from hyphad.services.user_admin import UserAdmin
from hyphad.services.workspaces import Workspaces
from hyphad.store import archive, transit
from hyphad.store.audit import AuditTable
from hyphad.store.backups import Backups
from hyphad.store.blocks import Blocks
from hyphad.store.database import Database, StoreError
from hyphad.store.datadir import DataDir
from hyphad.store.directory import Directory
from hyphad.store.eventlog import EventLog
from hyphad.store.meta import Meta
from hyphad.store.presence import PresenceTable
from hyphad.store.queues import QueueTable
from hyphad.store.revocations import Revocations
from hyphad.store.throttle import ThrottleTable
from hyphad.store.workspaces import WorkspaceTable
from hyphad.web.counts import Counts
from hyphad.web.gateway import Gateway
from hyphad.web.identity import Identities
from hyphad.web.local import local_application
from hyphad.web.mcp_link import HttpLink
from hyphad.web.pages import folder
from hyphad.web.parts import Parts
from hyphad.web.routes import application
from hyphad.web.server import Server
from hyphad.web.static import BadMount
from hyphad.wire.away import HeldCall
from hyphad.wire.chunks import ChunkStore
from hyphad.wire.link import FlowLimits
from hyphad.wire.peer import Peer
from hyphad.wire.router import GOING_AWAY, Router, event_frame

log = logging.getLogger(__name__)

EXIT_FAILED = 3
KEPT_MANAGERS = 100
KEPT_LOG_ENTRIES = 200
DRAIN_SECONDS = 2.0
SETTLE_SECONDS, QUIET_SECONDS = 0.5, 0.05
QUIET_FRAMES = 50
BACKLOG = 1024
SOCKET_NAME = "status.sock"


class StartFailed(Exception):
    """The daemon cannot start; the text says why and what to do."""


class Daemon:
    """One server: `await start()`, then `await stop()`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = settings.port
        self.ready = False
        self._sweeps: list[asyncio.TimerHandle] = []
        self._frames_seen = 0
        self._may_give_back = False
        self._backups: asyncio.Future[None] | None = None
        self._watching: asyncio.Future[None] | None = None
        self._log_memory = logs.remember(KEPT_LOG_ENTRIES)
        self._tls: ssl.SSLContext | None = None
        self._http: HTTPServer | None = None
        self._local: HTTPServer | None = None

    async def start(self) -> None:
        """Ready for clients when this returns. Raises `StartFailed`, `StoreError` and the like."""
        self._load_certificate()
        self._sockets = self._bind()
        self._open_store()
        try:
            await self._build()
            await self._bring_in_operators_own()
            self._listen()
        except BaseException:
            await self._close_store()
            raise
        self._sweep()
        self._watching = asyncio.ensure_future(self._watch().run())
        self._offer_setup()
        self._warn()
        if self.settings.backup_hours:
            self._backups = asyncio.ensure_future(self._keep_backups())
        gc.collect()
        gc.freeze()
        self.ready = True

    # sockets

    def _bind(self) -> list[socket.socket]:
        """Take the address now, so that a conflict shows at once; listen when all is ready."""
        given = systemd.listen_fds()
        if given:
            self.port = given[0].getsockname()[1]
            return given
        settings = self.settings
        try:
            found = socket.getaddrinfo(
                settings.host or None,
                settings.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
            sockets = [_bound(family, address) for family, _, _, _, address in dict.fromkeys(found)]
        except OSError as error:
            raise StartFailed(
                f"Cannot listen on {settings.host} port {settings.port}: "
                f"{error.strerror or error}. Stop what uses it, or choose another with --port."
            ) from None
        self.port = sockets[0].getsockname()[1]
        return sockets

    def _listen(self) -> None:
        for sock in self._sockets:
            sock.listen(BACKLOG)
        self._http = Server(
            self.application,
            ssl_options=self._tls,
            trusted_proxies=self.settings.trusted_proxies,
            max_header_size=128 << 10,
            idle_connection_timeout=300,
        )
        self._http.add_sockets(self._sockets)
        self._listen_locally()

    def _listen_locally(self) -> None:
        """A socket for `hyphad status`; a daemon without it is a daemon all the same."""
        file = str(self._data.path / SOCKET_NAME)
        try:
            self._local = HTTPServer(local_application(self.parts))
            self._local.add_socket(bind_unix_socket(file, 0o600))
        except OSError as error:
            log.warning("no_status_socket file=%s reason=%r", file, error.strerror or str(error))

    def _load_certificate(self) -> None:
        """For new connections; those that exist keep theirs."""
        settings = self.settings
        if settings.tls_cert is None:
            return
        context = self._tls or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise StartFailed(
                f"The certificate {settings.tls_cert} or its key {settings.tls_key} cannot be "
                f"used: {error.strerror or error}. `hyphad cert` makes a pair."
            ) from None
        self._tls = context

    # what is kept

    def _open_store(self) -> None:
        self._data = DataDir(self.settings.data_dir)
        self._data.open()
        self.backups = Backups(self._data.path, self.settings.backup_keep)
        try:
            self.database = Database.open(self._data.database_file)
        except BaseException as error:
            self._data.close()
            found = archive.backups(self._data.path / "backups")
            if isinstance(error, StoreError) and "damaged" in str(error) and found:
                raise StoreError(f"{error} The newest one: hyphad restore {found[-1]}") from None
            raise

    @property
    def _transit_file(self) -> Path:
        return self._data.path / transit.FILE_NAME

    async def _close_store(self) -> None:
        await self.database.close()
        self._data.close()

    def _load_keys(self) -> KeyRing:
        if self.settings.jwt_secret:
            return ring_from_secret(self.settings.jwt_secret)
        return load_ring(self._data.path / "keys", self.settings.fix_permissions)

    # the parts

    async def _build(self) -> None:
        settings, database = self.settings, self.database
        self.server_id = settings.server_id or readable_id()
        self.manager_id = f"manager-{self.server_id}"
        scheme = "https" if self._tls else "http"
        local_url = f"{scheme}://127.0.0.1:{self.port}{settings.base_path}"
        self.base_url = settings.public_base_url or local_url
        self.info = self._server_info(local_url)

        self.registry = Registry()
        self.events = Events(event_frame)
        self.directory = Directory(WorkspaceTable(database), self.events, settings.workspace_grace)
        self.directory.load()
        self.router = Router(
            f"*/{self.manager_id}", self.server_id, self.events, settings.reconnect_grace
        )
        self._presence_table = PresenceTable(database)
        self.presence = Presence(
            self.router, self.registry, self.directory, self.events, self._presence_table
        )
        chunks = ChunkStore(settings.max_unfinished_per_client, settings.max_unfinished_total)
        self.manager = Peer(self.router, self.manager_id, self.base_url, chunks, manager=True)
        self.deputy = Peer(self.router, self.server_id, self.base_url, chunks, manager=False)
        self.router.local[self.router.manager] = self.manager
        self.router.deputy = self.deputy
        self.meta = Meta(database)
        await self._remember_manager(self.meta)
        self._build_identity()
        self._build_services()
        self.presence.expect(self._presence_table.all())
        for to, data, sender, method, session in transit.take(self._transit_file):
            self.router.away.hold(to, HeldCall(data, sender, method, session))
        loop = asyncio.get_running_loop()
        loop.call_later(settings.reconnect_grace, self._presence_table.drop_unseen)
        self.directory.start()
        counts = Counts()
        self.events.listen(counts.happened)
        self.parts = Parts(
            settings=settings,
            info=self.info,
            authenticator=self.authenticator,
            admission=self.admission,
            presence=self.presence,
            directory=self.directory,
            registry=self.registry,
            router=self.router,
            manager=self.manager,
            deputy=self.deputy,
            catalogue=self.catalogue,
            identities=self._identities(),
            skills=self.skills,
            gateway=Gateway(self.catalogue, self.manager, self.deputy, counts),
            counts=counts,
            signin=self.signin,
            ready=lambda: self.ready,
            custom_login=lambda: self.custom_auth.has_pages,
            started=time.time(),
            take_over=_fast_websocket(settings, self.admission),
        )
        try:
            self.application = application(self.parts)
        except BadMount as error:
            raise StartFailed(str(error)) from None

    def _identities(self) -> Identities:
        """Who sends HTTP requests; pages of our own public address may use the cookie."""
        settings = self.settings
        own = urlsplit(self.base_url)
        return Identities(
            self.authenticator,
            self.directory,
            self.server_id,
            [*settings.allow_origins, f"{own.scheme}://{own.netloc}"],
            visitors=settings.anonymous_access != "off",
            base_path=settings.base_path,
        )

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

    async def _remember_manager(self, meta: Meta) -> None:
        """Earlier ids of the manager stay its aliases: clients may still call them (D-5)."""
        known = [str(name) for name in meta.get("manager_ids", []) if name != self.manager_id]
        for name in known:
            self.router.local[f"*/{name}"] = self.manager
        await meta.set("manager_ids", [*known, self.manager_id][-KEPT_MANAGERS:])

    def _build_identity(self) -> None:
        settings = self.settings
        self.ring = self._load_keys()
        dialect = Dialect(settings.jwt_issuer, settings.jwt_audience, settings.jwt_namespace)
        self.tokens = Tokens(self.ring, dialect)
        self.revocations = Revocations(self.database)
        self.blocks = Blocks(self.database)
        self.tokens.last_expiry = self.meta.get(LAST_EXPIRY, 0.0)
        self.accounts = accounts_in(self.database, settings.password_cost)
        self.authenticator = Authenticator(
            self.tokens,
            self.revocations,
            settings.root_token,
            self.blocks.reason,
            self.accounts.table,
            lambda user, name: policy.still_owned(user, self.directory.get(name)),
        )
        self.throttle = Throttle(ThrottleTable(self.database))
        self.setup_code = SetupCode(self._data.path)
        sessions = Sessions(
            self.accounts.sessions,
            self.authenticator,
            self.directory,
            self.revocations,
            self.accounts.audit,
            settings.login_token_lifetime,
            self._close_lapsed,
        )
        self.signin = SignIn(
            self.accounts,
            sessions,
            LoginSessions(settings.login_session_seconds),
            self.throttle,
            self.setup_code,
            self.tokens.seal,
            settings.signup,
        )
        self.flow = FlowLimits(
            settings.ws_msg_rate_limit,
            settings.ws_msg_burst_limit,
            settings.max_queue_bytes,
            settings.slow_consumer_seconds,
        )
        self.limits = Limits(
            settings.max_connections_per_user,
            settings.max_clients_per_workspace,
            float(settings.reconnection_token_lifetime),
            settings.anonymous_access,
            settings.strict_token_expiry,
        )
        keys = ("hypha_version", "public_base_url", "local_base_url")
        self.admission = Admission(
            self.authenticator,
            self.presence,
            self.directory,
            self.flow,
            self.limits,
            {"manager_id": self.manager_id, **{key: self.info[key] for key in keys}},
            self._ping,
        )
        self.accounts.table.on_changed.append(lambda _: self._close_lapsed())
        self.directory.on_owners_changed.append(self._close_lapsed)

    def _close_lapsed(self) -> None:
        self.admission.close_lapsed()

    async def _ping(self, address: str, seconds: float) -> bool:
        call = self.manager.call(address, "services.built-in.ping", "ping", timeout=seconds)
        return await quiet_ping(call, seconds)

    def _build_services(self) -> None:
        settings = self.settings
        self.catalogue = Catalogue(
            self.registry,
            self.presence,
            self.directory,
            self.events,
            self.manager,
            self.deputy,
            self.base_url,
            settings.max_services_per_client,
        )
        workspaces = Workspaces(
            self.directory,
            self.presence,
            self.registry,
            self.events,
            self.catalogue,
            settings.max_workspaces_per_user,
        )
        event_log = EventLog(self.database)
        desk = TokenDesk(
            self.authenticator,
            self.revocations,
            self.directory,
            settings.max_token_lifetime,
            self.admission.close_lapsed,
            self.accounts.audit,
        )
        activity = Activity(event_log, self.events, self.router)
        self.manager.serve(
            "*", manager_service(self.info, self.catalogue, workspaces, desk, activity)
        )
        self.publisher = Publisher(self.deputy, self.registry)
        queues = Queues(QueueTable(self.database))
        self.directory.on_removed += [queues.drop_workspace, event_log.drop_workspace]
        self.publisher.publish(
            "public",
            service_of("queue", "Task queues", "First in, first out, kept on disk.", queues),
        )
        tokens = TokenList(
            desk,
            self.authenticator,
            self.accounts.sessions,
            self.revocations,
            self.directory,
            self.accounts.audit,
            self._close_lapsed,
        )
        self.publisher.publish(
            "public", service_of("tokens", "Tokens", "Hand out tokens, and end them.", tokens)
        )
        self._offer_skills()
        self.mcp_servers = McpServers(self.publisher, self.events, HttpLink)
        admin = AdminUtils(
            self.server_id,
            self.presence,
            self.directory,
            self.admission,
            self.blocks,
            self.limits,
            self.flow,
            settings.max_services_per_client,
            self.metrics,
            self.accounts.audit,
        )
        operations = Operations(settings, self.router, self.backups, self._log_memory)
        self.publisher.publish(
            "ws-user-root",
            service_of(
                "admin-utils",
                "Administration",
                "For administrators of the server.",
                admin,
                operations,
                visibility="protected",
            ),
        )

        self._publish_login()

    def _publish_login(self) -> None:
        """The services of people's accounts: to log in for all, to manage for administrators."""
        settings = self.settings
        login = LoginService(
            self.signin,
            self.authenticator,
            self.directory,
            self.throttle,
            settings.public_base_url,
            self.base_url,
            settings.base_path,
            lambda caller: caller.address in self.router.links,
            settings.enable_local_auth,
        )
        service = service_of(
            "hypha-login", "Hypha Login", "Log in, and get tokens for programs.", login
        )
        service.type = "functions"
        self.publisher.publish("public", service)
        self.custom_auth = CustomAuth(self.authenticator.hooks, self.publisher, service)
        users = UserAdmin(
            self.accounts,
            AuditTable(self.database),
            settings.public_base_url,
            self.base_url,
            settings.base_path,
            self.signin.wait_of,
        )
        self.publisher.publish(
            "ws-user-root",
            service_of(
                "user-admin",
                "Accounts",
                "For administrators of the server.",
                users,
                visibility="protected",
            ),
        )

    def _offer_skills(self) -> None:
        settings = self.settings
        offers = {"mcp": settings.enable_mcp, "a2a": settings.enable_a2a}
        texts = folder("static") / "skills"
        self.skills = Skills(self.registry, self.catalogue, self.base_url, texts, offers)
        if settings.enable_agent_skills:
            about = "Texts that teach agents this server and its workspaces."
            service = service_of("agent-skills", "Agent Skills Provider", about, self.skills)
            service.type = "functions"
            self.publisher.publish("public", service)

    def metrics(self) -> dict[str, Any]:
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

    async def _bring_in_operators_own(self) -> None:
        """External MCP servers, of which slow ones join later, and startup functions."""
        adding = [self.mcp_servers.add(entry) for entry in self.settings.mcp_servers]
        try:
            await asyncio.gather(*adding)
            await self._run_startup_functions()
        except BaseException as error:
            await self.mcp_servers.close()
            if isinstance(error, Invalid):
                raise StartFailed(str(error)) from None
            raise

    async def _run_startup_functions(self) -> None:
        if not self.settings.startup_functions:
            return
        server = ServerApi(
            self.manager,
            self.deputy,
            self.publisher,
            self.router,
            self.custom_auth,
            self.mcp_servers,
            self.info,
        )
        for uri in self.settings.startup_functions:
            try:
                await run_startup(uri, server)
            except StartupFailed as error:
                log.error("startup_function_failed reason=%r", str(error), exc_info=error.__cause__)
                if not self.settings.ignore_startup_errors:
                    raise StartFailed(str(error)) from None

    # housekeeping

    def _sweep(self) -> None:
        """Close idle connections, drop what has expired; every few seconds."""
        loop = asyncio.get_running_loop()
        idle = self.settings.ws_idle_timeout
        interval = max(0.2, min(5.0, idle / 10 if idle else 5.0))
        oldest = loop.time() - idle
        for link in list(self.router.links.values()):
            if idle and link.last_seen < oldest and link.remote:
                link.refuse(f"Idle timeout ({idle}s)", 1001)
        for peer in (self.manager, self.deputy):
            peer.sweep()
        self.revocations.purge()
        self.blocks.purge()
        self.throttle.purge()
        self.signin.logins.purge()
        self.admission.close_expired()
        self._give_back_memory()
        self._sweeps[:] = [loop.call_later(interval, self._sweep)]

    def _give_back_memory(self) -> None:
        """Once, when a busy time is over."""
        frames = self.router.frames - self._frames_seen
        self._frames_seen += frames
        self._may_give_back |= frames > 0
        if self._may_give_back and frames < QUIET_FRAMES:
            memory.give_back()
            self._may_give_back = False

    def _offer_setup(self) -> None:
        """While nobody can administer this server, whoever reads its log may (AUTH-101, D-3)."""
        if self.accounts.table.has_admin or not self.settings.enable_local_auth:
            self.setup_code.clear()
            return
        log.warning(
            "No administrator yet. Open %s/login and enter setup code %s, or run "
            "`hyphad user add --admin me@lab.org`.",
            self.base_url,
            self.setup_code.make(),
        )

    def _warn(self) -> None:
        """What works, and is not safe (AUTH-104, AUTH-110)."""
        settings = self.settings
        public = settings.public_base_url or ""
        local = settings.host.startswith("127.") or settings.host in ("localhost", "::1")
        if not local and self._tls is None and not public.startswith("https://"):
            log.warning(
                "no_tls host=%s hint='passwords and tokens pass the network readable; "
                "`hyphad cert` makes a certificate'",
                settings.host,
            )
        if settings.jwt_secret and len(settings.jwt_secret) < MIN_SECRET:
            log.warning(
                "weak_jwt_secret hint='at least %d characters; whoever guesses it is root'",
                MIN_SECRET,
            )

    def _watch(self) -> Watch:
        return Watch(
            self.database,
            self.accounts.table,
            self.revocations,
            self.admission,
            self.directory,
            self.setup_code,
            self.tokens,
            self.meta,
            self._data.path / "keys" / KEY_FILE,
            self._reload_keys,
        )

    def _reload_keys(self) -> None:
        if not self.settings.jwt_secret:
            try:
                self.ring.replace(self._load_keys())
            except KeyFileError as error:
                log.error("keys_not_reloaded reason=%r", str(error))

    async def _keep_backups(self) -> None:
        """A backup every so many hours; a failed one is tried again an hour later."""
        interval = self.settings.backup_hours * 3600
        while True:
            await asyncio.sleep(max(60.0, self.backups.seconds_until_due(interval)))
            try:
                await self.backups.make()
            except (StoreError, OSError) as error:
                log.error("not_backed_up reason=%r", str(error))
                await asyncio.sleep(3600)

    def reload(self, settings: Settings) -> None:
        """Take over what can change while running: log level and signing keys."""
        logs.set_level(settings.log_level)
        self._reload_keys()
        try:
            self._load_certificate()
        except StartFailed as error:
            log.error("certificate_not_reloaded reason=%r", str(error))
        log.info("reloaded log_level=%s keys=%d", settings.log_level, len(self.ring.keys))

    # the end

    async def stop(self) -> None:
        """Say goodbye to every client, wait two seconds for theirs, close the store.

        What was on its way to clients is kept for the next run, which they will come back to.
        """
        self.ready = False
        for timer in self._sweeps:
            timer.cancel()
        for work in (self._backups, self._watching):
            if work is not None:
                work.cancel()
        for server in (self._http, self._local):
            if server is not None:
                server.stop()
        self._presence_table.close()
        self.router.stop()
        await self._settle()
        links = list(self.router.links.values())
        for link in links:
            link.close(GOING_AWAY, "Server is shutting down")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(link.alive for link in links):
                    await asyncio.sleep(0.02)
        for link in links:
            if link.alive:
                link.transport.abort()
        self._keep_frames()
        if self._http is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._http.close_all_connections()
        await self.mcp_servers.close()
        await self._close_store()

    async def _settle(self) -> None:
        """A moment for services to answer what they have been asked, while there are answers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                before = -1
                while self.router.frames != before:
                    before = self.router.frames
                    await asyncio.sleep(QUIET_SECONDS)

    def _keep_frames(self) -> None:
        frames = [
            (to, call.data, call.sender, call.method, call.session)
            for to, call in self.router.unsent()
        ]
        if frames:
            transit.keep(self._transit_file, frames)


def _bound(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


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


def _raise_file_limit() -> None:
    """As many sockets as the system allows this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(settings: Settings, reload: Callable[[], Settings] | None) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    for line in settings.ignored:
        log.warning("option_ignored %s", line)
    daemon = Daemon(settings)
    try:
        await daemon.start()
    except (StartFailed, StoreError, KeyFileError) as error:
        log.critical("not_started reason=%s", error)
        return EXIT_FAILED
    loop.add_signal_handler(signal.SIGHUP, _reload, daemon, reload)
    log.info(
        "hyphad listening on %s data_dir=%s version=%s",
        daemon.base_url,
        settings.data_dir,
        __version__,
    )
    systemd.notify("READY=1", f"STATUS=Serving {daemon.base_url}")
    beat = _watchdog(daemon)
    await stopping.wait()
    log.info("stopping")
    systemd.notify("STOPPING=1", "STATUS=Saying goodbye to clients")
    if beat is not None:
        beat.cancel()
    await daemon.stop()
    log.info("stopped")
    return 0


def _watchdog(daemon: Daemon) -> "asyncio.Task[None] | None":
    interval = systemd.watchdog_interval()
    if interval is None:
        return None

    async def beat() -> None:
        while True:
            systemd.notify(
                "WATCHDOG=1",
                f"STATUS=Serving {daemon.base_url}, {len(daemon.router.links)} clients",
            )
            await asyncio.sleep(interval)

    return asyncio.ensure_future(beat())


def _reload(daemon: Daemon, load: Callable[[], Settings] | None) -> None:
    systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        daemon.reload(load() if load is not None else daemon.settings)
    except ConfigError as error:
        log.error("not_reloaded reason=%r", str(error))
    systemd.notify("READY=1")


def run(settings: Settings, reload: Callable[[], Settings] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. `reload` reads the settings anew on SIGHUP."""
    _raise_file_limit()
    memory.keep_freed()
    return asyncio.run(_serve(settings, reload))

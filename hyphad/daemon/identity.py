"""Who may come in: keys, tokens, accounts, sessions, and the door they are checked at."""

import logging

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
from hyphad.auth.sessions import Sessions
from hyphad.auth.setup_code import SetupCode
from hyphad.auth.signin import SignIn
from hyphad.auth.throttle import Throttle
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.auth.watch import LAST_EXPIRY, Watch
from hyphad.config import Settings
from hyphad.core import policy
from hyphad.daemon.foundation import Foundation
from hyphad.store.blocks import Blocks
from hyphad.store.revocations import Revocations
from hyphad.store.throttle import ThrottleTable
from hyphad.wire.link import FlowLimits

log = logging.getLogger(__name__)


class Identity:
    """The authenticator and what it knows; `admission` lets WebSocket clients in."""

    def __init__(self, base: Foundation) -> None:
        settings, database = base.settings, base.database
        self._base = base
        self.ring = self._load_keys()
        dialect = Dialect(settings.jwt_issuer, settings.jwt_audience, settings.jwt_namespace)
        self.tokens = Tokens(self.ring, dialect)
        self.tokens.last_expiry = base.meta.get(LAST_EXPIRY, 0.0)
        self.revocations = Revocations(database)
        self.blocks = Blocks(database)
        self.accounts = accounts_in(database, settings.password_cost)
        self.authenticator = Authenticator(
            self.tokens,
            self.revocations,
            settings.root_token,
            self.blocks.reason,
            self.accounts.table,
            lambda user, name: policy.still_owned(user, base.directory.get(name)),
        )
        self.throttle = Throttle(ThrottleTable(database))
        self.setup_code = SetupCode(base.folder)
        self.signin = self._sign_in(settings)
        self.flow = FlowLimits(
            settings.ws_msg_rate_limit,
            settings.ws_msg_burst_limit,
            settings.max_queue_bytes,
            settings.slow_consumer_seconds,
        )
        self.limits = Limits(
            settings.max_connections_per_user,
            settings.max_connections_per_address,
            settings.max_clients_per_workspace,
            float(settings.reconnection_token_lifetime),
            settings.anonymous_access,
            settings.strict_token_expiry,
        )
        keys = ("hypha_version", "public_base_url", "local_base_url")
        self.admission = Admission(
            self.authenticator,
            base.presence,
            base.directory,
            self.flow,
            self.limits,
            {"manager_id": base.manager_id, **{key: base.info[key] for key in keys}},
            self._ping,
        )
        self.accounts.table.on_changed.append(lambda _: self.close_lapsed())
        base.directory.on_owners_changed.append(self.close_lapsed)

    def _sign_in(self, settings: Settings) -> SignIn:
        sessions = Sessions(
            self.accounts.sessions,
            self.authenticator,
            self._base.directory,
            self.revocations,
            self.accounts.audit,
            settings.login_token_lifetime,
            self.close_lapsed,
        )
        return SignIn(
            self.accounts,
            sessions,
            LoginSessions(settings.login_session_seconds),
            self.throttle,
            self.setup_code,
            self.tokens.seal,
            settings.signup,
        )

    def close_lapsed(self) -> None:
        """End the connections of those who may not be here any more."""
        self.admission.close_lapsed()

    async def _ping(self, address: str, seconds: float) -> bool:
        call = self._base.manager.call(address, "services.built-in.ping", "ping", timeout=seconds)
        return await quiet_ping(call, seconds)

    def _load_keys(self) -> KeyRing:
        settings = self._base.settings
        if settings.jwt_secret:
            return ring_from_secret(settings.jwt_secret)
        return load_ring(self._base.folder / "keys", settings.fix_permissions)

    def reload_keys(self) -> None:
        """Take over the keys that `hyphad key rotate` has written; broken ones change nothing."""
        if not self._base.settings.jwt_secret:
            try:
                dropped = self.ring.replace(self._load_keys())
            except KeyFileError as error:
                log.error("keys_not_reloaded reason=%r", str(error))
                return
            if dropped:
                self.admission.close_signed()

    def purge(self) -> None:
        """Drop what has expired."""
        self.revocations.purge()
        self.blocks.purge()
        self.throttle.purge()
        self.signin.logins.purge()
        self.admission.close_expired()

    def watch(self) -> Watch:
        """What takes over the changes that other processes make to the same data."""
        return Watch(
            self._base.database,
            self.accounts.table,
            self.revocations,
            self.admission,
            self._base.directory,
            self.setup_code,
            self.tokens,
            self._base.meta,
            self._base.folder / "keys" / KEY_FILE,
            self.reload_keys,
        )

    def offer_setup(self) -> None:
        """While nobody can administer this server, whoever reads its log may (AUTH-101, D-3)."""
        if self.accounts.table.has_admin or not self._base.settings.enable_local_auth:
            self.setup_code.clear()
            return
        log.warning(
            "No administrator yet. Open %s/login and enter setup code %s, or run "
            "`hyphad user add --admin me@lab.org`.",
            self._base.base_url,
            self.setup_code.make(),
        )

    def warn(self) -> None:
        """Secrets that work, and are not safe (AUTH-104)."""
        secret = self._base.settings.jwt_secret
        if secret and len(secret) < MIN_SECRET:
            log.warning(
                "weak_jwt_secret hint='at least %d characters; whoever guesses it is root'",
                MIN_SECRET,
            )

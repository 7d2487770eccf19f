"""Tokens: minting and verifying the JWTs that clients of the platform know (AUTH-11 to AUTH-18).

Only HS256 with the server's own keys is accepted, whatever a token's header says.
"""

import hashlib
import hmac
import secrets
import sys
import time
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from hyphad.auth.keys import KeyRing
from hyphad.core.errors import Invalid, Unauthenticated
from hyphad.core.identity import Scope, User

ALGORITHM = "HS256"


def _import_jwt() -> ModuleType:
    """PyJWT without the public-key algorithms: they are refused here, and cost 10 MiB."""
    known = sys.modules.get("cryptography")
    if known is not None:
        import jwt

        return jwt
    sys.modules["cryptography"] = None  # type: ignore[assignment]
    try:
        import jwt
    finally:
        del sys.modules["cryptography"]
    return jwt


jwt: Any = _import_jwt()
MAX_TOKEN = 4096
EXPIRED = "The token has expired. Please fetch a new one"
_REQUIRED = ["exp", "sub", "aud", "iss"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """Issuer, audience and claim prefix: identifiers only, nothing is ever fetched from them."""

    issuer: str = "https://amun.ai/"
    audience: str = "https://amun-ai.eu.auth0.com/api/v2/"
    namespace: str = "https://amun.ai/"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says; `expires_at` is in unix seconds.

    `line` names the tokens it descends from, oldest first. A `resumed` token continues a
    connection: it stands for the credential of that connection and adds nothing to the line.
    `version` is the account's credential version when the first of them was issued.
    """

    sub: str
    scope: Scope
    expires_at: float
    roles: tuple[str, ...] = ()
    email: str | None = None
    parent: str | None = None
    jti: str | None = None
    line: tuple[str, ...] = ()
    resumed: bool = False
    version: int | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)


class Tokens:
    """Signs with the active key of the ring and verifies with all of them.

    `last_expiry` is when the last of the tokens it has minted expires, in unix seconds.
    """

    def __init__(self, ring: KeyRing, dialect: Dialect) -> None:
        self.ring = ring
        self.dialect = dialect
        self.last_expiry = 0.0

    def mint(
        self,
        user: User,
        lifetime: float,
        *,
        line: tuple[str, ...] = (),
        resumed: bool = False,
        bound: bool = True,
        version: int | None = None,
        expires_at: float | None = None,
        jti: str | None = None,
    ) -> str:
        """A token for `user` with the user's scope, valid for `lifetime` seconds from now.

        `bound` false marks a client id in the scope as informative: reconnection tokens carry
        one although the credential they continue was good for any client. `jti` is the token's
        id, a new one if not given.
        """
        now = int(time.time())
        name = self.dialect.namespace
        payload: dict[str, Any] = {
            "iss": self.dialect.issuer,
            "sub": user.id,
            "aud": self.dialect.audience,
            "iat": now,
            "exp": int(expires_at if expires_at is not None else now + lifetime),
            "scope": user.scope.format(),
            "gty": "client-credentials",
            f"{name}roles": list(user.roles),
            f"{name}email": user.email,
            "jti": jti or secrets.token_urlsafe(16),
        }
        if user.parent is not None:
            payload[f"{name}parent"] = user.parent
        if line:
            payload["line"] = list(line)
        if resumed:
            payload["resumed"] = True
        if version is not None:
            payload["ver"] = version
        if not bound:
            payload["bound"] = False
        if user.scope.owned:
            payload["own"] = sorted(user.scope.owned)
        self.last_expiry = max(self.last_expiry, float(payload["exp"]))
        key = self.ring.active
        headers = {"kid": key.kid} if key.kid else None
        token: str = jwt.encode(payload, key.secret, algorithm=ALGORITHM, headers=headers)
        return token

    def seal(self, text: str) -> str:
        """A mark on a text that only this server can make, for cookies and forms of its own."""
        secret = self.ring.active.secret
        return hmac.new(secret, f"hyphad {text}".encode(), hashlib.sha256).hexdigest()

    def verify(self, token: str) -> Claims:
        """The claims of a token that this server signed. Raises `Unauthenticated` (AUTH-16)."""
        token = strip_bearer(token)
        if len(token) > MAX_TOKEN:
            raise Unauthenticated("Token too long")
        return self._claims(self._payload(token))

    def _payload(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise Unauthenticated("Error decoding token headers.") from None
        algorithm = header.get("alg")
        if algorithm != ALGORITHM:
            raise Unauthenticated(f"Invalid algorithm: {str(algorithm)[:20]}")
        for key in self.ring.candidates(header.get("kid")):
            try:
                payload: dict[str, Any] = jwt.decode(
                    token,
                    key.secret,
                    algorithms=[ALGORITHM],
                    audience=self.dialect.audience,
                    issuer=self.dialect.issuer,
                    options={"require": _REQUIRED, "verify_iat": False, "verify_sub": False},
                )
                return payload
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError) as error:
                raise Unauthenticated(_reason(error)) from None
        raise Unauthenticated("Signature verification failed.")

    def _claims(self, payload: dict[str, Any]) -> Claims:
        name = self.dialect.namespace
        roles = payload.get(f"{name}roles") or []
        email, parent = payload.get(f"{name}email"), payload.get(f"{name}parent")
        scope = payload.get("scope") or ""
        line, owned = payload.get("line") or [], payload.get("own") or []
        texts = (payload.get("jti"), email, parent)
        if (
            not isinstance(roles, list)
            or not all(isinstance(role, str) for role in roles)
            or not isinstance(scope, str)
            or not isinstance(line, list)
            or not isinstance(owned, list)
            or not all(isinstance(item, str) for item in line + owned)
            or not isinstance(payload["sub"], str)
            or not all(isinstance(text, str | None) for text in texts)
        ):
            raise Unauthenticated("Invalid token: unexpected claims")
        try:
            parsed = Scope.parse(scope)
        except Invalid as error:
            raise Unauthenticated(error.message) from None
        version = payload.get("ver")
        return Claims(
            payload["sub"],
            replace(parsed, owned=frozenset(owned)),
            float(payload["exp"]),
            tuple(roles),
            email or None,
            parent or None,
            payload.get("jti"),
            tuple(line),
            payload.get("resumed") is True,
            version if isinstance(version, int) else None,
            payload,
        )


def strip_bearer(text: str) -> str:
    """The token of `Bearer <token>`, in any case; a bare token as it is (AUTH-17)."""
    words = text.split()
    if len(words) == 1:
        if words[0].lower() == "bearer":
            raise Unauthenticated("Token not found")
        return words[0]
    if len(words) == 2 and words[0].lower() == "bearer":
        return words[1]
    if not words:
        raise Unauthenticated("Authorization is required")
    raise Unauthenticated("Authorization header must be 'Bearer' token")


def _reason(error: Exception) -> str:
    if isinstance(error, jwt.ExpiredSignatureError):
        return EXPIRED
    if isinstance(error, jwt.InvalidAudienceError):
        return "Invalid audience"
    if isinstance(error, jwt.InvalidIssuerError):
        return "Invalid issuer"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"Invalid token: missing {error.claim}"
    return "Invalid token structure: Error decoding token claims."

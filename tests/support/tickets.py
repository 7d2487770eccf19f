"""Tokens made by the tests themselves, for daemons started with `JWT_SECRET`."""

import time
from typing import Any

import jwt

JWT_SECRET = "k3Jw8ZpTq1Xv6Nb0Rc4Yd7Fg2Hs5Lm9Ua"
NAMESPACE = "https://amun.ai/"


def ticket(user: str, scope: str = "", *, lifetime: float = 3600, **claims: Any) -> str:
    """A token of `user`; `roles`, `email` and `parent` go into the namespace of the platform.

    A claim that is given as None is left out.
    """
    now = int(time.time())
    payload: dict[str, Any] = {
        "iss": NAMESPACE,
        "sub": user,
        "aud": "https://amun-ai.eu.auth0.com/api/v2/",
        "iat": now,
        "exp": int(now + lifetime),
        "scope": scope,
        "gty": "client-credentials",
        f"{NAMESPACE}roles": claims.pop("roles", ["user"]),
        f"{NAMESPACE}email": claims.pop("email", None),
    }
    if "parent" in claims:
        payload[f"{NAMESPACE}parent"] = claims.pop("parent")
    secret = claims.pop("secret", JWT_SECRET)
    algorithm = claims.pop("algorithm", "HS256")
    payload.update(claims)
    payload = {key: value for key, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm=algorithm)

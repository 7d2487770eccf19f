"""A name for each request, in its answer, in the log, and in the calls that are made for it.

A proxy or a program may give one in `X-Request-Id`, so that its own log and that of hyphad can be
laid side by side. Services see it too: the session of a call, which their `context` has, begins
with the id of the request that made it.
"""

import re

from tornado.httputil import HTTPServerRequest

from hyphad.core.names import random_key

HEADER = "X-Request-Id"
_GIVEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def request_id_of(request: HTTPServerRequest) -> str:
    """The id that came with the request if it is one of 1 to 64 plain characters, or a new one."""
    found: str | None = getattr(request, "request_id", None)
    if found is None:
        given = request.headers.get(HEADER, "")
        found = given if _GIVEN.fullmatch(given) else random_key(96)
        request.request_id = found  # type: ignore[attr-defined]
    return found

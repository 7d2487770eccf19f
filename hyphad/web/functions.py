"""One HTTP request to a service of type `functions`: a dict goes in, a dict comes out (HTTP-78 f.).

The path names the function, through nested dicts; `index` and `default` stand in.
"""

import logging
from typing import Any

from hyphad.core.errors import Fault
from hyphad.core.identity import User
from hyphad.core.records import Caller, Service
from hyphad.web.asgi import as_bytes
from hyphad.web.base import to_json
from hyphad.web.cors import set_cors
from hyphad.web.failures import Failure, Refusal, failure_of
from hyphad.web.gateway import Function
from hyphad.web.responder import AppResponder

log = logging.getLogger(__name__)

FAILED = "Internal Server Error: "
ALLOWED = {
    "Access-Control-Allow-Methods": "GET,POST,PUT,DELETE,OPTIONS",
    "Access-Control-Allow-Headers": "Authorization,Content-Type",
    "Access-Control-Expose-Headers": "Content-Disposition",
}


class FunctionsCall:
    """Gathers the body, then calls the function and answers with what it returns."""

    def __init__(
        self,
        handler: AppResponder,
        caller: Caller,
        service: Service,
        scope: dict[str, Any],
        user: User,
        limit: int,
    ) -> None:
        self._handler = handler
        self._caller = caller
        self._service = service
        self._scope = scope
        self._user = user
        self._limit = limit
        self._body = bytearray()
        self._refused = False

    def start(self) -> None:
        """Nothing happens before the body is whole."""

    def take(self, chunk: bytes) -> None:
        """A piece of the body."""
        if self._refused:
            return
        self._body += chunk
        if len(self._body) > self._limit:
            self._refused = True
            self._body.clear()
            text = f"Request body too large: at most {self._limit} bytes are accepted here."
            self._handler.fail(Refusal(413, text).failure)

    def reader_gone(self) -> None:
        """The function runs to its end; nobody hears of it."""
        self._refused = True

    async def end(self) -> None:
        """Call the function that the path means."""
        if self._refused:
            return
        path = self._scope["path"].strip("/")
        function, by_default = await self._function(path)
        event = self._event()
        if by_default:
            event["function_path"] = "/" + path
        gateway = self._handler.parts.gateway
        try:
            result = await gateway.invoke(self._caller, self._service, function, [event], {})
            self._answer(result)
        except Refusal:
            raise
        except Fault as error:
            self._fail(error)

    async def _function(self, path: str) -> tuple[Function, bool]:
        """The function at a path, and whether it is `default` that stands in (HTTP-78)."""
        keys = [key for key in path.split("/") if key]
        tries = [keys or ["index"]]
        if len(keys) > 1:
            tries.append([*keys, "index"])
        gateway = self._handler.parts.gateway
        for way in tries:
            found = await gateway.function(self._service, way)
            if found is not None:
                return found, False
        found = await gateway.function(self._service, ["default"])
        if found is None:
            raise Refusal(404, f"Function not found: {path or 'index'}")
        return found, True

    def _event(self) -> dict[str, Any]:
        """The request as one dict (HTTP-79)."""
        scope = self._scope
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        return {
            **scope,
            "raw_path": scope["raw_path"].decode("latin-1"),
            "query_string": scope["query_string"].decode("latin-1"),
            "headers": headers,
            "body": bytes(self._body) or None,
            "user": self._user.to_dict(),
        }

    def _answer(self, result: Any) -> None:
        """Answer with the dict that the function returned (HTTP-80)."""
        if not isinstance(result, dict):
            raise Refusal(500, FAILED + "functions must return a dict")
        status = result.get("status", 200)
        if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
            raise Refusal(500, FAILED + "AssertionError: status must be a number from 200 to 599")
        handler, body = self._handler, result.get("body")
        pairs = _pairs(result.get("headers") or {})
        if isinstance(body, list) or (isinstance(body, dict) and "_rtype" not in body):
            body = to_json(body)
            if not any(name.lower() == "content-type" for name, _ in pairs):
                pairs.append(("Content-Type", "application/json"))
        data = as_bytes(body)
        trusted = self._service.client_id == handler.parts.deputy.client_id
        try:
            handler.begin(status, pairs, trusted)
        except ValueError as error:
            raise Refusal(500, f"{FAILED}invalid header: {error}") from None
        self._allow_origins()
        if status in (204, 304):
            handler.finish()
            return
        handler.set_header("Content-Length", str(len(data)))
        handler.finish(data)

    def _fail(self, error: Fault) -> None:
        """The function has failed: a server error, whatever it raised."""
        detailed = self._handler.parts.settings.expose_detailed_errors
        failure = failure_of(error, detailed)
        text = failure.detail.removeprefix("RemoteException: ")
        self._handler.clear()
        self._allow_origins()
        status = failure.status if failure.status == 504 else 500
        self._handler.fail(Failure(status, FAILED + text))

    def _allow_origins(self) -> None:
        set_cors(self._handler)
        for name, value in ALLOWED.items():
            self._handler.set_header(name, value)


def _pairs(headers: Any) -> list[tuple[str, str]]:
    """Header lines of a dict; a list is as many lines."""
    if not isinstance(headers, dict):
        raise Refusal(500, FAILED + "headers must be a dict")
    pairs = []
    for name, value in headers.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(str(name), str(item)) for item in values]
    return [(name, value) for name, value in pairs if name.lower() != "content-length"]

"""MCP over Streamable HTTP: `POST /{workspace}/mcp/{service}/mcp` (sections 2, 3 and 5).

One message comes in a POST and is answered in it: as JSON, or as a stream of events where the
client wants to hear of progress. A GET listens for changes. Nothing is remembered in between.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.web import Finish

from hyphad.core import address
from hyphad.core.errors import Fault, NotFound, PeerGone, Unauthenticated
from hyphad.web.agents import MAX_DEPTH, AgentHandler, encoded, is_shallow
from hyphad.web.failures import Failure, Refusal
from hyphad.web.identity import cookie_token, header_token
from hyphad.web.mcp import modern
from hyphad.web.mcp.content import Dialect
from hyphad.web.mcp.offer import Offer, ServiceOffer
from hyphad.web.mcp.protocol import (
    ASSUMED,
    HANDSHAKE,
    INTERNAL,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MODERN,
    PARSE_ERROR,
    Exchange,
    McpError,
    progress_token,
    respond,
)
from hyphad.web.mcp.resource import WELL_KNOWN
from hyphad.web.mcp.streams import Watch

PING_SECONDS = 15.0
SLOW_SECONDS = 5.0
MAX_BATCH = 50
EVENTS = "text/event-stream"
PING = b": ping\n\n"
CHANGES = ("tools", "resources", "prompts")
Message = dict[str, Any]


class McpHandler(AgentHandler):
    """The transport. Which offer and which watch it is about is said below."""

    kind = "mcp"

    def initialize(self, **given: Any) -> None:
        super().initialize(**given)
        self._task: asyncio.Task[Message] | None = None
        self._streaming = self._gone = False
        self._watch: Watch | None = None

    async def offer(self, *place: str) -> Offer:
        """What is offered to the caller of this request."""
        raise NotImplementedError

    def watch(self, *place: str) -> Watch | None:
        """A new watch of the same, or None where there are too many."""
        raise NotImplementedError

    def failure(self, error: BaseException) -> Failure:
        """Who came without a credential is told where to learn of one; with `mcp_oauth` as a
        challenge, which says nothing of whether there is such a service (MCP-56)."""
        failure = super().failure(error)
        if failure.status not in (401, 404) or not isinstance(error, Refusal | Unauthenticated):
            return failure
        path = self.request.path.rstrip("/")
        link = f'resource_metadata="{self.public_origin}{WELL_KNOWN}{quote(path)}"'
        challenge = failure.headers.get("WWW-Authenticate", "Bearer")
        joined = f"{challenge} {link}" if challenge == "Bearer" else f"{challenge}, {link}"
        status = failure.status
        if status == 404:
            if self._is_known():
                return self._out_of_scope(failure)
            status = 401 if self.parts.settings.mcp_oauth else 404
        headers = {**failure.headers, "WWW-Authenticate": joined}
        return Failure(status, failure.detail, failure.hint, failure.bare, headers)

    def _is_known(self) -> bool:
        return self.identity.credential is not None

    def _out_of_scope(self, failure: Failure) -> Failure:
        """A token that is good, but not for this: with `mcp_oauth` that is said."""
        if not self.parts.settings.mcp_oauth:
            return failure
        headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        return Failure(403, failure.detail, failure.hint, failure.bare, headers)

    # requests

    async def post(self, *place: str) -> None:
        self.check_origin()
        offer = await self.offer(*place)
        version = self.request.headers.get("MCP-Protocol-Version")
        if version is not None and self._is_modern(version):
            await self._post_modern(offer, version)
            return
        self._check_content_type()
        message = self._message()
        self._check_version(version)
        dialect = Dialect(version or ASSUMED, named=version is not None)
        if isinstance(message, list):
            await self._post_batch(message, Exchange(offer, dialect))
            return
        self._check_accept()
        if not is_request(message):
            self._take(message)
            self._accepted()
            return
        await self._serve(message, Exchange(offer, dialect))

    def _is_modern(self, version: str) -> bool:
        """By the header, or by the body where the header names a version nobody knows."""
        if modern.is_modern(version):
            return True
        return version not in HANDSHAKE and modern.has_envelope(self.request.body)

    async def _post_modern(self, offer: Offer, version: str) -> None:
        """One exchange of the newest protocol (MCP-51)."""
        if not self._accepts("application/json"):
            raise self._stop(406)
        message = self._message(None)
        single = isinstance(message, dict) and isinstance(message.get("method"), str)
        if not single or not _is_envelope(message):
            text = "Body must be a single JSON-RPC request or notification object"
            raise self._rpc_error(400, INVALID_REQUEST, text, None)
        try:
            if "id" not in message:
                modern.check_version(version)
                self._accepted()
                return
            if not _is_id(message["id"]):
                raise McpError(INVALID_REQUEST, "id must be a string or an integer")
            listens = message["method"] == "subscriptions/listen"
            if listens and not self._accepts(EVENTS):
                raise self._stop(406)
            modern.check(message, self.request.headers)
        except McpError as error:
            given = message.get("id")
            answer = {"jsonrpc": "2.0", "id": given if _is_id(given) else None}
            answer["error"] = error.to_dict()
            self.send_json(answer, modern.status_of(answer))
            return
        if listens:
            await self._listen(message)
            return
        dialect = Dialect(version)
        await self._serve(message, Exchange(offer, dialect, modern=True))

    async def _post_batch(self, messages: list[Any], exchange: Exchange) -> None:
        """Several messages at once, which only old clients send (MCP-27)."""
        old = exchange.dialect.version in ("2024-11-05", "2025-03-26")
        if not old or not 0 < len(messages) <= MAX_BATCH:
            raise self._rpc_error(400, INVALID_REQUEST, "Batch requests are not supported")
        for message in messages:
            if not isinstance(message, dict) or not _is_envelope(message):
                raise self._invalid_message(message)
        requests = [message for message in messages if is_request(message)]
        answers = await asyncio.gather(*(respond(item, exchange) for item in requests))
        if answers:
            self.send_json(list(answers))
        else:
            self._accepted()

    async def _serve(self, message: Message, exchange: Exchange) -> None:
        """Answer one request, as events if the client takes them and has reason to (MCP-32)."""
        only_events = not self._accepts("application/json")
        takes_events = self._accepts(EVENTS)
        wants_news = takes_events and progress_token(message.get("params")) is not None
        if takes_events:
            exchange.notify = self._notify
        if only_events:
            await self._begin_stream()
        self._task = asyncio.ensure_future(respond(message, exchange))
        with self._cancellable(message, self._task):
            await self._wait(self._task, streams=wants_news or only_events)
        if self._gone:
            return
        answer = _cancelled(message) if self._task.cancelled() else self._task.result()
        if self._streaming:
            self._event(answer)
            self.finish()
        else:
            status = modern.status_of(answer) if exchange.modern else 200
            self.set_status(status)
            self.set_header("Content-Type", "application/json")
            await self.send_long(encoded(answer))

    async def _wait(self, task: "asyncio.Task[Message]", *, streams: bool) -> None:
        """Until the task is done; what takes long is kept alive."""
        seconds = SLOW_SECONDS if streams else None
        while not task.done():
            await asyncio.wait({task}, timeout=seconds)
            if not task.done() and not self._gone:
                await self._begin_stream()
                self.write(PING)
                await self._flush()
                seconds = PING_SECONDS

    def on_connection_close(self) -> None:
        """Who does not wait for the answer does not want it; the provider is not disturbed."""
        self._gone = True
        if self._task is not None:
            self._task.cancel()
        if self._watch is not None:
            self._watch.end()

    # notifications from the client

    def _take(self, message: Message) -> None:
        """Only a cancellation means anything, and only from the very credential that called."""
        params = message.get("params")
        if message.get("method") == "notifications/cancelled" and isinstance(params, dict):
            key = self._call_key(params.get("requestId"))
            running = self.agents.running.get(key, set()) if key is not None else set()
            if len(running) == 1:
                next(iter(running)).cancel()

    def _cancellable(
        self, message: Message, task: "asyncio.Task[Message]"
    ) -> contextlib.AbstractContextManager[None]:
        key = self._call_key(message["id"])
        return self.agents.running_as(key, task) if key is not None else contextlib.nullcontext()

    def _call_key(self, request_id: Any) -> tuple[Any, ...] | None:
        """Visitors all look alike: their calls end when they hang up, not by a message."""
        credential = self.identity.credential
        if credential is None or not _is_id(request_id):
            return None
        return (credential.user.id, credential.keys, self.request.path.rstrip("/"), request_id)

    # checks

    def _check_content_type(self) -> None:
        given = self.request.headers.get("Content-Type", "").lower()
        if not given.startswith("application/json"):
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.set_status(400)
            self.finish("Invalid Content-Type header")
            raise Finish

    def _check_version(self, version: str | None) -> None:
        if version is not None and version not in HANDSHAKE:
            known = ", ".join((*HANDSHAKE, *MODERN))
            text = f"Bad Request: Unsupported protocol version: {version[:50]}. Supported versions:"
            raise self._rpc_error(400, INVALID_REQUEST, f"{text} {known}")

    def _check_accept(self) -> None:
        if not self._accepts("application/json") and not self._accepts(EVENTS):
            text = "Not Acceptable: Client must accept application/json"
            raise self._rpc_error(406, INVALID_REQUEST, text)

    def _accepts(self, kind: str) -> bool:
        """Whether the client takes this kind of answer; of events only if it says so (MCP-21)."""
        accepted = self.request.headers.get("Accept", "*/*").lower()
        kinds = [item.partition(";")[0].strip() for item in accepted.split(",")]
        if kind in kinds:
            return True
        return kind != EVENTS and any(wide in kinds for wide in ("*/*", "application/*", ""))

    def _message(self, otherwise: str | None = "server-error") -> Any:
        """The body, decoded. Without a usable id the answer's is `otherwise`."""
        body = self.request.body
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            text = "Parse error" if otherwise is None else f"Parse error: {str(error)[:200]}"
            raise self._rpc_error(400, PARSE_ERROR, text, otherwise) from None
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and not is_shallow(message):
            text = f"Parse error: nested more than {MAX_DEPTH} deep"
            raise self._rpc_error(400, PARSE_ERROR, text, otherwise)
        if otherwise is not None and not isinstance(message, list) and not _is_envelope(message):
            raise self._invalid_message(message)
        return message

    def _invalid_message(self, message: Any) -> Finish:
        text = "a JSON-RPC 2.0 request, notification or response is expected"
        return self._rpc_error(400, INVALID_PARAMS, f"Validation error: {text}")

    def _rpc_error(
        self, status: int, code: int, text: str, request_id: Any = "server-error"
    ) -> Finish:
        """Answer with an error of the protocol; to be raised."""
        error = {"code": code, "message": text}
        self.send_json({"jsonrpc": "2.0", "id": request_id, "error": error}, status)
        return Finish()

    def _stop(self, status: int) -> Finish:
        self.set_status(status)
        self.finish()
        return Finish()

    def _accepted(self) -> None:
        self.set_status(202)
        self.clear_header("Content-Type")
        self.finish()

    # streams

    async def get(self, *place: str) -> None:
        """Listen for changes (MCP-23)."""
        self.check_origin()
        await self.offer(*place)
        version = self.request.headers.get("MCP-Protocol-Version", "")
        if modern.is_modern(version):
            self.set_header("Allow", "POST")
            raise self._stop(405)
        if not self._accepts(EVENTS):
            text = "Not Acceptable: Client must accept text/event-stream"
            raise self._rpc_error(406, INVALID_REQUEST, text)

        async def tell() -> None:
            for what in CHANGES:
                await self._notify(f"notifications/{what}/list_changed", {})

        await self._follow(tell)

    async def _listen(self, message: Message) -> None:
        """The stream of changes of the newest protocol (MCP-52)."""
        params = message["params"]
        wanted = params.get("notifications")
        wanted = wanted if isinstance(wanted, dict) else {}
        honoured = {
            f"{what}ListChanged": True for what in CHANGES if wanted.get(f"{what}ListChanged")
        }
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}

        async def tell() -> None:
            for what in CHANGES:
                if f"{what}ListChanged" in honoured:
                    await self._notify(f"notifications/{what}/list_changed", {"_meta": meta})

        first = {"notifications": honoured, "_meta": meta}
        await self._follow(tell, ("notifications/subscriptions/acknowledged", first))

    async def _follow(
        self, tell: Callable[[], Awaitable[None]], first: tuple[str, Message] | None = None
    ) -> None:
        """Keep the stream until either side leaves, or its caller may not listen any more."""
        watch = self._watch = self.watch(*self.path_args)
        if watch is None:
            raise self._rpc_error(405, INVALID_REQUEST, "Too many open streams")
        try:
            await self._begin_stream()
            if first is not None:
                await self._notify(*first)
            while not self._gone and self._may_still_listen():
                if await watch.changed(PING_SECONDS):
                    await tell()
                elif not self._gone:
                    self.write(PING)
                    await self._flush()
        finally:
            self.agents.watches.close(watch)
        if not self._gone:
            self.finish()

    def _may_still_listen(self) -> bool:
        """The credential is looked at again: it may have expired, or been revoked."""
        if self.identity.credential is None:
            return True
        token = (cookie_token if self.identity.from_cookie else header_token)(self.request)
        try:
            self.parts.identities.of_token(token or "")
        except Fault:
            return False
        return True

    async def _begin_stream(self) -> None:
        if not self._streaming and not self._gone:
            self._streaming = True
            self.set_header("Content-Type", EVENTS)
            self.set_header("Cache-Control", "no-cache, no-transform")
            self.set_header("X-Accel-Buffering", "no")
            await self._flush()

    async def _notify(self, method: str, params: Message) -> None:
        await self._begin_stream()
        message: Message = {"jsonrpc": "2.0", "method": method}
        self._event({**message, "params": params} if params else message)
        await self._flush()

    def _event(self, message: Message) -> None:
        if not self._gone:
            self.write(b"event: message\ndata: " + encoded(message) + b"\n\n")

    async def _flush(self) -> None:
        with contextlib.suppress(StreamClosedError):
            await self.flush()

    # what there is none of

    def delete(self, *_: str) -> None:
        """There are no sessions to end (MCP-22)."""
        text = "Method Not Allowed: Session termination not supported"
        self.set_header("Allow", "GET, POST")
        raise self._rpc_error(405, INVALID_REQUEST, text)

    def put(self, *_: str) -> None:
        self.set_header("Allow", "GET, POST, DELETE")
        raise self._rpc_error(405, INVALID_REQUEST, "Method Not Allowed")

    patch = put


class ServiceEndpoint(McpHandler):
    """One service."""

    async def offer(self, *place: str) -> Offer:
        workspace, part = place
        caller = self.caller(workspace)
        service = await self.service(caller, workspace, part)
        try:
            view = await self.agents.views.of(service)
        except (NotFound, PeerGone):
            raise Refusal(404, f"Service {part} not found or not accessible") from None
        return ServiceOffer(self.parts.gateway, caller, service, view)

    def watch(self, *place: str) -> Watch | None:
        workspace, part = place
        caller, remote = self.caller(workspace), str(self.request.remote_ip)
        found = address.parse_service(part, workspace)
        return self.agents.watches.open(found.workspace, found.name, caller, remote)


def _is_envelope(message: Any) -> bool:
    """Whether this is a message of JSON-RPC 2.0 at all."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return False
    return isinstance(message.get("method"), str) or "result" in message or "error" in message


def is_request(message: Message) -> bool:
    return isinstance(message.get("method"), str) and _is_id(message.get("id"))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _cancelled(message: Message) -> Message:
    """The answer to a request that its client has taken back; nobody waits for it."""
    error = {"code": INTERNAL, "message": "Request cancelled"}
    return {"jsonrpc": "2.0", "id": message["id"], "error": error}

"""The server as an RPC peer: serves its own services and calls those of clients.

There are two in the daemon. The manager answers at `*/<manager id>` (WIRE-79). The other is the
server's own client, `<server id>` in every workspace: it holds the public services and acts for
users, with their identity instead of the manager's, so that the server is nobody's deputy (D-10).
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hyphad.core import policy
from hyphad.core.errors import (
    BadCall,
    Denied,
    Fault,
    NotFound,
    PeerGone,
    QuotaExceeded,
    Unavailable,
    UnknownMethod,
    describe,
)
from hyphad.core.names import random_key
from hyphad.core.quota import Calls, payer
from hyphad.core.records import Caller
from hyphad.core.schema import signature_of
from hyphad.wire import chunks, frame, values
from hyphad.wire.calls import PendingCalls
from hyphad.wire.chunks import ChunkStore
from hyphad.wire.exports import Exports
from hyphad.wire.local import LocalFunction, LocalService, from_method
from hyphad.wire.router import Router, Wait

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 30.0
SLOW_DECODE = 8 << 20
CHUNKS_IN_FLIGHT = 30
MAX_BEATS = 1000  # a second and client
ANSWER = b"\x81\xa4args\x91"
TOO_MUCH = QuotaExceeded(
    "Too many long answers are on their way to you. Take them before asking for more."
)


class Packed(bytes):
    """An answer that is packed already."""


class Peer:
    """A peer inside the daemon. `workspace` is `*` for the manager, None for the deputy."""

    def __init__(
        self,
        router: Router,
        client_id: str,
        base_url: str,
        store: ChunkStore,
        running: Calls,
        manager: bool,
    ) -> None:
        self.router = router
        self.client_id = client_id
        self.base_url = base_url
        self.calls = PendingCalls()
        self.exports = Exports()
        self._quota = running
        self._manager = manager
        self._chunks = store
        self._services: dict[tuple[str, str], LocalService] = {}
        self._packed: dict[tuple[str, str], Packed] = {}
        self._running: dict[str, set[asyncio.Task[None]]] = {}
        self._builtin = self._builtin_service()

    # services

    def serve(self, workspace: str, service: LocalService) -> None:
        """Offer a service in a workspace, replacing one of that id."""
        self._services[(workspace, service.id)] = service
        self._packed.clear()

    def withdraw(self, workspace: str, service_id: str) -> bool:
        self._packed.clear()
        return self._services.pop((workspace, service_id), None) is not None

    def service(self, workspace: str, service_id: str) -> LocalService | None:
        """The service of that id, or None; every address has the built-in one."""
        if service_id == "built-in":
            return self._builtin
        return self._services.get(("*" if self._manager else workspace, service_id))

    def encoded(self, workspace: str, service_id: str, caller: Caller) -> Packed:
        """The service as `get_service` returns it, packed once (WIRE-80, WIRE-83)."""
        service = self.service(workspace, service_id)
        if service is None or not self._may_use(workspace, service, caller):
            raise NotFound(f"Service not found: {service_id}")
        key = (workspace, service_id)
        if key not in self._packed:
            target = f"{workspace}/{self.client_id}"
            value = {
                "id": service.id,
                "name": service.name,
                "description": service.description,
                "type": service.type,
                "config": {**service.config, "workspace": workspace},
                **_descriptors(service.members, self.base_url, target, f"services.{service.id}"),
            }
            self._packed[key] = Packed(frame.pack(value))
        return self._packed[key]

    @staticmethod
    def _may_use(workspace: str, service: LocalService, caller: Caller) -> bool:
        visibility = service.config.get("visibility", "public")
        return visibility != "protected" or caller.workspace in (workspace, "*")

    # frames that come in

    def receive(self, header: dict[str, Any], extra: memoryview, caller: Caller) -> Wait:
        """Handle one frame; `header['from']` was set by the router, never by the sender.

        Returns what to wait for before the next one, if anything.
        """
        if header["type"] != "method" or not isinstance(header.get("method"), str):
            if header["type"] == "peer_not_found":
                self.calls.peer_gone(str(header.get("peer_id")))
            return None
        if len(extra) > SLOW_DECODE:
            return self._start(header, self._receive_large(header, extra, caller))
        try:
            payload = values.decode(extra, caller.workspace) if len(extra) else {}
        except frame.BadFrame as error:
            self._cannot_read(header, error, caller)
            return None
        return self._dispatch(header, payload, caller)

    async def _receive_large(
        self, header: dict[str, Any], extra: memoryview, caller: Caller
    ) -> None:
        try:
            payload = await asyncio.to_thread(values.decode, extra, caller.workspace)
        except frame.BadFrame as error:
            self._cannot_read(header, error, caller)
            return
        self._dispatch(header, payload, caller)

    def _cannot_read(self, header: dict[str, Any], error: frame.BadFrame, caller: Caller) -> None:
        """Whoever waits for what stood in a broken message is told: the caller, or we ourselves."""
        session = header["method"].partition(".")[0]
        reason = f"ValueError: the answer cannot be read: {error}"
        if not self.calls.answer(header["from"], session, "reject", [reason]):
            self._answer(header, None, BadCall(f"Invalid message: {error}"), caller)

    def _dispatch(self, header: dict[str, Any], payload: Any, caller: Caller) -> Wait:
        args = payload.get("args") or [] if isinstance(payload, dict) else None
        if not isinstance(args, list):
            self._answer(header, None, BadCall("Invalid message: args must be a list"), caller)
            return None
        method: str = header["method"]
        space, _, rest = method.partition(".")
        if space != "services" and self.calls.answer(header["from"], space, rest, args):
            return None
        try:
            kwargs = args.pop() if payload.get("with_kwargs") and args else {}
            if not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
                raise BadCall("Keyword arguments must be a map with string keys")
            self._quota.check(caller)
            function = self._find(header, space, rest, caller)
            result = function(caller, args, kwargs)
        except Exception as error:
            self._answer(header, None, error, caller)
            return None
        if inspect.isawaitable(result):
            beat = _interval(payload) if self._wants_answer(header, payload) else None
            return self._start(header, self._finish(header, result, beat, caller), payer(caller))
        if self._wants_answer(header, payload):
            self._answer(header, result, None, caller)
        return None

    def _find(
        self, header: dict[str, Any], space: str, rest: str, caller: Caller
    ) -> Callable[[Caller, list[Any], dict[str, Any]], Any]:
        source, method = header["from"], header["method"]
        if space != "services":
            exported = self.exports.find(method, source)
            if exported is None:
                raise UnknownMethod(f"Session not found: {source}:{method}")
            return lambda _, args, kwargs: exported(*args, **kwargs)
        service_id, *path = rest.split(".")
        workspace = header["to"].partition("/")[0]
        if caller.user.only_logs_in and not policy.may_log_in(workspace, method):
            raise Denied(policy.LOG_IN)
        service = self.service(workspace, service_id)
        if service is None:
            raise UnknownMethod(f"Method expired or not found: {source}:{method}")
        if not self._may_use(workspace, service, caller):
            raise Denied(
                f"Permission denied for invoking protected method {source}:{method}, workspace "
                f"mismatch: {workspace} != {caller.workspace}"
            )
        if service is self._builtin and path == ["get_service"]:
            return lambda who, args, kwargs: self.encoded(
                workspace, str((args or list(kwargs.values()) or [""])[0]), who
            )
        try:
            return service.function(path).call
        except UnknownMethod:
            raise UnknownMethod(f"Method expired or not found: {source}:{method}") from None

    @staticmethod
    def _wants_answer(header: dict[str, Any], payload: Any) -> bool:
        return isinstance(header.get("session"), str) and "promise" in payload

    def _start(
        self, header: dict[str, Any], work: Awaitable[None], pays: str | None = None
    ) -> Wait:
        """Resolves once the work has begun: a client that asks for much asks for one at a time.

        Between them others have their turn. It counts as a call of `pays` until it has ended.
        """
        if pays is not None:
            self._quota.take(pays)
        task = asyncio.ensure_future(work)
        mine = self._running.setdefault(header["from"], set())
        mine.add(task)
        task.add_done_callback(lambda done: self._ended(header["from"], done, pays))
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()
        loop.call_soon(_resolve, begun)
        return begun

    def _ended(self, source: str, task: "asyncio.Future[None]", pays: str | None) -> None:
        if pays is not None:
            self._quota.give(pays)
        mine = self._running.get(source)
        if mine is not None:
            mine.discard(task)
            if not mine:
                del self._running[source]

    async def _finish(
        self,
        header: dict[str, Any],
        work: Awaitable[Any],
        beat: float | None,
        caller: Caller,
    ) -> None:
        """Await a running function, keep its caller's clock from running out, and answer."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None

        def heartbeat() -> None:
            self._reply(header, "heartbeat", b"")
            wait()

        def wait() -> None:
            nonlocal timer
            assert beat is not None
            running = len(self._running.get(header["from"], ()))
            timer = loop.call_later(max(beat, running / MAX_BEATS), heartbeat)

        if beat is not None:
            wait()
        try:
            result, error = await work, None
        except Exception as caught:
            result, error = None, caught
        finally:
            if timer is not None:
                timer.cancel()
        if beat is not None:
            self._answer(header, result, error, caller)

    # answers

    def _answer(
        self, header: dict[str, Any], result: Any, error: Exception | None, caller: Caller
    ) -> None:
        """Resolve or reject towards the sender's session, and to nobody else (D-10)."""
        if error is None:
            try:
                self._reply(header, "resolve", ANSWER + self._pack(result, header["from"]))
                return
            except (TypeError, ValueError, OverflowError, RecursionError) as caught:
                error = BadCall(f"The result cannot be sent: {caught}")
        if not isinstance(error, Fault):
            log.error(
                "call_failed method=%s client=%s session=%s",
                header["method"],
                header["from"],
                header.get("session"),
                exc_info=error,
            )
        if isinstance(header.get("session"), str):
            reason = values.error(describe(error))
            self._reply(header, "reject", ANSWER + frame.pack(reason))

    def _pack(self, value: Any, owner: str) -> bytes:
        if isinstance(value, Packed):
            return value
        own = self._own_address(owner)
        return values.encode(
            value, lambda item: self.exports.encode(item, owner, own, self.base_url)
        )

    def _pack_call(self, extra: dict[str, Any], target: str, source: str) -> bytes:
        """Raises `BadCall` for arguments that no frame can carry, such as 65-bit integers.

        Clients do not answer to text that is no UTF-8, so it is not sent to them.
        """
        try:
            return values.encode(
                extra,
                lambda item: self.exports.encode(item, target, source, self.base_url),
                "strict",
            )
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadCall(f"The arguments cannot be sent: {error}") from None

    def _own_address(self, other: str) -> str:
        return f"{'*' if self._manager else other.partition('/')[0]}/{self.client_id}"

    def _reply(self, header: dict[str, Any], verb: str, extra: bytes) -> None:
        session = header["session"]
        fields = {
            "type": "method",
            "from": header["to"],
            "to": header["from"],
            "method": f"{session}.{verb}",
            "parent": session,
        }
        if len(extra) > chunks.WHOLE and header["from"] in self.router.links:
            self._start(header, self._deliver_long(header, fields, extra))
        else:
            self.router.send(fields, extra, None)

    async def _deliver_long(
        self, header: dict[str, Any], fields: dict[str, Any], extra: bytes
    ) -> None:
        """Send an answer in pieces, unless the client has left too many of them lying already."""
        client, session, account = header["from"], header["session"], self._chunks.answers
        if not account.take(client, len(extra)):
            self._reply(header, "reject", ANSWER + frame.pack(values.error(TOO_MUCH.rpc_text)))
            return
        try:
            await self._send_chunked(fields, extra, None, session, DEFAULT_TIMEOUT)
        except Exception as error:
            log.info("answer_lost client=%s reason=%r", client, str(error))
        finally:
            account.give(client, len(extra))

    # calls that go out

    async def call(
        self,
        target: str,
        method: str,
        *args: Any,
        kwargs: dict[str, Any] | None = None,
        caller: Caller | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        source: str | None = None,
    ) -> Any:
        """Call `method` of the peer `target` (a full id) and await its answer.

        With a `caller` the call is made in that user's name from the caller's workspace; without,
        as the manager. A callback takes calls only from the address it was sent to, `source`. The
        answer is plain data (see `values`). Raises `PeerGone` at once if the target is not
        connected, `TimedOut` after `timeout` seconds without a sign of life, and `RemoteError`
        with what the target rejected with (WIRE-56, WIRE-60).
        """
        arguments = [*args, kwargs] if kwargs else list(args)
        extra: dict[str, Any] = {"args": arguments, "promise": "*", "t": timeout / 2}
        if kwargs:
            extra["with_kwargs"] = True
        call = self.calls.open(target, timeout, caller.request if caller is not None else "")
        fields = {
            "type": "method",
            "from": source or self._address_for(caller),
            "to": target,
            "method": method,
            "session": call.session,
        }
        try:
            packed = self._pack_call(extra, target, fields["from"])
            if len(packed) > chunks.WHOLE:
                await self._send_chunked(fields, packed, caller, None, timeout)
            elif not self.router.send(fields, packed, caller):
                raise PeerGone(f"Target peer {target} is not connected")
            return await call.future
        finally:
            call.future.cancel()

    def notify(
        self, target: str, method: str, caller: Caller | None = None, source: str | None = None
    ) -> None:
        """A call without arguments whose answer nobody awaits."""
        fields = {"type": "method", "from": source or self._address_for(caller), "to": target}
        self.router.send({**fields, "method": method}, frame.pack({"args": []}), caller)

    async def iterate(
        self,
        generator: dict[str, Any],
        origin: str,
        caller: Caller | None,
        timeout: float,
        source: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        """The items of a generator that the peer `origin` returned; closes it when left early."""
        target, step = _own_method(generator, origin), str(generator.get("_rmethod"))
        ended = False
        try:
            while True:
                item = await self.call(target, step, caller=caller, timeout=timeout, source=source)
                if values.is_end(item):
                    ended = True
                    return
                yield item
        finally:
            if not ended and generator.get("_rclose_method"):
                self.notify(target, str(generator["_rclose_method"]), caller, source)

    @contextmanager
    def lend(
        self, target: str, caller: Caller, *functions: Callable[..., Any]
    ) -> Iterator[list[dict[str, Any]]]:
        """Descriptors of functions that the peer `target` may call until the block ends."""
        own = self._address_for(caller)
        lent = [self.exports.encode(item, target, own, self.base_url) for item in functions]
        descriptors = [item for item in lent if item is not None]
        try:
            yield descriptors
        finally:
            for descriptor in descriptors:
                self.exports.forget(descriptor["_rmethod"])

    def function(
        self,
        descriptor: dict[str, Any],
        origin: str,
        caller: Caller | None,
        source: str | None = None,
    ) -> Callable[..., Awaitable[Any]]:
        """A callable for a method that the peer `origin` handed over and owns (D-10)."""
        target = _own_method(descriptor, origin)

        async def remote(*args: Any, **kwargs: Any) -> Any:
            return await self.call(
                target,
                str(descriptor["_rmethod"]),
                *args,
                kwargs=kwargs,
                caller=caller,
                source=source,
            )

        remote.__name__ = str(descriptor.get("_rname") or "remote")
        remote.__doc__ = descriptor.get("_rdoc")
        return remote

    def _address_for(self, caller: Caller | None) -> str:
        workspace = "*" if self._manager or caller is None else caller.workspace
        return f"{workspace}/{self.client_id}"

    async def _send_chunked(
        self,
        fields: dict[str, Any],
        extra: bytes,
        caller: Caller | None,
        session: str | None,
        timeout: float,
    ) -> None:
        """Send a message that is too long for one frame, piece by piece (WIRE-75, WIRE-77)."""
        target: str = fields["to"]
        whole = memoryview(frame.head({**fields, "ws": "", "user": {}}) + extra)
        key, alive = session or random_key(), session is not None
        cache = "services.built-in.message_cache."
        await self.call(target, cache + "create", key, alive, caller=caller, timeout=timeout)
        gate = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

        async def put(index: int) -> None:
            async with gate:
                piece = bytes(whole[index * chunks.CHUNK : (index + 1) * chunks.CHUNK])
                await self.call(
                    target, cache + "set", key, index, piece, alive, caller=caller, timeout=timeout
                )

        await asyncio.gather(*(put(index) for index in range(-(-len(whole) // chunks.CHUNK))))
        await self.call(target, cache + "process", key, alive, caller=caller, timeout=timeout)

    # messages in chunks

    def _builtin_service(self) -> LocalService:
        def function(method: Callable[..., Any], name: str) -> LocalFunction:
            plain = from_method(method, signature_of(method, skip=1))
            return LocalFunction(name, plain.call, plain.schema, plain.doc)

        cache = {
            "create": function(self._cache_create, "create"),
            "append": function(self._cache_append, "append"),
            "set": function(self._cache_set, "set"),
            "process": function(self._cache_process, "process"),
            "remove": function(self._cache_remove, "remove"),
        }
        members = {
            "ping": function(self._ping, "ping"),
            "get_service": LocalFunction("get_service", lambda who, args, kwargs: None),
            "message_cache": cache,
        }
        config = {"visibility": "public", "require_context": True, "api_version": 3}
        return LocalService(
            "built-in", "Built-in services of hyphad", members, type="built-in", config=config
        )

    def _ping(self, caller: Caller, msg: Any = "ping") -> str:
        """Answer `pong`, to show that this peer is there."""
        return "pong"

    def _cache_create(
        self, caller: Caller, key: str, heartbeat: bool = False, overwrite: bool = False
    ) -> None:
        """Start a message that comes in chunks."""
        self._keep_alive(key, heartbeat)
        self._chunks.create(caller.address, key)

    def _cache_append(self, caller: Caller, key: str, data: bytes, heartbeat: bool = False) -> None:
        """Add the next chunk."""
        self._keep_alive(key, heartbeat)
        self._put(caller, key, None, data)

    def _cache_set(
        self, caller: Caller, key: str, index: int, data: bytes, heartbeat: bool = False
    ) -> None:
        """Add the chunk at a position."""
        self._keep_alive(key, heartbeat)
        self._put(caller, key, index, data)

    def _put(self, caller: Caller, key: str, index: int | None, data: bytes) -> None:
        """Keep a chunk. An answer too large to keep ends its call: clients do not end it."""
        try:
            self._chunks.put(caller.address, key, index, data)
        except QuotaExceeded as error:
            told = Unavailable(f"The answer cannot be taken. {error.message}")
            self.calls.fail(caller.address, key, told)
            raise

    def _cache_process(self, caller: Caller, key: str, heartbeat: bool = False) -> None:
        """Join the chunks and handle the message as if it had come in one frame."""
        self._keep_alive(key, heartbeat)
        data = self._chunks.take(caller.address, key)
        try:
            header, offset, clean = frame.split(data)
        except frame.BadFrame as error:
            raise BadCall(f"Invalid message: {error}") from None
        if not clean or header.get("type") != "method":
            raise BadCall("Invalid message: reserved field in payload")
        if str(header.get("method")).startswith("services.built-in.message_cache."):
            raise BadCall("Invalid message: chunks within chunks")
        to = f"{'*' if self._manager else caller.workspace}/{self.client_id}"
        header.update({"from": caller.address, "to": header.get("to") or to})
        if self.router.local_peer(str(header["to"])) is not self:
            header["to"] = to
        header.pop("ctx", None)
        self.receive(header, memoryview(data)[offset:], caller)

    def _cache_remove(self, caller: Caller, key: str) -> None:
        """Forget an unfinished message."""
        self._chunks.remove(caller.address, key)

    def _keep_alive(self, key: str, heartbeat: bool) -> None:
        if heartbeat and not self.calls.touch(key):
            raise Fault(f"session does not exist anymore: {key}")

    # life

    def sweep(self) -> None:
        """Forget what nobody has used for long: functions handed out, unfinished messages."""
        self.exports.sweep()
        self._chunks.sweep()

    def peer_gone(self, address: str) -> None:
        """A client has left: its calls end, and so do ours to it."""
        self.calls.peer_gone(address)
        self.exports.drop(address)
        self._chunks.drop(address)
        for task in list(self._running.get(address, ())):
            task.cancel()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _own_method(descriptor: dict[str, Any], origin: str) -> str:
    target = descriptor.get("_rtarget")
    if target != origin:
        raise Denied(f"A function of {target} cannot be called on behalf of {origin}")
    return origin


def _descriptors(members: dict[str, Any], server: str, target: str, path: str) -> dict[str, Any]:
    """The members of a service with each function as a method descriptor (WIRE-74)."""
    described: dict[str, Any] = {}
    for name, member in members.items():
        if isinstance(member, LocalFunction):
            described[name] = {
                "_rtype": "method",
                "_rserver": server,
                "_rtarget": target,
                "_rmethod": f"{path}.{name}",
                "_rpromise": "*",
                "_rname": name,
                "_rasync": True,
                "_rdoc": member.doc,
            }
            if member.schema is not None:
                described[name]["_rschema"] = member.schema
        elif isinstance(member, dict):
            described[name] = _descriptors(member, server, target, f"{path}.{name}")
        else:
            described[name] = member
    return described


def _interval(payload: dict[str, Any]) -> float:
    """How often the caller wants a heartbeat, in seconds (WIRE-60)."""
    promise = payload.get("promise")
    wanted = promise.get("interval") if isinstance(promise, dict) else payload.get("t")
    if isinstance(wanted, int | float) and wanted > 0:
        return max(0.05, float(wanted))
    return DEFAULT_TIMEOUT / 2

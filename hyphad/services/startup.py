"""Startup functions: the operator's own code in the daemon, before it is ready (HTTP-97).

    async def hypha_startup(server):
        await server.register_service({"id": "clock", "now": time.time})

`server` has the manager's methods, called as root in the workspace `public`, and offers plain
Python callables as services.
"""

import asyncio
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hyphad.core.errors import Invalid
from hyphad.core.identity import root_user
from hyphad.core.records import Caller
from hyphad.services.custom_auth import CustomAuth
from hyphad.services.manager import Publisher
from hyphad.services.mcp_outbound import McpServers
from hyphad.services.python import Attributes, service_from_python, to_python
from hyphad.wire import frame
from hyphad.wire.local import LocalFunction
from hyphad.wire.peer import Peer
from hyphad.wire.router import Router


class StartupFailed(Exception):
    """A startup function could not be loaded or failed; the text says which and why."""


def attributes(value: Any) -> Any:
    """Plain data with every dict made into `Attributes`."""
    if isinstance(value, dict):
        return Attributes({key: attributes(item) for key, item in value.items()})
    if isinstance(value, list):
        return [attributes(item) for item in value]
    return value


class ServerApi:
    """The `server` object of startup functions: root, in `public`, without a connection."""

    def __init__(
        self,
        manager: Peer,
        deputy: Peer,
        publisher: Publisher,
        router: Router,
        auth: CustomAuth,
        mcp: McpServers,
        info: dict[str, Any],
    ) -> None:
        self._auth = auth
        self._mcp = mcp
        self._manager = manager
        self._deputy = deputy
        self._publisher = publisher
        self._router = router
        self._caller = Caller(root_user("public"), "public", deputy.client_id)
        self._handlers: dict[str, list[Callable[[Any], Any]]] = {}
        self.subscriptions: set[str] = set()
        self.id = f"{self._caller.address}:default"
        self.name = "server"
        self.config = attributes(
            {
                **info,
                "workspace": "public",
                "client_id": deputy.client_id,
                "manager_id": manager.client_id,
            }
        )

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        service = self._manager.service("*", "default")
        member = service.members.get(name) if service is not None else None
        if not isinstance(member, LocalFunction):
            raise AttributeError(f"server has no {name!r}")

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = member.call(self._caller, list(args), kwargs)
            return attributes(await result if inspect.isawaitable(result) else result)

        call.__name__ = name
        return call

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def get_root_user(self) -> dict[str, Any]:
        """The user in whose name this object acts."""
        return self._caller.user.to_dict()

    # authentication of the operator's own; done at once, whether it is awaited or not

    def register_auth_service(self, **given: Any) -> Awaitable[None]:
        """Replace token functions, or parts of the login service; see `CustomAuth.register`."""
        self._auth.register(**given)
        return _done()

    def set_parse_token_function(self, function: Callable[..., Any] | None) -> Awaitable[None]:
        """`function(token)` makes users of tokens from now on; None brings hyphad's way back."""
        self._auth.hooks.parse = function
        return _done()

    def set_generate_token_function(self, function: Callable[..., Any] | None) -> Awaitable[None]:
        """`function(user_info, expires_in)` makes tokens from now on."""
        self._auth.hooks.generate = function
        return _done()

    def set_get_token_function(self, function: Callable[..., Any] | None) -> Awaitable[None]:
        """`function(scope)` finds tokens in HTTP requests; None where it finds none."""
        self._auth.hooks.get = function
        return _done()

    # services

    async def register_service(
        self, api: dict[str, Any], config: dict[str, Any] | None = None, **options: Any
    ) -> Attributes:
        """Offer callables as a public service of `public`; returns its record."""
        record = self._publisher.publish("public", service_from_python(api, self._deputy))
        return Attributes(attributes(record.record))

    async def add_mcp_server(self, name: str, **entry: Any) -> str:
        """Offer an external MCP server as a service; an entry as in `mcp_servers`."""
        return await self._mcp.add({"name": name, **entry})

    async def unregister_service(self, service_id: str) -> None:
        """Stop offering a service that was registered here."""
        name = service_id.rpartition(":")[2].rpartition("/")[2]
        if not self._publisher.withdraw("public", name):
            raise Invalid(f"Service not found: {service_id}")

    async def get_service(self, service_id: str, config: Any = None, **options: Any) -> Any:
        """A service of any client, its functions ready to be awaited."""
        get = self.__getattr__("get_service")
        api = await get(service_id, {**(config or {}), **options})
        return to_python(api, self._deputy, str(api["id"]).partition(":")[0], self._caller)

    # events

    async def subscribe(self, event_type: str | list[str]) -> bool:
        types = [event_type] if isinstance(event_type, str) else event_type
        self._router.events.subscribe("public", types, self)
        return True

    async def unsubscribe(self, event_type: str | list[str]) -> bool:
        types = [event_type] if isinstance(event_type, str) else event_type
        self._router.events.unsubscribe("public", types, self)
        return True

    def on(self, event_type: str, handler: Callable[[Any], Any]) -> None:
        """Call `handler(event)` for events that were subscribed to."""
        self._handlers.setdefault(event_type, []).append(handler)

    def once(self, event_type: str, handler: Callable[[Any], Any]) -> None:
        def first(event: Any) -> Any:
            self.off(event_type, first)
            return handler(event)

        self.on(event_type, first)

    def off(self, event_type: str, handler: Callable[[Any], Any] | None = None) -> None:
        kept = [known for known in self._handlers.get(event_type, []) if known is not handler]
        self._handlers[event_type] = kept if handler is not None else []

    async def emit(self, message: dict[str, Any]) -> None:
        """Broadcast a custom event in `public`."""
        kind = str(message.get("type"))
        data = frame.pack(
            {**message, "to": "public/*", "from": self._caller.address, "ws": "public"}
        )
        for subscriber in self._router.events.subscribers("public", kind):
            subscriber.send(data)

    def send(self, *parts: bytes) -> None:
        """An event arrives, like at any subscriber."""
        event = attributes(frame.unpack(b"".join(parts)))
        for handler in list(self._handlers.get(event.get("type"), ())):
            result = handler(event)
            if inspect.isawaitable(result):
                task = asyncio.ensure_future(result)
                _running.add(task)
                task.add_done_callback(_running.discard)


_running: set["asyncio.Future[Any]"] = set()


def _done() -> Awaitable[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def load_function(uri: str) -> Callable[[Any], Any]:
    """The function that `module:function` or `path/to/file.py:function` names."""
    source, colon, name = uri.rpartition(":")
    if not colon or not source or not name:
        raise StartupFailed(
            f"Startup function {uri!r}: write it as FILE.py:FUNCTION or MODULE:FUNCTION"
        )
    try:
        module = _module_from_file(Path(source)) if source.endswith(".py") else None
        module = module or importlib.import_module(source)
    except Exception as error:
        raise StartupFailed(
            f"Startup function {uri!r}: {source} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise StartupFailed(f"Startup function {uri!r}: {source} has no function {name!r}")
    found: Callable[[Any], Any] = function
    return found


def _module_from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"hyphad_startup_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def run_startup(uri: str, server: ServerApi) -> None:
    """Load and run one startup function. Raises `StartupFailed`."""
    function = load_function(uri)
    try:
        result = function(server)
        if inspect.isawaitable(result):
            await result
    except Exception as error:
        raise StartupFailed(
            f"Startup function {uri!r} failed: {type(error).__name__}: {error}"
        ) from error

"""A real hypha-rpc client in a thread of its own, so that plain tests can have services to call."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from hypha_rpc import connect_to_server

WAIT = 30.0


class Provider:
    """One connected client. What it registers is served until `stop`."""

    def __init__(self, url: str, **config: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server: Any = self.run(connect_to_server({"server_url": url, **config}))
        self.workspace: str = self.server.config.workspace
        self.client_id: str = self.server.config.client_id or config["client_id"]

    def run(self, work: Awaitable[Any] | Callable[[], Awaitable[Any]]) -> Any:
        """Await something in the client's own loop; a callable is called there too."""

        async def bounded() -> Any:
            async with asyncio.timeout(WAIT):
                return await (work() if callable(work) else work)

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result()

    def register(self, service: dict[str, Any]) -> None:
        """Register a service; public unless it says otherwise."""
        config = {"visibility": "public", **service.get("config", {})}
        self.run(lambda: self.server.register_service({**service, "config": config}))

    def token(self, **config: Any) -> str:
        """A token for the client's workspace."""
        made: str = self.run(lambda: self.server.generate_token(config))
        return made

    def drop(self) -> None:
        """Lose the WebSocket without a goodbye, and do not come back."""
        connection = self.server.rpc._connection
        connection._enable_reconnect = False
        connection._closed = True

        async def cut() -> None:
            if connection._websocket is not None:
                connection._websocket.transport.abort()

        self.run(cut())

    def stop(self) -> None:
        try:
            self.run(self.server.disconnect)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

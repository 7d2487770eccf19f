"""`/{workspace}/apps/{service}/...`: web applications that clients serve (HTTP-70 to HTTP-81).

A service of type `asgi` gets the request as it comes and answers piece by piece (`asgi`); one of
type `functions` gets it whole, as a dict, and returns one (`functions`). What they serve shares its
origin with the login pages, so the login cookie is neither shown to them nor set by them (D-13).
"""

from typing import Any

from tornado.web import stream_request_body

from hyphad.core.errors import Fault
from hyphad.core.identity import Permission
from hyphad.core.records import Caller, Service
from hyphad.web.asgi import AsgiCall
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Refusal
from hyphad.web.functions import FunctionsCall
from hyphad.web.responder import AppResponder, without_own_cookies


class AppRedirect(BaseHandler):
    """`/{workspace}/apps/{service}` without the slash (HTTP-16)."""

    kind = "app"

    def get(self, workspace: str, service: str) -> None:
        self.redirect(self.request.path + "/", status=307)

    post = put = patch = delete = get


@stream_request_body
class AppHandler(AppResponder):
    """Any method on a path of an application. Bodies stream through."""

    kind = "app"
    call: AsgiCall | FunctionsCall | None = None

    async def prepare(self) -> None:
        try:
            await self._begin_call(*self.path_args)
        except Fault as error:
            await self.refuse(self.failure(error))

    async def _begin_call(self, workspace: str, service_part: str, path: str) -> None:
        if "Upgrade" in self.request.headers:
            raise Refusal(403, "WebSocket is not available for applications")
        settings = self.parts.settings
        caller, service = await self._find(workspace, service_part)
        scope = self._scope(workspace, service_part, path)
        kind = service.type.lower()
        if kind == "asgi":
            self.call = AsgiCall(self, caller, service, scope, settings.max_body_bytes)
        elif kind == "functions":
            limit = settings.max_call_body_bytes
            user = self.identity.user
            self.call = FunctionsCall(self, caller, service, scope, user, limit)
        else:
            raise Refusal(500, f"Invalid service type: {service.type}")
        self.call.start()

    def data_received(self, chunk: bytes) -> Any:
        return self.call.take(chunk) if self.call is not None else self.drop(chunk)

    async def _respond(self, *_: str) -> None:
        if self.call is not None:
            await self.call.end()
        elif not self._finished:
            self.finish()

    get = head = post = put = patch = delete = options = _respond  # type: ignore[assignment]

    def on_connection_close(self) -> None:
        if self.call is not None:
            self.call.reader_gone()
        super().on_connection_close()

    # what the application is told

    async def _find(self, workspace: str, service_part: str) -> tuple[Caller, Service]:
        """The service, and who calls it: in its own workspace for those who may read that."""
        identity = self.identity
        caller = self.caller(workspace)
        modes = self.request.query_arguments.get("_mode")
        mode = modes[-1].decode(errors="replace") if modes else None
        if self.parts.directory.get(workspace) is None:
            raise Refusal(404, f"Workspace {workspace} does not exist or is not accessible")
        service = await self.parts.gateway.resolve(caller, workspace, service_part, mode)
        if caller.workspace != workspace and caller.user.scope.level(workspace) >= Permission.READ:
            caller = self.parts.identities.inside(identity, workspace)
        return caller, service

    def _scope(self, workspace: str, service_part: str, path: str) -> dict[str, Any]:
        """The ASGI scope of this request (HTTP-71)."""
        request = self.request
        base = self.parts.settings.base_path
        raw = request.path[len(base) :].split("/", 4)
        headers = [
            (name.lower(), value)
            for name, value in request.headers.get_all()
            if name.lower() != "cookie"
        ]
        cookies = without_own_cookies(request.headers.get_list("Cookie"))
        if cookies:
            headers.append(("cookie", cookies))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version.rpartition("/")[2],
            "server": self._server(),
            "client": self._client(),
            "scheme": request.protocol,
            "method": request.method,
            "root_path": "",
            "path": "/" + path,
            "raw_path": ("/" + "".join(raw[4:])).encode(),
            "query_string": request.query.encode(),
            "headers": [[_bytes(name), _bytes(value)] for name, value in headers],
            "state": {},
            "workspace": workspace,
            "service_id": service_part,
        }

    def _server(self) -> list[Any]:
        stream = getattr(self.request.connection, "stream", None)
        name = stream.socket.getsockname() if stream is not None and stream.socket else ("", 0)
        return list(name[:2]) if isinstance(name, tuple) else [str(name), 0]

    def _client(self) -> list[Any]:
        context: Any = getattr(self.request.connection, "context", None)
        address = getattr(context, "address", None)
        remote = str(self.request.remote_ip)
        direct = isinstance(address, tuple) and address[0] == remote
        return [remote, address[1] if direct and isinstance(address, tuple) else 0]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")

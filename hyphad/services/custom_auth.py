"""Authentication of the operator's own, brought by a startup function (AUTH-89, AUTH-90).

async def hypha_startup(server):
    await server.register_auth_service(parse_token=read_badge, index_handler=our_page)
"""

from collections.abc import Callable
from typing import Any

from hyphad.auth.hooks import Hooks
from hyphad.core.errors import Invalid
from hyphad.services.manager import Publisher
from hyphad.services.python import service_from_python
from hyphad.wire.local import LocalService

NAME = "hypha-login"
_HANDLERS = ("index", "start", "check", "report")


class CustomAuth:
    """Puts functions in the place of hyphad's. `default` is the login service it publishes.

    `has_pages` tells that the login pages are the operator's too.
    """

    def __init__(self, hooks: Hooks, publisher: Publisher, default: LocalService) -> None:
        self.hooks = hooks
        self._publisher = publisher
        self._default = default
        self.has_pages = False

    def register(
        self,
        parse_token: Callable[..., Any] | None = None,
        generate_token: Callable[..., Any] | None = None,
        get_token: Callable[..., Any] | None = None,
        login_service: dict[str, Any] | None = None,
        **members: Any,
    ) -> None:
        """Token functions, a login service, or parts of one; what is not given stays hyphad's."""
        self.hooks.parse = parse_token or self.hooks.parse
        self.hooks.generate = generate_token or self.hooks.generate
        self.hooks.get = get_token or self.hooks.get
        for name in _HANDLERS:
            handler = members.pop(f"{name}_handler", None)
            if handler is not None:
                members[name] = handler
        if login_service is not None or members:
            self._replace(login_service or {}, members)

    def _replace(self, service: dict[str, Any], members: dict[str, Any]) -> None:
        for name, member in members.items():
            if not callable(member):
                raise Invalid(f"register_auth_service: {name} must be a function")
        config = {**(service.get("config") or {}), "visibility": "public"}
        own = service_from_python(
            {"name": self._default.name, **service, **members, "id": NAME, "config": config},
            self._publisher.deputy,
        )
        own.type = "functions"
        own.members = {**self._default.members, **own.members}
        self.has_pages = self.has_pages or "index" in {**service, **members}
        self._publisher.publish("public", own)

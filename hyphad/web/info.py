"""What a server, a workspace and a user are, as JSON (HTTP-37 to HTTP-39, AUTH-51)."""

from typing import Any

from hyphad.core import policy
from hyphad.core.errors import NotFound
from hyphad.core.identity import Permission
from hyphad.core.records import Workspace
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Refusal


class WorkspaceInfo(BaseHandler):
    """`GET /{workspace}/info`, for those who may read it."""

    kind = "info"

    def get(self, workspace_id: str) -> None:
        user = self.identity.user
        workspace = self._find(workspace_id)
        if workspace is None:
            level = user.scope.level(workspace_id)
        else:
            level = policy.entry_level(user, workspace)
        if level < Permission.READ:
            raise Refusal(403, f"{user.id} has no permission to access {workspace_id}")
        if workspace is None:
            raise Refusal(404, f"Workspace '{workspace_id}' not found")
        caller = self.caller(workspace_id)
        secrets = policy.may_see_secrets(caller, workspace)
        self.reply(workspace.to_dict() if secrets else workspace.without_secrets())

    def _find(self, workspace_id: str) -> Workspace | None:
        """The workspace; one's own comes into being when it is first looked at."""
        identity = self.identity
        if identity.credential is not None and workspace_id == identity.user.home:
            self.caller(workspace_id)
        return self.parts.directory.get(workspace_id)


class InstalledApps(BaseHandler):
    """`GET /{workspace}/apps`: what the app service lists, where there is one (HTTP-38)."""

    kind = "info"

    async def get(self, workspace: str) -> None:
        caller = self.caller(workspace)
        gateway = self.parts.gateway
        try:
            service = await gateway.resolve(caller, "public", "server-apps")
        except NotFound:
            raise Refusal(404, "Server Apps service is not enabled.") from None
        self.reply(await gateway.call(caller, service, "list_apps", [], {"workspace": workspace}))


class ServerConfig(BaseHandler):
    """`GET /assets/config.json`: the server, and the user who asks (HTTP-39)."""

    kind = "info"

    def get(self) -> None:
        user = self.identity.user
        known: dict[str, Any] = {
            **self.parts.info,
            "auth_namespace": self.parts.settings.jwt_namespace,
        }
        self.reply({"user": user.to_dict(), **known})

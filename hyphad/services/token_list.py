"""`public/tokens`: tokens that people hand out, listed, so that each can be ended by its name.

Kept are the id of a token, what it is for and until when; never the token itself. Those that
programs make for themselves with `generate_token` are not listed: there may be thousands an hour.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from hyphad.auth.audit import Audit, By
from hyphad.auth.authenticate import Authenticator
from hyphad.core import policy
from hyphad.core.errors import Denied, Invalid
from hyphad.core.identity import Permission
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.services.tokens import RevocationTable, TokenDesk
from hyphad.store.directory import Directory
from hyphad.store.sessions import TOKEN, Session, SessionTable

MAX_LABEL = 200

WorkspaceId = Annotated[str, "Id of the workspace."]


class TokenList:
    """For those who may do everything in a workspace (AUTH-34). `close_lapsed` ends connections
    whose token is good no more."""

    def __init__(
        self,
        desk: TokenDesk,
        authenticator: Authenticator,
        table: SessionTable,
        revocations: RevocationTable,
        directory: Directory,
        audit: Audit,
        close_lapsed: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._authenticator = authenticator
        self._table = table
        self._revocations = revocations
        self._directory = directory
        self._audit = audit
        self._close_lapsed = close_lapsed

    @rpc()
    async def create_token(
        self,
        caller: Caller,
        workspace_id: WorkspaceId,
        permission: Literal["read", "read_write", "admin"] = "read_write",
        expires_in: Annotated[int, "Seconds that it is good for."] = 86_400,
        label: Annotated[str, "Who or what it is for."] = "",
        client_id: Annotated[str | None, "Only usable by this client."] = None,
    ) -> dict[str, Any]:
        """Make a token for a workspace and list it; it is shown only now."""
        self._require_admin(caller, workspace_id)
        token = await self._desk.generate_token(
            caller,
            {
                "workspace": workspace_id,
                "permission": permission,
                "expires_in": expires_in,
                "client_id": client_id,
            },  # type: ignore[arg-type]
        )
        found = self._authenticator.credential(token)
        session = Session(
            found.keys[0],
            caller.user.effective_id,
            TOKEN,
            label[:MAX_LABEL],
            workspace_id,
            Permission.from_name(permission).letter,
            caller.remote,
            time.time(),
            found.user.expires_at or time.time() + expires_in,
        )
        await self._table.add(session)
        return {"token": token, "id": session.jti, "expires_at": session.expires_at}

    @rpc()
    async def list_tokens(self, caller: Caller, workspace_id: WorkspaceId) -> list[dict[str, Any]]:
        """List the tokens that were handed out for a workspace and are good, newest first."""
        self._require_admin(caller, workspace_id)
        return [
            {
                "id": session.jti,
                "made_by": session.user_id,
                "label": session.label,
                "permission": session.permission,
                "created_at": session.created_at,
                "expires_at": session.expires_at,
            }
            for session in await self._table.of()
            if session.kind == TOKEN and session.workspace == workspace_id
        ]

    @rpc()
    async def end_token(
        self, caller: Caller, token_id: Annotated[str, "As `list_tokens` names it."]
    ) -> None:
        """Refuse a listed token for good; connections opened with it are closed."""
        session = await self._table.find(token_id)
        if session is None or session.kind != TOKEN or session.workspace is None:
            raise Invalid("This token has ended already.")
        self._require_admin(caller, session.workspace)
        await self._revocations.add((token_id,), session.expires_at)
        await self._table.remove(token_id)
        by = By(caller.user.effective_id, caller.remote)
        self._audit("token_revoked", by=by, subject=session.user_id, jti=token_id)
        self._close_lapsed()

    def _require_admin(self, caller: Caller, workspace: str) -> None:
        """The same whether there is no such workspace or it is somebody else's."""
        found = self._directory.get(workspace)
        if found is None or policy.entry_level(caller.user, found) < Permission.ADMIN:
            raise Denied(f"Permission denied for workspace {workspace}: its tokens are not yours.")

"""Part of `public/workspaces`: who owns a workspace, changed one by one.

`create_workspace(..., overwrite=True)` replaces a whole record, and with it what another owner has
changed meanwhile. Here a person comes in or goes, and all else stays.
"""

from typing import Annotated

from hyphad.auth.audit import Audit, By
from hyphad.core import policy
from hyphad.core.errors import Denied, Invalid
from hyphad.core.identity import USER_WORKSPACE
from hyphad.core.records import Caller, Workspace
from hyphad.services.base import rpc
from hyphad.store.directory import Directory

MAX_OWNER = 320  # The longest e-mail address there is.

WorkspaceId = Annotated[str, "Id of the workspace."]
Owner = Annotated[str, "A user's id, or the verified e-mail address that it logs in with."]


class Owners:
    """For those who may overwrite the workspace (AUTH-125, D-21)."""

    def __init__(self, directory: Directory, audit: Audit) -> None:
        self._directory = directory
        self._audit = audit

    @rpc()
    async def add_owner(self, caller: Caller, workspace_id: WorkspaceId, owner: Owner) -> list[str]:
        """Let somebody do everything in a workspace; returns its owners."""
        self._require(caller, workspace_id)
        name = owner.strip()
        if not name or len(name) > MAX_OWNER or any(c.isspace() for c in name):
            raise Invalid("owner: a user's id or an e-mail address is expected")

        def edit(workspace: Workspace) -> None:
            if name.lower() not in {known.lower() for known in workspace.owners}:
                workspace.owners.append(name)

        changed = await self._directory.change(workspace_id, edit)
        self._note("owner_added", caller, workspace_id, name)
        return list(changed.owners)

    @rpc()
    async def remove_owner(
        self, caller: Caller, workspace_id: WorkspaceId, owner: Owner
    ) -> list[str]:
        """Take a workspace back from an owner, whose connections to it end; returns the others."""
        self._require(caller, workspace_id)
        if workspace_id == USER_WORKSPACE + owner:
            raise Invalid(f"Workspace {workspace_id} always belongs to {owner}.")

        def edit(workspace: Workspace) -> None:
            if owner not in workspace.owners:
                raise Invalid(f"{owner} does not own {workspace_id}.")
            workspace.owners.remove(owner)
            if not workspace.owners:
                raise Invalid(f"{owner} is the last owner. Add another one first.")

        changed = await self._directory.change(workspace_id, edit)
        self._note("owner_removed", caller, workspace_id, owner)
        return list(changed.owners)

    def _require(self, caller: Caller, workspace_id: str) -> None:
        """The same whether there is no such workspace or it is somebody else's."""
        found = self._directory.get(workspace_id)
        if found is None:
            raise Denied(
                f"Permission denied: user {caller.user.effective_id} cannot overwrite workspace "
                f"{workspace_id}"
            )
        policy.may_overwrite(caller.user, found)

    def _note(self, event: str, caller: Caller, workspace_id: str, owner: str) -> None:
        by = By(caller.user.effective_id, caller.remote)
        self._audit(event, by=by, subject=owner, workspace=workspace_id)

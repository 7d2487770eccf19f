"""The one place that says yes or no.

Pure functions over records and identities; each either answers or raises `Denied` with the text
that clients know. Everything else in hyphad asks here, so that the whole of what is allowed can be
read, and tested as a table, in one file.
"""

from hyphad.core.errors import Denied, RegisteredOnly
from hyphad.core.identity import ROOT_ID, USER_WORKSPACE, Permission, Scope, User
from hyphad.core.records import Caller, Service, Workspace

FIXED_WORKSPACES = ("public", "ws-user-root", "ws-anonymous")
# The server's own, which nobody may imitate where they are looked for (AUTH-75).
RESERVED_SERVICES = {
    "public/hypha-login",
    "public/tokens",
    "public/workspaces",
    "ws-user-root/admin-utils",
    "ws-user-root/user-admin",
}
LOG_IN = "Authentication required"
# All that a visitor may call who is only there to log in (AUTH-10).
_LOGIN_METHODS = frozenset(
    "get_service get_service_info list_services check_status ping get_summary".split()
)


def require(caller: Caller, level: Permission, workspace: str | None = None) -> None:
    """The caller's scope holds `level` on the workspace, by default its own, or `Denied` (WS-9)."""
    place = caller.workspace if workspace is None else workspace
    if caller.user.scope.level(place) < level:
        raise Denied(f"Permission denied for workspace {place}")


def owns(user: User, workspace: Workspace) -> bool:
    """Ownership by id or verified e-mail; the personal workspace is always one's own (AUTH-22).

    Tokens carry an e-mail only when it is verified. A child token counts as its parent here:
    whoever asks must also respect what the child's own scope allows.
    """
    ids = {user.id, user.effective_id}
    if workspace.id in {USER_WORKSPACE + user_id for user_id in ids}:
        return True
    owners = {owner.lower() for owner in workspace.owners}
    if user.email and user.email.lower() in owners:
        return True
    return not ids.isdisjoint(workspace.owners)


def entry_level(user: User, workspace: Workspace) -> Permission:
    """The permission with which a user enters a workspace (AUTH-21).

    Ownership admits where the scope is silent, but never lifts a child token (AUTH-22).
    """
    level = user.scope.level(workspace.id)
    if level is Permission.NONE and user.parent is None and owns(user, workspace):
        return Permission.ADMIN
    return level


def enter(user: User, workspace: Workspace, client_id: str) -> User:
    """The user as a connection in that workspace knows it, or `Denied` (AUTH-21)."""
    level = entry_level(user, workspace)
    if level < Permission.READ:
        raise Denied(f"Permission denied for workspace: {workspace.id}")
    scope = user.scope
    levels, owned = dict(scope.workspaces), scope.owned
    if scope.level(workspace.id) < level:
        levels[workspace.id] = level
        owned |= {workspace.id}
    return user.with_scope(Scope(levels, workspace.id, client_id, scope.extra, owned))


def still_owned(user: User, workspace: Workspace | None) -> bool:
    """Whether a level that rests on ownership still stands (AUTH-112)."""
    return workspace is not None and owns(user, workspace)


def rests_on_ownership(user: User, workspace: Workspace, wanted: Permission) -> bool:
    """Whether a token for `wanted` would be granted because its maker owns the workspace."""
    scope = user.scope
    if workspace.id == user.home and user.parent is None:
        return False
    return workspace.id in scope.owned or scope.level(workspace.id) < wanted


def may_administer(user: User, workspace: Workspace) -> bool:
    """Delete or overwrite: admin by scope, or first-hand owner who is not held to read (WS-43).

    A child token never gains from its parent's ownership: who overwrites a workspace may give it
    other owners, and so take it (AUTH-22, AUTH-125).
    """
    level = user.scope.level(workspace.id)
    if level >= Permission.ADMIN:
        return True
    return user.parent is None and owns(user, workspace) and level is not Permission.READ


def may_delete(user: User, workspace: Workspace) -> bool:
    """As `may_administer`, but somebody's home is not for those it is shared with (WS-43)."""
    if workspace.id.startswith(USER_WORKSPACE) and workspace.id != user.home:
        return user.is_admin
    return may_administer(user, workspace)


def is_visible(service: Service, caller: Caller) -> bool:
    """May this caller get the service by its id (WS-25)?"""
    if service.visibility in ("public", "unlisted"):
        return True
    return is_member(service, caller) or caller.workspace in service.authorized_workspaces


def is_member(service: Service, caller: Caller) -> bool:
    """Read permission on the service's workspace, and on the caller's own."""
    scope = caller.user.scope
    return (
        scope.level(service.workspace) >= Permission.READ
        and scope.level(caller.workspace) >= Permission.READ
    )


def is_listed(service: Service, caller: Caller, include_unlisted: bool) -> bool:
    """Does the service appear in this caller's `list_services` (WS-31)?"""
    if service.visibility == "unlisted":
        return include_unlisted and service.workspace == caller.workspace
    return is_visible(service, caller)


def may_register(caller: Caller, service: Service) -> None:
    """A service lives in the caller's workspace and client (WS-14, section 11 number 9)."""
    require(caller, Permission.READ_WRITE)
    if service.workspace != caller.workspace:
        raise Denied(
            f"Service ID workspace prefix '{service.workspace}' does not match the current "
            f"workspace '{caller.workspace}'. Cannot register services in other workspaces."
        )
    if service.client_id != caller.client_id and not caller.user.is_admin:
        raise Denied(f"Cannot register services for another client: {service.id}")
    if f"{service.workspace}/{service.name}" in RESERVED_SERVICES:
        raise Denied(f"Service name is reserved: {service.workspace}/{service.name}")


def may_log_in(workspace: str, method: str) -> bool:
    """What a visitor who is only there to log in may call of the server's own (AUTH-10).

    `workspace` is that of the address: `*` for the manager.
    """
    space, _, path = method.partition(".")
    service, _, name = path.partition(".")
    if space != "services" or service == "built-in":
        return True
    if workspace == "*":
        return service == "default" and name in _LOGIN_METHODS
    return workspace == "public" and service == "hypha-login"


def may_unregister(caller: Caller, service: Service) -> None:
    """Own workspace with read_write, or read_write on the service's workspace (WS-33)."""
    require(caller, Permission.READ_WRITE)
    if service.workspace != caller.workspace:
        require(caller, Permission.READ_WRITE, service.workspace)


def may_broadcast(caller: Caller) -> bool:
    """Read-only connections do not broadcast (WIRE-51, AUTH-26)."""
    return caller.level > Permission.READ


def may_create(user: User, workspace_id: str) -> None:
    """Create a workspace of that name: registered users, no reserved names (WS-41, AUTH-113)."""
    if user.is_anonymous:
        raise RegisteredOnly("Only registered user can create workspace.")
    if workspace_id == user.home and user.id != ROOT_ID:
        return
    reserved = workspace_id.startswith((USER_WORKSPACE, "ws-anonymous"))
    if reserved or workspace_id in FIXED_WORKSPACES or workspace_id == ROOT_ID:
        raise Denied(f"Reserved workspace name: {workspace_id}. Workspace name is reserved.")


def may_overwrite(user: User, workspace: Workspace) -> None:
    """Replace a workspace's record; never somebody's personal one (AUTH-125, D-21)."""
    personal = workspace.id.startswith(USER_WORKSPACE) and workspace.id != user.home
    if personal or workspace.id in FIXED_WORKSPACES or not may_administer(user, workspace):
        raise Denied(
            f"Permission denied: user {user.effective_id} cannot overwrite workspace {workspace.id}"
        )


def grantable(user: User, workspace: Workspace) -> Permission:
    """The most this user may put into a token for the workspace (AUTH-29, AUTH-30).

    First-hand credentials of owners may grant anything; a child never more than it holds, and
    nothing at all below read_write. Raises `Denied`.
    """
    level = user.scope.level(workspace.id)
    if level is Permission.NONE and (user.parent is not None or not owns(user, workspace)):
        raise Denied(f"You do not have any permission for workspace: {workspace.id}")
    if level >= Permission.ADMIN:
        return level
    if not owns(user, workspace) or level is Permission.READ:
        raise Denied("Only admin can generate token.")
    return level if user.parent is not None else Permission.ADMIN


def check_grant(user: User, workspace: Workspace, wanted: Permission) -> None:
    """Raises `Denied` when a token would hold more than its maker may give."""
    if wanted > grantable(user, workspace):
        raise Denied(f"Cannot grant more than your own permission on workspace {workspace.id}")


def child_roles(user: User, wanted: Permission) -> tuple[str, ...]:
    """Roles of a child token: admin only for admin tokens of admins (AUTH-30)."""
    if user.is_admin and wanted is Permission.ADMIN:
        return user.roles
    return tuple(role for role in user.roles if role != "admin")


def may_revoke(caller: Caller, owner_id: str, workspace: str | None) -> None:
    """One's own tokens, tokens of a workspace one administers, or any as admin (AUTH-34)."""
    require(caller, Permission.ADMIN)
    user = caller.user
    if user.effective_id == owner_id or user.is_admin:
        return
    if workspace and user.scope.level(workspace) >= Permission.ADMIN:
        return
    raise Denied("Permission denied: cannot revoke this token")


def require_admin(caller: Caller) -> None:
    """Server administration: the admin role, which only root and admins hold (AUTH-46)."""
    if not caller.user.is_admin:
        raise Denied("Only a server administrator may do this.")


def may_see_secrets(caller: Caller, workspace: Workspace) -> bool:
    """Environment values: read_write on that workspace, or ownership first-hand (WS-45, D-15)."""
    if caller.user.scope.level(workspace.id) >= Permission.READ_WRITE:
        return True
    return caller.user.parent is None and owns(caller.user, workspace)

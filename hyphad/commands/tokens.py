"""`hyphad token create|list|revoke` and `hyphad generate-token` (HTTP-100)."""

import argparse
import json
import time

from hyphad.auth.authenticate import own_key
from hyphad.auth.tokens import strip_bearer
from hyphad.auth.watch import LAST_EXPIRY
from hyphad.commands.people import BY, House, run
from hyphad.commands.users import iso
from hyphad.config import Settings
from hyphad.core.address import valid_client_id
from hyphad.core.errors import Fault, Invalid, Unauthenticated
from hyphad.core.identity import Permission, Scope, User
from hyphad.core.names import readable_id
from hyphad.store.sessions import TOKEN

PERMISSIONS = ["read", "read_write", "admin"]
HOUR, DAY = 3600, 86_400


def create_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", help="whose token it is: e-mail or id")
    parser.add_argument(
        "--workspace", help="the only workspace it opens; all of the user's if missing"
    )
    parser.add_argument("--permission", choices=PERMISSIONS, default="read_write")
    parser.add_argument("--days", type=float, default=1.0, help="how long it is good [1]")
    parser.add_argument("--label", default="", help="what it is for")
    parser.add_argument(
        "--env", action="store_true", help="print it as variables that clients read"
    )


def create(settings: Settings, args: argparse.Namespace) -> int:
    """Print a new token of a user."""

    async def work(house: House) -> None:
        account = house.accounts.find(args.user)
        if not account.is_active:
            raise Invalid(f"{account.email} is {account.status}. `hyphad user enable` first.")
        if args.days <= 0:
            raise Invalid("--days must be greater than 0")
        seconds = min(args.days * DAY, settings.max_token_lifetime)
        sessions, label = house.sessions(), args.label or "made by hyphad token create"
        if args.workspace:
            level = Permission.from_name(args.permission)
            signed = await sessions.narrowed(account, args.workspace, level, seconds, label, BY)
        else:
            signed = await sessions.token(account, TOKEN, label, BY, None, seconds)
        await house.meta.raise_to(LAST_EXPIRY, signed.expires_at)
        if args.env:
            print(f"HYPHA_SERVER_URL={house.base_url}")
            print(f"HYPHA_WORKSPACE={signed.workspace or f'ws-user-{account.id}'}")
            print(f"HYPHA_TOKEN={signed.token}")
        else:
            print(signed.token)

    return run(settings, work)


def list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", nargs="?", help="only this user's: e-mail or id")
    parser.add_argument("--json", action="store_true", help="as JSON")


def list_tokens(settings: Settings, args: argparse.Namespace) -> int:
    """Print where users are logged in, and the tokens that were made for them."""

    async def work(house: House) -> None:
        accounts = house.accounts
        wanted = accounts.find(args.user).id if args.user else None
        found = [session.to_dict() for session in await accounts.sessions.of(wanted)]
        if args.json:
            print(json.dumps(found, indent=1))
            return
        for item in found:
            account = accounts.table.get(item["user_id"])
            email = account.email if account is not None else item["user_id"]
            place = item["workspace"] or "everything"
            print(
                f"{item['jti']:<24} {item['kind']:<8} {email:<28} {place} until "
                f"{iso(item['expires_at'])}  {item['label']}"
            )

    return run(settings, work)


def revoke_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "token", help="its id, as `hyphad token list` shows it, or the token itself"
    )


def revoke(settings: Settings, args: argparse.Namespace) -> int:
    """Refuse a token, and what was made with it, from now on."""

    async def work(house: House) -> None:
        text = args.token.strip()
        session = await house.accounts.sessions.find(text)
        if session is not None:
            key, owner, until = session.jti, session.user_id, session.expires_at
        else:
            try:
                claims = house.tokens().verify(text)
            except Unauthenticated as error:
                raise Invalid(f"No such token: {error.message}") from None
            key, owner = own_key(claims, strip_bearer(text)), claims.parent or claims.sub
            until = claims.expires_at
        await house.revocations.add((key,), until)
        await house.accounts.sessions.remove(key)
        house.accounts.audit("token_revoked", by=BY, subject=owner, jti=key)
        print(f"Revoked {key} of {owner}.")

    return run(settings, work)


def generate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", help="ws-user-USER if missing")
    parser.add_argument("--expires-in", type=int, default=HOUR, help="seconds [3600]")
    parser.add_argument("--client-id", help="only usable by this client")
    parser.add_argument("--user-id", help="a new visitor if missing")
    parser.add_argument("--role", action="append", default=[], help="may be given several times")
    parser.add_argument("--email")
    parser.add_argument("--scope", action="append", default=[], metavar="WORKSPACE#PERMISSION")
    parser.add_argument("--permission", choices=PERMISSIONS, default="read_write")


def generate(settings: Settings, args: argparse.Namespace) -> int:
    """Print a token for anybody, signed with the server's key; as the reference server does."""

    async def work(house: House) -> None:
        user_id = args.user_id or f"anonymous-{readable_id()}"
        account = house.accounts.table.get(user_id)
        workspace = args.workspace or f"ws-user-{user_id}"
        roles = args.role or (list(account.roles) if account else ["anonymous"])
        if args.expires_in <= 0:
            raise Invalid("--expires-in must be greater than 0")
        lifetime = min(args.expires_in, settings.max_token_lifetime)
        scope = _scope(args, workspace)
        user = User(user_id, tuple(roles), scope, args.email)
        version = house.accounts.table.version(user_id)
        token = house.tokens().mint(user, lifetime, version=version)
        await house.meta.raise_to(LAST_EXPIRY, time.time() + lifetime)
        house.accounts.audit(
            "token_minted",
            by=BY,
            subject=user_id,
            workspace=workspace,
            roles=",".join(roles),
            expires_in=int(lifetime),
        )
        print(f"Generated token for user '{user_id}':")
        print(f"  Workspace: {workspace}")
        print(f"  Permission: {args.permission}")
        print(f"  Expires in: {int(lifetime)} seconds")
        print(f"  Roles: {', '.join(roles)}\n\nToken:\n{token}")

    return run(settings, work)


def _scope(args: argparse.Namespace, workspace: str) -> Scope:
    levels: dict[str, Permission] = {workspace: Permission.from_name(args.permission)}
    for item in args.scope:
        name, mark, level = item.rpartition("#")
        if not mark or not name:
            raise Invalid(f"--scope {item}: write it as WORKSPACE#PERMISSION")
        levels[name] = _level(level)
    if args.client_id is not None and not valid_client_id(args.client_id):
        raise Invalid(f"Invalid client id: {args.client_id[:160]}")
    return Scope(levels, workspace, args.client_id)


def _level(text: str) -> Permission:
    try:
        return Permission.from_name(text)
    except Fault:
        return Permission.from_letter(text)

"""`hyphad user add|list|passwd|disable|enable|verify|remove|role` and `hyphad setup-code`."""

import argparse
import getpass
import json
import sys
from datetime import UTC, datetime
from typing import Any

from hyphad.auth.setup_code import SetupCode, read_code
from hyphad.auth.signin import reset_url
from hyphad.commands.people import BY, House, become_owner, fail, run
from hyphad.config import Settings
from hyphad.core.errors import Invalid
from hyphad.store.accounts import Account


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("email", help="address to log in with")
    parser.add_argument("--name", default="", help="shown to others")
    parser.add_argument("--admin", action="store_true", help="may administer this server")
    password_arguments(parser)


def password_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    parser.add_argument(
        "--link", action="store_true", help="print a link for the user to set a password"
    )


def who_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", help="e-mail or id")


def passwd_arguments(parser: argparse.ArgumentParser) -> None:
    who_arguments(parser)
    password_arguments(parser)


def role_arguments(parser: argparse.ArgumentParser) -> None:
    who_arguments(parser)
    parser.add_argument("role", choices=["user", "admin"])


def list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def add(settings: Settings, args: argparse.Namespace) -> int:
    """Create an account."""

    async def work(house: House) -> None:
        password = None if args.link else ask_password(args)
        roles = ("admin", "user") if args.admin else ("user",)
        account = await house.accounts.create(args.email, args.name, password, roles, by=BY)
        print(f"Created {account.email} ({account.id}).")
        if args.admin:
            SetupCode(settings.data_dir).clear()
        if args.link:
            await print_link(house, account)

    return run(settings, work)


def list_users(settings: Settings, args: argparse.Namespace) -> int:
    """Print the accounts."""

    async def work(house: House) -> None:
        people = [_shown(account) for account in house.accounts.table]
        if args.json:
            print(json.dumps(people, indent=1))
            return
        for person in people:
            roles, seen = ",".join(person["roles"]), person["last_login_at"] or "never"
            line = f"{person['email']:<32} {person['id']:<28} {person['status']:<9} {roles:<11}"
            print(f"{line} last login {seen}")
        if not people:
            print("There are no accounts yet. `hyphad user add --admin EMAIL` makes one.")

    return run(settings, work)


def passwd(settings: Settings, args: argparse.Namespace) -> int:
    """Set a password; the user is logged out everywhere."""

    async def work(house: House) -> None:
        account = house.accounts.find(args.user)
        if args.link:
            await print_link(house, account)
            return
        await house.accounts.set_password(account.id, ask_password(args), BY)
        print(f"The password of {account.email} is set; earlier logins have ended.")

    return run(settings, work)


def disable(settings: Settings, args: argparse.Namespace) -> int:
    """Refuse a user, and end all logins."""
    return _change(settings, args, "disable", "disabled, and logged out everywhere")


def enable(settings: Settings, args: argparse.Namespace) -> int:
    """Admit a user (again)."""
    return _change(settings, args, "enable", "enabled")


def verify(settings: Settings, args: argparse.Namespace) -> int:
    """Vouch for an e-mail address."""
    return _change(settings, args, "verify_email", "vouched for")


def remove(settings: Settings, args: argparse.Namespace) -> int:
    """Remove an account for good."""
    return _change(settings, args, "remove", "removed")


def role(settings: Settings, args: argparse.Namespace) -> int:
    """Make a user an administrator, or one no longer."""

    async def work(house: House) -> None:
        account = house.accounts.find(args.user)
        roles = ("admin", "user") if args.role == "admin" else ("user",)
        await house.accounts.set_roles(account.id, roles, BY)
        print(f"{account.email} is {args.role} now; earlier logins have ended.")

    return run(settings, work)


def setup_code(settings: Settings, args: argparse.Namespace) -> int:
    """Print the code with which the first administrator is made in a browser."""
    try:
        become_owner(settings.data_dir)
        code = read_code(settings.data_dir)
    except OSError as error:
        return fail(f"{settings.data_dir}: {error.strerror}")
    if code is None:
        return fail(
            "there is no setup code. hyphad makes one at each start until there is an "
            "administrator; `hyphad user list` shows whether there is one."
        )
    print(code)
    return 0


def _change(settings: Settings, args: argparse.Namespace, method: str, done: str) -> int:
    async def work(house: House) -> None:
        account = house.accounts.find(args.user)
        await getattr(house.accounts, method)(account.id, BY)
        print(f"{account.email} ({account.id}) is {done}.")

    return run(settings, work)


def ask_password(args: argparse.Namespace) -> str:
    """From the terminal, twice, or a line of standard input. Raises `Invalid`."""
    if args.password_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise Invalid(
            "Give the password on standard input with --password-stdin, or print a link to set "
            "one with --link."
        )
    password = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != password:
        raise Invalid("The two passwords are not the same.")
    return password


async def print_link(house: House, account: Account) -> None:
    code = await house.accounts.reset_link(account.id, BY)
    print(f"Within a day, {account.email} can set a password there:")
    print(reset_url(house.base_url, code))


def _shown(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "email_verified": account.email_verified,
        "name": account.name,
        "roles": list(account.roles),
        "status": account.status,
        "created_at": iso(account.created_at),
        "last_login_at": iso(account.last_login_at) if account.last_login_at else None,
    }


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")

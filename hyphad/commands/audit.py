"""`hyphad audit`: what happened to identities, who did it, from where."""

import argparse
import json

from hyphad.commands.people import House, run
from hyphad.commands.users import iso
from hyphad.config import Settings
from hyphad.store.audit import AuditTable


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=50, help="how many at most [50]")
    parser.add_argument("--event", help="only this kind, such as login")
    parser.add_argument("--user", help="only what this user did, or was done to it: e-mail or id")
    parser.add_argument("--json", action="store_true", help="as JSON")


def audit(settings: Settings, args: argparse.Namespace) -> int:
    """Print security events, oldest first."""

    async def work(house: House) -> None:
        account = house.accounts.table.by_email(args.user.lower()) if args.user else None
        user = account.id if account is not None else args.user
        found = await AuditTable(house.database).find(args.limit, args.event, user)
        for item in reversed(found):
            moment = iso(item.pop("moment"))
            if args.json:
                print(json.dumps({"time": moment, **item}))
                continue
            detail = item.pop("detail")
            shown = {key: value for key, value in {**item, **detail}.items() if value != ""}
            print(moment, " ".join(f"{key}={value}" for key, value in shown.items()))

    return run(settings, work)

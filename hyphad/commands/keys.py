"""`hyphad key rotate`: a new signing key, without logging anybody out (AUTH-105)."""

import argparse
import time

from hyphad.auth.keys import VERIFY_ONLY_SECONDS, rotate
from hyphad.auth.watch import LAST_EXPIRY
from hyphad.commands.people import BY, House, run
from hyphad.commands.users import iso
from hyphad.config import Settings
from hyphad.core.errors import Invalid

DAY = 86_400.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--now", action="store_true", help="drop the old keys at once: everybody is logged out"
    )
    parser.add_argument(
        "--days", type=float, help="keep the old key this long, not until its last token expires"
    )


def rotate_keys(settings: Settings, args: argparse.Namespace) -> int:
    """Sign with a new key from now on; a running daemon takes it over within two seconds."""

    async def work(house: House) -> None:
        if settings.jwt_secret:
            raise Invalid(
                f"Tokens are signed with jwt_secret ({settings.sources['jwt_secret']}), not with "
                "keys of the data directory. Change it there."
            )
        now = time.time()
        keep = max(VERIFY_ONLY_SECONDS, float(house.meta.get(LAST_EXPIRY, 0.0)) - now)
        if args.days is not None:
            keep = args.days * DAY
        rotate(settings.data_dir / "keys", args.now, keep)
        house.accounts.audit("keys_rotated", by=BY, keep=0 if args.now else int(keep))
        if args.now:
            print("There is a new signing key. All earlier tokens are refused from now on.")
        else:
            print(f"There is a new signing key. The old one verifies until {iso(now + keep)}.")

    return run(settings, work)

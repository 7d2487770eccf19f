"""`hyphad check`: would the daemon start with this configuration?"""

from collections.abc import Callable

from hyphad.auth.keys import KeyFileError, load_ring
from hyphad.config import Settings
from hyphad.store.database import Database, StoreError
from hyphad.store.datadir import DataDir


def check(settings: Settings, say: Callable[[str], None]) -> int:
    """Say one line per finding; the exit code is 0 if all is well, else 3."""
    changed = sorted(key for key, source in settings.sources.items() if source != "default")
    for key in changed:
        say(f"ok       {key} from {settings.sources[key]}")
    say(f"ok       data directory {settings.data_dir}")
    data = DataDir(settings.data_dir)
    try:
        data.open()
    except StoreError as error:
        say(f"problem  {error}")
        return 3
    try:
        return _check_contents(settings, data, say)
    finally:
        data.close()


def _check_contents(settings: Settings, data: DataDir, say: Callable[[str], None]) -> int:
    problems = 0
    try:
        database = Database.open(data.database_file)
        count = database.read("SELECT count(*) AS n FROM workspaces")[0]["n"]
        database._shut()
        say(f"ok       database {data.database_file}, {count} workspaces")
    except StoreError as error:
        say(f"problem  {error}")
        problems += 1
    try:
        if settings.jwt_secret:
            say("ok       signing secret from the configuration")
        else:
            ring = load_ring(data.path / "keys", settings.fix_permissions)
            say(f"ok       signing keys: {len(ring.keys)}")
    except KeyFileError as error:
        say(f"problem  {error}")
        problems += 1
    return 3 if problems else 0

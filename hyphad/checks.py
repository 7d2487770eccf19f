"""`hyphad check`: would the daemon start with this configuration? Nothing is changed by asking."""

import os
import sqlite3
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hyphad.auth.keys import MIN_SECRET, KeyFileError, load_ring
from hyphad.config import Settings
from hyphad.options import OPTIONS
from hyphad.store.datadir import DataDir
from hyphad.store.migrations import MIGRATIONS, schema_of

OK, WARNING, PROBLEM = "ok", "warning", "problem"
EXIT_PROBLEM = 3

Findings = Iterator[tuple[str, str]]


def check(settings: Settings, say: Callable[[str], None]) -> int:
    """Say one line per finding; the exit code is 3 if the daemon would not start, else 0."""
    worst = 0
    for look in (_sources, _secrets, _folders, _certificate, _data_dir, _keys, _database):
        for level, text in _careful(look, settings):
            say(f"{level:<8} {text}")
            worst = max(worst, EXIT_PROBLEM if level == PROBLEM else 0)
    return worst


def _careful(look: Callable[[Settings], Findings], settings: Settings) -> Findings:
    """That this user may not even look at something is a finding too."""
    try:
        yield from look(settings)
    except OSError as error:
        yield PROBLEM, f"{error.filename}: {error.strerror}"


def _sources(settings: Settings) -> Findings:
    for key, source in settings.sources.items():
        if source != "default":
            yield OK, f"{key} from {source}"
    for line in settings.ignored:
        yield WARNING, line


def _secrets(settings: Settings) -> Findings:
    secret = settings.jwt_secret
    if secret and len(secret.encode()) < MIN_SECRET:
        yield WARNING, f"jwt_secret is shorter than {MIN_SECRET} bytes; whoever guesses it is root"
    for key, option in OPTIONS.items():
        source = settings.sources[key]
        if not option.secret or source == "default":
            continue
        named = settings.root_token_file if key == "root_token" else None
        file = Path(named or source.removeprefix("credential ")).expanduser()
        if file.is_file() and file.stat().st_mode & stat.S_IROTH:
            yield WARNING, f"{file} holds {key} and every user can read it: chmod o= {file}"


def _folders(settings: Settings) -> Findings:
    for mount in settings.static_mounts:
        folder = Path(mount.partition(":")[2]).expanduser()
        if not folder.is_dir():
            yield PROBLEM, f"static_mounts: {folder} is not a directory"


def _certificate(settings: Settings) -> Findings:
    if settings.tls_cert is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        reason = error.strerror or error
        yield PROBLEM, f"tls_cert {settings.tls_cert}, tls_key {settings.tls_key}: {reason}"


def _data_dir(settings: Settings) -> Findings:
    path = settings.data_dir
    if not path.exists():
        above = next(parent for parent in path.absolute().parents if parent.exists())
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            yield OK, f"data directory {path} will be made at the first start"
        else:
            yield PROBLEM, f"data directory {path}: this user may not make it in {above}"
        return
    if not path.is_dir():
        yield PROBLEM, f"data directory {path} is not a directory"
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield PROBLEM, f"data directory {path}: this user may not write there"
    elif path.stat().st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        yield PROBLEM, f"data directory {path} belongs to another user"
    else:
        yield OK, f"data directory {path}"


def _keys(settings: Settings) -> Findings:
    if settings.jwt_secret:
        return
    folder = settings.data_dir / "keys"
    try:
        if (folder / "jwt-keys.json").exists():
            yield OK, f"signing keys in {folder}: {len(load_ring(folder).keys)}"
        else:
            yield OK, f"signing keys will be made in {folder} at the first start"
    except KeyFileError as error:
        yield (WARNING if settings.fix_permissions else PROBLEM), str(error)


def _database(settings: Settings) -> Findings:
    file = DataDir(settings.data_dir).database_file
    try:
        if not file.exists():
            yield OK, f"database {file} will be made at the first start"
            return
        # Opened so that no side file comes into being, which might belong to the wrong user.
        shared = file.with_name(file.name + "-shm").exists()
        uri = f"{file.absolute().as_uri()}?{'mode=ro' if shared else 'immutable=1'}"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            schema, known = schema_of(connection), len(MIGRATIONS)
    except sqlite3.Error as error:
        yield PROBLEM, f"database {file}: {error}; restore a backup, or move it away to start empty"
        return
    if schema > known:
        yield PROBLEM, f"database {file} is of a newer hyphad (schema {schema}, known {known})"
    else:
        later = "" if schema == known else f", brought to {known} at the next start"
        yield OK, f"database {file}, schema {schema}{later}"

"""The signing keys: a ring in a private file, made on first start, rotated without logouts.

The file `<data>/keys/jwt-keys.json` holds the active key and those that still verify (AUTH-104,
AUTH-105). A secret from the environment replaces the ring; it has no key id, so that tokens move
between servers that share it.
"""

import base64
import json
import os
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path

KEY_FILE = "jwt-keys.json"
MIN_SECRET = 32
VERIFY_ONLY_SECONDS = 172_800.0


class KeyFileError(Exception):
    """The key file cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """One HMAC key. `retire_at` (unix seconds) is set once the key only verifies."""

    kid: str | None
    secret: bytes
    created: float = 0.0
    retire_at: float | None = None

    def __repr__(self) -> str:
        return f"Key(kid={self.kid!r})"


class KeyRing:
    """The keys in use; the first one signs."""

    def __init__(self, keys: list[Key]) -> None:
        self.keys = keys

    @property
    def active(self) -> Key:
        return self.keys[0]

    def candidates(self, kid: object) -> list[Key]:
        """The key a token names, or every key for a token that names none."""
        now = time.time()
        alive = [key for key in self.keys if key.retire_at is None or key.retire_at > now]
        if kid is None or alive[0].kid is None:
            return alive
        return [key for key in alive if key.kid == kid]

    def replace(self, other: "KeyRing") -> bool:
        """Take over the keys of another ring (a reload); whether one went before its time."""
        kept = {key.secret for key in other.keys}
        dropped = any(key.secret not in kept for key in self.candidates(None))
        self.keys = other.keys
        return dropped


def ring_from_secret(secret: str) -> KeyRing:
    """A ring of one key that the operator supplied (AUTH-12)."""
    return KeyRing([Key(None, secret.encode())])


def load_ring(folder: Path, fix_permissions: bool = False) -> KeyRing:
    """Read `jwt-keys.json` in `folder`, or make it. Raises `KeyFileError`."""
    file = folder / KEY_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            ring = KeyRing([_new_key()])
            _save(file, ring)
            return ring
        for path in (folder, file):
            _check_private(path, fix_permissions)
        stored = json.loads(file.read_text())
        keys = [_read_key(item) for item in stored["keys"]]
    except OSError as error:
        raise KeyFileError(f"The key file {file} cannot be used: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise KeyFileError(
            f"The key file {file} is damaged. Restore it from a backup, or delete it: "
            "everybody then has to log in again."
        ) from None
    if not keys:
        raise KeyFileError(f"The key file {file} holds no key. Delete it to get a new one.")
    return KeyRing(keys)


def rotate(folder: Path, now_only: bool = False, keep: float = VERIFY_ONLY_SECONDS) -> KeyRing:
    """Put a new key in front; the old ones verify for `keep` more seconds, or go at once."""
    ring = load_ring(folder)
    retire = time.time() + keep
    old = [] if now_only else [_retired(key, retire) for key in ring.keys]
    ring = KeyRing([_new_key(), *(key for key in old if (key.retire_at or 0) > time.time())])
    _save(folder / KEY_FILE, ring)
    return ring


def _retired(key: Key, retire: float) -> Key:
    return key if key.retire_at is not None else Key(key.kid, key.secret, key.created, retire)


def _new_key() -> Key:
    return Key(secrets.token_hex(4), secrets.token_bytes(32), time.time())


def _read_key(item: dict[str, object]) -> Key:
    secret = base64.urlsafe_b64decode(str(item["secret"]))
    if len(secret) < MIN_SECRET:
        raise ValueError("short key")
    retire = item.get("retire_at")
    created = item.get("created")
    return Key(
        str(item["kid"]),
        secret,
        float(created) if isinstance(created, int | float) else 0.0,
        float(retire) if isinstance(retire, int | float) else None,
    )


def _save(file: Path, ring: KeyRing) -> None:
    """Write to a temporary file, sync, rename: the ring is never half there."""
    keys = [
        {
            "kid": key.kid,
            "secret": base64.urlsafe_b64encode(key.secret).decode(),
            "created": key.created,
            "retire_at": key.retire_at,
        }
        for key in ring.keys
    ]
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump({"keys": keys}, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    temporary.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_private(path: Path, fix: bool) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        raise KeyFileError(f"{path} belongs to another user; hyphad does not trust keys in it.")
    if stat.S_IMODE(status.st_mode) & 0o077 == 0:
        return
    if not fix:
        raise KeyFileError(
            f"{path} can be read by other users. Run `chmod go= {path}`, or start hyphad with "
            "--fix-permissions."
        )
    path.chmod(stat.S_IMODE(status.st_mode) & 0o700)

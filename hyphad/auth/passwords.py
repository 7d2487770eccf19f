"""Passwords: hashing them slowly without slowing anything else, and refusing bad ones.

    passwords = Passwords("normal")
    stored = await passwords.hash("correct horse battery staple")
    await passwords.verify("correct horse battery staple", stored)     # True

Argon2id where the linked OpenSSL offers it, else scrypt; the parameters stand in the stored text,
so that they can be raised later (AUTH-102). At most two are computed at a time, in threads.
"""

import asyncio
import base64
import gzip
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hyphad.core.errors import Unavailable

MIN_LENGTH, MAX_LENGTH = 8, 256
AT_ONCE, MAX_WAITING = 2, 32
BUSY = "Server busy, please retry"
TOO_SHORT = f"Password must be at least {MIN_LENGTH} characters"
# The commonest ones of at least eight characters, from the word lists of zxcvbn (MIT licence).
COMMON = Path(__file__).with_name("common-passwords.txt.gz")
# Argon2id by name of the cost: KiB of memory, iterations, lanes.
_ARGON2 = {"normal": (19_456, 2, 1), "high": (65_536, 3, 4)}
_SCRYPT = (15, 8, 1)
_SCRYPT_MEMORY = 128 << 20
_RAW_LENGTH = 1024

T = TypeVar("T")


class Passwords:
    """Hashes and verifies in two threads of its own; `cost` is `normal` or `high`."""

    def __init__(self, cost: str = "normal") -> None:
        self._cost = cost
        self._pool = ThreadPoolExecutor(AT_ONCE, "hyphad-passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The text to store. Raises `Unavailable` when too many wait already."""
        return await self._run(partial(_hash, _normal(password), self._cost))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare; without anything stored it takes as long, and is False (AUTH-102)."""
        return await self._run(partial(_verify, _normal(password), stored, self._cost))

    async def flaw(self, password: str, *names: str) -> str | None:
        """Why this password is not accepted for somebody of these names (AUTH-103)."""
        plain = _normal(password)
        if len(plain) < MIN_LENGTH:
            return TOO_SHORT
        if len(password) > MAX_LENGTH or len(plain) > MAX_LENGTH:
            return f"Password must be at most {MAX_LENGTH} characters"
        known = {part for name in names for part in (name, name.partition("@")[0])}
        if plain.casefold() in {part.casefold() for part in known}:
            return "Password must not be your name or e-mail address"
        if await self._run(partial(_is_common, plain)):
            return "This password is one of the commonest; choose another"
        return None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return not stored.startswith(_prefix(self._cost))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING + AT_ONCE:
            raise Unavailable(BUSY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """The same characters however they were typed. What is far too long is cut, to bound work."""
    return unicodedata.normalize("NFKC", password[:_RAW_LENGTH])


def _hash(password: str, cost: str) -> str:
    data, salt = _bytes(password), secrets.token_bytes(16)
    argon2 = _argon2(cost, salt)
    if argon2 is not None:
        text: str = argon2.derive_phc_encoded(data)
        return text
    return f"{_prefix(cost)}{_encode(salt)}${_encode(_scrypt(data, salt, *_SCRYPT))}"


def _verify(password: str, stored: str | None, cost: str) -> bool:
    """Against a hash of nothing, if there is none: as much work, and never equal."""
    nothing = f"{_prefix(cost)}{_encode(bytes(16))}${_encode(bytes(32))}"
    kind = (stored or nothing).split("$")[1:2]
    matches = {"argon2id": _verify_argon2, "scrypt": _verify_scrypt}.get("".join(kind))
    return matches is not None and matches(_bytes(password), stored or nothing)


def _verify_argon2(data: bytes, stored: str) -> bool:
    from cryptography.exceptions import InvalidKey, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(data, stored)
    except (InvalidKey, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify_scrypt(data: bytes, stored: str) -> bool:
    try:
        _, _, parameters, salt, expected = stored.split("$")
        log2, size, lanes = (int(item.partition("=")[2]) for item in parameters.split(","))
        found = _scrypt(data, _decode(salt), log2, size, lanes)
    except ValueError:
        return False
    return hmac.compare_digest(found, _decode(expected))


def _scrypt(data: bytes, salt: bytes, log2: int, size: int, lanes: int) -> bytes:
    return hashlib.scrypt(
        data, salt=salt, n=1 << log2, r=size, p=lanes, maxmem=_SCRYPT_MEMORY, dklen=32
    )


def _argon2(cost: str, salt: bytes) -> Any:
    """None where the linked OpenSSL is too old. Imported late: most starts need no password."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    except ImportError:
        return None
    memory, iterations, lanes = _ARGON2[cost]
    try:
        return Argon2id(
            salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory
        )
    except UnsupportedAlgorithm:
        return None


def _prefix(cost: str) -> str:
    if _argon2(cost, bytes(16)) is not None:
        return "$argon2id$v=19$m={},t={},p={}$".format(*_ARGON2[cost])
    return "$scrypt$ln={},r={},p={}$".format(*_SCRYPT)


def _is_common(password: str) -> bool:
    wanted = password.casefold()
    with gzip.open(COMMON, "rt", encoding="utf-8") as lines:
        return any(line.rstrip("\n") == wanted for line in lines)


def _bytes(password: str) -> bytes:
    """Half a surrogate pair, which no keyboard makes, must not be an error of ours."""
    return password.encode("utf-8", "surrogatepass")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))

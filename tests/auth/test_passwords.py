"""Passwords: how they are kept, and which are refused."""

import asyncio

import pytest

from hyphad.auth import passwords as module
from hyphad.auth.passwords import AT_ONCE, MAX_WAITING, TOO_SHORT, Passwords
from hyphad.core.errors import Unavailable


@pytest.fixture
def without_argon2(monkeypatch):
    """As where the linked OpenSSL is too old."""
    monkeypatch.setattr(module, "_argon2", lambda cost, salt: None)


async def test_a_password_is_kept_as_argon2_with_its_parameters():  # AUTH-102
    passwords = Passwords()
    stored = await passwords.hash("seven blue benches")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify("seven blue benches", stored)
    assert not await passwords.verify("seven blue bench", stored)
    assert stored != await passwords.hash("seven blue benches"), "each has a salt of its own"


async def test_without_argon2_it_is_scrypt(without_argon2):  # AUTH-102
    passwords = Passwords()
    stored = await passwords.hash("seven blue benches")
    assert stored.startswith("$scrypt$ln=15,r=8,p=1$")
    assert await passwords.verify("seven blue benches", stored)
    assert not await passwords.verify("seven blue bench", stored)


async def test_hashes_of_other_parameters_are_outdated():  # AUTH-102
    normal, high = Passwords("normal"), Passwords("high")
    stored = await normal.hash("seven blue benches")
    assert not normal.is_outdated(stored)
    assert high.is_outdated(stored)
    assert high.is_outdated("$scrypt$ln=15,r=8,p=1$c2FsdA$aGFzaA")
    assert await high.verify("seven blue benches", stored), "and still verify"


@pytest.mark.parametrize(
    "stored",
    ["", "$", "plain", "$argon2id$v=19$m=19456,t=2,p=1$!!$!!", "$scrypt$ln=x$a$b", "$md5$a$b"],
)
async def test_what_is_no_hash_matches_nothing(stored):
    assert not await Passwords().verify("", stored)
    assert not await Passwords().verify(stored, stored)


async def test_nobody_has_as_much_work_done_as_somebody(monkeypatch):  # AUTH-102
    hashed = []
    real = module._verify_argon2
    monkeypatch.setattr(
        module, "_verify_argon2", lambda data, stored: hashed.append(stored) or real(data, stored)
    )
    assert not await Passwords().verify("seven blue benches", None)
    assert hashed[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_characters_are_equal_however_they_are_typed():  # AUTH-103
    passwords = Passwords()
    stored = await passwords.hash("crème brûlée")
    assert await passwords.verify("cre\u0300me bru\u0302le\u0301e", stored)


async def test_half_a_surrogate_pair_is_no_error():
    passwords = Passwords()
    assert await passwords.verify("\ud800 and more", await passwords.hash("\ud800 and more"))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", TOO_SHORT),
        ("7 chars", TOO_SHORT),
        ("x" * 257, "at most 256"),
        ("\ufdfa" * 20, "at most 256"),  # one character that NFKC makes eighteen of
        ("ann@lab.org", "must not be your name"),
        ("ann-marie", "must not be your name"),
        ("Ann Marie", "must not be your name"),
        ("password", "commonest"),
        ("PASSWORD", "commonest"),
        ("12345678", "commonest"),
        ("iloveyou", "commonest"),
        ("seven blue benches", None),
        ("ünïcödé!", None),
        ("x" * 256, None),
    ],
)
async def test_which_passwords_are_refused(password, reason):  # AUTH-103
    flaw = await Passwords().flaw(password, "ann@lab.org", "ann-marie@lab.org", "Ann Marie")
    assert (reason in flaw) if reason else flaw is None


async def test_only_so_many_may_wait():  # AUTH-102
    passwords = Passwords()
    hold = asyncio.Event()

    async def held() -> None:
        passwords._waiting += 1
        await hold.wait()
        passwords._waiting -= 1

    waiting = [asyncio.ensure_future(held()) for _ in range(AT_ONCE + MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="Server busy, please retry"):
        await passwords.hash("seven blue benches")
    hold.set()
    await asyncio.gather(*waiting)
    assert await passwords.hash("seven blue benches")

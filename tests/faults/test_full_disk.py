"""A daemon whose disk fills up: calls go on, changes are refused in words, writing resumes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from coroutines import until
from full_disk import fill_up, own_mounts
from hubs import FLAGS
from rawclient import RawClient, Rejected
from running import Hyphad
from tickets import ticket

DISK = 8 << 20
FULL = "The disk is full (or refuses writes); nothing was changed. Free some space and try again."
CREATE = "services.default.create_workspace"
LIST = "services.default.list_workspaces"


@pytest.fixture
def small(make_hyphad) -> Iterator[Hyphad]:
    """A daemon whose data directory is a small disk of its own."""
    mounts = own_mounts()
    if mounts is None:
        pytest.skip("no mount namespaces here")
    daemon: Hyphad = make_hyphad(*FLAGS)
    daemon.data.mkdir(mode=0o700)
    mount = f'mount -t tmpfs -o size={DISK},mode=0700 tmpfs "$0" && exec "$@"'
    daemon.wrapper = [*mounts, "sh", "-c", mount, str(daemon.data)]
    return daemon.start()


def inside(daemon: Hyphad) -> Path:
    """The data directory as the daemon sees it."""
    assert daemon.process is not None
    return Path(f"/proc/{daemon.process.pid}/root{daemon.data.resolve()}")


def workspace(name: str) -> dict[str, object]:
    return {"id": name, "name": name, "description": "x" * 20_000, "persistent": True}


async def test_calls_go_on_while_the_disk_is_full(small):  # D-28
    filler = inside(small) / "filler"
    bearer = {"Authorization": f"Bearer {ticket('ann')}"}
    async with (
        RawClient.connect(small.ws_url, "a", token=ticket("ann")) as ann,
        RawClient.connect(small.ws_url, "b", token=ticket("ann")) as ben,
    ):
        ben.serving["services.x.double"] = lambda n: 2 * n

        async def all_works() -> None:
            assert await ann.call("services.x.double", 4, to=ben.address) == 8
            assert await ann.call("services.default.echo", "e") == "e"
            assert small.get("/health/readiness")[0] == 200
            assert small.get("/ws-user-ann/services/ws/echo?data=1", **bearer) == (200, 1)
            await ben.register("more", functions={})
            async with RawClient.connect(small.ws_url) as visitor:
                assert await visitor.call("services.default.echo", 1) == 1

        async def created(name: str) -> bool:
            try:
                await ann.call(CREATE, workspace(name))
            except Rejected as error:
                assert str(error).splitlines()[0] == f"OSError: {FULL}"
                return False
            return True

        assert await created("ann-before")
        for turn in range(3):
            fill_up(filler)
            refused = [
                name for name in (f"ann-{turn}-{n}" for n in range(40)) if not await created(name)
            ]
            assert refused
            await all_works()
            names = {found["id"] for found in await ann.call(LIST)}
            assert names.isdisjoint(refused)
            status, body = small.post(
                "/ws-user-ann/services/ws/create_workspace",
                {"config": workspace(refused[0])},
                **bearer,
            )
            assert (status, body["detail"]) == (507, f"RemoteException: OSError: {FULL}")
            filler.unlink()
            await until(lambda name=refused[-1]: created(name), what="writing resumes")
            await all_works()
    lines = [line for line in small.log.splitlines() if " not_saved " in line]
    assert len(lines) == 1, "a full disk must not fill the log"
    assert "Traceback" not in small.log


def test_a_daemon_stops_cleanly_on_a_full_disk(small):
    fill_up(inside(small) / "filler")
    assert small.stop() == 0
    assert "Traceback" not in small.log


def test_a_full_disk_at_the_start_is_said(small):
    small.stop()
    fill = 'head -c 1G /dev/zero >"$0/filler" 2>/dev/null; '
    small.wrapper[-2] = small.wrapper[-2].replace('exec "$@"', "{ " + fill + 'exec "$@"; }')
    assert small.spawn().wait(20) == 3
    assert "Traceback" not in small.log
    [line] = [line for line in small.log.splitlines() if "not_started" in line]
    assert "Check that its disk is not full" in line or "No space left on device" in line

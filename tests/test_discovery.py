"""Whoever looks for hyphad on the network finds it, where the operator wants that."""

import queue
from collections.abc import Callable
from typing import Any

import pytest
from running import Hyphad

from hyphad.config import load

zeroconf = pytest.importorskip("zeroconf")
KIND = "_hypha._tcp.local."
WAIT = 10.0


class Seen(zeroconf.ServiceListener):  # type: ignore[misc]
    """What comes and goes, in the order in which it does."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()

    def add_service(self, looking: Any, kind: str, name: str) -> None:
        self.events.put(("came", looking.get_service_info(kind, name, int(WAIT * 1000))))

    def update_service(self, looking: Any, kind: str, name: str) -> None:
        """Of no interest here."""

    def remove_service(self, looking: Any, kind: str, name: str) -> None:
        self.events.put(("left", name))

    def wait_for(self, what: str, port: int | None = None) -> Any:
        while True:
            event, value = self.events.get(timeout=WAIT)
            if event == what and (port is None or value.port == port):
                return value


def test_a_server_is_found_and_takes_its_leave(make_hyphad: Callable[..., Hyphad]) -> None:
    daemon = make_hyphad("--mdns", "--base-path", "/hub")
    daemon.spawn()
    daemon.wait_for_log(" announced ")
    seen, looking = Seen(), zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    try:
        zeroconf.ServiceBrowser(looking, KIND, seen)
        info = seen.wait_for("came", daemon.port)
        assert info.parsed_addresses() == ["127.0.0.1"]
        properties = {key.decode(): value.decode() for key, value in info.properties.items()}
        assert properties["url"] == f"{daemon.url}/hub"
        assert daemon.stop() == 0
        assert seen.wait_for("left") == info.name
    finally:
        looking.close()


def test_without_the_package_the_server_serves_all_the_same(
    make_hyphad: Callable[..., Hyphad],
) -> None:
    daemon = make_hyphad("--mdns")
    hidden = daemon.folder / "hidden"
    hidden.mkdir()
    (hidden / "zeroconf.py").write_text("raise ImportError('not here')")
    daemon.env["PYTHONPATH"] = str(hidden)
    daemon.start()
    daemon.wait_for_log("zeroconf is missing: pip install hyphad[mdns]")
    assert daemon.stop() == 0


def test_nothing_is_announced_unless_asked_for() -> None:
    assert load({}, {}).mdns is False

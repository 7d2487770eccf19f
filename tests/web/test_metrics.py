"""Numbers for Prometheus: well-formed, and counting what happens."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers import Provider
from running import Hyphad

from hyphad.web.counts import BOUNDS, Counts, Histogram
from hyphad.web.metrics import _labels

LINE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (-?[0-9.e+]+|\+Inf)')
KEPT = """
rpc_call_total client_requests_total client_load_current redis_rpc_connections_created_total
redis_rpc_connections_closed_total redis_rpc_active_connections event_bus_total
websocket_connections websocket_connections_established_total
websocket_rate_limited_disconnects_total process_resident_memory_bytes process_cpu_seconds_total
""".split()


def samples(hub: Hyphad) -> dict[str, float]:
    status, data, headers = hub.request("/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    found = {}
    for line in data.decode().splitlines():
        if line.startswith("# "):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ \S", line)
            continue
        match = LINE.fullmatch(line)
        assert match, line
        found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_every_line_is_well_formed(hub: Hyphad, ws: str) -> None:  # HTTP-85
    hub.get(f"{ws}/services/t/hello")
    found = samples(hub)
    assert set(KEPT) <= set(found)
    assert found["websocket_connections"] >= 1
    assert not any("workspace=" in name for name in found)


def test_calls_and_requests_are_counted(hub: Hyphad, ws: str) -> None:
    before = samples(hub)
    for path in ("hello", "hello", "fail", "nofn"):
        hub.get(f"{ws}/services/t/{path}")
    after = samples(hub)

    def more(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert more('hyphad_calls_total{outcome="ok"}') == 2
    assert more('hyphad_calls_total{outcome="error"}') == 1
    assert more("rpc_call_total") == 3
    assert more('hyphad_http_requests_total{kind="call",status="2xx"}') == 2
    assert more('hyphad_http_requests_total{kind="call",status="4xx"}') == 2
    assert more("hyphad_call_seconds_count") == 3
    assert more('hyphad_call_seconds_bucket{le="+Inf"}') == 3
    assert more("hyphad_frames_total") >= 3


def test_workspaces_are_named_only_on_request(make_hyphad: Callable[..., Hyphad]) -> None:
    daemon = make_hyphad("--metrics-per-workspace").start()
    client = Provider(daemon.url, client_id="p")
    found = samples(daemon)
    assert found[f'hyphad_workspace_clients{{workspace="{client.workspace}"}}'] == 1
    assert found[f'hyphad_workspace_services{{workspace="{client.workspace}"}}'] >= 1
    client.stop()


@given(st.lists(st.floats(min_value=0, max_value=100)))
def test_a_histogram_adds_up(times: list[float]) -> None:
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    found = {
        str(labels.get("le", name)): value for name, labels, value in histogram.samples("h", {})
    }
    for bound in BOUNDS:
        assert found[str(bound)] == sum(seconds <= bound for seconds in times)
    assert found["+Inf"] == found["h_count"] == len(times)


def test_streams_have_no_latency() -> None:
    counts = Counts()
    counts.answered("stream", 200, 3600.0)
    counts.answered("call", 503, 0.5)
    assert list(counts.seconds) == ["call"]
    assert counts.requests == {("stream", "2xx"): 1, ("call", "5xx"): 1}


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb"])
def test_labels_are_escaped(text: Any) -> None:
    assert LINE.fullmatch(f"x{_labels({'workspace': text})} 1")

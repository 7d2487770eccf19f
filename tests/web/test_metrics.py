"""Numbers for Prometheus: well-formed, and counting what happens."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers import Provider
from running import Hyphad

from hyphad.web.counts import BOUNDS, Counts, Histogram
from hyphad.web.metrics import _labels, _number

LINE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (-?[0-9.e+-]+|\+Inf)')
CONF = Path(__file__).parents[2] / "conf"
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


@pytest.mark.parametrize("value", [0.0, 3.0, 12_345_678.0, 1_795_000_123.25, 0.000012, 2.0**53])
def test_numbers_keep_all_their_digits(value: float) -> None:
    assert float(_number(value)) == value


def test_what_is_in_the_data_directory_is_told(make_hyphad: Callable[..., Hyphad]) -> None:
    daemon = make_hyphad().start()
    found = samples(daemon)
    assert found["hyphad_database_bytes"] > 4096
    assert found["hyphad_disk_free_bytes"] > 0
    assert found["hyphad_backups"] == found["hyphad_last_backup_timestamp_seconds"] == 0
    assert found["hyphad_tasks"] >= 1
    assert abs(found["process_start_time_seconds"] - time.time()) < 600
    backup = daemon.data / "backups" / "hyphad-20260101T000000.tar"
    backup.parent.mkdir(mode=0o700, exist_ok=True)
    backup.touch()
    found = samples(daemon)
    assert found["hyphad_backups"] == 1
    assert abs(found["hyphad_last_backup_timestamp_seconds"] - backup.stat().st_mtime) < 0.001


def expressions(dashboard: dict[str, Any]) -> list[str]:
    """All queries: of panels, and of variables."""
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    variables = [item.get("query") for item in dashboard["templating"]["list"]]
    return found + [text for text in variables if isinstance(text, str) and "(" in text]


def test_every_query_of_the_dashboard_finds_what_it_names(hub: Hyphad, ws: str) -> None:
    dashboard = json.loads((CONF / "grafana-dashboard.json").read_text())
    hub.get(f"{ws}/services/t/hello")
    lines = hub.request("/metrics")[1].decode().splitlines()
    kinds = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
    labels: dict[str, set[str]] = {}
    for name in samples(hub):
        labels.setdefault(name.partition("{")[0], set()).update(re.findall(r'([a-z_]+)="', name))
    queries = expressions(dashboard)
    assert len(queries) > 15
    for query in queries:
        names = re.findall(r"\b(?:hyphad|process|websocket)_[a-z_]+", query)
        assert names, query
        for name in names:
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in kinds or kinds.get(family) == "histogram", query
            if "rate(" in query:
                assert kinds.get(name, "counter") == "counter", query
        used = {name for group in re.findall(r"by \(([^)]*)\)", query) for name in group.split(",")}
        known = set().union(*(labels.get(name, set()) for name in names))
        if all(name in labels for name in names):  # one without samples shows no labels
            assert {name.strip() for name in used} <= known | {"instance"}, query


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    dashboard = json.loads((CONF / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb"])
def test_labels_are_escaped(text: Any) -> None:
    assert LINE.fullmatch(f"x{_labels({'workspace': text})} 1")

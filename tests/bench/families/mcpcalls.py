"""`tools/call` over MCP: a trivial tool, each call a POST of its own."""

import json
import statistics
import time

from httpclient import HttpConnection, storm
from measure import Effort, Family, Measure, Round
from servers import Target

from families.httpcalls import raw_provider

CALLS, AT_ONCE = 300, 8


def run(target: Target, effort: Effort) -> Round:
    with raw_provider(target) as (workspace, service_id):
        return calls(target, request(target, workspace, service_id), effort)


def request(target: Target, workspace: str, service_id: str) -> bytes:
    """A POST that calls `echo`, as MCP clients send it."""
    params = {"name": "echo", "arguments": {"data": "Hello"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    body = json.dumps(call).encode()
    path = f"/{workspace}/mcp/{service_id.rpartition('/')[2]}/mcp"
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def calls(target: Target, message: bytes, effort: Effort) -> Round:
    status, body = HttpConnection(target.port).ask(message)
    if status != 200 or json.loads(body)["result"]["content"][0]["text"] != "Hello":
        raise AssertionError(f"HTTP {status}: {body[:200]!r}")
    storm(target.port, message, 30, 1)
    count = effort.times(CALLS)
    with target.spent() as spent:
        times = storm(target.port, message, count, 1)
    start = time.perf_counter()
    storm(target.port, message, count, AT_ONCE)
    return {
        "cpu": spent.cpu / count,
        "p50": statistics.median(times),
        "rate": count / (time.perf_counter() - start),
    }


FAMILY = Family(
    "mcp",
    (
        Measure("cpu", "MCP tools/call, raw provider: CPU", "ms", 1e3, limit=1.5),
        Measure("p50", "MCP tools/call, raw provider: p50", "ms", 1e3),
        Measure(
            "rate",
            f"MCP tools/calls, raw provider, {AT_ONCE} at once",
            "1/s",
            target=5,
            more_is_better=True,
        ),
    ),
    run,
    reference_flags=("--enable-mcp",),
)

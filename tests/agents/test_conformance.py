"""The official conformance suite for MCP servers, run against a service."""

import os
import re
import subprocess

import pytest
from conformance import service
from nodes import SCRIPTS, node_modules
from providers import Provider

OLDEST_NODE = 20


@pytest.fixture
def environment():
    """What the suite runs in; skips the test where it cannot run."""
    folder = node_modules()
    if not (folder / "@modelcontextprotocol" / "conformance").is_dir():
        pytest.skip("@modelcontextprotocol/conformance is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.strip("v\n").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the suite needs Node {OLDEST_NODE}")
    return {**os.environ, "HYPHAD_TEST_NODE_MODULES": str(folder)}


def test_the_official_suite_finds_what_it_wants(hub, environment, tmp_path):
    lab = Provider(hub.url)
    lab.register(service())
    url = f"http://localhost:{hub.port}/{lab.workspace}/mcp/conformance/mcp"
    known = ["--expected-failures", str(SCRIPTS / "conformance.yml")]
    done = subprocess.run(
        ["node", str(SCRIPTS / "conformance.mjs"), "server", "--url", url, *known],
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    lab.stop()
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    passed = re.findall(r"^✓ ([\w-]+): \d+ passed", said, re.MULTILINE)
    assert len(passed) >= 24, said[-4000:]

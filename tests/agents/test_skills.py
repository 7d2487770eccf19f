"""Agent skills and llms.txt: texts for agents, true of this server and of what a caller may see."""

import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from kitchen import hello
from mcp_http import Mcp, bearer
from providers import Provider
from running import Hyphad

GLOBAL = ["SKILL.md", "REFERENCE.md", "EXAMPLES.md", "REFERENCE/workspace-manager.md"]


@pytest.fixture(scope="module")
def lab(hub: Hyphad) -> Iterator[Provider]:
    client = Provider(hub.url)
    client.register(
        {
            "id": "greeter",
            "description": "Says\nhello | friendly",
            "docs": "Long docs.",
            "hello": hello,
            "deep": {"hello": hello},
        }
    )
    client.register({"id": "silent", "f": lambda: 1})
    client.register({"id": "hidden", "config": {"visibility": "unlisted"}, "hello": hello})
    client.register({"id": "agent", "type": "a2a", "run": lambda message: "x"})
    yield client
    client.stop()


@pytest.fixture
def read(hub, lab):
    """A text of the lab's workspace, as its member reads it."""
    headers = bearer(lab.token())

    def read_text(path, status=200):
        found, body, answered = hub.request(
            f"/{lab.workspace}/agent-skills/{path}", headers=headers
        )
        assert found == status, body
        return body.decode() if "json" not in answered["content-type"] else body

    return read_text


def frontmatter(text):
    """The head of a SKILL.md, read by the rules of its specification."""
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert head is not None
    fields = dict(line.split(": ", 1) for line in head[1].splitlines() if ": " in line)
    assert re.fullmatch(r"[a-z0-9-]{1,64}", fields["name"])
    assert 1 <= len(fields["description"]) <= 1024
    return fields


def test_the_servers_own_texts_need_no_token(hub):  # MCP-90, MCP-91
    for path in ("/ws/agent-skills/", "/ws/agent-skills/index", "/ws/agent-skills/index.html"):
        status, index = hub.get(path)
        assert (status, index["name"], index["type"]) == (200, "hypha", "global")
    assert index["files"][:4] == GLOBAL
    assert index["workspace_skills_pattern"] == f"{hub.url}/{{workspace}}/agent-skills/"
    assert index["enabled_services"] == ["workspace-manager"]
    for name in index["files"]:
        status, body, headers = hub.request(f"/ws/agent-skills/{name}")
        assert (status, headers["content-type"]) == (200, "text/markdown; charset=utf-8")
        assert b"{{" not in body
    assert hub.request("/ws/agent-skills/SKILL.md", b"", method="POST")[0] == 200


def test_the_guide_says_what_an_agent_needs(hub):  # MCP-92
    text = hub.get("/ws/agent-skills/SKILL.md")[1]
    fields = frontmatter(text)
    assert "workspace" not in fields
    assert "# Hypha Platform Guide" in text
    for word in ("connect_to_server", "generate_token", "/agent-skills/", "curl", "Bearer"):
        assert word in text
    assert hub.url in text


def test_what_is_not_there(hub, read):  # MCP-90
    assert hub.get("/ws/agent-skills/nope") == (404, {"error": "File not found: nope"})
    status, answer = hub.get("/ws/agent-skills/REFERENCE/nope.md")
    assert (status, answer["error"]) == (404, "Service not found or not enabled: nope")
    assert read("nope", 404) == "File not found: nope"
    assert read("REFERENCE/nope.md", 404).startswith(
        "Service not found or not enabled: nope. Available services: workspace-manager, greeter, "
        "agent, "
    )
    assert read("GUIDE/nope.md", 404) == "Guide not found: nope.md"
    for path in ("SOURCE/x", "../../etc/passwd", "GUIDE/../global.md", "REFERENCE/"):
        assert "not found" in read(path, 404).lower()


def test_a_workspace_needs_its_token(hub, lab):  # MCP-90
    path = f"/{lab.workspace}/agent-skills/SKILL.md"
    status, answer = hub.get(path)
    assert status == 401
    assert answer["error"] == "Authentication required"
    assert answer["message"].startswith(
        f"Access to workspace '{lab.workspace}' skills requires a valid token."
    )
    assert answer["global_url"] == f"{hub.url}/ws/agent-skills/"
    assert answer["public_url"] == f"{hub.url}/public/agent-skills/"
    token = lab.token()
    assert hub.get(path, **bearer(token))[0] == 200
    assert hub.get(f"{path}?token={token}")[0] == 200
    assert hub.get(path, Cookie=f"access_token={token}")[0] == 200
    assert hub.get(f"/{lab.workspace}/apps/agent-skills/SKILL.md", **bearer(token))[0] == 200
    assert hub.get(path, **bearer("nonsense"))[0] == 401
    assert hub.get(f"{path}?token=nonsense")[0] == 401
    other = Provider(hub.url)
    assert hub.get(path, **bearer(other.token()))[0] == 403
    other.stop()


def test_without_the_slash_one_is_sent_on(hub, lab):  # MCP-90
    status, _, headers = hub.request(f"/{lab.workspace}/agent-skills?token=x")
    assert (status, headers["location"]) == (307, f"/{lab.workspace}/agent-skills/?token=x")


def test_the_index_of_a_workspace(hub, lab):  # MCP-91
    status, index = hub.get(f"/{lab.workspace}/agent-skills/", **bearer(lab.token()))
    assert status == 200
    assert index["dynamic_services"][:2] == ["greeter", "agent"]
    assert "queue" in index["dynamic_services"]
    assert "WORKSPACE_CONTEXT.md" in index["files"]
    assert "REFERENCE/greeter.md" in index["reference_files"]
    assert index["download"]["zip"] == "create-zip-file"


def test_the_skill_of_a_workspace(hub, lab, read):  # MCP-92
    text = read("SKILL.md")
    assert lab.workspace in frontmatter(text)["description"]
    assert f"# Hypha Workspace: {lab.workspace}" in text
    assert f"MCP `{hub.url}/{lab.workspace}/mcp/greeter/mcp`" in text
    assert f"A2A `{hub.url}/{lab.workspace}/a2a/agent`" in text
    assert "**greeter**: Says hello | friendly" in text
    for name in ("silent", "hidden", "hypha-login"):
        assert f"**{name}**" not in text
    context = read("WORKSPACE_CONTEXT.md")
    assert "greeter" in context
    assert "Your permission: read_write" in context


def test_the_page_of_a_service(read):  # MCP-92
    page = read("REFERENCE/greeter.md")
    assert "Long docs." in page
    assert "### hello\n" in page
    assert "### deep.hello\n" in page
    assert "- `name` (string) *(required)*: The name of the person to greet\n" in page
    assert '- `greeting` (string): The greeting word to use Default: `"Hello"`\n' in page
    assert "| `greeter` | Says hello \\| friendly |" in read("REFERENCE.md")
    manager = read("REFERENCE/workspace-manager.md")
    assert "### register_service" in manager
    assert "context" not in re.findall(r"- `(\w+)`", manager)


def test_all_texts_in_one_file(hub, lab):  # MCP-90
    headers = bearer(lab.token())
    index = hub.get(f"/{lab.workspace}/agent-skills/", **headers)[1]
    for name in ("create-zip-file", "download.zip", "skills.zip"):
        path = f"/{lab.workspace}/agent-skills/{name}"
        status, body, answered = hub.request(path, headers=headers)
        assert (status, answered["content-type"]) == (200, "application/zip")
        wanted = f"attachment; filename=hypha-skills-{lab.workspace}.zip"
        assert answered["content-disposition"] == wanted
        assert zipfile.ZipFile(io.BytesIO(body)).namelist() == index["files"]


def test_the_public_workspace_needs_no_token(hub):  # MCP-90
    status, index = hub.get("/public/agent-skills/")
    assert status == 200
    assert "queue" in index["dynamic_services"]
    assert hub.get("/public/agent-skills/SKILL.md")[0] == 200


def test_agents_can_read_them_with_tools(hub, lab):  # MCP-82
    public, workspace = Mcp(hub, "public"), lab.workspace
    assert "SKILL.md" in public.call("list_files", "agent-skills")["content"][0]["text"]
    refused = public.call("read_file", "agent-skills", workspace=workspace)
    assert refused["isError"] is True
    headers = bearer(lab.token())
    given = public.call("read_file", "agent-skills", headers=headers, workspace=workspace)
    assert "greeter" in given["content"][0]["text"]


def test_llms_txt(hub, lab):  # MCP-97
    status, body, headers = hub.request("/llms.txt")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    text = body.decode()
    assert text.startswith("# hyphad\n\n> ")
    assert f"{hub.url}/ws/agent-skills/SKILL.md" in text
    text = hub.get(f"/{lab.workspace}/llms.txt")[1]
    assert "- [greeter](" in text
    assert "hidden" not in text
    assert f"{hub.url}/{lab.workspace}/mcp" in text


def test_nothing_that_is_switched_off_is_spoken_of(make_hyphad):  # MCP-92
    hub = make_hyphad("--disable-a2a").start()
    index = hub.get("/ws/agent-skills/")[1]
    assert "GUIDE/mcp.md" in index["files"]
    assert "GUIDE/a2a.md" not in index["files"]
    assert "agent-card" not in hub.get("/ws/agent-skills/SKILL.md")[1]


def test_skills_can_be_switched_off(make_hyphad):  # MCP-90
    hub = make_hyphad("--disable-agent-skills").start()
    for path in ("/ws/agent-skills/", "/public/agent-skills/SKILL.md", "/llms.txt"):
        assert hub.get(path)[0] == 404

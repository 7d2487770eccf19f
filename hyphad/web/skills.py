"""Agent skills over HTTP: `/ws/agent-skills/` for the server, `/{workspace}/agent-skills/` for one.

The texts come from `services.skills`; here is who may read which (MCP-90), and `llms.txt`.
"""

import asyncio
import io
from typing import Any

from hyphad.core.errors import Denied
from hyphad.core.identity import Permission
from hyphad.core.records import Caller
from hyphad.services.skills import NoSuchFile, Place, one_line
from hyphad.web.agents import AgentHandler
from hyphad.web.failures import Failure, Refusal
from hyphad.web.identity import Identity

SERVER = "ws"
INDEX = ("", "index", "index.html")
ZIP = ("create-zip-file", "download.zip", "skills.zip")
MARKDOWN = "text/markdown; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


class SkillsHandler(AgentHandler):
    """`/{workspace}/agent-skills/{path}`."""

    kind = "skills"

    async def get(self, workspace: str, path: str) -> None:
        if workspace == SERVER:
            place = Place()
        elif workspace == "public":
            place = Place(workspace, self.parts.identities.enter(self._reader(), workspace))
        else:
            place = Place(workspace, self._member(workspace))
        self.set_header("Cache-Control", "no-cache")
        skills = self.parts.skills
        if path in INDEX:
            self.send_json(skills.index(place))
        elif path in ZIP:
            await self._send_zip(place)
        else:
            try:
                self._text(skills.read(path, place), MARKDOWN)
            except NoSuchFile as error:
                self._missing(error.message, place)

    post = get

    def _missing(self, text: str, place: Place) -> None:
        self.set_status(404)
        if place.workspace is None:
            self.send_json({"error": text.partition(". Available services")[0]}, 404)
        else:
            self._text(text, PLAIN)

    def _text(self, text: str, content_type: str) -> None:
        self.set_header("Content-Type", content_type)
        self.send(text.encode(errors="replace"))

    async def _send_zip(self, place: Place) -> None:
        skills = self.parts.skills
        texts = {name: skills.read(name, place) for name in skills.names(place)}
        name = f"hypha-skills-{place.workspace or SERVER}.zip"
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f"attachment; filename={name}")
        self.finish(await asyncio.to_thread(_zipped, texts))

    # who

    def _reader(self) -> Identity:
        """Whose token it is: of the header, the cookie, or `?token=`."""
        token = self.get_query_argument("token", "")
        return self.parts.identities.of_token(token) if token else self.identity

    def _member(self, workspace: str) -> Caller:
        identity = self._reader()
        if identity.credential is None:
            raise Refusal(401, "Authentication required")
        caller = self.parts.identities.enter(identity, workspace)
        if caller.user.scope.level(workspace) < Permission.READ:
            raise Denied(f"Permission denied for workspace {workspace}")
        return caller

    def fail(self, failure: Failure, finish: bool = True) -> None:
        """Without a token: what there is for everybody (MCP-90)."""
        if failure.status != 401 or failure.detail != "Authentication required":
            super().fail(failure, finish)
            return
        workspace = self.path_args[0]
        self.set_header("WWW-Authenticate", "Bearer")
        self.send_json(
            {
                "error": "Authentication required",
                "message": f"Access to workspace '{workspace}' skills requires a valid token. Send "
                "it as Authorization: Bearer <token>, or as ?token=<token>.",
                "global_url": f"{self.base_url}/{SERVER}/agent-skills/",
                "public_url": f"{self.base_url}/public/agent-skills/",
            },
            401,
        )


def _zipped(texts: dict[str, str]) -> bytes:
    import zipfile  # here, because most daemons never make one

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text.encode(errors="replace"))
    return buffer.getvalue()


class SkillsRedirect(AgentHandler):
    """Without its slash, links in the texts would lead astray."""

    def get(self, *_: str) -> None:
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.request.path}/{query}", status=307)

    post = get


class LlmsText(AgentHandler):
    """`/llms.txt`, `/{workspace}/llms.txt`: where an agent finds everything else (MCP-97)."""

    kind = "skills"

    def get(self, workspace: str | None = None) -> None:
        base, settings = self.base_url, self.parts.settings
        place = workspace or "public"
        caller = self.caller(place)
        lines = [
            f"# {workspace or 'hyphad'}",
            "",
            f"> Services at {base}" + (f", workspace {workspace}." if workspace else "."),
            "",
            "## Services",
            "",
        ]
        for service in self.visible(caller, place):
            if service.visibility != "unlisted":
                url = f"{base}/{place}/services/{service.client_id}:{service.name}"
                about = one_line(service.record["description"] or service.record["name"])
                lines.append(f"- [{service.name}]({url}/openapi.json): {about}")
        lines += ["", "## Agents", "", *self._agents(settings, workspace or "{workspace}")]
        folder = workspace or SERVER
        if settings.enable_agent_skills:
            lines += ["", "## Skills", ""]
            for name in ("SKILL.md", "REFERENCE.md", "EXAMPLES.md"):
                lines.append(f"- [{name}]({base}/{folder}/agent-skills/{name})")
        self.set_header("Content-Type", PLAIN)
        self.set_header("Cache-Control", "no-cache")
        self.send("\n".join([*lines, ""]).encode(errors="replace"))

    def _agents(self, settings: Any, workspace: str) -> list[str]:
        base, lines = self.base_url, []
        if settings.enable_mcp:
            lines.append(f"- MCP, all services: {base}/{workspace}/mcp")
            lines.append(f"- MCP, one service: {base}/{workspace}/mcp/{{service}}/mcp")
        if settings.enable_a2a:
            lines.append(f"- A2A, services of type a2a: {base}/{workspace}/a2a/{{service}}")
        return lines

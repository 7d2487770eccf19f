"""What an MCP endpoint needs a token for, as clients look it up (RFC 9728, MCP-56).

It says the same of every id, whether there is such a service or not. hyphad hands out tokens on its
pages and over RPC, not through OAuth, so no authorization server is named.
"""

from hyphad.web.agents import AgentHandler

WELL_KNOWN = "/.well-known/oauth-protected-resource"


class ProtectedResource(AgentHandler):
    """`/.well-known/oauth-protected-resource/{path of the endpoint}`."""

    def get(self, path: str, workspace: str) -> None:
        self.send_json(
            {
                "resource": self.public_origin + path,
                "bearer_methods_supported": ["header"],
                "scopes_supported": [f"{workspace}#r", f"{workspace}#rw"],
                "resource_name": f"hyphad, workspace {workspace}",
                "resource_documentation": f"{self.base_url}/ws/agent-skills/SKILL.md",
            }
        )

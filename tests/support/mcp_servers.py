"""An MCP server made with the official SDK, to be run as a program: `mcp_servers.py stdio`, or
`mcp_servers.py http PORT`."""

import os
import sys

from mcp.server.mcpserver import Image, MCPServer

server = MCPServer("outside")


@server.tool(title="Sum", annotations={"readOnlyHint": True})
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def info(name: str) -> dict[str, str]:
    """A map."""
    return {"name": name}


@server.tool(structured_output=False)
def say(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
def picture() -> Image:
    """A picture."""
    return Image(data=b"\x89PNG\r\n\x1a\n1234", format="png")


@server.tool(name="dotted.name", structured_output=False)
def dotted() -> str:
    """A name with a dot."""
    return "dotted"


@server.tool(structured_output=False)
def environment() -> str:
    """Names of the variables that this program has got."""
    return " ".join(sorted(os.environ))


@server.tool(structured_output=False)
def leave() -> str:
    """End this program."""
    os._exit(3)


@server.resource("file:///notes.txt")
def notes() -> str:
    """Notes."""
    return "some notes"


@server.prompt()
def ask(topic: str) -> str:
    """Ask about something."""
    return f"Tell me about {topic}"


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", port=int(sys.argv[2]))

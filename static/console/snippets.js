// The same call in every language people use.
import { origin } from "./api.js";

export const python = (workspace, id, body) => `import asyncio
from hypha_rpc import connect_to_server

async def main():
    async with connect_to_server({"server_url": "${origin}"}) as server:
        service = await server.get_service("${workspace}/${id}")
        ${body}

asyncio.run(main())`;

export function firstService(token) {
  const credential = token ? `, "token": "${token}"` : "";
  const jsCredential = token ? `,\n  token: "${token}"` : "";
  return {
    Python: `# pip install hypha-rpc
import asyncio
from hypha_rpc import connect_to_server

async def main():
    async with connect_to_server({"server_url": "${origin}"${credential}}) as server:
        service = await server.register_service({
            "id": "hello-world",
            "name": "Hello World",
            "config": {"visibility": "public"},
            "hello": lambda name: f"Hello {name}!",
        })
        print(service.id)
        await server.serve()

asyncio.run(main())`,
    JavaScript: `// npm install hypha-rpc
import { hyphaWebsocketClient } from "hypha-rpc";

const server = await hyphaWebsocketClient.connectToServer({
  server_url: "${origin}"${jsCredential}
});
const service = await server.registerService({
  id: "hello-world",
  name: "Hello World",
  config: { visibility: "public" },
  hello: (name) => \`Hello \${name}!\`,
});
console.log(service.id);`,
    curl: `# the id is what the service printed
curl "${origin}/WORKSPACE/services/CLIENT:hello-world/hello?name=World"`,
    MCP: JSON.stringify({ mcpServers: { "hello-world": { type: "http", url: `${origin}/WORKSPACE/mcp/CLIENT:hello-world/mcp` } } }, null, 2),
  };
}

const pythonValue = (value) => JSON.stringify(value).replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");

export function sameCall(workspace, id, method, args) {
  const named = Object.entries(args);
  const url = `${origin}/${workspace}/services/${id}/${method}`;
  return {
    curl: `curl -X POST '${url}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(args).replaceAll("'", "'\\''")}'`,
    Python: python(workspace, id, `print(await service.${method}(${named.map(([k, v]) => `${k}=${pythonValue(v)}`).join(", ")}))`),
    JavaScript: `import { hyphaWebsocketClient } from "hypha-rpc";

const server = await hyphaWebsocketClient.connectToServer({ server_url: "${origin}" });
const service = await server.getService("${workspace}/${id}");
console.log(await service.${method}({ ...${JSON.stringify(args)}, _rkwargs: true }));`,
    MCP: JSON.stringify({ mcpServers: { [id.split(":").pop()]: { type: "http", url: `${origin}/${workspace}/mcp/${id}/mcp` } } }, null, 2),
  };
}

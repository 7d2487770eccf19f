// A first service, and any call, in the languages people use.
import { origin, servicePath } from "./api.js";

const SOCKET = 'globalThis.WebSocket ??= (await import("ws")).WebSocket; // Node before 22 has none of its own';
const PLACE = { workspace: "WORKSPACE", id: "CLIENT:hello-world" };

// `seen` is a hello-world service that has appeared, {workspace, id}; without it names stand in.
export function firstService(token, seen) {
  const { workspace, id } = seen || PLACE;
  const where = seen ? "" : "; WORKSPACE and CLIENT stand in the line that the code above prints";
  return {
    Python: `# pip install hypha-rpc
import asyncio
from hypha_rpc import connect_to_server
from hypha_rpc.utils.schema import schema_function

@schema_function
def hello(name: str) -> str:
    """Greet somebody."""
    return f"Hello {name}!"

async def main():
    async with connect_to_server({
        "server_url": "${origin}",${token ? `\n        "token": "${token}",` : ""}
    }) as server:
        service = await server.register_service({
            "id": "hello-world",
            "name": "Hello World",
            "config": {"visibility": "public"},
            "hello": hello,
        })
        print("Registered", service.id)
        await server.serve()

asyncio.run(main())`,
    JavaScript: `// npm install hypha-rpc ws, then save this as hello.mjs and run: node hello.mjs
import { connectToServer } from "hypha-rpc";

${SOCKET}
const server = await connectToServer({
  server_url: "${origin}",${token ? `\n  token: "${token}",` : ""}
});
const service = await server.registerService({
  id: "hello-world",
  name: "Hello World",
  config: { visibility: "public" },
  hello: (name) => \`Hello \${name}!\`,
});
console.log("Registered", service.id);`,
    curl: `# calls it${where}
curl '${origin}/${workspace}/services/${id}/hello?name=World'`,
    MCP: `${json({ mcpServers: { "hello-world": mcpServer(workspace, id, false) } })}`,
  };
}

const json = (value) => JSON.stringify(value, null, 2);

function mcpServer(workspace, id, secret) {
  const server = { type: "http", url: `${origin}/${workspace}/mcp/${id}/mcp` };
  return secret ? { ...server, headers: { Authorization: "Bearer TOKEN" } } : server;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const RESERVED = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except " +
    "finally for from global if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);

// One call of a service as code. `secret` tells that it takes a token.
export function sameCall({ workspace, id, method, args, secret, streams }) {
  return {
    curl: curl(servicePath(workspace, id, method), args, secret),
    Python: python({ workspace, id, method, args, secret, streams }),
    JavaScript: javascript({ workspace, id, method, args, secret, streams }),
    MCP: json({ mcpServers: { [id.split(":").pop()]: mcpServer(workspace, id, secret) } }),
  };
}

const hasBytes = (value) =>
  value instanceof Uint8Array ||
  (value !== null && typeof value === "object" && Object.values(value).some(hasBytes));

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(path, args, secret) {
  const lines = [`curl -N ${quoted(origin + path)}`];
  if (secret) lines.push('-H "Authorization: Bearer $HYPHA_TOKEN"');
  if (hasBytes(args)) {
    for (const [name, value] of Object.entries(args)) {
      if (value instanceof Uint8Array) lines.push(`-F ${quoted(`${name}=@${value.fileName || "FILE"}`)}`);
      else lines.push(`-F ${quoted(`${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)}`);
    }
  } else {
    lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(args))}`);
  }
  return lines.join(" \\\n  ");
}

function pythonValue(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value instanceof Uint8Array) return `open(${JSON.stringify(value.fileName || "FILE")}, "rb").read()`;
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${pythonValue(item)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}

function python({ workspace, id, method, args, secret, streams }) {
  const names = Object.keys(args);
  const plain = names.every((name) => NAME.test(name) && !RESERVED.has(name));
  const given = plain
    ? names.map((name) => `${name}=${pythonValue(args[name])}`).join(", ")
    : `**${pythonValue(args)}`;
  const call = `await service.${method}(${given})`;
  const use = streams ? `async for item in ${call}:\n            print(item)` : `print(${call})`;
  return `import asyncio${secret ? "\nimport os" : ""}
from hypha_rpc import connect_to_server

async def main():
    async with connect_to_server({
        "server_url": "${origin}",${secret ? '\n        "token": os.environ["HYPHA_TOKEN"],' : ""}
    }) as server:
        service = await server.get_service("${workspace}/${id}")
        ${use}

asyncio.run(main())`;
}

function javascriptValue(value) {
  if (value instanceof Uint8Array) return `readFileSync(${JSON.stringify(value.fileName || "FILE")})`;
  if (Array.isArray(value)) return `[${value.map(javascriptValue).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const items = Object.entries(value).map(
      ([key, item]) => `${NAME.test(key) ? key : JSON.stringify(key)}: ${javascriptValue(item)}`,
    );
    return items.length ? `{ ${items.join(", ")} }` : "{}";
  }
  return JSON.stringify(value);
}

function javascript({ workspace, id, method, args, secret, streams }) {
  const call = `await service.${method}(${javascriptValue({ ...args, _rkwargs: true })})`;
  const use = streams ? `for await (const item of ${call}) console.log(item);` : `console.log(${call});`;
  return `${hasBytes(args) ? 'import { readFileSync } from "node:fs";\n' : ""}import { connectToServer } from "hypha-rpc";

${SOCKET}
const server = await connectToServer({
  server_url: "${origin}",${secret ? "\n  token: process.env.HYPHA_TOKEN," : ""}
});
const service = await server.getService("${workspace}/${id}");
${use}
await server.disconnect();`;
}

// The official MCP client for TypeScript against one endpoint.
// Arguments: url, {transport: "http" | "sse", token?}; then lines [method, params] to answer.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

import { args, heard, say, url } from "./client.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.HYPHAD_TEST_NODE_MODULES || path.join(here, "node_modules");
const require = createRequire(path.join(modules, "x.js"));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));

const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { SSEClientTransport } = await load("client/sse.js");
const { ToolListChangedNotificationSchema } = await load("types.js");

const options = JSON.parse(args[0] ?? "{}");
const headers = options.token ? { Authorization: `Bearer ${options.token}` } : {};
const Transport = options.transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
const client = new Client({ name: "hyphad-tests", version: "1.0.0" });
const changes = [];
client.setNotificationHandler(ToolListChangedNotificationSchema, (note) => changes.push(note.method));

try {
  await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
  say({ server: client.getServerVersion(), capabilities: client.getServerCapabilities() });
} catch (error) {
  say({ error: String(error.message ?? error), code: error.code ?? null });
  process.exit(0);
}

for await (const [method, params] of heard) {
  const progress = [];
  const onprogress = (step) => progress.push(step);
  const calls = {
    listTools: () => client.listTools(),
    callTool: () => client.callTool(params),
    callToolWithProgress: () => client.callTool(params, undefined, { onprogress }),
    listResources: () => client.listResources(),
    readResource: () => client.readResource(params),
    listPrompts: () => client.listPrompts(),
    getPrompt: () => client.getPrompt(params),
    complete: () => client.complete(params),
    ping: () => client.ping(),
    changes: () => changes,
  };
  try {
    const result = await calls[method]();
    say(progress.length ? { result, progress } : { result });
  } catch (error) {
    say({ error: String(error.message ?? error), code: error.code ?? null });
  }
}
await client.close();
process.exit(0);

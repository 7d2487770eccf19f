// What the scripts here share: the hypha-rpc package, JSON lines to the test, and an end.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.HYPHAD_TEST_NODE_MODULES || path.join(here, "node_modules");
const require = createRequire(path.join(modules, "x.js"));

globalThis.WebSocket ??= require("ws");
console.log = console.info = console.debug = console.warn; // stdout is for the test

const entry = pathToFileURL(path.join(modules, "hypha-rpc", "index.mjs"));
export const { hyphaWebsocketClient } = await import(entry.href);
export const [url, ...args] = process.argv.slice(2);

/** Tell the test something. */
export function say(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

/** The next line from the test as a value; null when the test is done. */
export const heard = (async function* () {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk;
    for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
      yield JSON.parse(text.slice(0, end));
    }
  }
})();

export async function ask() {
  const { value, done } = await heard.next();
  return done ? null : value;
}

/** The message of what an action throws; null if it does not. */
export async function failure(action) {
  try {
    await action();
  } catch (error) {
    return String(error.message ?? error);
  }
  return null;
}

/** Leave, even with timers of the client still running. */
export async function leave(server) {
  await server.disconnect();
  process.exit(0);
}

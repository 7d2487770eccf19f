// The official conformance suite for MCP servers; its arguments are passed on.
// It asks `fs` for a function of newer versions of Node that it only needs for clients.

import { register } from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.HYPHAD_TEST_NODE_MODULES || path.join(here, "node_modules");
const module = (text) => `data:text/javascript,${encodeURIComponent(text)}`;

const files = module(`
  import * as fs from "node:fs";
  export * from "node:fs";
  export default fs.default;
  export const globSync = fs.globSync ?? (() => []);
`);
register(module(`
  export const resolve = (name, context, next) =>
    name === "fs" ? { url: ${JSON.stringify(files)}, shortCircuit: true } : next(name, context);
`));

const suite = path.join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js");
process.argv.splice(1, 1, suite);
await import(pathToFileURL(suite));

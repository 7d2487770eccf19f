// A JavaScript provider of functions with schemas: tells its workspace, stays until it is let go.

import { args, ask, hyphaWebsocketClient, leave, say, url } from "./client.mjs";

const options = args[0] ? JSON.parse(args[0]) : {};
const server = await hyphaWebsocketClient.connectToServer({ server_url: url, ...options });
const { schemaFunction } = hyphaWebsocketClient;
const number = (description) => ({ type: "number", description });

// The client finds the names of arguments in functions, not in generator functions.
async function* countTo(end) {
  for (let i = 0; i < end; i++) yield `${i};`;
}

await server.registerService({
  id: "js-tools",
  name: "From JavaScript",
  docs: "# JavaScript",
  config: { visibility: "public" },
  subtract: schemaFunction((a, b) => a - b, {
    name: "subtract",
    description: "Subtract two numbers.",
    parameters: {
      type: "object",
      properties: { a: number("From"), b: number("What") },
      required: ["a", "b"],
    },
  }),
  nested: {
    shout: schemaFunction((text) => ({ shouted: text.toUpperCase() }), {
      name: "shout",
      description: "Shout.",
      parameters: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
    }),
  },
  count: schemaFunction((end) => countTo(end), {
    name: "count",
    description: "Count.",
    parameters: { type: "object", properties: { end: { type: "integer" } }, required: ["end"] },
  }),
  fail: schemaFunction(
    () => {
      throw new RangeError("out of eggs");
    },
    { name: "fail", description: "Fail.", parameters: { type: "object", properties: {} } },
  ),
  plain: (x) => x,
});

say({ workspace: server.config.workspace });
await ask();
await leave(server);

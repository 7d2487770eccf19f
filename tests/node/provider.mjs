// A JavaScript provider: tells its service id, and stays until the test closes its input.
// Arguments: url [client options as JSON]

import { args, ask, hyphaWebsocketClient, leave, say, url } from "./client.mjs";

const options = args[0] ? JSON.parse(args[0]) : {};
const server = await hyphaWebsocketClient.connectToServer({ server_url: url, ...options });

const service = await server.registerService({
  name: "From JavaScript",
  id: "js",
  config: { visibility: "public", require_context: false },
  colour: "yellow",
  hello: (name) => `Hello ${name}!`,
  echo: (value) => value,
  describe(value) {
    return {
      kind: value?.constructor?.name ?? String(value),
      text: value instanceof Map || value instanceof Set ? [...value] : value,
    };
  },
  async callBack(times, callback) {
    const got = [];
    for (let number = 0; number < times; number++) got.push(await callback(number));
    return got;
  },
  adder: (first) => (second) => first + second,
  async *count(end) {
    for (let number = 0; number < end; number++) yield number;
  },
  fail() {
    throw new RangeError("out of eggs");
  },
  special: () => ({
    set: new Set([1, 2, "three"]),
    map: new Map([["a", 1], ["b", new Set([2])]]),
    date: new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 250)),
    floats: new Float32Array([1.5, -2.25]),
    bytes: new Uint8Array([0, 255, 7]).buffer,
    nothing: undefined,
    big: 2 ** 40,
    deep: { list: [{ set: new Set() }] },
  }),
  nested: { one: { two: () => "deep down" } },
});

say({
  id: service.id,
  workspace: server.config.workspace,
  user: server.config.user.id,
  token: await server.generateToken(),
});
await ask();
await leave(server);

// A provider and a consumer over the HTTP transport; the first line from the test says go on.

import { ask, hyphaWebsocketClient, say, url } from "./client.mjs";

const connect = (options) =>
  hyphaWebsocketClient.connectToServer({ server_url: url, transport: "http", ...options });

const provider = await connect({ client_id: "js-http" });
const service = await provider.registerService({
  id: "svc",
  config: { visibility: "public" },
  hello: (name) => `Hello ${name}!`,
  sum: (numbers) => numbers.reduce((a, b) => a + b, 0),
  back: async (callback) => callback(20),
  size: (bytes) => bytes.byteLength,
  same: (value) => value,
  count: async function* (end) {
    for (let i = 0; i < end; i++) yield i;
  },
});
const consumer = await connect();
const api = await consumer.getService(service.id);
const items = [];
for await (const item of await api.count(3)) items.push(item);
const sent = Float32Array.from({ length: 500000 }, (_, i) => i);
const back = await api.same(sent);
say({
  workspace: provider.config.workspace,
  apart: provider.config.workspace !== consumer.config.workspace,
  hello: await api.hello("JS"),
  callback: await api.back((x) => x + 1),
  size: await api.size(new Uint8Array(700000)),
  items,
  same: back.length === sent.length && back.every((value, i) => value === sent[i]),
});

// The test has cut all connections: what is called now waits, and is answered after the return.
await ask();
say({ after: await api.hello("again"), manager: await provider.echo(7) });
await ask();
process.exit(0);

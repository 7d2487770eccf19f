// The JavaScript of the getting-started guide: `serve` registers hello-world, `use <id>` calls it.
// Arguments: url serve | url use service-id

import { args, ask, hyphaWebsocketClient, say, url } from "./client.mjs";

async function startServer(serverUrl) {
  const server = await hyphaWebsocketClient.connectToServer({ server_url: serverUrl });

  function hello(name) {
    return `Hello ${name}!`;
  }

  const service = await server.registerService({
    name: "Hello World Service",
    id: "hello-world",
    config: { visibility: "public" },
    hello: hello,
  });
  say({ id: service.id, workspace: server.config.workspace });
  await ask();
}

async function useService(serverUrl, serviceId) {
  const server = await hyphaWebsocketClient.connectToServer({ server_url: serverUrl });
  const service = await server.getService(serviceId);
  say({ result: await service.hello("World") });
  server.disconnect();
}

await (args[0] === "serve" ? startServer(url) : useService(url, args[1]));
process.exit(0);

// A JavaScript client that stays: calls a service when it is told to, and offers one itself.
// Arguments: url service-id [client options as JSON].
// Input: {"call": argument}, {"hang": 1}, {"peer": address}, {"echo": argument},
// {"date": milliseconds} or {}.

import { args, ask, hyphaWebsocketClient, leave, say, url } from "./client.mjs";

const options = args[1] ? JSON.parse(args[1]) : {};
const server = await hyphaWebsocketClient.connectToServer({ server_url: url, ...options });
await server.registerService({
  id: "resident",
  config: { visibility: "public" },
  born: new Date(Date.UTC(2020, 1, 29)),
  greet: (name) => `Still here, ${name}`,
});
const service = args[0] ? await server.getService(args[0]) : null;
say({ workspace: server.config.workspace, client: server.config.client_id });

function methodOf(address) {
  const method = { _rtype: "method", _rtarget: address, _rmethod: "services.x.f", _rpromise: "*" };
  return server.rpc._generate_remote_method(method);
}

for (let wish; (wish = await ask()) !== null; ) {
  try {
    if ("call" in wish) say({ result: await service.hello(wish.call) });
    else if ("hang" in wish) say({ result: await service.hang() });
    else if ("peer" in wish) say({ result: await methodOf(wish.peer)() });
    else if ("echo" in wish) say({ result: await server.echo(wish.echo) });
    else if ("date" in wish) say({ result: (await server.echo(new Date(wish.date))).getTime() });
    else say({ workspace: server.config.workspace, user: server.config.user.id });
  } catch (error) {
    say({ error: String(error.message ?? error) });
  }
}
await leave(server);

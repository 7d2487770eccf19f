// Uses the service of a Python provider in every way, and reports what it got.
// Arguments: url service-id

import { args, failure, hyphaWebsocketClient, leave, say, url } from "./client.mjs";

const server = await hyphaWebsocketClient.connectToServer({ server_url: url });
const service = await server.getService(args[0]);
const report = { id: service.id, constant: service.colour, methods: Object.keys(service).sort() };

report.hello = await service.hello("JavaScript");
report.kwargs = await service.keywords({ first: 1, second: 2, _rkwargs: true });
report.calledBack = await service.callBack(3, async (number) => number * 10);
report.adder = await (await service.adder(40))(2);
report.nested = await service.nested.one.two();

report.counted = [];
for await (const number of await service.count(4)) report.counted.push(number);
report.broken = [];
for await (const number of await service.count(1000)) {
  report.broken.push(number);
  if (number === 2) break;
}
report.failure = await failure(() => service.fail());
report.missing = await failure(() => server.getService("public/nothing-here"));

const special = await service.special();
report.set = [special.set instanceof Set, [...special.set].sort()];
report.bytes = [special.bytes.constructor.name, [...new Uint8Array(special.bytes)]];
report.array = [special.array._rdtype, special.array._rshape];
report.none = special.none;

const date = new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 250));
report.sent = await service.describe({
  set: new Set([1, 2]),
  map: new Map([["k", [1, 2]]]),
  date,
  floats: new Float32Array([1.5, 2.5]),
  buffer: new Uint8Array([1, 2, 3]).buffer,
});
const large = new Uint8Array(3_000_000).map((_, index) => index % 251);
const returned = await service.echo(large);
report.large = [returned.length, returned[250], returned[2_999_999]];

report.context = await service.who();
report.services = (await server.listServices("public")).map((found) => found.name).sort();
say(report);
await leave(server);

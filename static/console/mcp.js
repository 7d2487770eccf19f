// A service as MCP clients see it, and how to add it to each of them.
import { base, segment } from "./api.js";
import { begin } from "./bar.js";
import { $, codeBlock, fill, h, idLine, tabs, tag } from "./ui.js";

const CLIENTS = [
  ["Claude Code", "claude_code"],
  ["Claude Desktop", "claude_desktop"],
  ["Cursor", "cursor"],
  ["VS Code", "vscode"],
  ["MCP Inspector", "inspector"],
  ["Other", "other"],
];

if (await begin()) await show();

async function show() {
  const main = $("#main");
  let info;
  try {
    const response = await fetch(location.href, { headers: { Accept: "application/json" } });
    info = await response.json();
  } catch (error) {
    fill(main, h("h1", {}, "Not reachable"), h("p", { class: "error" }, String(error.message)));
    return;
  }
  if (!info.connect) {
    fill(
      main,
      h("h1", {}, info.error || "Not found"),
      h("p", {}, info.message),
      h("p", { class: "soft" }, info.help),
    );
    return;
  }
  fill(
    main,
    heading(info),
    connect(info.connect),
    info.service ? offer(info) : services(info.services || []),
  );
}

function pageOf(id) {
  const [workspace, service] = id.split("/");
  return `${base}/${segment(workspace)}/#/services/${encodeURIComponent(service)}`;
}

function heading(info) {
  const { service } = info;
  return h(
    "div",
    { class: "head" },
    service ? h("p", {}, h("a", { class: "back", href: pageOf(service.id) }, "Page of the service")) : null,
    h("h1", {}, service ? service.name : "All services of this workspace"),
    service ? h("p", { class: "row soft" }, h("code", {}, service.id), tag(service.type)) : null,
    h(
      "p",
      {},
      service && service.description ? service.description : "For agents, over the Model Context Protocol.",
    ),
  );
}

function connect(clients) {
  const known = CLIENTS.filter(([, key]) => clients[key]);
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Connect an agent"),
    tabs(
      "Client",
      known.map(([name, key]) => [name, () => how(name, clients[key])]),
    ),
  );
}

function how(name, client) {
  const parts = [];
  if (client.command) parts.push(h("p", {}, "Run:"), codeBlock(client.command, `Command for ${name}`));
  if (client.page)
    parts.push(
      h("p", {}, "Or start it with ", h("code", {}, client.start), " and open:"),
      codeBlock(client.page, "Address of the Inspector"),
    );
  if (client.config) {
    parts.push(
      h(
        "p",
        {},
        client.command ? "Or put into " : "Put into ",
        client.file ? h("code", {}, client.file) : "the configuration",
        ":",
      ),
      codeBlock(JSON.stringify(client.config, null, 2), `Configuration for ${name}`),
    );
  }
  return h("div", {}, parts);
}

function offer({ capabilities, summary }) {
  return h(
    "div",
    {},
    list("Tools", capabilities.tools, (tool) => [tool.name, tool.description, tool.inputSchema]),
    list("Resources", capabilities.resources, (item) => [item.uri, item.description]),
    list("Prompts", capabilities.prompts, (item) => [item.name, item.description]),
    (summary.warnings || []).map((text) => h("p", { class: "soft" }, text)),
    summary.excluded_functions
      ? h(
          "p",
          { class: "soft" },
          `Left out: ${summary.excluded_functions.map((item) => item.name).join(", ")}`,
        )
      : null,
  );
}

function list(title, items, describe) {
  if (!items.length) return null;
  return h(
    "section",
    { class: "card" },
    h("h2", {}, `${title} (${items.length})`),
    h(
      "ul",
      { class: "list" },
      items.map((item) => {
        const [name, text, schema] = describe(item);
        return h(
          "li",
          {},
          h("code", {}, name),
          h("p", { class: "small soft" }, text),
          schema && Object.keys(schema.properties || {}).length
            ? h(
                "details",
                {},
                h("summary", { class: "small" }, "Arguments"),
                h("pre", {}, JSON.stringify(schema, null, 2)),
              )
            : null,
        );
      }),
    ),
  );
}

function services(items) {
  const row = (item) =>
    h(
      "li",
      {},
      h("a", { class: "cover", href: `${item.endpoint.slice(0, -4)}/` }, item.name),
      idLine(item.id),
    );
  return h(
    "section",
    { class: "panel list" },
    h("header", {}, h("h2", {}, `Services (${items.length})`)),
    h("ul", { class: "rows" }, items.length ? items.map(row) : h("li", { class: "empty" }, "None yet.")),
  );
}

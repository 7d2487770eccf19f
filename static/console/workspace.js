// A workspace: services and clients live, events, people, tokens, environment; and its services.
import { base, config, get, live, manager } from "./api.js";
import { $, ago, announce, copyButton, field, fill, h, topBar } from "./ui.js";
import { servicePage } from "./service.js";

const main = $("#main");
const workspace = decodeURIComponent(location.pathname.slice(base.length).split("/")[1] || "");
document.title = `${workspace} · hyphad`;
const info = await config();
topBar(base, info.user);

const services = new Map();
const clients = new Map();
const MAX_EVENTS = 200;
const recent = [];
let filter = "";
let level = "";

const parts = {
  services: h("ul", { class: "list", id: "services" }), clients: h("ul", { class: "list" }),
  events: h("ul", { class: "list small events", tabindex: "0", "aria-label": "Events" }),
  lamp: h("span", { class: "live" }), count: h("span", { class: "soft" }),
};

window.addEventListener("hashchange", route);
await route();

async function route() {
  const match = location.hash.match(/^#\/services\/(.+)$/);
  try {
    if (match) fill(main, await servicePage(workspace, decodeURIComponent(match[1])));
    else await dashboard();
  } catch (error) {
    fill(main, h("p", {}, h("a", { href: match ? "#/" : `${base}/` }, "← back")), h("h1", {}, match ? "This service cannot be shown" : workspace),
      h("p", { class: "error", role: "alert" }, error.message), info.user.is_anonymous ? h("p", {}, h("a", { class: "button main", href: `${base}/public/apps/hypha-login/?redirect=${encodeURIComponent(location.pathname + location.hash)}` }, "Log in")) : null);
  }
  if (match) main.focus();
}

let started = false;
async function dashboard() {
  let record = null;
  try { record = await get(`/${encodeURIComponent(workspace)}/info`); } catch (error) { if (error.status !== 403) throw error; }
  if (record) {
    const status = await manager(workspace, "check_status");
    level = status.user_permission || "";
  }
  const mayWrite = level === "rw" || level === "a";
  const search = h("input", { type: "search", placeholder: "Filter by name, id or type", value: filter, oninput: (event) => { filter = event.target.value.toLowerCase(); drawServices(); } });
  search.setAttribute("aria-label", "Filter services");
  fill(main,
    h("h1", {}, workspace),
    h("p", { class: "row soft" }, parts.lamp, record ? (record.description || "") : "You see what is public here.",
      record ? h("span", { class: "tag" }, record.persistent ? "kept" : "temporary") : null,
      level ? h("span", { class: "tag" }, { r: "read", rw: "read and write", a: "admin" }[level]) : null),
    h("div", { class: "wide" },
      h("div", {},
        section("Services", h("div", { class: "row" }, h("div", { class: "grow" }, search), parts.count), parts.services),
        record ? section("Events", parts.events) : null),
      h("div", {},
        record ? section("Clients", parts.clients) : null,
        record ? people(record) : null,
        level === "a" ? tokens() : null,
        mayWrite ? environment() : null)));
  await load(Boolean(record));
  if (record && !started) { started = true; listen(); }
}

function section(title, ...children) {
  const id = `s-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

async function load(member) {
  const found = await get(`/${encodeURIComponent(workspace)}/services/`);
  services.clear();
  for (const service of found) services.set(service.id.split("/").pop(), service);
  drawServices();
  if (!member) return;
  clients.clear();
  for (const client of await manager(workspace, "list_clients")) clients.set(client.id.split("/").pop(), { ...client, seen: Date.now() });
  drawClients();
}

function listen() {
  const handlers = {
    service_added: (service) => { services.set(service.id.split("/").pop(), { ...service, fresh: true }); drawSoon(); },
    service_removed: (service) => { services.delete(service.id.split("/").pop()); drawSoon(); },
    client_connected: () => refreshClients(),
    client_disconnected: (data) => {
      clients.delete(data.id);
      for (const id of [...services.keys()]) if (id.startsWith(`${data.id}:`)) services.delete(id);
      drawSoon();
    },
  };
  const all = ["service_added", "service_removed", "client_connected", "client_updated", "client_disconnected", "workspace_changed", "workspace_status_changed"];
  const wrapped = Object.fromEntries(all.map((kind) => [kind, (data) => { note(kind, data); if (handlers[kind]) handlers[kind](data); }]));
  live(`/${encodeURIComponent(workspace)}/events`, wrapped, (on) => {
    parts.lamp.classList.toggle("on", on);
    parts.lamp.title = on ? "live" : "reconnecting";
    if (on && recent.length) load(true);
  });
}

let waiting = false;
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawServices(); drawClients(); });
}

function drawServices() {
  const shown = [];
  for (const [id, service] of services) {
    if (service.type === "built-in") continue;
    const text = `${id} ${service.name} ${service.type} ${service.description || ""}`.toLowerCase();
    if (!filter || text.includes(filter)) shown.push([id, service]);
  }
  parts.count.textContent = `${shown.length} ${shown.length === 1 ? "service" : "services"}`;
  const items = shown.slice(-300).reverse().map(([id, service]) => h("li", { class: service.fresh ? "fresh" : null },
    h("div", { class: "row" }, h("a", { class: "grow", href: `#/services/${encodeURIComponent(id)}` }, service.name || id),
      h("span", { class: "tag" }, service.type || "generic"), h("span", { class: "tag" }, service.config.visibility)),
    h("div", { class: "small soft mono" }, id), service.description ? h("div", { class: "small" }, service.description) : null));
  fill(parts.services, items.length ? items : h("li", { class: "empty" }, filter ? "Nothing fits this filter." : "No services. Connect a program and register one: it appears here by itself."));
  for (const service of services.values()) service.fresh = false;
}

async function refreshClients() {
  for (const client of await manager(workspace, "list_clients")) {
    const id = client.id.split("/").pop();
    if (!clients.has(id)) clients.set(id, { ...client, seen: Date.now() });
  }
  drawClients();
}

function drawClients() {
  const items = [...clients.entries()].map(([id, client]) => h("li", {}, h("div", { class: "mono small" }, id),
    h("div", { class: "small soft" }, `${client.user.email || client.user.parent || client.user.id} · seen for ${ago((Date.now() - client.seen) / 1000)}`)));
  fill(parts.clients, items.length ? items : h("li", { class: "empty" }, "Nobody is connected."));
}
setInterval(drawClients, 10000);

function note(kind, data) {
  recent.unshift([new Date(), kind, data]);
  recent.length = Math.min(recent.length, MAX_EVENTS);
  const what = (data && (data.id || data.workspace)) || "";
  parts.events.prepend(h("li", { class: "fresh" }, h("span", { class: "mono soft" }, new Date().toLocaleTimeString()), " ", kind.replaceAll("_", " "), " ", h("span", { class: "mono" }, String(what).split("/").pop())));
  while (parts.events.children.length > MAX_EVENTS) parts.events.lastChild.remove();
}

function people(record) {
  return section("People", h("dl", {}, h("dt", {}, "Owners"), h("dd", {}, (record.owners || []).join(", ") || "none")),
    h("p", { class: "small soft" }, "Owners may do everything. Share with others by a token below, with the permission you choose."));
}

function tokens() {
  const permission = h("select", {}, [["read", "read"], ["read_write", "read and write"], ["admin", "everything"]].map(([value, text]) => h("option", { value }, text)));
  permission.value = "read_write";
  const days = h("select", {}, [["3600", "one hour"], ["86400", "one day"], ["2592000", "thirty days"], ["31536000", "a year"]].map(([value, text]) => h("option", { value }, text)));
  const out = h("div", { "aria-live": "polite" });
  const revoke = h("input", { type: "password", autocomplete: "off", placeholder: "paste a token" });
  const create = async (event) => {
    event.preventDefault();
    try {
      const token = await manager(workspace, "generate_token", { config: { workspace, permission: permission.value, expires_in: Number(days.value) } });
      const shown = h("pre", { tabindex: "0" }, h("code", {}, token));
      fill(out, shown, copyButton(token, "Copy token"), h("p", { class: "small soft" }, "It is shown only now."));
    } catch (error) { fill(out, h("p", { class: "error", role: "alert" }, error.message)); }
  };
  const end = async (event) => {
    event.preventDefault();
    try { await manager(workspace, "revoke_token", { token: revoke.value.trim() }); revoke.value = ""; fill(out, h("p", {}, "Revoked.")); announce("Revoked"); }
    catch (error) { fill(out, h("p", { class: "error", role: "alert" }, error.message)); }
  };
  return section("Tokens",
    h("form", { onsubmit: create }, field("Permission", permission), field("Good for", days), h("p", {}, h("button", { class: "main" }, "Create token"))), out,
    h("details", {}, h("summary", { class: "small" }, "Revoke a token"), h("form", { onsubmit: end }, field("Token", revoke), h("p", {}, h("button", { class: "danger" }, "Revoke")))));
}

function environment() {
  const list = h("ul", { class: "list small" });
  const key = h("input", { type: "text", autocomplete: "off", required: true }), value = h("input", { type: "text", autocomplete: "off" });
  async function show() {
    const found = await manager(workspace, "get_env");
    const entries = Object.entries(found);
    fill(list, entries.length ? entries.map(([name, text]) => h("li", { class: "row" }, h("code", { class: "grow" }, name),
      h("span", { class: "mono soft" }, "•".repeat(Math.min(12, String(text).length))),
      h("button", { type: "button", class: "quiet danger", "aria-label": `Remove ${name}`, onclick: async () => { await manager(workspace, "set_env", { key: name, value: null }); show(); } }, "Remove")))
      : h("li", { class: "empty" }, "None set."));
  }
  const save = async (event) => {
    event.preventDefault();
    await manager(workspace, "set_env", { key: key.value, value: value.value });
    key.value = ""; value.value = "";
    await show();
  };
  show();
  return section("Environment", list, h("details", {}, h("summary", { class: "small" }, "Set a variable"),
    h("form", { onsubmit: save }, field("Name", key), field("Value", value), h("p", {}, h("button", {}, "Save")))));
}

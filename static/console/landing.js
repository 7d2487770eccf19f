// The first page: it runs, who I am, what is here, and a first service in a minute.
import { base, config, live, manager, origin } from "./api.js";
import { $, codeBlock, fill, h, tabs, topBar } from "./ui.js";
import { firstService } from "./snippets.js";

const main = $("#main");
const services = new Map();
let token = null;

const info = await config();
const user = info.user;
const named = !user.is_anonymous;
const home = `ws-user-${user.parent || user.id}`;
topBar(base, user);

const list = h("ul", { class: "list", "aria-live": "polite" });
const lamp = h("span", { class: "live", title: "connecting" });
const start = h("div");

fill(main,
  h("h1", {}, "hyphad is running"),
  h("p", { class: "soft" }, `Version ${main.dataset.version} · `, h("code", {}, origin),
    named ? ` · signed in as ${user.email || user.id}` : " · not signed in"),
  h("div", { class: "wide" },
    h("section", { class: "card", "aria-labelledby": "first" },
      h("h2", { id: "first" }, "Your first service in a minute"),
      h("p", { class: "soft" }, "Run one of these. The service appears on this page by itself."),
      start),
    h("div", {},
      h("section", { class: "card", "aria-labelledby": "public" },
        h("h2", { id: "public" }, lamp, " Public services, live"), list),
      named ? workspaces() : signIn())));

showStart();
await loadServices();
live("/events", {
  service_added: (service) => show(service, true),
  service_removed: (service) => { services.delete(service.id); draw(); },
}, (on) => { lamp.classList.toggle("on", on); lamp.title = on ? "live" : "reconnecting"; });

function showStart() {
  const parts = firstService(token);
  const panels = Object.entries(parts).map(([name, text]) => [name, () => codeBlock(text, `${name} example`)]);
  const button = h("button", { type: "button", onclick: freshToken }, token ? "Make another token" : "Put a fresh token in");
  fill(start, tabs("Language", panels), named ? h("p", {}, button, h("span", { class: "soft small" }, " for your own workspace, good for one day")) : null);
}

async function freshToken() {
  token = await manager(home, "generate_token", { config: { workspace: home, permission: "admin", expires_in: 86400 } });
  showStart();
}

async function loadServices() {
  const found = await manager("public", "list_services", { query: { workspace: "*", visibility: "public" } });
  for (const service of found) if (service.type !== "built-in") services.set(fullId(service), service);
  draw();
}

function fullId(service) { return service.id.includes("/") ? service.id : `${service.config.workspace}/${service.id}`; }

function show(service, fresh) {
  if (service.type === "built-in") return;
  services.set(fullId(service), { ...service, fresh });
  draw();
}

function draw() {
  const found = [...services.values()].filter((service) => service.config.workspace !== "public").reverse();
  const shown = found.slice(0, 30).map((service) => {
    const [workspace, id] = fullId(service).split("/");
    return h("li", { class: service.fresh ? "fresh" : null },
      h("a", { href: `${base}/${workspace}/#/services/${encodeURIComponent(id)}` }, service.name || id),
      h("div", { class: "small soft mono" }, `${workspace}/${id}`));
  });
  fill(list, shown.length ? shown : h("li", { class: "empty" }, "None yet. Yours will be the first."),
    found.length > 30 ? h("li", { class: "soft" }, `and ${found.length - 30} more`) : null);
  for (const service of services.values()) service.fresh = false;
}

function signIn() {
  return h("section", { class: "card", "aria-labelledby": "sign" },
    h("h2", { id: "sign" }, "Your workspace"),
    h("p", { class: "soft" }, "Programs may connect without an account; each gets a workspace of its own for as long as it stays. Log in for one that remains."),
    h("p", {}, h("a", { class: "button main", href: `${base}/public/apps/hypha-login/?redirect=${encodeURIComponent(location.pathname)}` }, "Log in")));
}

function workspaces() {
  const items = h("ul", { class: "list" }, h("li", { class: "empty" }, "Loading…"));
  manager(home, "list_workspaces").then((found) => {
    fill(items, found.map((workspace) => h("li", {},
      h("a", { href: `${base}/${workspace.id}/` }, workspace.id === home ? "My workspace" : workspace.id),
      h("div", { class: "small soft" }, workspace.description || ""))));
  }).catch((error) => fill(items, h("li", { class: "error" }, error.message)));
  return h("section", { class: "card", "aria-labelledby": "mine" }, h("h2", { id: "mine" }, "My workspaces"), items);
}

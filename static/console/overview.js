// What is in a workspace now: its services and clients as they come and go, and what happens.
import { get, manager, segment } from "./api.js";
import { ago, clock, count } from "./format.js";
import { Rows } from "./rows.js";
import { announce, form, h, idLine, lamp, panel, tag } from "./ui.js";

const MAX_EVENTS = 200;
// What happened is kept while one looks at another page of the workspace.
const history = [];

// As people sort: small letters beside capital ones, 9 before 10.
const order = new Intl.Collator(undefined, { numeric: true }).compare;

const localId = (id) =>
  String(id || "")
    .split("/")
    .pop();

export async function overview(place) {
  const services = servicesPanel(place);
  const clients = place.member ? clientsPanel(place, services) : null;
  const events = place.member ? eventsPanel() : null;
  const load = async () => {
    await Promise.all([services.load(), clients && clients.load()]);
  };
  await load();
  let wasOn = true;
  const stop = place.listen({
    state(on) {
      if (on && !wasOn) load().catch(() => {});
      wasOn = on;
    },
    event(kind, data) {
      services.event(kind, data);
      if (clients) clients.event(kind, data);
      if (events) events.event(kind, data);
    },
  });
  const timer = setInterval(() => {
    if (clients) clients.tick();
  }, 5000);
  return {
    element: h(
      "div",
      { class: place.member ? "columns" : "" },
      h("div", {}, services.element),
      place.member ? h("div", {}, clients.element, events.element) : null,
    ),
    leave() {
      stop();
      clearInterval(timer);
    },
  };
}

// Calls `draw` once for all changes of one frame.
function onceAFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}

function servicesPanel(place) {
  const known = new Map();
  const total = h("span", { class: "beside", "aria-live": "polite" });
  const rows = new Rows(serviceRow, { class: "services", empty: "" });
  const search = h("input", {
    type: "search",
    placeholder: "Name, client, type or function",
    "aria-label": "Filter services",
    oninput: () => filter(),
    autocomplete: "off",
    spellcheck: "false",
  });
  // Each word must stand somewhere in what is known of the service.
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const left = rows.filter((service) => words.every((word) => service.words.includes(word)));
    total.textContent = words.length
      ? `${left} of ${count(known.size, "service")}`
      : count(known.size, "service");
    rows.nothing.textContent = words.length
      ? "Nothing fits this filter."
      : place.member
        ? "No services. Register one: it shows up here by itself."
        : "No public services.";
  }
  function put(service) {
    if (service.type === "built-in") return;
    const id = localId(service.id);
    known.set(id, { ...service, words: wordsOf(id, service) });
  }
  function draw() {
    const sorted = [...known].sort(
      ([a, one], [b, other]) => order(nameOf(a, one), nameOf(b, other)) || order(a, b),
    );
    rows.show(sorted);
    filter();
  }
  const redraw = onceAFrame(draw);
  return {
    element: panel(
      "Services",
      { beside: total, class: "list" },
      h("div", { class: "toolbar" }, search),
      rows.element,
    ),
    async load() {
      const found = await get(`/${segment(place.id)}/services/`);
      const before = new Map(known);
      known.clear();
      for (const service of found) put(service);
      for (const [id, service] of known)
        if (sameService(before.get(id), service)) known.set(id, before.get(id));
      draw();
    },
    event(kind, data) {
      if (kind === "service_added" || kind === "service_updated") {
        put(data);
        if (kind === "service_added" && data.type !== "built-in")
          announce(`${data.name || localId(data.id)} appeared`);
      } else if (kind === "service_removed") known.delete(localId(data.id));
      else if (kind === "client_disconnected") {
        for (const id of known.keys()) if (id.startsWith(`${localId(data.id)}:`)) known.delete(id);
      } else return;
      redraw();
    },
    only(client) {
      search.value = `${client}:`;
      filter();
      search.focus();
    },
  };
}

const nameOf = (id, service) => String(service.name || id.split(":").pop());

const sameService = (one, other) =>
  Boolean(one) && one.words === other.words && one.config.visibility === other.config.visibility;

function wordsOf(id, service) {
  const functions = Object.keys(service.service_schema || {}).join(" ");
  return [id, service.name, service.type, service.config.visibility, service.description, functions]
    .join(" ")
    .toLowerCase();
}

function serviceRow(service, id) {
  return h(
    "li",
    { class: "service" },
    h("a", { class: "cover clip", href: `#/services/${encodeURIComponent(id)}` }, nameOf(id, service)),
    service.description ? h("p", { class: "small soft clip" }, service.description) : null,
    idLine(id),
    h(
      "span",
      { class: "tags" },
      service.type && service.type !== "generic" && service.type !== "service" ? tag(service.type) : null,
      tag(service.config.visibility, service.config.visibility === "public" ? "open" : ""),
    ),
  );
}

function clientsPanel(place, services) {
  const known = new Map();
  const total = h("span", { class: "beside" });
  const rows = new Rows(
    (client, id) => {
      client.age = h("span", { class: "age" });
      const light = lamp();
      light.classList.add("on");
      const user = client.user || {};
      return h(
        "li",
        { class: "client" },
        light,
        h(
          "div",
          { class: "what" },
          h(
            "button",
            {
              type: "button",
              class: "plain mono clip",
              title: `Show the services of ${id}`,
              onclick: () => services.only(id),
            },
            id,
          ),
          h("p", { class: "small soft clip" }, user.email || user.parent || user.id || ""),
        ),
        client.age,
      );
    },
    { empty: "Nobody is connected." },
  );
  const now = () => Date.now() / 1000;
  function tick() {
    for (const client of known.values()) {
      if (client.age) client.age.textContent = client.connected_at ? ago(now() - client.connected_at) : "";
    }
  }
  function draw() {
    rows.show([...known].sort(([, a], [, b]) => (b.connected_at || 0) - (a.connected_at || 0)));
    total.textContent = String(known.size);
    foot.hidden = !known.size;
    tick();
  }
  async function load() {
    const found = new Map(
      (await manager(place.id, "list_clients", [place.id])).map((client) => [localId(client.id), client]),
    );
    for (const id of [...known.keys()]) if (!found.has(id)) known.delete(id);
    for (const [id, client] of found) {
      const same =
        known.has(id) && Math.abs((known.get(id).connected_at || 0) - (client.connected_at || 0)) < 1;
      if (!same) known.set(id, client);
    }
    draw();
  }
  const reload = onceAFrame(() => load().catch(() => {}));
  const removeDead = form(
    async () => {
      const { removed_clients: removed = [] } = await manager(place.id, "cleanup", [place.id]);
      await load();
      return h(
        "p",
        { class: "small soft" },
        removed.length ? `Removed ${count(removed.length, "client")}.` : "All of them answer.",
      );
    },
    h("button", { class: "quiet small" }, "Remove those that do not answer"),
  );
  const foot = h("div", { class: "foot", hidden: true }, removeDead);
  return {
    element: panel(
      "Clients",
      { beside: total, class: "list" },
      rows.element,
      place.level === "a" ? foot : null,
    ),
    load,
    tick,
    event(kind, data) {
      if (kind === "client_connected" || kind === "client_updated") reload();
      if (kind === "client_disconnected") {
        known.delete(localId(data.id));
        draw();
      }
    },
  };
}

const MARKS = {
  added: "+",
  connected: "+",
  loaded: "+",
  ready: "+",
  removed: "−",
  disconnected: "−",
  deleted: "−",
  unloaded: "−",
};

function eventsPanel() {
  const list = h("ol", { class: "feed", tabindex: "0", "aria-label": "Events, newest first" });
  const nothing = h("li", { class: "empty" }, "Nothing has happened since you opened this page.");
  const line = ([when, kind, what]) =>
    h(
      "li",
      {},
      h("time", {}, clock(when)),
      h("span", { class: "mark" }, MARKS[kind.split("_").pop()] || "·"),
      h("span", {}, kind.replaceAll("_", " ")),
      h("code", { class: "clip", title: what }, what),
    );
  list.append(...(history.length ? history.map(line) : [nothing]));
  return {
    element: panel("Events", { class: "list" }, list),
    event(kind, data) {
      const entry = [new Date(), kind, localId((data && (data.id || data.workspace)) || "")];
      history.unshift(entry);
      history.length = Math.min(history.length, MAX_EVENTS);
      nothing.remove();
      const added = line(entry);
      added.classList.add("fresh");
      list.prepend(added);
      while (list.children.length > MAX_EVENTS) list.lastChild.remove();
    },
  };
}

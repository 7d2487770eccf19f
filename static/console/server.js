// The server, for its administrators: how it does, who uses it, what happened, how it is set up.
import { call } from "./api.js";
import { begin, isNamed, loginUrl } from "./bar.js";
import { moment } from "./format.js";
import { gauges } from "./gauges.js";
import { admin, backupsPanel, clientsPanel, logPanel, ROOT } from "./operations.js";
import { $, failure, fill, h, panel, select, table, tag } from "./ui.js";
import { usersPage } from "./users.js";

const PAGES = [
  ["", "Overview", overviewPage],
  ["users", "Users", usersPage],
  ["audit", "Audit log", auditPage],
  ["configuration", "Configuration", configurationPage],
];
const AUDITED = 200;
const main = $("#main");

function notForYou(user) {
  fill(
    main,
    h("h1", {}, "Server"),
    h("p", {}, "This page is for administrators of the server."),
    isNamed(user) ? null : h("p", {}, h("a", { class: "button main", href: loginUrl() }, "Log in")),
  );
}

async function serverPages(info) {
  let leave = () => {};
  const route = async (moved) => {
    leave();
    leave = () => {};
    const wanted = location.hash.replace(/^#\/?/, "");
    const [path, , page] = PAGES.find(([name]) => name === wanted) || PAGES[0];
    try {
      const { element, leave: end = () => {} } = await page();
      leave = end;
      fill(main, head(info, path), element);
    } catch (error) {
      fill(main, head(info, path), failure(error));
    }
    if (moved) main.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", () => route(true));
  await route(false);
}

const head = (info, current) =>
  h(
    "div",
    { class: "head" },
    h("h1", {}, "Server"),
    h(
      "p",
      { class: "row soft" },
      h("span", {}, `hyphad ${main.dataset.version}`),
      h("code", {}, info.server_id),
      h("span", {}, `speaks hypha ${info.hypha_version}`),
    ),
    h(
      "nav",
      { class: "tabs", "aria-label": "Server" },
      PAGES.map(([path, name]) =>
        h("a", { href: `#/${path}`, "aria-current": path === current ? "page" : null }, name),
      ),
    ),
  );

async function overviewPage() {
  const [dials, clients, log, backups] = await Promise.all([
    gauges(),
    clientsPanel(),
    logPanel(),
    backupsPanel(),
  ]);
  return {
    element: h(
      "div",
      {},
      dials.element,
      clients.element,
      h("div", { class: "columns" }, h("div", {}, log.element), h("div", {}, backups)),
    ),
    leave() {
      dials.leave();
      clients.leave();
      log.leave();
    },
  };
}

async function auditPage() {
  const place = h("div");
  const all = await call(ROOT, "user-admin", "list_audit", { limit: AUDITED });
  const kinds = [...new Set(all.map((entry) => entry.event))].sort();
  const chosen = select([["", "everything"], ...kinds.map((kind) => [kind, kind.replaceAll("_", " ")])], "");
  chosen.setAttribute("aria-label", "Which events");
  const detail = (entry) =>
    Object.entries(entry.detail || {})
      .map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`)
      .join(", ");
  const show = (entries) =>
    fill(
      place,
      table(
        "Audit log",
        ["When", "What", "Outcome", "Who", "To whom", "From", "More"],
        entries.map((entry) => [
          moment(Date.parse(entry.time) / 1000),
          h("span", { class: "nowrap" }, entry.event.replaceAll("_", " ")),
          entry.outcome === "ok" ? h("span", { class: "soft" }, "ok") : tag(entry.outcome, "bad"),
          entry.actor,
          h("span", { class: "name" }, entry.subject),
          entry.address,
          detail(entry) ? h("span", { class: "small soft detail" }, detail(entry)) : null,
        ]),
      ),
    );
  chosen.addEventListener("change", async () => {
    try {
      show(await call(ROOT, "user-admin", "list_audit", { limit: AUDITED, event: chosen.value || null }));
    } catch (error) {
      fill(place, failure(error));
    }
  });
  show(all);
  return {
    element: panel(
      "Audit log",
      { class: "list", beside: chosen, note: `The newest ${AUDITED} security events.` },
      place,
    ),
  };
}

async function configurationPage() {
  const found = await admin("get_configuration");
  const place = h("div");
  const search = h("input", {
    type: "search",
    placeholder: "Filter by key, value or source",
    "aria-label": "Filter settings",
    oninput: () => show(),
  });
  const changed = h("input", { type: "checkbox", id: "changed", onchange: () => show() });
  const said = (value) => (Array.isArray(value) ? value.join(" ") : value === null ? "" : String(value));
  function show() {
    const wanted = search.value.toLowerCase();
    const rows = found.filter(
      (one) =>
        (!changed.checked || one.source !== "default") &&
        `${one.key} ${said(one.value)} ${one.source}`.toLowerCase().includes(wanted),
    );
    fill(
      place,
      table(
        "Configuration",
        ["Setting", "Value", "From", "What it is"],
        rows.map((one) => [
          h("code", { class: "nowrap" }, one.key),
          said(one.value) ? h("code", {}, said(one.value)) : h("span", { class: "soft" }, "not set"),
          one.source === "default" ? h("span", { class: "soft default" }, "default") : tag(one.source, "open"),
          h("span", { class: "small soft detail" }, one.help),
        ]),
        "Nothing fits this filter.",
      ),
    );
  }
  show();
  return {
    element: panel(
      "Configuration in force",
      {
        class: "list",
        note: "Flags win over the environment, the environment over the file. Secrets are not shown.",
      },
      h(
        "div",
        { class: "toolbar row" },
        h("div", { class: "grow" }, search),
        h("span", { class: "row check" }, changed, h("label", { for: "changed" }, "Only what was changed")),
      ),
      place,
    ),
  };
}

const info = await begin(h("span", {}, "server"));
if (info && info.user.roles.includes("admin")) await serverPages(info);
else if (info) notForYou(info.user);

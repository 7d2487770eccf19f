// Looking after the running server: its slow clients, its log, its backups.
import { call } from "./api.js";
import { ago, clock, figure, moment, size } from "./format.js";
import { Rows } from "./rows.js";
import { announce, confirmed, failure, fill, form, h, panel, select, table, tag } from "./ui.js";

export const ROOT = "ws-user-root";
const EVERY = 5000;
const SHOWN = 25;
const NEWEST = 8;
const LEVELS = ["debug", "info", "warning", "error"];

export const admin = (method, args) => call(ROOT, "admin-utils", method, args);

// Calls `look` now and then while the page is looked at; returns what ends that.
function keep(look) {
  const timer = setInterval(() => {
    if (!document.hidden) look().catch(() => {});
  }, EVERY);
  return () => clearInterval(timer);
}

// Those for whom most is waiting stand first: they are the ones that do not keep up.
export async function clientsPanel() {
  const place = h("div", { tabindex: "-1" });
  const said = h("span", { class: "beside" });
  async function look() {
    const found = await admin("list_connections", { limit: SHOWN });
    const slow = found.filter((client) => client.queued_bytes > 0).length;
    said.textContent = slow ? `${slow} do not keep up` : "all keep up";
    const focused =
      place.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    fill(
      place,
      table(
        "Clients",
        ["Client", "User", "From", "Since", "Messages in", "Messages out", "Waiting", ""],
        found.map((client) => [
          h("code", { class: "small" }, client.client),
          client.user,
          client.remote,
          ago(Date.now() / 1000 - client.connected_at),
          client.frames_in,
          client.frames_out,
          client.queued_bytes ? h("span", { class: "bad" }, size(client.queued_bytes)) : size(0),
          h(
            "button",
            {
              type: "button",
              class: "quiet small danger",
              "aria-label": `Disconnect ${client.client}`,
              onclick: () => disconnect(client.client),
            },
            "Disconnect",
          ),
        ]),
        "Nobody is connected.",
      ),
    );
    if (focused) (place.querySelector(`[aria-label="${CSS.escape(focused)}"]`) || place).focus();
  }
  async function disconnect(address) {
    const [workspace, client] = address.split("/");
    if (!(await confirmed(`Disconnect ${client}?`, "It is refused for a minute.", "Disconnect"))) return;
    try {
      await admin("kickout_client", [workspace, client]);
      announce("Disconnected");
      await look();
    } catch (error) {
      fill(place, failure(error));
    }
  }
  await look();
  return {
    element: panel(
      "Clients, slow ones first",
      { class: "list", beside: said, note: `By how much is waiting for them; at most ${SHOWN} are shown.` },
      place,
    ),
    leave: keep(look),
  };
}

export async function logPanel() {
  const rows = new Rows(
    (entry) =>
      h(
        "li",
        { class: "entry" },
        h(
          "time",
          { class: "small soft", title: new Date(entry.time * 1000).toLocaleString() },
          clock(new Date(entry.time * 1000)),
        ),
        h("span", {}, tag(entry.level, entry.level === "warning" ? "warn" : "bad")),
        h(
          "div",
          { class: "what" },
          h("code", {}, entry.message),
          entry.exception ? h("p", { class: "small bad" }, entry.exception) : null,
        ),
      ),
    { empty: "No warnings and no errors since the start.", class: "log" },
  );
  const level = select(LEVELS.map((name) => [name, name]));
  level.setAttribute("aria-label", "Log level");
  async function look() {
    const { level: now, entries } = await admin("get_log");
    if (document.activeElement !== level) level.value = now;
    rows.show(entries.map((entry) => [entry.number, entry]).reverse());
  }
  const change = form(
    async () => {
      await admin("set_log_level", { level: level.value });
      await look();
      announce("Changed");
      return h("p", { class: "small soft" }, "In force until the next start or reload.");
    },
    h(
      "div",
      { class: "row" },
      h("span", { class: "small soft" }, "Log level"),
      level,
      h("button", { class: "small" }, "Set"),
    ),
  );
  await look();
  return {
    element: panel(
      "Recent warnings and errors",
      { class: "list" },
      h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Log" }, rows.element),
      h("div", { class: "foot" }, change),
    ),
    leave: keep(look),
  };
}

export async function backupsPanel() {
  const rows = new Rows(
    (one) =>
      h(
        "li",
        {},
        h("p", { class: "row spread" }, h("span", {}, moment(one.made_at)), h("span", {}, size(one.bytes))),
        h("p", { class: "small soft mono clip", title: one.file }, one.file),
      ),
    { empty: "None yet." },
  );
  async function show() {
    const found = await admin("list_backups");
    rows.show(found.slice(0, NEWEST).map((one) => [one.file, one]));
  }
  const now = form(
    async () => {
      const begun = performance.now();
      const made = await admin("backup_now");
      await show();
      announce("Backed up");
      return h(
        "p",
        { class: "small soft" },
        `${size(made.bytes)} in ${figure((performance.now() - begun) / 1000)} s, kept as ${made.file}.`,
      );
    },
    h("button", {}, "Back up now"),
  );
  await show();
  return panel("Backups", { class: "list" }, rows.element, h("div", { class: "foot" }, now));
}

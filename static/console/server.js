// The server, for its administrators: load as it goes, users, audit, configuration.
import { base, call, config, get } from "./api.js";
import { $, ago, fill, h, svg, topBar } from "./ui.js";

const main = $("#main");
const ROOT = "ws-user-root";
const HISTORY = 60;
const info = await config();
topBar(base, info.user);

if (!info.user.roles.includes("admin")) {
  fill(main, h("h1", {}, "Server"), h("p", { class: "soft" }, "This page is for administrators of the server."));
} else {
  const tiles = h("div", { class: "grid" });
  const lists = h("div", { class: "wide" });
  fill(main, h("h1", {}, "Server"), h("p", { class: "soft" }, `hyphad ${main.dataset.version} · ${info.server_id}`), tiles, lists);
  const series = {};
  let last = null;
  const tick = async () => {
    const [health, metrics] = await Promise.all([get("/health"), call(ROOT, "admin-utils", "get_metrics")]);
    const now = performance.now();
    const rate = last ? Math.max(0, (metrics.frames - last.frames) / ((now - last.at) / 1000)) : 0;
    last = { frames: metrics.frames, at: now };
    push("Connections", health.connections.active, "");
    push("Messages per second", rate, "");
    push("Memory", health.memory.rss_mb, "MiB");
    push("Services", metrics.services, "");
    fill(tiles, Object.entries(series).map(([name, [values, unit]]) => tile(name, values, unit)), h("section", { class: "card" }, h("h2", {}, "Up for"), h("div", { class: "big" }, ago(health.uptime_seconds))));
  };
  function push(name, value, unit) {
    series[name] ||= [[], unit];
    series[name][0].push(value);
    if (series[name][0].length > HISTORY) series[name][0].shift();
  }
  await tick();
  setInterval(() => { if (!document.hidden) tick().catch(() => {}); }, 2000);
  await showLists(lists);
  setInterval(() => { if (!document.hidden) showLists(lists).catch(() => {}); }, 15000);
}

function tile(name, values, unit) {
  const top = Math.max(1, ...values);
  const points = values.map((value, index) => `${(100 * index) / Math.max(1, HISTORY - 1)},${40 - (38 * value) / top}`);
  const now = values[values.length - 1];
  return h("section", { class: "card" }, h("h2", {}, name),
    h("div", { class: "big" }, now >= 100 || Number.isInteger(now) ? Math.round(now).toLocaleString() : now.toFixed(1), unit ? h("span", { class: "small soft" }, ` ${unit}`) : null),
    svg("svg", { class: "chart", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": `${name}, last two minutes` }, svg("path", { d: points.length > 1 ? `M${points.join("L")}` : "" })));
}

async function showLists(place) {
  const parts = [];
  const usage = await call(ROOT, "admin-utils", "get_resource_usage");
  parts.push(table("Workspaces with clients", ["Workspace", "Clients"], Object.entries(usage.connections_per_workspace).sort((a, b) => b[1] - a[1]).slice(0, 20)));
  const blocked = await call(ROOT, "admin-utils", "list_blocked");
  parts.push(table("Blocked", ["Who", "Why", "For"], [...blocked.users, ...blocked.ips].map((b) => [b.id, b.reason, ago(b.ttl_seconds)])));
  for (const [title, service, method, args, columns, row] of [
    ["Users", "user-admin", "list_users", {}, ["User", "E-mail", "Status"], (u) => [u.name || u.id, u.email || "", u.status]],
    ["Audit log", "user-admin", "list_audit", { limit: 50 }, ["When", "What", "Who", "Outcome"], (e) => [e.timestamp || e.time, e.event || e.action, e.user_id || e.actor || "", e.outcome || ""]],
    ["Configuration in force", "admin-utils", "get_configuration", {}, ["Key", "Value", "From"], (c) => [c.key, c.value, c.source]],
  ]) {
    try { parts.push(table(title, columns, (await call(ROOT, service, method, args)).map(row))); } catch { /* not offered by this server */ }
  }
  fill(place, h("div", {}, parts.filter((_, index) => index % 2 === 0)), h("div", {}, parts.filter((_, index) => index % 2 === 1)));
}

function table(title, columns, rows) {
  return h("section", { class: "card" }, h("h2", {}, title), rows.length
    ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, h("table", {}, h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { class: typeof cell === "number" ? "number" : null }, cell === null || cell === undefined ? "" : String(cell))))))))
    : h("p", { class: "empty" }, "Nothing."));
}

// Small live charts of what `/metrics` says, with two minutes of memory.
import { getText } from "./api.js";
import { ago, figure } from "./format.js";
import { h, svg } from "./ui.js";

const EVERY = 2000;
const HISTORY = 60;
const MiB = 1 << 20;

// Samples by name: [{labels, value}].
function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = line.match(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/);
    if (!match) continue;
    const labels = Object.fromEntries(
      [...(match[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]),
    );
    if (!found.has(match[1])) found.set(match[1], []);
    found.get(match[1]).push({ labels, value: Number(match[3]) });
  }
  const sum = (name, fits = () => true) =>
    (found.get(name) || []).reduce((total, { labels, value }) => total + (fits(labels) ? value : 0), 0);
  return { sum, of: (name) => found.get(name) || [] };
}

// The bucket in which the share of all requests falls, in seconds; NaN where there were none.
function quantile(share, now, before) {
  const buckets = new Map();
  for (const [samples, sign] of [
    [now, 1],
    [before, -1],
  ]) {
    for (const { labels, value } of samples)
      buckets.set(labels.le, (buckets.get(labels.le) || 0) + sign * value);
  }
  const sorted = [...buckets]
    .map(([bound, hits]) => [bound === "+Inf" ? Infinity : Number(bound), hits])
    .sort(([a], [b]) => a - b);
  const all = sorted.length ? sorted[sorted.length - 1][1] : 0;
  if (!all) return NaN;
  let low = 0;
  let below = 0;
  for (const [bound, hits] of sorted) {
    if (hits >= share * all)
      return bound === Infinity
        ? low
        : low + ((bound - low) * (share * all - below)) / Math.max(1, hits - below);
    low = bound;
    below = hits;
  }
  return low;
}

const CALLS = "hyphad_call_seconds_bucket";
const rate = (name, fits) => (now, before, seconds) =>
  Math.max(0, now.sum(name, fits) - before.sum(name, fits)) / seconds;
const level =
  (name, scale = 1) =>
  (now) =>
    now.sum(name) / scale;
const latency = (share) => (now, before) => 1000 * quantile(share, now.of(CALLS), before.of(CALLS));
const isBad = ({ outcome, status }) => (outcome !== undefined ? outcome !== "ok" : status === "5xx");

const GAUGES = [
  ["Clients", "", level("websocket_connections")],
  ["Services", "", level("hyphad_services")],
  ["Messages", "/s", rate("hyphad_frames_total")],
  ["Requests", "/s", rate("hyphad_http_requests_total")],
  ["HTTP calls", "/s", rate("hyphad_calls_total")],
  ["Call time", "ms", latency(0.5)],
  ["Slowest 1 %", "ms", latency(0.99)],
  ["Failed calls", "/s", rate("hyphad_calls_total", isBad)],
  ["Memory", "MiB", level("process_resident_memory_bytes", MiB)],
  ["Processor", "%", (now, before, seconds) => 100 * rate("process_cpu_seconds_total")(now, before, seconds)],
  ["Waiting", "KiB", level("hyphad_queue_bytes", 1024)],
  ["Up for", "", (now) => now.sum("hyphad_uptime_seconds"), ago],
];

function gauge(name, unit, show = figure) {
  const number = h("span", { class: "figure" }, "–");
  const line = svg("path", { class: "line" });
  const area = svg("path", { class: "area" });
  const chart = svg(
    "svg",
    { viewBox: "0 0 100 32", preserveAspectRatio: "none", class: "chart", "aria-hidden": "true" },
    area,
    line,
  );
  const most = h("span", { class: "most" });
  const values = [];
  return {
    element: h(
      "div",
      { class: "gauge" },
      h("dt", {}, name),
      h("dd", {}, h("span", {}, number, unit ? h("span", { class: "unit" }, ` ${unit}`) : null), most),
      show === figure ? chart : null,
    ),
    put(value) {
      values.push(value);
      if (values.length > HISTORY) values.shift();
      number.textContent = show(value);
      if (show !== figure) return;
      const known = values.filter(Number.isFinite);
      const top = Math.max(...known, 1e-9);
      most.textContent = known.length ? `max ${figure(top < 1e-6 ? 0 : top)}` : "";
      const start = HISTORY - values.length;
      const points = values
        .map((one, index) => [((start + index) * 100) / (HISTORY - 1), 31 - (29 * one) / top])
        .filter(([, y]) => Number.isFinite(y));
      const d =
        points.length > 1 ? `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}` : "";
      line.setAttribute("d", d);
      area.setAttribute("d", d ? `${d}V32H${points[0][0].toFixed(1)}Z` : "");
    },
  };
}

export async function gauges() {
  const made = GAUGES.map(([name, unit, read, show]) => ({ read, ...gauge(name, unit, show) }));
  let before = null;
  async function tick() {
    const now = { at: performance.now(), ...parse(await getText("/metrics")) };
    const seconds = before ? Math.max(0.1, (now.at - before.at) / 1000) : 1;
    for (const one of made) one.put(one.read(now, before || now, seconds));
    before = now;
  }
  await tick();
  const timer = setInterval(() => {
    if (!document.hidden) tick().catch(() => {});
  }, EVERY);
  return {
    element: h(
      "dl",
      { class: "gauges" },
      made.map((one) => one.element),
    ),
    leave: () => clearInterval(timer),
  };
}

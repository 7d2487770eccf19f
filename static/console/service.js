// One service: what it is, a form for each function, results, and the same call elsewhere.
import { base, callAny, get, servicePath } from "./api.js";
import { codeBlock, fill, h, tabs, announce } from "./ui.js";
import { schemaForm } from "./forms.js";
import { render } from "./value.js";
import { sameCall } from "./snippets.js";

export async function servicePage(workspace, id) {
  const path = servicePath(workspace, id);
  const service = await get(path.slice(base.length));
  const functions = flatten(service.service_schema || {});
  const name = service.id.split("/").pop();
  return h("div", {},
    h("p", {}, h("a", { href: "#/" }, `← ${workspace}`)),
    h("h1", {}, service.name || name),
    h("p", { class: "row" }, h("code", {}, service.id), h("span", { class: "tag" }, service.config.visibility), h("span", { class: "tag" }, service.type || "generic")),
    service.description ? h("p", {}, service.description) : null,
    service.docs ? h("details", { class: "card" }, h("summary", {}, "Documentation"), h("pre", {}, service.docs)) : null,
    h("p", { class: "row" },
      h("a", { class: "button", href: `${path}/docs` }, "API documentation"),
      h("a", { class: "button", href: `${path}/openapi.json` }, "OpenAPI"),
      h("a", { class: "button", href: `${base}/${workspace}/mcp/${encodeURIComponent(name).replace("%3A", ":")}/` }, "MCP configuration")),
    h("h2", {}, `Functions (${functions.length})`),
    functions.length ? functions.map(([method, schema], index) => functionCard(workspace, name, method, schema, index === 0))
      : h("p", { class: "empty" }, "It offers no functions that are described."));
}

function flatten(schema, prefix = "") {
  return Object.entries(schema).flatMap(([key, item]) => {
    if (!item || typeof item !== "object") return [];
    if (item.type === "function" && item.function && typeof item.function === "object") return [[prefix + key, item.function]];
    return flatten(item, `${prefix}${key}.`);
  });
}

function functionCard(workspace, id, method, schema, open) {
  const form = schemaForm(schema.parameters);
  const result = h("div", { "aria-live": "polite" });
  const stop = h("button", { type: "button", class: "hidden danger" }, "Stop");
  const run = h("button", { type: "submit", class: "main" }, "Call");
  const elsewhere = h("details", {}, h("summary", { class: "small" }, "The same call as code"));
  elsewhere.addEventListener("toggle", () => { if (elsewhere.open) showCode(); });
  const element = h("form", { onsubmit: submit, novalidate: true }, form.element, h("p", { class: "row" }, run, stop), result, elsewhere);
  let going = null;

  function showCode() {
    let args = {};
    try { args = form.read(); } catch { /* what is missing is left out */ }
    const panels = Object.entries(sameCall(workspace, id, method, args)).map(([name, text]) => [name, () => codeBlock(text, `${name} call`)]);
    fill(elsewhere, elsewhere.firstChild, tabs("Language", panels));
  }

  async function submit(event) {
    event.preventDefault();
    if (going) return;
    let args;
    try { args = form.read(); } catch (error) { fail(error.message); return; }
    going = new AbortController();
    run.disabled = true;
    stop.classList.remove("hidden");
    stop.onclick = () => going && going.abort();
    fill(result, h("p", { class: "soft" }, "Calling…"));
    const begun = performance.now();
    try {
      const answer = await callAny(workspace, id, method, args, going.signal);
      if (answer.items) await showItems(answer.items, begun);
      else done(render(answer.value), begun);
    } catch (error) {
      if (error.name === "AbortError") result.append(h("p", { class: "soft" }, "Stopped."));
      else fail(error.message);
    } finally {
      going = null;
      run.disabled = false;
      stop.classList.add("hidden");
      if (elsewhere.open) showCode();
    }
  }

  async function showItems(items, begun) {
    const list = h("ol", { class: "events" });
    const count = h("p", { class: "small soft" });
    fill(result, count, list);
    let number = 0;
    for await (const item of items) {
      number += 1;
      if (list.children.length >= 500) list.firstChild.remove();
      list.append(h("li", { value: number }, item && item.error ? h("span", { class: "error" }, String(item.error)) : render(item)));
      count.textContent = `${number} items, ${elapsed(begun)}`;
    }
    count.textContent = `${number} items in ${elapsed(begun)}, ended`;
  }

  const elapsed = (begun) => `${(performance.now() - begun).toFixed(0)} ms`;
  function done(shown, begun) { fill(result, h("p", { class: "small soft" }, `Answered in ${elapsed(begun)}`), shown); announce("Answered"); }
  function fail(text) { fill(result, h("p", { class: "error", role: "alert" }, text)); }

  const box = h("details", { class: "card", open }, h("summary", {}, h("code", {}, method), " ", h("span", { class: "soft small" }, firstLine(schema.description))), element);
  return box;
}

const firstLine = (text) => (text || "").split("\n")[0].slice(0, 140);

// One service: what it is, a form for each function, results, and the same call elsewhere.
import { base, callAny, get, segment, servicePath } from "./api.js";
import { argumentsForm } from "./forms.js";
import { count, size } from "./format.js";
import { sameCall } from "./snippets.js";
import { announce, codeBlock, copyButton, failure, fill, h, panel, tabs, tag, uniqueId } from "./ui.js";
import { render, renderItem } from "./value.js";

const MAX_ITEMS = 500;
const MANY = 12;
const OPEN = ["public", "unlisted"];

// The service that is shown now, so that choosing another of its functions does not load it again.
let current = null;

export async function servicePage(place, main, id, method, moved) {
  if (!current || current.key !== `${place.id}/${id}` || !current.element.isConnected) {
    const service = await get(servicePath(place.id, id));
    current = { key: `${place.id}/${id}`, service, functions: flatten(service.service_schema || {}) };
    current.element = frame(place, id, current);
    fill(main, current.element);
    document.title = `${service.name || id} · hyphad`;
    if (moved) main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  current.choose(method || (current.functions[0] || [])[0], Boolean(method) && moved);
}

// All functions, also those in maps, with the path that they are called by.
function flatten(schema, prefix = "") {
  return Object.entries(schema).flatMap(([key, item]) => {
    if (!item || typeof item !== "object") return [];
    if (item.type === "function")
      return [[prefix + key, item.function && typeof item.function === "object" ? item.function : {}]];
    return flatten(item, `${prefix}${key}.`);
  });
}

function frame(place, id, shown) {
  const { service, functions } = shown;
  const target = {
    workspace: place.id,
    id: service.id.split("/").pop(),
    secret: !OPEN.includes(service.config.visibility),
  };
  const detail = h("div", { class: "detail" });
  const menu = functionMenu(id, functions);
  const made = new Map();
  shown.choose = (method, moved) => {
    const found = functions.find(([name]) => name === method);
    menu.mark(method);
    if (!found) {
      fill(
        detail,
        h(
          "p",
          { class: "empty" },
          functions.length ? `It has no function ${method}.` : "It offers no functions that are described.",
        ),
      );
      return;
    }
    if (!made.has(method)) made.set(method, functionDetail(target, ...found));
    fill(detail, made.get(method));
    if (moved) detail.querySelector("h2").focus({ preventScroll: true });
  };
  const path = base + servicePath(place.id, target.id);
  return h(
    "div",
    {},
    h(
      "div",
      { class: "head" },
      h("p", {}, h("a", { class: "back", href: "#/" }, "All services")),
      h("h1", {}, service.name || target.id),
      h(
        "p",
        { class: "row soft" },
        h("code", {}, service.id),
        copyButton(service.id, "Copy id"),
        tag(service.config.visibility, OPEN.includes(service.config.visibility) ? "open" : ""),
        service.type && service.type !== "generic" ? tag(service.type) : null,
      ),
      service.description ? h("p", { class: "lead" }, service.description) : null,
      h("p", { class: "row links" }, links(place, target, service, path)),
    ),
    service.docs
      ? h(
          "details",
          { class: "panel padded" },
          h("summary", {}, "Documentation"),
          h("pre", { class: "wrap plain" }, String(service.docs)),
        )
      : null,
    h(
      "div",
      { class: functions.length > 1 ? "sides" : "" },
      functions.length > 1 ? menu.element : null,
      detail,
    ),
  );
}

function links(place, target, service, path) {
  const link = (to, name) => h("a", { class: "button small", href: to }, name);
  const isApp = ["asgi", "functions"].includes(service.type);
  return [
    isApp ? link(`${base}/${segment(place.id)}/apps/${segment(target.id)}/`, "Open the app") : null,
    link(`${path}/docs`, "API documentation"),
    link(`${path}/openapi.json`, "OpenAPI"),
    link(`${base}/${segment(place.id)}/mcp/${segment(target.id)}`, "MCP configuration"),
  ];
}

function functionMenu(id, functions) {
  const items = functions.map(([name, schema]) =>
    h(
      "li",
      {},
      h(
        "a",
        {
          href: `#/services/${encodeURIComponent(id)}/${encodeURIComponent(name)}`,
          title: firstLine(schema.description) || null,
        },
        name,
      ),
    ),
  );
  const search =
    functions.length > MANY
      ? h("input", {
          type: "search",
          placeholder: "Filter functions",
          "aria-label": "Filter functions",
          oninput: (event) => {
            const wanted = event.target.value.toLowerCase();
            items.forEach((item, index) => {
              item.hidden = !functions[index][0].toLowerCase().includes(wanted);
            });
          },
        })
      : null;
  return {
    element: h(
      "nav",
      { class: "menu", "aria-label": "Functions" },
      h("p", { class: "label" }, count(functions.length, "function")),
      search,
      h("ul", {}, items),
    ),
    mark(method) {
      items.forEach((item, index) => {
        const link = item.firstChild;
        if (functions[index][0] === method) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      });
      const at = functions.findIndex(([name]) => name === method);
      if (at >= 0) requestAnimationFrame(() => items[at].isConnected && reveal(items[at]));
    },
  };
}

// Scrolls the list that a line is in, and not the page.
function reveal(item) {
  const box = item.closest("nav");
  const [line, frame] = [item, box].map((one) => one.getBoundingClientRect());
  if (line.bottom > frame.bottom || line.top < frame.top)
    box.scrollTop += line.top - frame.top - box.clientHeight / 2;
}

const firstLine = (text) =>
  String(text || "")
    .trim()
    .split("\n")[0]
    .slice(0, 140);

function signature(method, schema) {
  const parameters = schema.parameters || {};
  const required = new Set(parameters.required || []);
  const names = Object.entries(parameters.properties || {}).map(([name, shape]) =>
    required.has(name) || !shape || shape.default === undefined
      ? name
      : `${name}=${JSON.stringify(shape.default)}`,
  );
  return `${method}(${schema.parameters ? names.join(", ") : "…"})`;
}

function functionDetail(target, method, schema) {
  const code = sameCallPanel(target, method);
  const result = resultPanel();
  const fields = argumentsForm(schema.parameters, () => code.show(fields.read, result.streams));
  const run = h("button", { type: "submit", class: "main" }, "Call");
  const stop = h("button", { type: "button", class: "danger", hidden: true }, "Stop");
  const asJson =
    fields.onlyJson || fields.empty
      ? null
      : h(
          "button",
          {
            type: "button",
            class: "quiet small",
            "aria-pressed": "false",
            onclick: () => {
              const on = asJson.getAttribute("aria-pressed") !== "true";
              asJson.setAttribute("aria-pressed", on);
              fields.switchTo(on);
            },
          },
          "As JSON",
        );
  let going = null;
  let unmark = () => {};
  async function submit(event) {
    event.preventDefault();
    if (going) return;
    let args;
    unmark();
    try {
      args = fields.read();
    } catch (error) {
      unmark = mark(error);
      return;
    }
    going = new AbortController();
    run.disabled = true;
    stop.hidden = false;
    try {
      await result.show(callAny(target.workspace, target.id, method, args, going.signal));
    } finally {
      going = null;
      run.disabled = false;
      if (document.activeElement === stop) run.focus();
      stop.hidden = true;
      code.show(fields.read, result.streams);
    }
  }
  stop.addEventListener("click", () => going && going.abort());
  code.show(fields.read, false);
  const about = String(schema.description || "").trim();
  return h(
    "div",
    {},
    h(
      "section",
      { class: "panel call" },
      h("header", {}, h("h2", { class: "mono", tabindex: "-1" }, signature(method, schema)), asJson),
      h(
        "form",
        { class: "padded", onsubmit: submit, novalidate: true },
        about ? h("p", { class: "about" }, about) : null,
        fields.element,
        h("p", { class: "row act" }, run, stop),
      ),
    ),
    result.element,
    code.element,
  );
}

// Says what is wrong where it is wrong, until that is changed; returns what takes it back.
function mark({ input, message }) {
  const note = h("p", { class: "wrong", role: "alert", id: uniqueId("wrong") }, message);
  const described = input.getAttribute("aria-describedby");
  const unmark = () => {
    note.remove();
    input.removeAttribute("aria-invalid");
    input.removeEventListener("input", unmark);
    if (described) input.setAttribute("aria-describedby", described);
    else input.removeAttribute("aria-describedby");
  };
  input.after(note);
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", note.id);
  input.addEventListener("input", unmark);
  input.focus();
  return unmark;
}

// What came back: nothing yet, a value, items as they come, or what went wrong.
function resultPanel() {
  const note = h("span", { class: "beside" });
  const body = h("div", { class: "padded result-body" }, h("p", { class: "soft" }, "Not called yet."));
  const self = {
    element: panel("Result", { beside: note, class: "result" }, body),
    streams: false,
    fail(error, begun) {
      note.textContent = begun ? `failed after ${elapsed(begun)}` : "";
      fill(body, failure(readable(error)));
    },
    async show(answer) {
      const begun = performance.now();
      note.textContent = "calling…";
      try {
        const { value, items, bytes } = await answer;
        self.streams = Boolean(items);
        if (items) await showItems(items, begun);
        else {
          note.textContent = `${elapsed(begun)} · ${size(bytes)}`;
          fill(body, render(value));
          announce(`Answered after ${elapsed(begun)}`);
        }
      } catch (error) {
        if (error.name !== "AbortError") self.fail(error, begun);
        else if (!self.streams || !body.querySelector("ol")) {
          note.textContent = `stopped after ${elapsed(begun)}`;
          fill(body, h("p", { class: "soft" }, "Stopped. The service may still be at it."));
        }
      }
    },
  };
  async function showItems(items, begun) {
    const list = h("ol", { class: "items", tabindex: "0", "aria-label": "Items, as they come" });
    fill(body, list);
    let number = 0;
    const say = (how) => {
      note.textContent = `${count(number, "item")} ${how} ${elapsed(begun)}`;
    };
    say("in");
    try {
      for await (const item of items) {
        number += 1;
        if (list.children.length >= MAX_ITEMS) list.firstChild.remove();
        const failed = item && item.error !== undefined && item.traceback !== undefined;
        list.append(
          h("li", { value: number }, failed ? failure(new Error(item.traceback)) : renderItem(item)),
        );
        list.scrollTop = list.scrollHeight;
        say("in");
      }
      say("in all, ended after");
      announce("The stream has ended");
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      say("until it was stopped after");
    }
  }
  return self;
}

const elapsed = (begun) => {
  const milliseconds = performance.now() - begun;
  return milliseconds < 10000
    ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
};

// What was said, and what may help.
function readable(error) {
  const shown = new Error(error.message);
  shown.hint =
    error.hint ||
    (error.status === 401 || error.status === 403
      ? "You may have to log in, or ask for a token of this workspace."
      : undefined);
  return shown;
}

function sameCallPanel(target, method) {
  const place = h("div");
  let chosen = 0;
  let before = "";
  return {
    element: panel(
      "The same call",
      { class: "padded" },
      place,
      target.secret
        ? h("p", { class: "small soft" }, "This service takes a token: make one under People and tokens.")
        : null,
    ),
    show(read, streams) {
      const args = read(true);
      const code = sameCall({ ...target, method, args, streams });
      const text = JSON.stringify(code);
      if (text === before) return;
      before = text;
      fill(
        place,
        tabs(
          "Language",
          Object.entries(code).map(([name, one]) => [name, () => codeBlock(one, `${name} code`)]),
          chosen,
          (index) => {
            chosen = index;
          },
        ),
      );
    },
  };
}

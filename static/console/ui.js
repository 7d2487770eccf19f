// Small pieces of page. Text always goes in as text, never as markup.

export const $ = (selector, within = document) => within.querySelector(selector);

const isThere = (child) => child !== null && child !== undefined && child !== false;

// h("a", { href: "/", onclick: go }, "text", child, [more, children])
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (!isThere(value)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(isThere));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(isThere));
  return element;
}

let counter = 0;
export const uniqueId = (prefix = "i") => `${prefix}${++counter}`;

// What a screen reader should say although nothing has the focus.
let announcer;
export function announce(text) {
  if (!announcer) {
    announcer = h("p", { role: "status", class: "unseen" });
    document.body.append(announcer);
  }
  announcer.textContent = text;
}

// A framed part of the page: what it is called, what stands beside the name, what is in it.
export function panel(title, { beside = null, note = null, ...attributes } = {}, ...children) {
  const id = uniqueId("panel");
  return h(
    "section",
    { ...attributes, class: `panel ${attributes.class || ""}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), beside),
    note ? h("p", { class: "note" }, note) : null,
    children,
  );
}

export const tag = (text, kind = "") => h("span", { class: `tag ${kind}`, title: text }, text);

// The id of a service in one line. Where it is too long, the client gives way to the name of the service.
export function idLine(id) {
  const at = id.lastIndexOf(":") + 1;
  return h(
    "code",
    { class: "id small soft", title: id },
    h("span", { class: "clip" }, id.slice(0, at)),
    h("span", { class: "clip" }, id.slice(at)),
  );
}

export const lamp = () => h("span", { class: "lamp", "aria-hidden": "true" });

export function failure(error) {
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("p", {}, error.message || String(error)),
    error.hint ? h("p", { class: "small soft" }, error.hint) : null,
  );
}

export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", class: "quiet small" }, label);
  button.addEventListener("click", async () => {
    const done = await copy(typeof text === "function" ? text() : text);
    button.textContent = done ? "Copied" : "Select it and copy by hand";
    if (done) announce("Copied");
    setTimeout(() => {
      button.textContent = label;
    }, 1500);
  });
  return button;
}

// Pages that came over plain HTTP from another machine have no clipboard of their own.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", value: text, "aria-hidden": "true" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function codeBlock(text, label) {
  return h(
    "div",
    { class: "code" },
    h("pre", { tabindex: "0", role: "region", "aria-label": label }, h("code", {}, text)),
    copyButton(text),
  );
}

// Tabs that work with the arrow keys. `panels` is a list of [name, () => element].
export function tabs(label, panels, chosen = 0, onChoose = () => {}) {
  const id = uniqueId("tab");
  const body = h("div", { role: "tabpanel", id: `${id}-panel` });
  const buttons = panels.map(([name], index) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${id}-${index}`,
        "aria-controls": `${id}-panel`,
        onclick: () => choose(index),
        onkeydown: (event) => {
          const last = panels.length - 1;
          const next = {
            ArrowRight: index === last ? 0 : index + 1,
            ArrowLeft: index === 0 ? last : index - 1,
            Home: 0,
            End: last,
          }[event.key];
          if (next === undefined) return;
          event.preventDefault();
          choose(next);
          buttons[next].focus();
        },
      },
      name,
    ),
  );
  function choose(index) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", at === index);
      button.tabIndex = at === index ? 0 : -1;
    });
    body.setAttribute("aria-labelledby", `${id}-${index}`);
    fill(body, panels[index][1]());
    onChoose(index);
  }
  choose(Math.min(chosen, panels.length - 1));
  return h("div", {}, h("div", { role: "tablist", class: "tabs", "aria-label": label }, buttons), body);
}

export function field(label, input, hint) {
  input.id ||= uniqueId("field");
  const note = hint ? h("span", { class: "hint", id: `${input.id}-hint` }, hint) : null;
  if (note) input.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, note);
}

export function select(choices, chosen) {
  const element = h(
    "select",
    {},
    choices.map(([value, text]) => h("option", { value }, text)),
  );
  if (chosen !== undefined) element.value = chosen;
  return element;
}

// A form that shows what went wrong in it, and takes one submission at a time.
export function form(submit, ...children) {
  const place = h("div", { "aria-live": "polite" });
  let busy = false;
  const element = h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        if (busy) return;
        busy = true;
        try {
          fill(place);
          const said = await submit(element);
          if (said) fill(place, said);
        } catch (error) {
          fill(place, failure(error));
        } finally {
          busy = false;
        }
      },
    },
    children,
    place,
  );
  return element;
}

// Asks before something that cannot be undone; resolves to whether to go on.
export function confirmed(question, consequence, action) {
  return new Promise((resolve) => {
    const id = uniqueId("dialog");
    const dialog = h(
      "dialog",
      { "aria-labelledby": id },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id }, question),
        h("p", { class: "soft" }, consequence),
        h(
          "p",
          { class: "row end" },
          h("button", { value: "no" }, "Cancel"),
          h("button", { value: "yes", class: "danger" }, action),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const SIZE = /^[\d.,]+ (B|[KMGT]iB)$/;

// How a cell stands: figures to the right, moments in one line.
function kindOf(value) {
  if (typeof value === "number" || SIZE.test(value)) return "number";
  return /^\d{4}-\d\d-\d\d|^\d+ (s|min|h|d)$/.test(value) ? "nowrap" : null;
}

// A table in a region that scrolls by itself; on a phone each row is a card. Rows are lists of text, numbers
// or elements. Roles are named, for what is no table to the style sheet is none to a screen reader either.
export function table(label, columns, rows, empty = "Nothing yet.") {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const said = (value) => (typeof value === "number" ? value.toLocaleString("en") : String(value));
  const cell = (value, at) =>
    h(
      "td",
      { role: "cell", class: kindOf(value), "data-name": columns[at] || null },
      value instanceof Node ? value : isThere(value) ? said(value) : "",
    );
  const head = (name, at) =>
    h(
      "th",
      {
        role: "columnheader",
        scope: "col",
        class: rows.some((row) => kindOf(row[at]) === "number") ? "number" : null,
      },
      name || h("span", { class: "unseen" }, "Actions"),
    );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      { role: "table", class: "cards", "aria-label": label },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map(head))),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) => h("tr", { role: "row" }, row.map(cell))),
      ),
    ),
  );
}

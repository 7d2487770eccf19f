// Small pieces of page. Text always goes in as text, never as markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const $ = (selector, within = document) => within.querySelector(selector);

export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

let announcer;
export function announce(text) {
  if (!announcer) {
    announcer = h("p", { role: "status", class: "skip" });
    document.body.append(announcer);
  }
  announcer.textContent = text;
}

export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", class: "quiet small" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      button.textContent = "Select and copy by hand";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

export function codeBlock(text, label) {
  const pre = h("pre", { tabindex: "0", "aria-label": label }, h("code", {}, text));
  return h("div", {}, pre, copyButton(text));
}

// Tabs that work with the arrow keys. `panels` is a list of [name, () => element].
let tabCount = 0;
export function tabs(label, panels) {
  const id = `tab${++tabCount}`;
  const body = h("div", { role: "tabpanel", id: `${id}-panel`, tabindex: "0" });
  const list = h("div", { role: "tablist", class: "tabs", "aria-label": label });
  const buttons = panels.map(([name, make], index) => h("button", {
    type: "button", role: "tab", id: `${id}-${index}`, "aria-controls": `${id}-panel`,
    onclick: () => choose(index),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose((index + step + panels.length) % panels.length, true);
    },
  }, name));
  function choose(index, focus = false) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", at === index);
      button.tabIndex = at === index ? 0 : -1;
    });
    body.setAttribute("aria-labelledby", `${id}-${index}`);
    fill(body, panels[index][1]());
    if (focus) buttons[index].focus();
  }
  list.append(...buttons);
  choose(0);
  return h("div", {}, list, body);
}

export function field(label, input, hint) {
  const id = input.id || `f${Math.random().toString(36).slice(2)}`;
  input.id = id;
  const note = hint ? h("span", { class: "soft" }, ` ${hint}`) : null;
  return h("div", {}, h("label", { for: id }, label, note), input);
}

export function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

// The bar on top of every page: home, who I am, theme.
export function topBar(base, user, ...links) {
  const login = `${base}/public/apps/hypha-login/?redirect=${encodeURIComponent(location.pathname + location.hash)}`;
  const named = user && !user.is_anonymous;
  const isAdmin = named && user.roles.includes("admin");
  const bar = h("header", { class: "bar" },
    h("a", { class: "brand", href: `${base}/` }, "hyphad"),
    ...links,
    isAdmin ? h("a", { href: `${base}/server` }, "Server") : null,
    h("span", { class: "space" }),
    named ? h("span", { class: "who", title: user.id }, user.email || user.id) : null,
    named
      ? h("a", { class: "button", href: `${base}/public/apps/hypha-login/?logout=true` }, "Log out")
      : h("a", { class: "button", href: login }, "Log in"),
    themeButton());
  $("#top").replaceWith(bar);
}

function themeButton() {
  const dark = () => (document.documentElement.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = h("button", { type: "button", class: "quiet" });
  const show = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("hyphad-theme", next);
    show();
  });
  show();
  return button;
}

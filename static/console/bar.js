// The bar on top of every page, and how a page begins: with who looks at it.
import { base, config } from "./api.js";
import { $, failure, fill, h, svg } from "./ui.js";

const LOGIN = `${base}/public/apps/hypha-login/`;

// Back to this page afterwards. The login page takes addresses of this origin alone.
export const loginUrl = () => `${LOGIN}?redirect=${encodeURIComponent(location.pathname + location.hash)}`;

export const isNamed = (user) => Boolean(user) && !user.is_anonymous;

export const homeOf = (user) => `ws-user-${user.parent || user.id}`;

// Fills the bar and returns what the server says of itself and of the user; null where it says nothing.
export async function begin(...path) {
  try {
    const info = await config();
    topBar(info.user, path);
    return info;
  } catch (error) {
    topBar(null, path);
    fill(
      $("#main"),
      h("h1", {}, error.status === 401 ? "Log in to go on" : "This page cannot be shown"),
      error.status === 401 ? null : failure(error),
      h(
        "p",
        {},
        error.status === 401
          ? h("a", { class: "button main", href: loginUrl() }, "Log in")
          : h("button", { type: "button", class: "main", onclick: () => location.reload() }, "Try again"),
      ),
    );
    return null;
  }
}

function topBar(user, path) {
  const named = isNamed(user);
  const isAdmin = named && user.roles.includes("admin");
  fill(
    $("#top"),
    h("a", { class: "brand", href: `${base}/` }, "hyphad"),
    path.length ? h("nav", { class: "path", "aria-label": "You are here" }, path) : null,
    h("span", { class: "space" }),
    isAdmin ? h("a", { class: "link", href: `${base}/server` }, "Server") : null,
    named
      ? h(
          "a",
          { class: "who", href: LOGIN, title: `Signed in as ${user.email || user.id}` },
          user.email || user.id,
        )
      : null,
    named
      ? h("a", { class: "button small", href: `${LOGIN}?logout=true` }, "Log out")
      : h("a", { class: "button small", href: loginUrl() }, "Log in"),
    themeButton(),
  );
}

function themeButton() {
  const isDark = () =>
    (document.documentElement.dataset.theme ||
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const picture = svg(
    "svg",
    { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" },
    svg("circle", { cx: 8, cy: 8, r: 6.25 }),
    svg("path", { d: "M8 1.75a6.25 6.25 0 0 1 0 12.5z" }),
  );
  const button = h("button", { type: "button", class: "quiet round" }, picture);
  const show = () => button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("hyphad-theme", next);
    show();
  });
  show();
  return button;
}

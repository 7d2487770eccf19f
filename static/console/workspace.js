// The frame of a workspace's pages: who may see what, which page the address names, and live events.
import { base, get, live, manager, segment } from "./api.js";
import { begin, homeOf, isNamed, loginUrl } from "./bar.js";
import { access } from "./access.js";
import { overview } from "./overview.js";
import { settings } from "./settings.js";
import { $, failure, fill, h, lamp, tag } from "./ui.js";

const LEVELS = { r: "read", rw: "read and write", a: "do everything" };
const KINDS = [
  "service_added",
  "service_removed",
  "service_updated",
  "client_connected",
  "client_updated",
  "client_disconnected",
  "workspace_changed",
  "workspace_status_changed",
  "workspace_ready",
  "workspace_unloaded",
  "workspace_deleted",
];

const main = $("#main");
const id = decodeURIComponent(location.pathname.slice(base.length).split("/")[1] || "");
document.title = `${id} · hyphad`;

async function workspacePages(user) {
  let place;
  try {
    place = await enter(user);
  } catch (error) {
    cannotShow(id, error, user, `${base}/`);
    return;
  }
  const listeners = new Set();
  const light = lamp();
  const says = h("span", { class: "says" }, "away");
  place.lamp = h("span", { class: "beside" }, light, says);
  place.listen = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const tell = (kind, data) => listeners.forEach((listener) => listener.event(kind, data));
  live(
    place.member ? `/${segment(id)}/events` : "/events",
    Object.fromEntries(
      KINDS.map((kind) => [
        kind,
        (data) => {
          if (place.member || isHere(data)) tell(kind, data);
        },
      ]),
    ),
    (on) => {
      light.classList.toggle("on", on);
      says.textContent = on ? "live" : "away";
      listeners.forEach((listener) => listener.state(on));
    },
  );
  let leave = null;
  const route = async (moved) => {
    if (leave) leave();
    leave = null;
    leave = await show(place, moved);
  };
  window.addEventListener("hashchange", () => route(true));
  await route(false);
}

const isHere = (data) => Boolean(data && data.id && String(data.id).startsWith(`${id}/`));

// What the server tells this user of the workspace. Who may not read it still sees public services.
async function enter(user) {
  const place = { id, user, member: false, level: "", record: {} };
  try {
    place.record = await get(`/${segment(id)}/info`);
    place.member = true;
  } catch (error) {
    if (error.status !== 403) throw error;
    return place;
  }
  place.level = (await manager(id, "check_status")).user_permission || "";
  return place;
}

// Draws the page that the address names. Returns what is to be done when it is left.
async function show(place, moved) {
  const [, first, service, method] = location.hash.match(/^#\/([a-z]*)(?:\/([^/]+))?(?:\/([^/]+))?$/) || [];
  try {
    if (first === "services" && service) {
      const { servicePage } = await import("./service.js");
      await servicePage(
        place,
        main,
        decodeURIComponent(service),
        method && decodeURIComponent(method),
        moved,
      );
      return null;
    }
    const page = place.member ? { access, settings }[first] || overview : overview;
    const { element, leave } = await page(place);
    fill(main, head(place, page), element);
    if (moved) main.focus({ preventScroll: true });
    return leave;
  } catch (error) {
    cannotShow(
      first === "services" ? "This service cannot be shown" : id,
      error,
      place.user,
      first ? "#/" : `${base}/`,
    );
    return null;
  }
}

function cannotShow(title, error, user, back) {
  fill(
    main,
    h("h1", {}, title),
    failure(error),
    h(
      "p",
      { class: "row" },
      h("a", { class: "button", href: back }, "Back"),
      isNamed(user) ? null : h("a", { class: "button main", href: loginUrl() }, "Log in"),
    ),
  );
}

function head(place, page) {
  const link = (to, name, target) =>
    h("a", { href: to, "aria-current": page === target ? "page" : null }, name);
  const title = place.id === homeOf(place.user) ? "My workspace" : place.record.name || place.id;
  return h(
    "div",
    { class: "head" },
    h("h1", {}, title),
    h(
      "p",
      { class: "row soft" },
      place.lamp,
      title === place.id ? null : h("code", {}, place.id),
      place.member ? null : "You see what is public here.",
      place.record.description && place.record.description !== title
        ? h("span", {}, place.record.description)
        : null,
      place.member && place.record.persistent === false ? tag("temporary") : null,
      place.level ? tag(`you may ${LEVELS[place.level] || place.level}`) : null,
    ),
    place.member
      ? h(
          "nav",
          { class: "tabs", "aria-label": "Workspace" },
          link("#/", "Overview", overview),
          link("#/access", "People and tokens", access),
          link("#/settings", "Settings", settings),
        )
      : null,
  );
}

const info = await begin(h("a", { href: "#/" }, id));
if (info) await workspacePages(info.user);

// The people of a workspace: who owns it, who else is here, and by what right.
import { base, call, get, manager, segment } from "./api.js";
import { homeOf } from "./bar.js";
import { count } from "./format.js";
import { announce, confirmed, field, fill, failure, form, h, panel, tag } from "./ui.js";

export const LEVELS = { r: "read", rw: "read and write", a: "everything" };
const FIXED = ["public", "ws-anonymous", "ws-user-root"];
const CHANGES = ["client_connected", "client_disconnected", "workspace_changed"];
const LINGER = 150;

export async function peoplePanel(place) {
  const list = h("ul", { class: "rows people", tabindex: "-1" });
  const personal = place.id.startsWith("ws-user-") && place.id !== homeOf(place.user);
  const mayShare = place.level === "a" && !personal && !FIXED.includes(place.id);
  async function load() {
    const [{ owners = [] }, clients] = await Promise.all([
      get(`/${segment(place.id)}/info`),
      manager(place.id, "list_clients", [place.id]),
    ]);
    const found = [...everybody(place, owners, clients)];
    fill(
      list,
      found.length
        ? found.map((one) => person(one, owners))
        : h("li", { class: "empty" }, "Nobody owns this workspace, and nobody is connected."),
    );
  }
  // The home of somebody is always theirs, and a workspace keeps one owner.
  function person(one, owners) {
    const may = mayShare && one.owner && owners.length > 1 && place.id !== `ws-user-${one.owner}`;
    const who = one.email || one.who;
    return h(
      "li",
      { class: "person" },
      h(
        "div",
        { class: "what" },
        h("p", { class: "clip", title: who }, who),
        one.email && one.email !== one.who ? h("p", { class: "small soft mono clip" }, one.who) : null,
      ),
      h("span", { class: "small soft" }, one.clients ? count(one.clients, "client") : "not connected"),
      one.owner ? tag("owner", "open") : tag(LEVELS[one.level] || "public services"),
      may
        ? h(
            "button",
            {
              type: "button",
              class: "quiet small danger",
              "aria-label": `Remove ${who}`,
              onclick: () => remove(one.owner),
            },
            "Remove",
          )
        : null,
    );
  }
  const change = (method, owner) =>
    call("public", "workspaces", method, { workspace_id: place.id, owner });
  async function remove(owner) {
    const question = `Take ${place.record.name || place.id} back from ${owner}?`;
    const consequence = "Their connections end, and so do the tokens they made for it.";
    if (!(await confirmed(question, consequence, "Remove"))) return;
    try {
      await change("remove_owner", owner);
      if ([place.user.id, place.user.email].includes(owner)) location.assign(`${base}/`);
      else await load();
      announce("Removed");
      list.focus();
    } catch (error) {
      list.prepend(h("li", {}, failure(error)));
    }
  }
  await load();
  return { element: frame(list, mayShare ? newOwner(change, load) : null), leave: follow(place, load) };
}

const frame = (list, share) =>
  panel(
    "People",
    {
      class: "list",
      note: "Owners may do everything. Others come in by a token, and may do what it allows for as long as it lasts.",
    },
    list,
    share ? h("div", { class: "foot" }, share) : null,
  );

function newOwner(change, load) {
  const owner = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false" });
  return form(
    async () => {
      await change("add_owner", owner.value.trim());
      owner.value = "";
      await load();
      announce("Added");
      owner.focus();
    },
    field("New owner", owner, "the e-mail address that they log in with, or their user id"),
    h("p", {}, h("button", {}, "Add owner")),
  );
}

// Owners by the record; everybody else by the token that brought them here.
function everybody(place, owners, clients) {
  const found = new Map();
  for (const owner of owners) found.set(owner, { who: owner, owner, clients: 0 });
  for (const { user } of clients) {
    const id = user.parent || user.id;
    const known = found.get(user.email && found.has(user.email) ? user.email : id) || {
      who: id,
      email: user.email,
      level: levelOf(user, place.id),
      clients: 0,
    };
    known.clients += 1;
    known.email ||= user.email;
    found.set(known.who, known);
  }
  return found.values();
}

function levelOf(user, workspace) {
  const levels = (user.scope && user.scope.workspaces) || {};
  return levels[workspace] || levels["*"] || "";
}

// Looks again a moment after something has changed; returns what ends that.
function follow(place, load) {
  let waiting = null;
  const stop = place.listen({
    state() {},
    event(kind) {
      if (!CHANGES.includes(kind)) return;
      clearTimeout(waiting);
      waiting = setTimeout(() => load().catch(() => {}), LINGER);
    },
  });
  return () => {
    clearTimeout(waiting);
    stop();
  };
}

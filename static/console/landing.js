// The first page: it runs, who I am, what is here, and a first service in a minute.
import { base, live, manager, origin, segment } from "./api.js";
import { begin, homeOf, isNamed, loginUrl } from "./bar.js";
import { Rows } from "./rows.js";
import { firstService } from "./snippets.js";
import {
  $,
  announce,
  codeBlock,
  copyButton,
  failure,
  field,
  fill,
  form,
  h,
  idLine,
  lamp,
  panel,
  tabs,
  tag,
} from "./ui.js";

const SHOWN = 12;
const MOST = 500;
const DAY = 86400;
const main = $("#main");

async function landing(user) {
  const named = isNamed(user);
  const listening = lamp();
  const services = publicServices(listening);
  const first = firstSteps(named ? homeOf(user) : null);
  services.onKnown = first.known;
  services.onNew = first.appeared;
  const mine = named ? await workspacesOf(homeOf(user)) : signIn();
  fill(
    main,
    h("h1", {}, "hyphad is running"),
    h(
      "dl",
      { class: "facts" },
      fact("Version", main.dataset.version),
      fact("Address", h("code", {}, origin), copyButton(origin)),
      fact("You", named ? user.email || user.id : "not logged in"),
    ),
    h("div", { class: "columns" }, h("div", {}, first.element), h("div", {}, mine, services.element)),
  );
  services.listen();
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

// Code to paste. It takes over the real names as soon as such a service is there.
function firstSteps(home) {
  let token = null;
  let seen = null;
  let chosen = 0;
  const place = h("div");
  const waiting = lamp();
  const state = h(
    "p",
    { class: "state", "aria-live": "polite" },
    waiting,
    "The service shows up here by itself.",
  );
  function show() {
    const panels = Object.entries(firstService(token, seen)).map(([name, text]) => [
      name,
      () => codeBlock(text, `${name} code`),
    ]);
    fill(
      place,
      tabs("Language", panels, chosen, (index) => {
        chosen = index;
      }),
    );
  }
  const said = h("div", { "aria-live": "polite" });
  const fresh = h(
    "button",
    {
      type: "button",
      onclick: async () => {
        const options = { workspace: home, permission: "admin", expires_in: DAY };
        try {
          token = await manager(home, "generate_token", { config: options });
        } catch (error) {
          fill(said, failure(error));
          return;
        }
        show();
        fill(
          said,
          h(
            "p",
            { class: "small soft" },
            "The code above now connects as you, to your own workspace, for one day. Whoever has the token can do the same.",
          ),
        );
      },
    },
    "Put a fresh token in",
  );
  show();
  return {
    element: panel(
      "Your first service in a minute",
      { class: "padded" },
      h(
        "p",
        {},
        "Run the Python or the JavaScript code. Then call it with curl, or give it to an assistant as an MCP server.",
      ),
      place,
      h("div", { class: "row steps" }, h("div", { class: "grow" }, state), home ? fresh : null),
      said,
    ),
    // One that has been there before fills the code in, and no more.
    known(workspace, id) {
      if (id.split(":").pop() !== "hello-world" || workspace !== home) return;
      seen = { workspace, id };
      show();
    },
    appeared(workspace, id, service) {
      if (id.split(":").pop() !== "hello-world") return;
      seen = { workspace, id };
      fill(
        state,
        lamp(),
        " ",
        h("a", { href: linkTo(workspace, id) }, service.name || id),
        " is here. Open it to call it from this page.",
      );
      state.firstChild.classList.add("on");
      announce(`${service.name || id} is here`);
      show();
    },
  };
}

const linkTo = (workspace, id) => `${base}/${segment(workspace)}/#/services/${encodeURIComponent(id)}`;

function publicServices(listening) {
  const known = new Map();
  const more = h("button", { type: "button", class: "quiet small", onclick: () => showMore() });
  const rest = h("span", { class: "small soft" });
  const foot = h("div", { class: "foot", hidden: true }, more, rest);
  let most = SHOWN;
  let unseen = 0;
  let begun = false;
  const rows = new Rows(
    (service, key) => {
      const [workspace, id] = key.split("/");
      return h(
        "li",
        {},
        h("a", { class: "cover", href: linkTo(workspace, id) }, service.name || id),
        idLine(key),
      );
    },
    { empty: "None yet. Yours will be the first." },
  );
  const self = {
    element: panel(
      "Public services",
      { class: "list", beside: h("span", { class: "beside" }, listening, "live") },
      rows.element,
      foot,
    ),
    onKnown: () => {},
    onNew: () => {},
    listen() {
      live(
        "/events",
        {
          services: ({ total, newest }) => {
            const before = new Set(known.keys());
            known.clear();
            for (const service of newest) tell(service, before.has(fullId(service)) || !begun);
            unseen = total - newest.length;
            begun = true;
            draw();
          },
          service_added: (service) => {
            tell(service, false);
            draw();
          },
          service_removed: (service) => {
            known.delete(fullId(service));
            draw();
          },
        },
        (on) => listening.classList.toggle("on", on),
      );
    },
  };
  // Enters a service and says so to those who wait for it.
  function tell(service, isOld) {
    const place = put(service);
    if (place && isOld) self.onKnown(...place);
    else if (place) self.onNew(...place, service);
  }
  function put(service) {
    const key = fullId(service);
    const [workspace, id] = key.split("/");
    if (service.type === "built-in" || workspace === "public" || !id) return null;
    known.set(key, service);
    return [workspace, id];
  }
  function draw() {
    const newest = [...known].reverse();
    rows.show(newest.slice(0, most));
    const left = newest.length - most;
    foot.hidden = left <= 0 && !unseen;
    more.hidden = left <= 0;
    more.textContent = `Show ${left.toLocaleString("en")} more`;
    rest.textContent = left <= 0 && unseen ? `and ${unseen.toLocaleString("en")} older ones` : "";
  }
  function showMore() {
    most = MOST;
    draw();
    rows.element.children[SHOWN].querySelector("a").focus();
  }
  return self;
}

const fullId = (service) =>
  service.id.includes("/") ? service.id : `${service.config.workspace}/${service.id}`;

function signIn() {
  return panel(
    "Your workspace",
    { class: "padded" },
    h(
      "p",
      {},
      "Programs may connect without an account: each gets a workspace of its own for as long as it stays. Log in for one that is kept.",
    ),
    h("p", {}, h("a", { class: "button main", href: loginUrl() }, "Log in")),
  );
}

async function workspacesOf(home) {
  const rows = new Rows((workspace) =>
    h(
      "li",
      {},
      h(
        "div",
        { class: "row" },
        h(
          "a",
          { class: "cover grow", href: `${base}/${segment(workspace.id)}/` },
          workspace.id === home ? "My workspace" : workspace.name || workspace.id,
        ),
        workspace.persistent ? null : tag("temporary"),
      ),
      h(
        "p",
        { class: "small soft clip" },
        workspace.id === home ? workspace.id : workspace.description || workspace.id,
      ),
    ),
  );
  const load = async () => {
    const found = await manager(home, "list_workspaces");
    found.sort((a, b) => Number(b.id === home) - Number(a.id === home));
    rows.show(found.map((workspace) => [workspace.id, workspace]));
  };
  await load();
  const name = h("input", {
    type: "text",
    required: true,
    autocomplete: "off",
    pattern: "[a-z0-9]+(-[a-z0-9]+)+",
  });
  const about = h("input", { type: "text", autocomplete: "off" });
  const create = form(
    async () => {
      const config = {
        id: name.value.trim(),
        name: name.value.trim(),
        description: about.value,
        persistent: true,
      };
      await manager(home, "create_workspace", { config });
      name.value = about.value = "";
      await load();
      announce("Workspace created");
    },
    field("Name", name, "lower case, with a hyphen, such as lab-3"),
    field("What it is for", about),
    h("p", {}, h("button", {}, "Create workspace")),
  );
  return panel(
    "My workspaces",
    { class: "list" },
    rows.element,
    h("details", { class: "padded" }, h("summary", {}, "New workspace"), create),
  );
}

const info = await begin();
if (info) await landing(info.user);

// What a workspace keeps: environment variables, how much of its limits it uses, and its end.
import { base, call, get, manager, segment } from "./api.js";
import { homeOf } from "./bar.js";
import { announce, confirmed, failure, field, fill, form, h, panel, table } from "./ui.js";

const ROOT = "ws-user-root";

export async function settings(place) {
  const [environment, use] = await Promise.all([environmentPanel(place), usePanel(place)]);
  return {
    element: h(
      "div",
      { class: "columns even" },
      h("div", {}, environment),
      h("div", {}, use, place.level === "a" ? endPanel(place) : null),
    ),
    leave() {},
  };
}

async function environmentPanel(place) {
  const list = h("ul", { class: "rows" });
  const name = h("input", { type: "text", autocomplete: "off", spellcheck: "false", required: true });
  const value = h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  async function show() {
    const found = Object.entries(await manager(place.id, "get_env"));
    fill(list, found.length ? found.map(variable) : h("li", { class: "empty" }, "None yet."));
  }
  // Values may be secrets: they are shown on request.
  function variable([key, text]) {
    const shown = h("code", { class: "small soft grow clip" }, "••••••••");
    return h(
      "li",
      { class: "row" },
      h("code", {}, key),
      shown,
      h(
        "button",
        {
          type: "button",
          class: "quiet small",
          "aria-label": `Show ${key}`,
          onclick: () => {
            shown.textContent = String(text);
          },
        },
        "Show",
      ),
      h(
        "button",
        {
          type: "button",
          class: "quiet small danger",
          "aria-label": `Remove ${key}`,
          onclick: () => remove(key),
        },
        "Remove",
      ),
    );
  }
  async function remove(key) {
    if (!(await confirmed(`Remove ${key}?`, "Programs that read it will not find it any more.", "Remove")))
      return;
    try {
      await manager(place.id, "set_env", { key, value: null });
      await show();
    } catch (error) {
      fill(list, h("li", {}, failure(error)));
    }
  }
  const save = async () => {
    await manager(place.id, "set_env", { key: name.value.trim(), value: value.value });
    name.value = value.value = "";
    await show();
    announce("Saved");
    name.focus();
  };
  await show();
  return panel(
    "Environment variables",
    { class: "list", note: "Programs of this workspace read them with get_env." },
    list,
    h(
      "div",
      { class: "foot" },
      form(
        save,
        h(
          "div",
          { class: "row top" },
          h("div", { class: "grow" }, field("Name", name)),
          h("div", { class: "grow" }, field("Value", value)),
        ),
        h("p", {}, h("button", {}, "Set variable")),
      ),
    ),
  );
}

// How much there is of everything; the limits are the server's, and shown to its administrators.
async function usePanel(place) {
  const isAdmin = place.user.roles.includes("admin");
  const [clients, services, usage] = await Promise.all([
    manager(place.id, "list_clients", [place.id]),
    get(`/${segment(place.id)}/services/`),
    isAdmin ? call(ROOT, "admin-utils", "get_resource_usage") : null,
  ]);
  const limits = usage ? usage.limits : {};
  const rows = [
    ["Clients", clients.length, limits.max_clients_per_workspace ?? ""],
    ["Services", services.filter((service) => service.type !== "built-in").length, ""],
  ];
  if (usage) {
    const most = (counts) => Math.max(0, ...Object.values(counts));
    const here = Object.entries(usage.services_per_client).filter(([client]) =>
      client.startsWith(`${place.id}/`),
    );
    rows.push([
      "Services of the busiest client",
      most(Object.fromEntries(here)),
      limits.max_services_per_client,
    ]);
    rows.push([
      "Connections of the busiest user of the server",
      most(usage.connections_per_user),
      limits.max_connections_per_user,
    ]);
  }
  return panel("In use", { class: "list" }, table("In use", ["What", "Now", "At most"], rows));
}

// One's own workspace is never gone; it can be emptied.
function endPanel(place) {
  const home = place.id === homeOf(place.user);
  const action = home ? "Empty workspace" : "Delete workspace";
  const remove = form(
    async () => {
      const name = place.record.name || place.id;
      if (
        !(await confirmed(`${home ? "Empty" : "Delete"} ${name}?`, "What it keeps is gone for good.", action))
      )
        return null;
      await manager(place.id, "delete_workspace", [place.id]);
      location.assign(`${base}/`);
      return h("p", {}, "Deleted.");
    },
    h("button", { class: "danger" }, action),
  );
  return panel(
    home ? "Start over" : "Delete this workspace",
    { class: "padded" },
    h(
      "p",
      { class: "soft" },
      home
        ? "Removes its variables and everything else it keeps. There is no way back."
        : "Cuts off its services and removes everything it keeps. There is no way back.",
    ),
    remove,
  );
}

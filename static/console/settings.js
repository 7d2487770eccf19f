// What a workspace keeps: environment variables, how much of its limits it uses, and its end.
import { base, call, manager } from "./api.js";
import { homeOf } from "./bar.js";
import { size } from "./format.js";
import { announce, confirmed, failure, field, fill, form, h, panel, table } from "./ui.js";

export async function settings(place) {
  const mayWrite = place.level === "a" || place.level === "rw";
  const [environment, use] = await Promise.all([mayWrite && environmentPanel(place), usePanel(place)]);
  return {
    element: h(
      "div",
      { class: mayWrite ? "columns even" : "" },
      mayWrite ? h("div", {}, environment) : null,
      h("div", {}, use, place.level === "a" ? endPanel(place) : null),
    ),
    leave() {},
  };
}

const HIDDEN = "••••••••";

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
    const shown = h("code", { class: "small soft clip" }, HIDDEN);
    return h(
      "li",
      { class: "variable" },
      h("code", { class: "clip", title: key }, key),
      shown,
      h(
        "button",
        {
          type: "button",
          class: "quiet small",
          "aria-label": `Show ${key}`,
          onclick: (event) => {
            const hide = shown.textContent !== HIDDEN;
            shown.textContent = hide ? HIDDEN : String(text);
            shown.classList.toggle("clip", hide);
            event.target.textContent = hide ? "Show" : "Hide";
            event.target.setAttribute("aria-label", `${hide ? "Show" : "Hide"} ${key}`);
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

const KINDS = [
  ["clients", "Clients"],
  ["services", "Services"],
  ["services_per_client", "Services of the busiest client"],
  ["variables", "Environment variables"],
  ["record", "Record of the workspace"],
  ["events", "Logged events"],
  ["queued_tasks", "Waiting tasks"],
];

// How much there is of everything, and how much there may be.
async function usePanel(place) {
  const found = await call("public", "workspaces", "get_usage", { workspace_id: place.id });
  const stored = Object.values(found).reduce((total, { bytes = 0 }) => total + bytes, 0);
  const rows = KINDS.filter(([kind]) => found[kind]).map(([kind, name]) => {
    const { now, limit, bytes, limit_bytes: most } = found[kind];
    return [
      name,
      now ?? "",
      most ? size(most) : (limit ?? h("span", { class: "soft number" }, "no limit")),
      bytes === undefined ? "" : size(bytes),
    ];
  });
  return panel(
    "Storage and limits",
    { class: "list", beside: h("span", { class: "beside" }, `${size(stored)} stored`) },
    table("Storage and limits", ["What", "Now", "At most", "Stored"], rows),
  );
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

// Who may do what in a workspace: its people, and the tokens that stand for them.
import { call, manager } from "./api.js";
import { day, moment } from "./format.js";
import { LEVELS, peoplePanel } from "./people.js";
import {
  announce,
  codeBlock,
  confirmed,
  failure,
  field,
  fill,
  form,
  h,
  panel,
  select,
  table,
} from "./ui.js";

const PERMISSIONS = [
  ["read", "read"],
  ["read_write", "read and write"],
  ["admin", "everything"],
];
const LIFETIMES = [
  ["3600", "one hour"],
  ["86400", "one day"],
  ["2592000", "thirty days"],
  ["31536000", "one year"],
];

export async function access(place) {
  const [people, tokens] = await Promise.all([
    peoplePanel(place),
    place.level === "a" ? tokenPanels(place) : onlyAdmins(),
  ]);
  return {
    element: h("div", { class: "columns even" }, h("div", {}, people.element), h("div", {}, tokens)),
    leave: people.leave,
  };
}

const onlyAdmins = () =>
  panel(
    "Tokens",
    { class: "padded" },
    h("p", { class: "soft" }, "Those who may do everything here make and revoke tokens."),
  );

async function tokenPanels(place) {
  const list = await listPanel(place);
  return [createPanel(place, list.load), list.element];
}

function createPanel(place, created) {
  const label = h("input", { type: "text", autocomplete: "off", maxlength: "200", required: true });
  const permission = select(PERMISSIONS, "read_write");
  const lifetime = select(LIFETIMES, "2592000");
  const client = h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  const create = async () => {
    const made = await call("public", "tokens", "create_token", {
      workspace_id: place.id,
      permission: permission.value,
      expires_in: Number(lifetime.value),
      label: label.value.trim(),
      client_id: client.value.trim() || null,
    });
    label.value = client.value = "";
    await created();
    announce("Token created");
    return h(
      "div",
      {},
      codeBlock(made.token, "The new token"),
      h(
        "p",
        { class: "small soft" },
        "Keep it now: it is shown only once. Give it to a program as the environment variable HYPHA_TOKEN.",
      ),
    );
  };
  return panel(
    "New token",
    { class: "padded" },
    form(
      create,
      h(
        "div",
        { class: "fields" },
        field("What for", label, "for your own list"),
        field("It may", permission, "to write is to register services"),
        field("Good for", lifetime),
        field("Only for the client", client, "any, if left empty"),
      ),
      h("p", { class: "act" }, h("button", { class: "main" }, "Create token")),
    ),
  );
}

async function listPanel(place) {
  const list = h("div");
  const total = h("span", { class: "beside" });
  async function load() {
    const found = await call("public", "tokens", "list_tokens", { workspace_id: place.id });
    total.textContent = String(found.length);
    fill(
      list,
      table(
        "Tokens",
        ["For", "May", "Made", "Until", ""],
        found.map((one) => [
          h("span", {}, one.label || "unnamed", h("div", { class: "small soft" }, `by ${one.made_by}`)),
          LEVELS[one.permission] || one.permission,
          day(one.created_at),
          moment(one.expires_at).slice(0, -3),
          h(
            "button",
            {
              type: "button",
              class: "quiet small danger",
              "aria-label": `End ${one.label || "the unnamed token"}`,
              onclick: () => end(one),
            },
            "End",
          ),
        ]),
        "None is in use. Those that programs make for themselves are not listed.",
      ),
    );
  }
  async function end(one) {
    if (
      !(await confirmed(
        `End ${one.label || "this token"}?`,
        "Programs that use it are cut off at once.",
        "End it",
      ))
    )
      return;
    try {
      await call("public", "tokens", "end_token", { token_id: one.id });
      await load();
      announce("Ended");
    } catch (error) {
      fill(list, failure(error));
    }
  }
  await load();
  const token = h("input", { type: "password", autocomplete: "off", required: true });
  const revoke = form(
    async () => {
      await manager(place.id, "revoke_token", { token: token.value.trim() });
      token.value = "";
      await load();
      return h("p", {}, "Revoked. It is refused from now on.");
    },
    field("Token", token, "paste it here"),
    h("p", {}, h("button", { class: "danger" }, "Revoke")),
  );
  return {
    load,
    element: panel(
      "Tokens in use",
      { class: "list", beside: total },
      list,
      h("details", { class: "padded" }, h("summary", {}, "Revoke a token that is not listed"), revoke),
    ),
  };
}

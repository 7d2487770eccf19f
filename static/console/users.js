// Accounts: who has one, what they may, and how somebody new gets one.
import { call } from "./api.js";
import { moment } from "./format.js";
import { ROOT } from "./operations.js";
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
  tag,
} from "./ui.js";

const ask = (method, args) => call(ROOT, "user-admin", method, args);
const ROLES = [
  ["user", "user"],
  ["admin", "administrator of the server"],
];
const MAX_LISTED = 1000;

export async function usersPage() {
  const place = h("div");
  const said = h("div", { "aria-live": "polite" });
  const total = h("span", { class: "beside" });
  const search = h("input", {
    type: "search",
    placeholder: "Filter by id, e-mail or name",
    "aria-label": "Filter users",
    oninput: () => show(),
  });
  let found = [];
  async function load() {
    found = await ask("list_users", { limit: MAX_LISTED });
    show();
  }
  function show() {
    const wanted = search.value.toLowerCase();
    const fits = found.filter((user) =>
      `${user.id} ${user.email} ${user.name}`.toLowerCase().includes(wanted),
    );
    total.textContent = `${fits.length} of ${found.length}`;
    fill(
      place,
      table(
        "Users",
        ["Who", "Roles", "State", "Since", "Last log-in", ""],
        fits.map(row),
        found.length ? "Nobody fits this filter." : "No accounts yet.",
      ),
    );
  }
  // Does something to an account and says what came of it.
  async function act(user, method, done) {
    try {
      const answer = await ask(method, { user_id: user.id });
      fill(
        said,
        answer && answer.set_password_url ? linkFor(user.email || user.id, answer.set_password_url) : null,
      );
      announce(done);
      await load();
    } catch (error) {
      fill(said, failure(error));
    }
  }
  function row(user) {
    const button = (text, method, done, kind = "") =>
      h(
        "button",
        {
          type: "button",
          class: `quiet small ${kind}`,
          "aria-label": `${text} ${user.email || user.id}`,
          onclick: () => act(user, method, done),
        },
        text,
      );
    return [
      h(
        "span",
        {},
        user.name || user.email || user.id,
        h("div", { class: "small soft" }, user.email || user.id),
      ),
      user.roles.join(", "),
      tag(user.status, user.status === "active" ? "open" : "warn"),
      moment(user.created_at),
      moment(user.last_login_at),
      h(
        "span",
        { class: "nowrap" },
        user.status === "active"
          ? button("Disable", "disable_user", "Disabled", "danger")
          : button("Enable", "enable_user", "Enabled"),
        button("Password link", "reset_password", "Link made"),
        h(
          "button",
          {
            type: "button",
            class: "quiet small danger",
            "aria-label": `Delete ${user.email || user.id}`,
            onclick: async () => {
              if (
                await confirmed(`Delete ${user.email || user.id}?`, "The account is gone for good.", "Delete")
              )
                await act(user, "delete_user", "Deleted");
            },
          },
          "Delete",
        ),
      ),
    ];
  }
  await load();
  return {
    element: h(
      "div",
      {},
      panel(
        "Users",
        { class: "list", beside: total },
        h("div", { class: "toolbar" }, search),
        place,
        h("div", { class: "foot" }, said),
      ),
      h("div", { class: "columns even" }, newUser(load), invite()),
    ),
  };
}

const linkFor = (who, url) =>
  h(
    "div",
    {},
    h("p", {}, `Give this link to ${who}. It sets a password, once, and is good for a day.`),
    codeBlock(url, "Link to set a password"),
  );

function newUser(load) {
  const email = h("input", { type: "email", required: true, autocomplete: "off" });
  const name = h("input", { type: "text", autocomplete: "off" });
  const role = select(ROLES, "user");
  return panel(
    "New user",
    { class: "padded" },
    form(
      async () => {
        const made = await ask("create_user", {
          email: email.value.trim(),
          name: name.value.trim(),
          roles: role.value === "admin" ? ["user", "admin"] : ["user"],
        });
        const who = email.value;
        email.value = name.value = "";
        await load();
        return made.set_password_url ? linkFor(who, made.set_password_url) : h("p", {}, "Created.");
      },
      field("E-mail", email),
      field("Name", name),
      field("Role", role),
      h("p", {}, h("button", {}, "Create user")),
    ),
  );
}

function invite() {
  const days = select(
    [
      ["1", "one day"],
      ["7", "one week"],
      ["30", "thirty days"],
    ],
    "7",
  );
  return panel(
    "Invitation",
    { class: "padded", note: "A link with which one person makes an account." },
    form(
      async () => {
        const made = await ask("create_invite", { expires_in: Number(days.value) * 86400 });
        return codeBlock(made.url, "Invitation");
      },
      field("Good for", days),
      h("p", {}, h("button", {}, "Make an invitation")),
    ),
  );
}

// The OpenAPI document beside this page, readable, with a form to call each function.
const main = document.getElementById("main");

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function typeOf(schema, depth = 0) {
  if (schema === true || !schema || depth > 8) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop().replace(/^.*\./, "");
  if (schema.enum) return schema.enum.map((item) => JSON.stringify(item)).join(" | ");
  const choices = schema.anyOf || schema.oneOf;
  if (choices) return choices.map((item) => typeOf(item, depth + 1)).join(" | ");
  if (schema.type === "array") return `array of ${typeOf(schema.items, depth + 1)}`;
  return [schema.type || "any"].flat().join(" | ");
}

function example(schema) {
  const made = {};
  for (const [name, item] of Object.entries(schema.properties || {})) {
    if ("default" in item) made[name] = item.default;
    else if ((schema.required || []).includes(name)) made[name] = { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} }[item.type] ?? null;
  }
  return made;
}

function parameters(schema) {
  const entries = Object.entries(schema.properties || {});
  if (!entries.length) return h("p", { class: "soft" }, "No parameters.");
  const needed = schema.required || [];
  return h("dl", {}, entries.map(([name, item]) => [
    h("dt", {}, h("code", {}, name), needed.includes(name) ? null : h("span", { class: "soft" }, " (optional)")),
    h("dd", {}, h("code", {}, typeOf(item)), item.default === undefined ? null : ` = ${JSON.stringify(item.default)}`,
      item.description ? h("div", { class: "soft" }, item.description) : null),
  ]));
}

function tryIt(path, schema, token) {
  const id = `body-${path}`;
  const body = h("textarea", { id, rows: 5, spellcheck: "false", class: "mono" }, JSON.stringify(example(schema), null, 2));
  const answer = h("pre", { class: "answer", "aria-live": "polite", tabindex: 0, hidden: true });
  async function send(event) {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = "…";
    const headers = { "Content-Type": "application/json" };
    if (token.value.trim()) headers.Authorization = `Bearer ${token.value.trim()}`;
    try {
      const response = await fetch(`.${path}`, { method: "POST", headers, body: body.value });
      answer.textContent = `${response.status} ${response.statusText}\n`;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) answer.textContent += part.value;
    } catch (error) {
      answer.textContent = String(error);
    }
  }
  return h("form", { onsubmit: send }, h("label", { for: id }, "Arguments (JSON)"), body,
    h("p", {}, h("button", { type: "submit", class: "main" }, "Call")), answer);
}

function operation(path, item, document_, token) {
  const post = item.post;
  const name = post.requestBody.content["application/json"].schema.$ref.split("/").pop();
  const schema = document_.components.schemas[name];
  return h("details", { class: "operation" },
    h("summary", {}, h("span", { class: "tag" }, item.get ? "GET, POST" : "POST"), h("code", {}, path), h("span", { class: "soft" }, post.summary || "")),
    post.description && post.description !== post.summary ? h("p", { class: "answer" }, post.description) : null,
    parameters(schema), tryIt(path, schema, token));
}

function page(document_) {
  const { info } = document_;
  document.title = `${info.title} · API documentation`;
  const token = h("input", { id: "token", type: "password", autocomplete: "off" });
  const paths = Object.entries(document_.paths);
  main.append(
    h("h1", {}, info.title),
    h("p", { class: "row" }, h("code", {}, document_.servers[0].url), h("a", { href: "openapi.json" }, "openapi.json")),
    info.description ? h("p", { class: "answer" }, info.description) : "",
    h("p", {}, h("label", { for: "token" }, "Token, if the service needs one"), token),
    h("h2", {}, `Functions (${paths.length})`),
    h("div", { class: "operations" }, paths.map(([path, item]) => operation(path, item, document_, token))));
  if (!paths.length) main.append(h("p", {}, "The service describes no functions."));
  if (paths.length === 1) main.querySelector("details").open = true;
}

try {
  const response = await fetch("openapi.json", { headers: { Accept: "application/json" } });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  page(answer);
} catch (error) {
  main.append(h("h1", {}, "API documentation"), h("p", { role: "alert" }, `It cannot be shown: ${error.message}`));
}

// A form for a JSON schema of parameters; `read()` gives the arguments or says what is wrong.
import { field, h } from "./ui.js";

export function schemaForm(schema) {
  const properties = Object.entries((schema && schema.properties) || {});
  const required = new Set((schema && schema.required) || []);
  const inputs = properties.map(([name, shape]) => [name, control(resolve(shape, schema), required.has(name))]);
  const element = h("div", {}, inputs.map(([name, made]) =>
    field(name, made.input, [made.hint, required.has(name) ? "required" : ""].filter(Boolean).join(" · "))));
  if (!inputs.length) element.append(h("p", { class: "soft" }, "Takes no arguments."));
  function read() {
    const args = {};
    for (const [name, made] of inputs) {
      const value = made.read(name);
      if (value !== undefined) args[name] = value;
      else if (required.has(name)) throw new Error(`${name} is required`);
    }
    return args;
  }
  return { element, read };
}

function resolve(shape, root) {
  if (shape.$ref) {
    const name = shape.$ref.split("/").pop();
    return { ...((root.$defs || root.definitions || {})[name] || {}), ...shape };
  }
  const choices = shape.anyOf || shape.oneOf;
  if (choices) {
    const real = choices.filter((choice) => choice.type !== "null").map((choice) => resolve(choice, root));
    if (real.length === 1) return { ...real[0], ...shape, type: real[0].type, anyOf: undefined };
    return { ...shape, type: undefined };
  }
  return shape;
}

function control(shape, required) {
  const hint = shape.description || "";
  const initial = shape.default;
  if (shape.enum) {
    const input = h("select", {}, required ? null : h("option", { value: "" }, ""), shape.enum.map((item) => h("option", { value: JSON.stringify(item) }, String(item))));
    if (initial !== undefined && initial !== null) input.value = JSON.stringify(initial);
    return { input, hint, read: () => (input.value === "" ? undefined : JSON.parse(input.value)) };
  }
  if (shape.type === "boolean") {
    const input = h("input", { type: "checkbox", checked: initial === true });
    return { input, hint, read: () => input.checked };
  }
  if (shape.type === "integer" || shape.type === "number") {
    const input = h("input", { type: "number", step: shape.type === "integer" ? "1" : "any", min: shape.minimum, max: shape.maximum, value: initial ?? "" });
    return { input, hint, read: (name) => {
      if (input.value === "") return undefined;
      const value = Number(input.value);
      if (Number.isNaN(value) || (shape.type === "integer" && !Number.isInteger(value))) throw new Error(`${name} must be ${shape.type === "integer" ? "a whole number" : "a number"}`);
      return value;
    } };
  }
  if (shape.type === "string") {
    const long = (shape.maxLength || 0) > 200 || shape.format === "multiline";
    const input = long ? h("textarea", { value: initial ?? "" }) : h("input", { type: "text", value: initial ?? "", placeholder: shape.format || "" });
    return { input, hint, read: () => (input.value === "" && !required ? undefined : input.value) };
  }
  const kind = { object: "JSON object", array: "JSON list" }[shape.type] || "text or JSON";
  const input = h("textarea", { class: "mono", spellcheck: "false", value: initial === undefined || initial === null ? "" : JSON.stringify(initial), placeholder: kind });
  return { input, hint: [hint, kind].filter(Boolean).join(" · "), read: (name) => {
    if (input.value.trim() === "") return undefined;
    try { return JSON.parse(input.value); } catch {
      if (!shape.type) return input.value;
      throw new Error(`${name}: this is no valid JSON`);
    }
  } };
}

// A form for a JSON schema of parameters. `read()` gives the arguments, or says what is wrong;
// `read(true)` leaves out what is wrong or missing.
import { field, fill, h, uniqueId } from "./ui.js";

const MAX_DEPTH = 6;

// A value that cannot be sent as it stands; `input` is where it stands.
export class BadInput extends Error {
  constructor(message, input) {
    super(message);
    this.input = input;
  }
}

// `changed` is called after each change. A function without a schema gets one field for JSON.
export function argumentsForm(schema, changed = () => {}) {
  const shape = resolve(schema || {}, schema);
  const fields = shape.properties ? objectFields(shape, schema, 0) : null;
  const raw = jsonControl({ type: "object" }, {});
  const place = h("div", { oninput: changed, onchange: changed });
  let asJson = !fields;
  show();

  function show() {
    if (asJson) {
      fill(place, field("Arguments", raw.input, "a JSON object: names and values"));
    } else {
      fill(
        place,
        fields.inputs.length
          ? h("div", { class: "fields" }, fields.inputs)
          : h("p", { class: "soft" }, "It takes no arguments."),
      );
    }
  }

  function read(forgive = false) {
    if (!asJson) return fields.read("", forgive);
    try {
      const value = raw.read("Arguments");
      if (value === undefined) return {};
      if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
      throw new BadInput("The arguments must be a JSON object", raw.input);
    } catch (error) {
      if (forgive) return {};
      throw error;
    }
  }

  // Changes between fields and JSON; what was filled in goes along where it can.
  function switchTo(json) {
    if (json) {
      raw.input.value = JSON.stringify(read(true), null, 2);
    }
    asJson = json;
    show();
    changed();
  }

  return {
    element: place,
    read,
    switchTo,
    onlyJson: !fields,
    empty: Boolean(fields) && !fields.inputs.length,
  };
}

// The schema itself: references followed, null taken out of the choices, one choice taken as it is.
function resolve(shape, root) {
  if (!shape || typeof shape !== "object") return {};
  if (typeof shape.$ref === "string") {
    const name = shape.$ref.split("/").pop();
    const definitions = (root && (root.$defs || root.definitions)) || {};
    return resolve({ ...definitions[name], ...shape, $ref: undefined }, root);
  }
  const choices =
    shape.anyOf || shape.oneOf || (Array.isArray(shape.type) ? shape.type.map((type) => ({ type })) : null);
  if (choices) {
    const real = choices.filter((choice) => choice.type !== "null");
    const rest = { ...shape, anyOf: undefined, oneOf: undefined, type: undefined };
    if (real.length === 1) return resolve({ ...real[0], ...withoutUndefined(rest) }, root);
    return rest;
  }
  if (Array.isArray(shape.allOf) && shape.allOf.length === 1) {
    return resolve({ ...shape.allOf[0], ...withoutUndefined({ ...shape, allOf: undefined }) }, root);
  }
  return shape;
}

const withoutUndefined = (object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

function objectFields(shape, root, depth) {
  const required = new Set(shape.required || []);
  const made = Object.entries(shape.properties).map(([name, given]) => [
    name,
    control(name, resolve(given, root), required.has(name), root, depth),
  ]);
  return {
    inputs: made.map(([, one]) => one.element),
    read(path, forgive) {
      const found = {};
      for (const [name, one] of made) {
        try {
          const value = one.read(path ? `${path}.${name}` : name, forgive);
          if (value !== undefined) found[name] = value;
        } catch (error) {
          if (!forgive) throw error;
        }
      }
      return found;
    },
  };
}

// What is said beside the name of a parameter.
function hintOf(name, shape, required, kind) {
  const range = [shape.minimum ?? shape.exclusiveMinimum, shape.maximum ?? shape.exclusiveMaximum];
  const bounds =
    range[0] !== undefined && range[1] !== undefined
      ? `${range[0]} to ${range[1]}`
      : range[0] !== undefined
        ? `at least ${range[0]}`
        : range[1] !== undefined
          ? `at most ${range[1]}`
          : "";
  return [
    ![shape.title, name].includes(shape.description) && shape.description,
    [kind, bounds].filter(Boolean).join(" "),
    required && "required",
  ]
    .filter(Boolean)
    .join(" · ");
}

function control(name, shape, required, root, depth) {
  if (depth < MAX_DEPTH && shape.type === "object" && shape.properties)
    return group(name, shape, required, root, depth);
  if (depth < MAX_DEPTH && shape.type === "array" && isSimple(resolve(shape.items, root))) {
    return list(name, shape, required, root);
  }
  const one = simple(shape, required);
  const read = (path) => {
    const value = one.read(path);
    if (value === undefined && required) throw new BadInput(`${path} is required`, one.input);
    return value;
  };
  const element = field(name, one.input, hintOf(name, shape, required, one.kind));
  if (one.input.tagName === "TEXTAREA") element.classList.add("broad");
  return { element, read };
}

const isSimple = (shape) =>
  Boolean(shape.enum) || ["string", "integer", "number", "boolean"].includes(shape.type);

// An object whose fields are known. Left alone, an optional one is not sent.
function group(name, shape, required, root, depth) {
  const fields = objectFields(shape, root, depth + 1);
  let given = required;
  const body = h("div", { class: "group fields" }, fields.inputs);
  const id = uniqueId("given");
  const box = required
    ? null
    : h("input", {
        type: "checkbox",
        id,
        onchange: (event) => {
          given = event.target.checked;
          body.hidden = !given;
          element.classList.toggle("broad", given);
        },
      });
  body.hidden = !given;
  const element = h(
    "fieldset",
    { class: given ? "broad" : "" },
    h(
      "legend",
      {},
      box,
      box ? h("label", { for: id }, name) : name,
      " ",
      h("span", { class: "hint" }, hintOf(name, shape, required, "")),
    ),
    body,
  );
  return { element, read: (path, forgive) => (given ? fields.read(path, forgive) : undefined) };
}

// A list of simple values, a line for each.
function list(name, shape, required, root) {
  const items = resolve(shape.items, root);
  const lines = h("ul", { class: "lines" });
  const made = new Map();
  const add = (value) => {
    const one = simple({ ...items, default: value }, true);
    one.input.setAttribute("aria-label", `${name}, item`);
    const line = h(
      "li",
      { class: "row" },
      h("div", { class: "grow" }, one.input),
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": `Remove this item of ${name}`,
          onclick: () => {
            made.delete(line);
            line.remove();
            more.focus();
            element.dispatchEvent(new Event("change", { bubbles: true }));
          },
        },
        "Remove",
      ),
    );
    made.set(line, one);
    lines.append(line);
    return one.input;
  };
  const more = h(
    "button",
    {
      type: "button",
      class: "small",
      onclick: () => {
        add().focus();
        element.dispatchEvent(new Event("change", { bubbles: true }));
      },
    },
    `Add an item`,
  );
  more.setAttribute("aria-label", `Add an item to ${name}`);
  const element = h(
    "fieldset",
    {},
    h(
      "legend",
      {},
      name,
      " ",
      h("span", { class: "hint" }, hintOf(name, shape, required, `list of ${items.type || "choices"}`)),
    ),
    lines,
    more,
  );
  const initial = Array.isArray(shape.default) ? shape.default : [];
  initial.forEach((value) => add(value));
  return {
    element,
    read(path) {
      if (!made.size && !required) return initial.length ? [] : undefined;
      return [...made.values()].map((one, index) => {
        const value = one.read(`${path}[${index}]`);
        if (value === undefined) throw new BadInput(`${path}[${index}] is empty`, one.input);
        return value;
      });
    },
  };
}

function simple(shape, required) {
  if (shape.enum || shape.const !== undefined) return choice(shape, required);
  switch (shape.type) {
    case "boolean":
      return truth(shape, required);
    case "integer":
      return number(shape, true);
    case "number":
      return number(shape, false);
    case "string":
      return shape.format === "binary" || shape.contentEncoding ? file() : text(shape, required);
    default:
      return jsonControl(shape, shape.default);
  }
}

function choice(shape, required) {
  const values = shape.enum || [shape.const];
  const input = h(
    "select",
    {},
    required && shape.default === undefined ? null : h("option", { value: "" }, "not given"),
    values.map((item) => h("option", { value: JSON.stringify(item) }, String(item))),
  );
  if (isGiven(shape.default)) input.value = JSON.stringify(shape.default);
  return { input, kind: "", read: () => (input.value === "" ? undefined : JSON.parse(input.value)) };
}

const isGiven = (value) => value !== undefined && value !== null;

// A box to tick where false is meant when it is empty; else the third answer is to say nothing.
function truth(shape, required) {
  if (!required && !isGiven(shape.default)) return choice({ enum: [true, false] }, false);
  const input = h("input", { type: "checkbox", checked: shape.default === true });
  return { input, kind: "", read: () => input.checked };
}

function number(shape, whole) {
  const input = h("input", {
    type: "number",
    step: whole ? "1" : "any",
    min: shape.minimum,
    max: shape.maximum,
    value: shape.default ?? "",
    inputmode: whole ? "numeric" : "decimal",
  });
  const kind = whole ? "whole number" : "number";
  return {
    input,
    kind,
    read: (path) => {
      if (input.validity.badInput) throw new BadInput(`${path} must be a ${kind}`, input);
      if (input.value === "") return undefined;
      const value = Number(input.value);
      if (whole && !Number.isInteger(value)) throw new BadInput(`${path} must be a whole number`, input);
      if (shape.minimum !== undefined && value < shape.minimum)
        throw new BadInput(`${path} must be at least ${shape.minimum}`, input);
      if (shape.maximum !== undefined && value > shape.maximum)
        throw new BadInput(`${path} must be at most ${shape.maximum}`, input);
      return value;
    },
  };
}

const INPUTS = { date: "date", time: "time", email: "email", uri: "url", color: "color" };

function text(shape, required) {
  const value = shape.default ?? "";
  const long = (shape.maxLength || 0) > 200 || String(value).includes("\n");
  const input = long
    ? h("textarea", { value })
    : h("input", { type: INPUTS[shape.format] || "text", value, autocomplete: "off", spellcheck: "false" });
  const kind = shape.format ? `text, ${shape.format}` : "text";
  return {
    input,
    kind,
    read: () => (input.value === "" && !(required || isGiven(shape.default)) ? undefined : input.value),
  };
}

// Bytes come from a file. They are read when it is chosen: a call must not wait for the disk.
function file() {
  let bytes;
  const input = h("input", {
    type: "file",
    onchange: async () => {
      const chosen = input.files[0];
      bytes = undefined;
      if (!chosen) return;
      bytes = new Uint8Array(await chosen.arrayBuffer());
      bytes.fileName = chosen.name;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    },
  });
  return { input, kind: "file", read: () => bytes };
}

function jsonControl(shape, initial) {
  const kind = { object: "JSON object", array: "JSON list" }[shape.type] || "text or JSON";
  const value = isGiven(initial) ? JSON.stringify(initial, null, shape.type === "object" ? 2 : 0) : "";
  const input = h("textarea", { class: "mono", spellcheck: "false", value });
  return {
    input,
    kind,
    read: (path) => {
      if (input.value.trim() === "") return undefined;
      try {
        return JSON.parse(input.value);
      } catch (error) {
        if (!shape.type) return input.value;
        throw new BadInput(`${path} is not valid JSON: ${error.message}`, input);
      }
    },
  };
}

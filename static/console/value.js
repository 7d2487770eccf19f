// Results made visible: pictures, tables, trees, bytes. The views that fit a value stand side by side.
import { figure, size } from "./format.js";
import { asArray, asPicture, pictureOf, plotOf } from "./picture.js";
import { copyButton, h, tabs } from "./ui.js";

const MAX_CHILDREN = 500;
const MAX_ROWS = 1000;
const MAX_TEXT = 200_000;
const MAX_LINE = 400;
const SMALL = 200;

export function render(value) {
  const views = viewsOf(value);
  if (views.length === 1) return views[0][1]();
  return tabs("View of the result", views);
}

// One of many: the first view that fits, and what is small in one line.
export function renderItem(value) {
  if (
    value !== null &&
    typeof value === "object" &&
    !asArray(value) &&
    !(value instanceof Uint8Array) &&
    !asPicture(value)
  ) {
    const text = jsonOf(value, 0);
    if (text.length <= MAX_LINE) return h("code", {}, text);
  }
  return viewsOf(value)[0][1]();
}

function viewsOf(value) {
  const array = asArray(value);
  if (array) return arrayViews(array);
  if (value instanceof Uint8Array) return bytesViews(value);
  if (typeof value === "string") return textViews(value);
  if (value === null || typeof value !== "object" || value instanceof Date) {
    return [["Value", () => h("p", { class: "figure" }, shown(value))]];
  }
  const views = [["Tree", () => h("div", { class: "tree" }, tree(value))]];
  if (isTable(value)) views.unshift(["Table", () => rowsTable(value)]);
  else if (isMatrix(value)) views.unshift(["Table", () => matrixTable(value)]);
  const picture = asPicture(value);
  if (picture) views.unshift(["Picture", () => pictureOf(picture)]);
  views.push(["JSON", () => jsonText(value)]);
  return views;
}

// What a value that is no list and no map looks like in one line.
function shown(value) {
  if (value === undefined) return "";
  if (value === null) return "null";
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `${size(value.length)} of bytes`;
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  return JSON.stringify(value);
}

function textViews(text) {
  if (/^data:image\/(png|jpeg|gif|webp);base64,/.test(text)) {
    return [
      ["Picture", () => imageOf(text)],
      ["Text", () => pre(text, "Text that the function returned")],
    ];
  }
  return [["Text", () => pre(text, "Text that the function returned")]];
}

function pre(text, label) {
  const cut = text.length > MAX_TEXT;
  return h(
    "div",
    { class: "code" },
    h(
      "pre",
      { tabindex: "0", role: "region", "aria-label": label, class: "wrap" },
      cut ? text.slice(0, MAX_TEXT) : text,
    ),
    h(
      "div",
      {},
      cut
        ? h("span", { class: "small soft" }, `the first ${MAX_TEXT.toLocaleString("en")} characters `)
        : null,
      copyButton(text),
    ),
  );
}

const jsonText = (value) => pre(jsonOf(value, 2), "Result as JSON");

const jsonOf = (value, indent) =>
  JSON.stringify(
    value,
    (key, item) => {
      if (item instanceof Uint8Array) return `<${size(item.length)} of bytes>`;
      return typeof item === "bigint" ? item.toString() : item;
    },
    indent,
  );

const isScalar = (cell) => cell === null || typeof cell !== "object" || cell instanceof Date;

function isTable(value) {
  return (
    Array.isArray(value) &&
    value.some((row) => row && Object.keys(row).length) &&
    value.every(
      (row) =>
        row !== null &&
        typeof row === "object" &&
        !Array.isArray(row) &&
        !(row instanceof Uint8Array) &&
        Object.values(row).every(isScalar),
    )
  );
}

function isMatrix(value) {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= 64 &&
    value.every(
      (row) =>
        Array.isArray(row) &&
        row.length > 0 &&
        row.length === value[0].length &&
        row.length <= 64 &&
        row.every(isScalar),
    )
  );
}

function grid(label, head, rows) {
  const cell = (item) =>
    h(
      "td",
      { class: typeof item === "number" ? "number" : null },
      typeof item === "string" ? item : shown(item),
    );
  return h(
    "div",
    {},
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h(
        "table",
        {},
        head,
        h(
          "tbody",
          {},
          rows.slice(0, MAX_ROWS).map((row) => h("tr", {}, row.map(cell))),
        ),
      ),
    ),
    rows.length > MAX_ROWS
      ? h("p", { class: "small soft" }, `the first ${MAX_ROWS} of ${rows.length} rows`)
      : null,
  );
}

function rowsTable(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const kind = (name) => (rows.every((row) => typeof row[name] === "number") ? "number" : null);
  const head = h(
    "thead",
    {},
    h(
      "tr",
      {},
      columns.map((name) => h("th", { scope: "col", class: kind(name) }, name)),
    ),
  );
  return grid(
    "Result as a table",
    head,
    rows.map((row) => columns.map((name) => row[name])),
  );
}

const matrixTable = (rows) => grid("Result as a table", null, rows);

function tree(value) {
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  if (!entries.length)
    return h("span", { class: "soft" }, Array.isArray(value) ? "an empty list" : "an empty map");
  const items = entries.slice(0, MAX_CHILDREN).map(([key, item]) => h("li", {}, branch(key, item)));
  if (entries.length > MAX_CHILDREN)
    items.push(h("li", { class: "soft" }, `and ${entries.length - MAX_CHILDREN} more`));
  return h("ul", {}, items);
}

function branch(key, item) {
  const name = h("span", { class: "key" }, String(key));
  const array = asArray(item);
  if (isScalar(item)) return h("span", {}, name, ": ", h("span", { class: typeof item }, shown(item)));
  if (item instanceof Uint8Array && !array) return h("span", {}, name, ": ", bytesLine(item));
  const extent = array ? describe(array) : extentOf(item);
  const details = h("details", {}, h("summary", {}, name, " ", h("span", { class: "soft" }, extent)));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(array ? render(item) : tree(item));
  });
  return details;
}

function extentOf(item) {
  const length = Array.isArray(item) ? item.length : Object.keys(item).length;
  return `${length ? "" : "empty "}${Array.isArray(item) ? "list" : "map"}${length ? ` of ${length}` : ""}`;
}

// Arrays, as numpy has them.

const describe = (array) => `${array.type} array, ${array.shape.join(" × ") || "one number"}`;

function arrayViews(array) {
  const views = [];
  const picture = asPicture(array);
  if (picture) views.push(["Picture", () => pictureOf(picture)]);
  const line = array.shape.length === 1 && array.values.length > 1;
  if (line) views.push(["Plot", () => plotOf(array.values)]);
  views.push(["Numbers", () => arrayNumbers(array)]);
  return views;
}

function arrayNumbers(array) {
  const some = Array.from(array.values.slice(0, 200), (number) => shown(number));
  let low = Infinity,
    high = -Infinity,
    sum = 0;
  for (const item of array.values) {
    const number = Number(item);
    if (number < low) low = number;
    if (number > high) high = number;
    sum += number;
  }
  const facts = array.values.length
    ? `from ${figure(low)} to ${figure(high)}, mean ${figure(sum / array.values.length)}`
    : "empty";
  return h(
    "div",
    {},
    h("p", { class: "small soft" }, `${describe(array)} · ${facts}`),
    h(
      "pre",
      { class: "wrap", tabindex: "0", role: "region", "aria-label": "Numbers of the array" },
      some.join("  ") + (array.values.length > some.length ? "  …" : ""),
    ),
  );
}

// Bytes: a picture if they are one, else the first of them.

const KINDS = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
  ["image/webp", [0x52, 0x49, 0x46, 0x46]],
];

const kindOf = (bytes) =>
  (KINDS.find(([, start]) => start.every((byte, index) => bytes[index] === byte)) || [""])[0];

function bytesViews(bytes) {
  const kind = kindOf(bytes);
  const views = [["Bytes", () => bytesDump(bytes)]];
  if (kind) {
    const url = URL.createObjectURL(new Blob([bytes], { type: kind }));
    views.unshift([
      "Picture",
      () =>
        h(
          "figure",
          {},
          imageOf(url),
          h("figcaption", { class: "small soft" }, `${kind}, ${size(bytes.length)}`),
        ),
    ]);
  }
  return views;
}

// Small ones are shown large, each of their pixels a square.
function imageOf(src) {
  const image = h("img", { class: "result", src, alt: "Image that the function returned" });
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth < SMALL));
  return image;
}

function download(bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  return h("a", { href: url, download: "result.bin" }, "Save as a file");
}

const bytesLine = (bytes) => h("span", {}, `${size(bytes.length)} of bytes `, download(bytes));

function bytesDump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, 256); at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const hex = part
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join(" ")
      .padEnd(48);
    lines.push(
      `${hex} ${part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("")}`,
    );
  }
  return h(
    "div",
    {},
    h("p", { class: "small soft" }, bytesLine(bytes)),
    h("pre", { tabindex: "0", role: "region", "aria-label": "The first bytes" }, lines.join("\n")),
  );
}

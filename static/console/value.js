// Results made visible: trees, tables, pictures, bytes.
import { h } from "./ui.js";

const MAX_CHILDREN = 500;

export function render(value) {
  const picture = asPicture(value);
  if (picture) return picture;
  if (isTable(value)) return table(value);
  if (value !== null && typeof value === "object") return h("div", { class: "tree" }, tree(value));
  return h("pre", { tabindex: "0" }, h("code", {}, typeof value === "string" ? value : JSON.stringify(value)));
}

function isTable(value) {
  return Array.isArray(value) && value.length > 0 && value.length <= 1000
    && value.every((row) => row && typeof row === "object" && !Array.isArray(row)
      && Object.values(row).every((cell) => cell === null || typeof cell !== "object"));
}

function table(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Result table" }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((name) =>
      h("td", { class: typeof row[name] === "number" ? "number" : null }, row[name] === undefined ? "" : String(row[name]))))))));
}

function tree(value, open = true) {
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  const items = entries.slice(0, MAX_CHILDREN).map(([key, item]) => h("li", {}, branch(key, item)));
  if (entries.length > MAX_CHILDREN) items.push(h("li", { class: "soft" }, `… ${entries.length - MAX_CHILDREN} more`));
  return h("ul", {}, items);
}

function branch(key, item) {
  const name = h("span", { class: "key" }, String(key));
  if (item === null || typeof item !== "object") return h("span", {}, name, ": ", JSON.stringify(item));
  const size = Array.isArray(item) ? `[${item.length}]` : `{${Object.keys(item).length}}`;
  const details = h("details", {}, h("summary", {}, name, " ", h("span", { class: "soft" }, size)));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(asPicture(item) || tree(item));
  });
  return details;
}

// A data: URL of an image, or a two-dimensional array of numbers (grey) or triples (colour).
function asPicture(value) {
  if (typeof value === "string" && /^data:image\/(png|jpeg|gif|webp);base64,/.test(value)) {
    return h("img", { class: "result", src: value, alt: "Image returned by the function" });
  }
  if (!Array.isArray(value) || value.length < 4 || !Array.isArray(value[0]) || value[0].length < 4) return null;
  const height = value.length, width = value[0].length;
  const pixel = (cell) => typeof cell === "number" || (Array.isArray(cell) && cell.length >= 3 && typeof cell[0] === "number");
  if (height > 2048 || width > 2048 || !value.every((row) => Array.isArray(row) && row.length === width && row.every(pixel))) return null;
  const flat = value.flat(2).filter((number) => typeof number === "number");
  let low = Infinity, high = -Infinity;
  for (const number of flat) { if (number < low) low = number; if (number > high) high = number; }
  if (low >= 0 && high <= 255 && high > 1) { low = 0; high = 255; }
  const scale = (number) => Math.round((255 * (number - low)) / ((high - low) || 1));
  const canvas = h("canvas", { width, height, class: "result" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  value.forEach((row, y) => row.forEach((cell, x) => {
    const at = 4 * (y * width + x);
    const [r, g, b] = typeof cell === "number" ? [cell, cell, cell] : cell;
    image.data.set([scale(r), scale(g), scale(b), 255], at);
  }));
  context.putImageData(image, 0, 0);
  return h("figure", {}, h("img", { class: "result", src: canvas.toDataURL(), alt: `Array of ${height} by ${width}` }),
    h("figcaption", { class: "small soft" }, `${height} × ${width}, ${low} to ${high}`));
}

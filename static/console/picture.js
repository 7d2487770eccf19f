// Pictures of arrays: two dimensions as grey or colour, one as a line.
import { figure } from "./format.js";
import { h, svg } from "./ui.js";

const MAX_SIDE = 4096;
const MAX_POINTS = 2000;

const TYPES = {
  bool: [Uint8Array, 1],
  int8: [Int8Array, 1],
  uint8: [Uint8Array, 1],
  int16: [Int16Array, 2],
  uint16: [Uint16Array, 2],
  int32: [Int32Array, 4],
  uint32: [Uint32Array, 4],
  float16: [Uint16Array, 2],
  float32: [Float32Array, 4],
  float64: [Float64Array, 8],
  int64: [BigInt64Array, 8],
  uint64: [BigUint64Array, 8],
};

// What numpy arrays are on the wire, as {type, shape, values}; null for anything else.
export function asArray(value) {
  if (value === null || typeof value !== "object" || value._rtype !== "ndarray") return null;
  const [Kind, width] = TYPES[value._rdtype] || [];
  const bytes = value._rvalue;
  const shape = value._rshape;
  if (!Kind || !(bytes instanceof Uint8Array) || !Array.isArray(shape)) return null;
  const length = shape.reduce((product, side) => product * side, 1);
  if (length * width !== bytes.length) return null;
  const values = new Kind(bytes.slice().buffer, 0, length);
  return { type: value._rdtype, shape, values: value._rdtype === "float16" ? halves(values) : values };
}

// Floats of two bytes, which few browsers read by themselves: sign, five bits of exponent, ten of fraction.
function halves(words) {
  return Float32Array.from(words, (word) => {
    const [sign, exponent, fraction] = [word & 0x8000 ? -1 : 1, (word >> 10) & 31, word & 1023];
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
  });
}

// {width, height, depth, values} of an array or of nested lists that can be seen as a picture.
export function asPicture(value) {
  const array = ArrayBuffer.isView(value.values) ? value : fromLists(value);
  if (!array) return null;
  const [height, width, depth = 1] = array.shape;
  const flat = array.shape.length === 2 || (array.shape.length === 3 && [1, 3, 4].includes(depth));
  if (!flat || height < 4 || width < 4 || height > MAX_SIDE || width > MAX_SIDE) return null;
  return { width, height, depth, values: array.values };
}

function fromLists(value) {
  if (!Array.isArray(value) || !Array.isArray(value[0])) return null;
  const height = value.length;
  const width = value[0].length;
  const cells = Array.isArray(value[0][0]) ? value[0][0].length : 0;
  const fits = (cell) =>
    cells
      ? Array.isArray(cell) && cell.length === cells && cell.every((n) => typeof n === "number")
      : typeof cell === "number";
  if (!value.every((row) => Array.isArray(row) && row.length === width && row.every(fits))) return null;
  return { shape: cells ? [height, width, cells] : [height, width], values: value.flat(2) };
}

// The darkest and the brightest number; bytes keep their own scale.
function rangeOf({ values }) {
  let low = Infinity,
    high = -Infinity;
  for (const item of values) {
    const number = Number(item);
    if (number < low) low = number;
    if (number > high) high = number;
  }
  const bytes =
    values instanceof Uint8Array || (low >= 0 && high <= 255 && high > 1 && Number.isInteger(high));
  return bytes ? [0, 255, low, high] : [low, high, low, high];
}

export function pictureOf(picture) {
  const { width, height, depth, values } = picture;
  const [dark, bright, low, high] = rangeOf(picture);
  const scale = (item) => (255 * (Number(item) - dark)) / (bright - dark || 1);
  const pixels = new ImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      pixels.data[4 * at + channel] = scale(values[depth * at + (depth === 1 ? 0 : channel)]);
    }
    pixels.data[4 * at + 3] = depth === 4 ? Number(values[4 * at + 3]) : 255;
  }
  const canvas = h("canvas", { width, height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return h(
    "figure",
    {},
    h("img", {
      class: `result ${width < 200 ? "pixels" : ""}`,
      src: canvas.toDataURL(),
      alt: `Array of ${height} by ${width} as a picture`,
    }),
    h("figcaption", { class: "small soft" }, `${height} × ${width}, from ${figure(low)} to ${figure(high)}`),
  );
}

export function plotOf(values) {
  const step = Math.max(1, Math.ceil(values.length / MAX_POINTS));
  const numbers = Array.from(values)
    .filter((_, index) => index % step === 0)
    .map(Number);
  const finite = numbers.filter(Number.isFinite);
  const low = Math.min(...finite),
    high = Math.max(...finite);
  const points = numbers
    .map((number, index) => [
      (100 * index) / Math.max(1, numbers.length - 1),
      39 - (38 * (number - low)) / (high - low || 1),
    ])
    .filter(([, y]) => Number.isFinite(y))
    .map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`);
  const label = `${values.length} numbers from ${figure(low)} to ${figure(high)}`;
  return h(
    "figure",
    {},
    svg(
      "svg",
      { class: "plot", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
      svg("path", { d: points.length > 1 ? `M${points.join("L")}` : "" }),
    ),
    h("figcaption", { class: "small soft" }, label),
  );
}

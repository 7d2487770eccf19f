// Numbers and moments as people read them.

export function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
export function size(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${figure(bytes)} ${UNITS[unit]}`;
}

// Three significant digits at most below a thousand.
export function figure(number) {
  if (!Number.isFinite(number)) return "–";
  if (Number.isInteger(number) || Math.abs(number) >= 100) return Math.round(number).toLocaleString("en");
  return number.toFixed(Math.abs(number) < 10 ? 2 : 1).replace(/\.?0+$/, "");
}

export const count = (number, one, many = `${one}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export const clock = (date) => date.toLocaleTimeString("en-GB");

const two = (number) => String(number).padStart(2, "0");

export function day(seconds) {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export const moment = (seconds) => (seconds ? `${day(seconds)} ${clock(new Date(seconds * 1000))}` : "");

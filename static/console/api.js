// Speaking with the server the page came from. The login cookie goes along by itself.
import { $ } from "./ui.js";

export class ApiError extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

// Where hyphad lives on this origin: everything before the page's own path.
export const base = new URL($('meta[name="hyphad-base"]').content, location.href).pathname.replace(/\/$/, "");
export const origin = location.origin + base;

const MSGPACK = "application/msgpack";

// One segment of a path. Colons and at signs may stand there as they are.
export const segment = (text) => encodeURIComponent(text).replaceAll("%3A", ":").replaceAll("%40", "@");

export function servicePath(workspace, service, method) {
  return `/${segment(workspace)}/services/${segment(service)}${method ? `/${segment(method)}` : ""}`;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(base + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(
      0,
      "The server does not answer.",
      "Is it running, and is this machine on its network?",
    );
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

// What was said, without the names that programs look for.
function readable(status, message) {
  const text = message.replace(/^RemoteException: /, "");
  return status === 404 ? text.replace(/^KeyError: '(.*?)(?:@\*)?'$/s, "$1") : text;
}

async function refusal(response) {
  const text = await response.text();
  let said = {};
  try {
    said = JSON.parse(text);
  } catch {
    /* no JSON, then the text itself */
  }
  const message = said.detail || text || response.statusText || `Status ${response.status}`;
  return new ApiError(response.status, readable(response.status, String(message)), said.hint);
}

export async function get(path) {
  return (await ask(path, { headers: { Accept: "application/json" } })).json();
}

export async function getText(path) {
  return (await ask(path)).text();
}

export const config = () => get("/assets/config.json");

const posted = (args) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(args),
});

// Call a function of a service; its answer as JSON. Arguments are names and values, or a list of values where
// a name is one that URLs use, such as `workspace`.
export async function call(workspace, service, method, args = {}) {
  return (await ask(servicePath(workspace, service, method), posted(args))).json();
}

export const manager = (workspace, method, args) => call(workspace, "ws", method, args);

// A call whose answer may be anything: a value, or a stream of items. Returns {value, bytes} or {items}.
// MessagePack is asked for because JSON has no bytes and no arrays.
export async function callAny(workspace, service, method, args, signal) {
  const { decode, decodeStream, encode } = await import("./msgpack.js");
  const response = await ask(servicePath(workspace, service, method), {
    method: "POST",
    headers: { "Content-Type": MSGPACK, Accept: MSGPACK },
    body: encode(args),
    signal,
  });
  const type = response.headers.get("Content-Type") || "";
  // Streams are marked so for proxies too: what is in them must not be held back.
  if (response.headers.get("X-Accel-Buffering") === "no") return { items: decodeStream(response.body) };
  const body = new Uint8Array(await response.arrayBuffer());
  if (type.startsWith(MSGPACK)) return { value: decode(body), bytes: body.length };
  return { value: JSON.parse(new TextDecoder().decode(body)), bytes: body.length };
}

// Live events: `handlers` by type, `state(on)` hears when the stream opens and when it breaks. A page that
// nobody looks at gives its connection back: browsers open only a few to one server.
const PATIENCE = 5000;
export function live(path, handlers, state = () => {}) {
  let source = null;
  let leaving = null;
  function open() {
    source = new EventSource(base + path);
    source.addEventListener("open", () => state(true));
    source.addEventListener("error", () => {
      state(false);
      if (source && source.readyState === EventSource.CLOSED) again();
    });
    for (const [kind, handler] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => {
        if (event.data) handler(JSON.parse(event.data), kind);
      });
    }
  }
  function close() {
    if (source) source.close();
    source = null;
    state(false);
  }
  // The browser gives up where the answer was no stream, as while the server restarts behind a proxy.
  function again() {
    close();
    setTimeout(() => {
      if (!source && !document.hidden) open();
    }, PATIENCE);
  }
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(close, PATIENCE);
    else if (!source) open();
  });
  open();
}

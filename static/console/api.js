// Speaking with the server the page came from. The login cookie goes along by itself.

export class ApiError extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

// Where hyphad lives on this origin: everything before the page's own path.
export const base = new URL(document.querySelector('meta[name="hyphad-base"]').content, location.href)
  .pathname.replace(/\/$/, "");
export const origin = location.origin + base;

async function answer(response) {
  const text = await response.text();
  let value = text;
  try { value = JSON.parse(text); } catch { /* text it is */ }
  if (!response.ok) throw new ApiError(response.status, (value && value.detail) || text || response.statusText);
  return value;
}

export async function get(path) {
  return answer(await fetch(base + path, { headers: { Accept: "application/json" } }));
}

export function config() { return get("/assets/config.json"); }

// Call a method of the workspace manager, or of any service.
export async function call(workspace, service, method, args = {}) {
  return answer(await fetch(servicePath(workspace, service, method), {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(args),
  }));
}

export function servicePath(workspace, service, method) {
  const part = (text) => encodeURIComponent(text).replaceAll("%3A", ":").replaceAll("%40", "@");
  return `${base}/${encodeURIComponent(workspace)}/services/${part(service)}${method ? `/${part(method)}` : ""}`;
}

export const manager = (workspace, method, args) => call(workspace, "ws", method, args);

// A call whose answer may be anything: JSON, or a stream of items. Returns {value} or {items}.
export async function callAny(workspace, service, method, args, signal) {
  const response = await fetch(servicePath(workspace, service, method), {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(args), signal,
  });
  const type = response.headers.get("Content-Type") || "";
  if (response.ok && type.startsWith("text/event-stream")) return { items: streamItems(response) };
  return { value: await answer(response) };
}

async function* streamItems(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      let end;
      while ((end = text.indexOf("\n\n")) >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        if (!block.startsWith("data: ")) continue;
        const data = block.slice(6);
        if (data === "[DONE]") return;
        yield JSON.parse(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Live events; `handlers` by type, `state` hears whether the stream is open.
export function live(path, handlers, state = () => {}) {
  const source = new EventSource(base + path);
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  for (const [kind, handler] of Object.entries(handlers)) {
    source.addEventListener(kind, (event) => { if (event.data) handler(JSON.parse(event.data), kind); });
  }
  return source;
}

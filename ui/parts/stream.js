/** Server-sent events over fetch, which can send a key, as EventSource cannot. WHATWG HTML, section 9.2. */

/** @typedef {{id: string, type: string, data: string}} StreamEvent */

const SLOWEST = 30_000; // milliseconds between attempts to connect
const SILENCE = 45_000; // without a byte: the server pings each 15 s, so the connection is dead

/**
 * Follow a stream until `signal` aborts or the server says that there is nothing to follow (204). A lost connection is
 * made again, and continues after the last event.
 * @param {string} url
 * @param {{headers?: () => Record<string, string>, lastId?: string | null, signal: AbortSignal,
 *   onevent: (event: StreamEvent) => void, onstate?: (state: "live" | "waiting" | "off", response?: Response) => void}} options
 */
export async function follow(url, { headers = () => ({}), lastId = null, signal, onevent, onstate = () => {} }) {
  let pause = 500;
  let attempt = 0;
  while (!signal.aborted) {
    const quiet = new AbortController();
    const stop = AbortSignal.any([signal, quiet.signal]);
    /** @type {Response | undefined} */
    let response;
    let wait = 0;
    try {
      const last = lastId ? { "Last-Event-ID": lastId } : null;
      response = await fetch(url, {
        headers: { Accept: "text/event-stream", ...headers(), ...last },
        cache: "no-store",
        signal: stop,
      });
      if (response.status === 204) return onstate("off", response);
      if (response.ok && response.body) {
        attempt = 0;
        onstate("live", response);
        await read(response.body, quiet, (event) => {
          if (event.id) lastId = event.id;
          if (event.retry) pause = event.retry;
          if (event.data !== null) onevent({ id: event.id, type: event.type, data: event.data });
        });
      } else {
        if ([401, 403, 404].includes(response.status)) return onstate("off", response);
        wait = 1000 * Number(response.headers.get("Retry-After") ?? 0) || 0;
      }
    } catch {
      // a lost connection, as any other end: wait, and connect again
    }
    if (signal.aborted) break;
    onstate("waiting", response);
    await delay(Math.max(wait, Math.min(SLOWEST, pause * 2 ** attempt++)) * (0.75 + Math.random() / 2), signal);
  }
  onstate("off");
}

/** @typedef {{id: string, type: string, data: string | null, retry: number | null}} Block */

/**
 * Parse a stream. An event that the end cuts off is dropped: the next connection brings it whole.
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortController} quiet aborted if nothing comes for too long
 * @param {(block: Block) => void} onblock
 */
async function read(body, quiet, onblock) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => quiet.abort(), SILENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const held = rest.endsWith("\r") ? "\r" : ""; // a line feed may follow
    const blocks = rest.slice(0, rest.length - held.length).replace(/\r\n?/g, "\n").split("\n\n");
    rest = (blocks.pop() ?? "") + held;
    for (const block of blocks) onblock(parsed(block));
  }
}

/** @param {string} block @returns {Block} */
function parsed(block) {
  /** @type {Block} */
  const event = { id: "", type: "message", data: null, retry: null };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === "data") event.data = event.data === null ? value : `${event.data}\n${value}`;
    else if (name === "event") event.type = value;
    else if (name === "id" && !value.includes("\0")) event.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
  }
  return event;
}

/** @param {number} milliseconds @param {AbortSignal} signal */
function delay(milliseconds, signal) {
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    })
  );
}

// A file to a request: a small one as its body, a large one as a resumable upload (tus 1.0), which continues after a broken
// line, a cancellation or a reload of the page, if the same file is dropped again.
import { get, onceHeader, Problem, send, upload } from "../api.js";

const LARGE = 64 * 2 ** 20;
const CHUNK = 16 * 2 ** 20;
const TRIES = 8; // without a new byte in between
const TUS = { "Tus-Resumable": "1.0.0" };

/**
 * Make a data set or a batch of a file.
 * @param {string} path
 * @param {File} file
 * @param {{query: Record<string, string>, onprogress: import("../parts/drop.js").OnProgress, signal: AbortSignal}} options
 */
export async function sendFile(path, file, { query, onprogress, signal }) {
  if (file.size < LARGE) {
    return upload("POST", path, file, { query, onprogress, signal, headers: onceHeader() });
  }
  const place = `glassbox.upload ${file.name} ${file.size} ${file.lastModified}`;
  const id = await resumed(file, place, onprogress, signal);
  onprogress(file.size, file.size);
  const made = await send("POST", path, { upload: id }, { query, signal, idempotent: true });
  localStorage.removeItem(place);
  send("DELETE", `/v1/uploads/${id}`, null, { headers: TUS }).catch(() => {}); // else it expires
  return made;
}

/**
 * Send what the server does not have yet of a file; return the id of its upload.
 * @param {File} file
 * @param {string} place where the browser keeps the id
 * @param {import("../parts/drop.js").OnProgress} onprogress
 * @param {AbortSignal} signal
 */
async function resumed(file, place, onprogress, signal) {
  let id = localStorage.getItem(place);
  for (let failures = 0, reached = 0; ;) {
    try {
      if (!id) {
        const length = { "Upload-Length": String(file.size) };
        id = String((await send("POST", "/v1/uploads", null, { signal, headers: { ...TUS, ...length } })).id);
        localStorage.setItem(place, id);
      }
      const { offset } = await get(`/v1/uploads/${id}`, { signal });
      if (offset === file.size) return id;
      if (offset > reached) failures = 0;
      reached = offset;
      await upload("PATCH", `/v1/uploads/${id}`, file.slice(offset, offset + CHUNK), {
        signal,
        onprogress: (sent) => onprogress(offset + sent, file.size),
        headers: { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" },
      });
    } catch (error) {
      if (signal.aborted || !(error instanceof Problem) || ++failures > TRIES) throw error;
      if (id && [404, 410].includes(error.status)) {
        id = null; // it expired, or belongs to another key
        localStorage.removeItem(place);
      } else if (!error.passes && ![409, 423].includes(error.status)) throw error;
      await pause(Math.max(error.retryAfter * 1000, Math.min(500 * 2 ** failures, 30_000)), signal);
    }
  }
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("the upload was cancelled", "AbortError"));
    }, { once: true });
  });
}

/** The HTTP API: keys, errors, pages. The only module that sends requests; `first.js` has sent the page's first ones. */

import { awaited } from "./waiting.js";

const KEY = "glassbox.key";
/** @type {Map<string, Promise<Response>>} */
const answers = /** @type {any} */ (window).answers ?? new Map();
let pages = 0;
document.addEventListener("pagechange", () => {
  if (pages++) answers.clear();
  if (!known) access = null; // another request may be answered
});

/** @typedef {{pointer?: string, parameter?: string, detail: string}} FieldError */
/**
 * @typedef {object} RequestOptions
 * @property {Record<string, string | number | boolean | null | undefined>} [query] null leaves a parameter out
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [keepalive] the request outlives the page
 */

/** An error of the API, or of the way to it (status 0). RFC 9457. */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} body @param {number} [retryAfter] seconds */
  constructor(status, body, retryAfter = 0) {
    super(body.detail ?? body.title ?? `the server answered ${status}`);
    this.status = status;
    this.code = String(body.code ?? "");
    this.title = String(body.title ?? "");
    /** @type {FieldError[]} */
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.body = body;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request can succeed later. */
  get passes() {
    return [0, 408, 425, 429, 500, 502, 503, 504].includes(this.status);
  }
}

/** Return the key, if a person has entered one. */
export function key() {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
}

/** Keep a key for this tab, or on this device. @param {string | null} value @param {{remember?: boolean}} [options] */
export function setKey(value, { remember = false } = {}) {
  for (const store of [sessionStorage, localStorage]) store.removeItem(KEY);
  if (value) (remember ? localStorage : sessionStorage).setItem(KEY, value);
  [access, known] = [null, false];
  document.dispatchEvent(new Event("keychange"));
}

/** Return the header that carries the key. @returns {Record<string, string>} */
export function keyHeader() {
  const value = key();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

/** @typedef {{key_required: boolean, key: string | null, scopes: string[]}} Access */
/** @type {Promise<Access> | null} */
let access = null;
let known = false;

/** Return what the key allows. @returns {Promise<Access>} */
export function me() {
  access ??= get("/v1/me").then((found) => {
    known = true;
    return found;
  }, (error) => {
    access = null;
    throw error;
  });
  return access;
}

/** Return whether the key has a scope. @param {string} scope */
export async function may(scope) {
  return (await me()).scopes.includes(scope);
}

/** Read JSON. @param {string} path @param {RequestOptions} [options] @returns {Promise<any>} */
export function get(path, options = {}) {
  return respond("GET", path, undefined, options, (response) => response.json());
}

/** Read JSON and its headers. @param {string} path @param {RequestOptions} [options] */
export function getWithHeaders(path, options = {}) {
  return respond("GET", path, undefined, options, async (response) => ({ document: await response.json(), headers: response.headers }));
}

/**
 * Read a page of a list.
 * @param {string} path
 * @param {RequestOptions["query"]} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<{items: any[], next: string | null, built_in?: any[]}>} built_in: of the list of data sets
 */
export function page(path, query, signal) {
  return get(path, { query, signal });
}

/** Read a list to its end. @param {string} path @param {RequestOptions["query"]} [query] @param {AbortSignal} [signal] */
export async function* items(path, query = {}, signal) {
  let after = /** @type {string | null} */ (null);
  do {
    const { items: found, next } = await page(path, { ...query, after }, signal);
    yield* found;
    after = next;
  } while (after);
}

/** Read the lines of JSON of a response as they come. A loop that ends early ends the response. @param {string} path @param {RequestOptions} [options] */
export async function* lines(path, options = {}) {
  const response = await respond("GET", path, undefined, options, async (found) => found);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const found = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = found.pop() ?? "";
      for (const line of found) yield JSON.parse(line);
      if (done) return;
    }
  } finally {
    void reader.cancel();
  }
}

/** Read bytes. @param {string} path @param {RequestOptions & {method?: string, body?: object}} [options] `body`: JSON */
export function bytes(path, { method = "GET", body, headers, ...options } = {}) {
  const json = body && { "Content-Type": "application/json" };
  return respond(method, path, body && JSON.stringify(body), { ...options, headers: { ...json, ...headers } },
    async (response) => ({ bytes: new Uint8Array(await response.arrayBuffer()), headers: response.headers }));
}

/** The header with which a request that is sent twice counts once. */
export function onceHeader() {
  return { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) };
}

/**
 * Send a request that changes something. A new job gets an Idempotency-Key, so that a request sent twice counts once.
 * @param {string} method
 * @param {string} path
 * @param {object | FormData | Blob | null} [body] JSON, if it is a plain object
 * @param {RequestOptions & {idempotent?: boolean}} [options]
 * @returns {Promise<any>} JSON, or null if the answer has no body
 */
export function send(method, path, body = null, { idempotent = false, headers = {}, ...options } = {}) {
  const isJson = body !== null && !(body instanceof FormData) && !(body instanceof Blob);
  return respond(method, path, isJson ? JSON.stringify(body) : body, {
    ...options,
    headers: { ...(isJson ? { "Content-Type": "application/json" } : null), ...(idempotent ? onceHeader() : null), ...headers },
  }, async (response) => {
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  });
}

/**
 * Upload, with progress, which fetch cannot report.
 * @param {string} method
 * @param {string} path
 * @param {FormData | Blob} body
 * @param {RequestOptions & {onprogress?: (sent: number, total: number) => void}} [options]
 * @returns {Promise<any>}
 */
export function upload(method, path, body, { query, headers = {}, signal, onprogress } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address(path, query));
    for (const [name, value] of Object.entries({ ...keyHeader(), ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onprogress?.(event.loaded, event.total);
    request.onload = () => {
      const found = document_(request.responseText);
      if (request.status < 400) resolve(found);
      else reject(problem(request.status, found, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("the upload was cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

/** Save a response as a file; a link cannot carry the key. @param {string} path @param {string} filename @param {RequestOptions} [options] */
export async function download(path, filename, options = {}) {
  saveBlob(await respond("GET", path, undefined, options, (response) => response.blob()), filename);
}

/** @param {Blob} blob @param {string} filename */
export function saveBlob(blob, filename) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * @template T
 * @param {string} method
 * @param {string} path
 * @param {BodyInit | null | undefined} body
 * @param {RequestOptions} options
 * @param {(response: Response) => Promise<T>} read
 * @returns {Promise<T>}
 */
async function respond(method, path, body, { query, headers, signal, keepalive }, read) {
  const url = address(path, query);
  const answer = method === "GET" && !headers ? answers.get(url) : undefined;
  answers.delete(url);
  async function answered() {
    const response = await (answer ?? fetch(url, {
      method,
      body,
      signal,
      keepalive,
      headers: { Accept: "application/json", ...keyHeader(), ...headers },
    }));
    if (response.ok) return read(response);
    throw problem(response.status, document_(await response.text()), response.headers.get("Retry-After"));
  }
  try {
    return await awaited(`${method} ${path}`, answered());
  } catch (error) {
    if (error instanceof Problem || signal?.aborted) throw error;
    throw unreachable(); // or the answer was cut
  }
}

/** @param {number} status @param {any} body @param {string | null} retryAfter */
function problem(status, body, retryAfter) {
  const error = new Problem(status, body ?? {}, Number(retryAfter) || 0);
  if (status === 401) document.dispatchEvent(new CustomEvent("keyneeded", { detail: error }));
  return error;
}

function unreachable() {
  return new Problem(0, { code: "unreachable", title: "No answer", detail: "the service does not answer" });
}

/** @param {string} text */
function document_(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // of a proxy on the way
  }
}

/** @param {string} path @param {RequestOptions["query"]} [query] */
export function address(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

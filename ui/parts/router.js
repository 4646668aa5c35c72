/** Pages at real paths: links, back and forward, and a page's state in the query. */

import { plain } from "./format.js";

/**
 * What a page gets. `signal` aborts when the person leaves the page.
 * @typedef {object} Page
 * @property {HTMLElement} root
 * @property {Record<string, string>} params
 * @property {URLSearchParams} query
 * @property {AbortSignal} signal
 * @property {(text: string) => void} title
 * @property {(changes: Record<string, string | number | null>, options?: {push?: boolean}) => void} setQuery
 */
/** @typedef {{show: (page: Page) => void | Promise<void>}} PageModule */
/** @typedef {[pattern: string, load: () => Promise<PageModule>]} Route */

/** @type {{routes: {pattern: RegExp, load: () => Promise<PageModule>}[], root: HTMLElement, name: string,
 *   failed: (error: unknown, page: Page) => void, missing: (page: Page) => void} | null} */
let router = null;
let current = new AbortController();
/** When the page of the current address began to be shown, in the time of `performance.now()`. */
export let shownAt = 0;

/**
 * Show the page of the current address, and of each one that a person opens.
 * @param {Route[]} routes patterns such as `/ui/jobs/:id`
 * @param {{root: HTMLElement, name: string, failed: (error: unknown, page: Page) => void,
 *   missing: (page: Page) => void}} options `name` ends each title
 */
export function start(routes, options) {
  router = { ...options, routes: routes.map(([pattern, load]) => ({ pattern: compiled(pattern), load })) };
  addEventListener("popstate", () => void show());
  document.addEventListener("click", follow);
  void show({ first: true });
}

/** Open an address. @param {string} url */
export function go(url) {
  history.pushState(null, "", url);
  scrollTo(0, 0);
  void show();
}

/** Show the current page again, from the beginning. */
export function again() {
  void show();
}

async function show({ first = false } = {}) {
  if (!router) return;
  current.abort();
  const controller = (current = new AbortController());
  if (!first) shownAt = performance.now(); // the first page's requests are sent before its modules are loaded
  const { root, name, routes, failed, missing } = router;
  root.replaceChildren();
  document.dispatchEvent(new Event("pagechange"));
  /** @type {Page} */
  const page = {
    root,
    params: {},
    signal: controller.signal,
    get query() {
      return new URLSearchParams(location.search);
    },
    title: (text) => {
      document.title = `${plain(text)} – ${name}`;
    },
    setQuery: (changes, { push = false } = {}) => {
      if (controller.signal.aborted) return;
      const url = new URL(location.href);
      for (const [key, value] of Object.entries(changes)) {
        if (value === null || value === "") url.searchParams.delete(key);
        else url.searchParams.set(key, String(value));
      }
      if (url.href === location.href) return;
      history[push ? "pushState" : "replaceState"](null, "", url);
      document.dispatchEvent(new Event("viewchange"));
    },
  };
  for (const { pattern, load } of routes) {
    const found = pattern.exec(location.pathname);
    if (!found) continue;
    page.params = Object.fromEntries(Object.entries(found.groups ?? {}).map(([key, text]) => [key, decoded(text)]));
    try {
      const module = await load();
      if (controller.signal.aborted) return;
      await module.show(page);
    } catch (error) {
      if (!controller.signal.aborted) failed(error, page);
    }
    if (!first && !controller.signal.aborted && !root.contains(document.activeElement)) root.focus({ preventScroll: true });
    return;
  }
  missing(page);
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a per cent sign that begins no code
  }
}

/** @param {string} pattern */
function compiled(pattern) {
  return new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)").replace(/\/$/, "")}/?$`);
}

/** @param {MouseEvent} event */
function follow(event) {
  const link = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.download) return;
  if (link.origin !== location.origin || !link.pathname.startsWith("/ui/")) return;
  if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
  event.preventDefault();
  go(link.href);
}

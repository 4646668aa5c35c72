/** Says below the header what a page waits for, if the service does not answer for some seconds. */

import { h, replace } from "./parts/dom.js";
import { again } from "./parts/router.js";

const PATIENCE = 4; // seconds

/** @typedef {{what: string, retry: () => void}} Wait */
/** What has had no answer for so long. @type {Set<Wait>} */
const late = new Set();
const line = h("div", { id: "waiting", role: "status" });
let page = 0;

// A new page waits for its own requests only.
document.addEventListener("pagechange", () => {
  page++;
  late.clear();
  show();
});

/**
 * Return what comes, and say what the page waits for if it does not come.
 * @template T
 * @param {string} what
 * @param {Promise<T>} promised
 * @param {() => void} [retry] shows the page again, by default
 */
export function awaited(what, promised, retry = again) {
  const wait = { what, retry };
  const mine = page;
  const timer = setTimeout(() => {
    if (mine !== page) return;
    late.add(wait);
    show();
  }, 1000 * PATIENCE);
  const end = () => {
    clearTimeout(timer);
    if (late.delete(wait)) show();
  };
  promised.then(end, end);
  return promised;
}

function show() {
  if (!line.isConnected) document.getElementById("header")?.append(line);
  const all = [...late];
  replace(line, all.length > 0 && [
    h("strong", `The service has not answered for ${PATIENCE} seconds.`), " The page waits for ",
    [...new Set(all.map(({ what }) => what))].map((what, i) => [i > 0 && ", ", h("code", what)]), ". ",
    h("button", { type: "button", onclick: () => (all.find(({ retry }) => retry !== again) ?? all[0]).retry() }, "Read the page again"),
  ]);
}

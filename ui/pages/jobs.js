/** The board: what runs, what waits, and all jobs. */

import { h } from "../parts/dom.js";

/** @param {import("../parts/router.js").Page} page */
export function show({ root, title }) {
  title("Jobs");
  root.append(h("h1", "Jobs"));
}

/** Says on a page that what it shows was deleted meanwhile, by somebody else. */

import { get } from "../api.js";
import { live } from "../live.js";
import { h } from "../parts/dom.js";

/** @typedef {import("../live.js").LiveEvent} LiveEvent */

/** @param {import("../parts/router.js").Page} page @param {string} what @param {string} path of it in the API @param {(event: LiveEvent) => boolean} deletes */
export function whenDeleted({ root, signal }, what, path, deletes) {
  let said = false;

  function say() {
    if (said || signal.aborted) return;
    said = true;
    root.prepend(h("div", { class: "problem", role: "alert" }, h("strong", `${what} was deleted`),
      h("p", "Somebody has deleted it since this page was read. What is shown is its last state.")));
  }

  live.on({}, (event) => {
    if (deletes(event)) say();
    // A deletion may be among the events that were lost.
    else if (event.type === "missed") get(path, { signal }).catch((error) => error.status === 404 && say());
  }, signal);
}

/** Whether an event deletes a version, or its model. @param {string} model @param {number} version @returns {(event: LiveEvent) => boolean} */
export function deletesVersion(model, version) {
  return (event) => event.model === model && (event.type === "model_deleted" || (event.type === "version_deleted" && event.data.version === version));
}

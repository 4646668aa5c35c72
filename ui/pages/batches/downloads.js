/** The errors of a batch by code, and its rows as files: loaded after what is seen first. */

import { download, lines } from "../../api.js";
import { load, problem } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { name, number, plain } from "../../parts/format.js";

const ENTRIES = 100; // errors of a code
const FORMATS = { jsonl: "JSON lines", csv: "CSV", npz: "NumPy", parquet: "Parquet" };

/** The entries with an error, read when they are opened. @param {string} path @param {string} code @param {number} count @param {AbortSignal} signal */
export function errorsOf(path, code, count, signal) {
  const place = h("div");
  const box = h("details", { ontoggle: () => box.open && !place.hasChildNodes() && read() }, h("summary", `▲ ${number(count)} ${code.replaceAll("_", " ")}`), place);
  return box;

  function read() {
    return load(place, "the errors", async () => {
      const found = [];
      for await (const error of lines(`${path}/errors`, { signal })) {
        if (error.code === code && found.push(error) === ENTRIES) break;
      }
      return found;
    }, (found) => [h("ul", found.map((error) => h("li", name(error.path), ` ${plain(error.detail)}`))),
      count > found.length && h("p", { class: "soft" }, `${number(found.length)} of ${number(count)} are shown.`)], signal);
  }
}

/** @param {string} id @param {string} path @param {() => Record<string, string | null>} filter */
export function files(id, path, filter) {
  const place = h("div", { "aria-live": "polite" });
  return [h("div", { class: "row" }, Object.entries(FORMATS).map(([format, text]) => h("button", {
    type: "button",
    onclick: () => {
      replace(place, "Downloading …");
      download(`${path}/results`, `${id}.${format}`, { query: { format, ...filter() } }).then(() => replace(place), (error) => replace(place, problem(error)));
    },
  }, text))), h("p", { class: "soft" }, "The rows that pass the filter above, in the archive's order."), place];
}

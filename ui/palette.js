/** The command palette: pages, models, data sets and the newest jobs; and the list of keys. */

import { page } from "./api.js";
import { datasetHref, modelHref } from "./common/paths.js";
import { h, replace } from "./parts/dom.js";
import { plain } from "./parts/format.js";
import { go } from "./parts/router.js";
import { PLACES, dialog } from "./shell.js";

const KEYS = [
  ["Ctrl+K", "go to a job, a model, a data set or a page"],
  ["?", "this list"],
  ["j, k or arrows", "move in a table or a gallery"],
  ["Enter", "open"],
  ["x or space", "select"],
  ["c, r", "cancel or retry the selected jobs"],
  ["← →", "move along a chart; a step back or on in the article"],
];

/** @typedef {{text: string, href: string}} Target */

/** Ask where to go. */
export async function palette() {
  if (document.querySelector("dialog[open]")) return;
  /** @type {Target[]} */
  const targets = PLACES.map(([text, href]) => ({ text, href }));
  /** @type {Target[]} */
  let shown = [];
  let chosen = 0;
  const list = h("ul", { role: "listbox", id: "targets", "aria-label": "Places" });
  const field = h("input", {
    role: "combobox",
    "aria-label": "Go to",
    "aria-controls": "targets",
    "aria-expanded": "true",
    placeholder: "A page, a model, a data set, a job's id",
    autocomplete: "off",
  });
  const box = dialog("Go to …", field, list);
  const draw = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    shown = targets.filter(({ text }) => words.every((word) => text.toLowerCase().includes(word))).slice(0, 12);
    chosen = Math.max(0, Math.min(chosen, shown.length - 1));
    replace(
      list,
      shown.map(({ text, href }, index) =>
        h("li", { role: "option", id: `target-${index}`, "aria-selected": String(index === chosen) }, h("a", { href, tabindex: -1, onclick: () => box.close() }, text)),
      ),
    );
    field.setAttribute("aria-activedescendant", shown.length ? `target-${chosen}` : "");
  };
  field.addEventListener("input", draw);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") chosen += 1;
    else if (event.key === "ArrowUp") chosen -= 1;
    else if (event.key === "Enter" && shown[chosen]) {
      box.close();
      return go(shown[chosen].href);
    } else return;
    event.preventDefault();
    draw();
  });
  draw();
  const found = await Promise.allSettled([page("/v1/models", { limit: 200 }), page("/v1/datasets", { limit: 200 }), page("/v1/jobs", { limit: 100 })]);
  const [models, datasets, jobs] = found.map((result) => (result.status === "fulfilled" ? [...result.value.items, ...(result.value.built_in ?? [])] : []));
  for (const { name } of models) targets.push({ text: `model ${plain(name)}`, href: modelHref(name) });
  for (const name of new Set(datasets.map((one) => one.name))) {
    targets.push({ text: `data set ${plain(name)}`, href: datasetHref(name) });
  }
  for (const { id, kind, state } of jobs) targets.push({ text: `job ${id} ${kind} ${state}`, href: `/ui/jobs/${id}` });
  draw();
}

/** List the keys that work on every page. */
export function keyboardMap() {
  dialog(
    "Keyboard",
    h("dl", { class: "keys" }, KEYS.map(([keys, text]) => [h("dt", keys), h("dd", text)])),
    h("form", { method: "dialog" }, h("button", "Close")),
  );
}

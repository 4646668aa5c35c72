/** The right labels that a person gives to images by keyboard, and the new data set that is made of them. */

import { address, get, page as pageOf, send } from "../api.js";
import { keywords, python } from "./code.js";
import { allowed, panel, problem } from "./panel.js";
import { datasetPath } from "./paths.js";
import { h, replace } from "../parts/dom.js";
import { isolated, name, number, plain } from "../parts/format.js";

const KEYS = "1234567890abcdefghijklmnopqrstuvwyz"; // x selects
const REMOVE = "-";
const SHOWN = 50;

/** @typedef {{split: string, index: number} | {job: string, index: number}} Place an image of a data set or of a batch */
/** @typedef {{place: Place, was: string, label: string | null, words: string}} Correction without a label: removed */
/** @typedef {{element: HTMLElement, selected(): any[], unselect(): void, redraw(): void}} Gallery */

/**
 * Corrections of the images of a data set (relabelled or removed in it) or of a batch (added to a data set). They stay in
 * the tab until they are used.
 * @template T
 * @param {{key: string, classes: string[], dataset: string, place: (item: T) => Place, label: (item: T) => string,
 *   words: (item: T) => string, removes?: boolean, model?: string, version?: string | number, signal: AbortSignal}} options
 *   key: what the corrections belong to; dataset: the one that gets them, unless a person chooses another; words: which
 *   image it is; model, version: what to train again
 */
export function corrections({ key, classes, dataset, place, label, words, removes, model, version, signal }) {
  const storage = `glassbox.corrections.${key}`;
  /** @type {Map<string, Correction>} */
  const made = new Map(JSON.parse(sessionStorage.getItem(storage) ?? "[]"));
  /** @type {Set<Gallery>} */
  const galleries = new Set();
  const keys = keysOf(classes);
  const choice = h("select", { "aria-label": "Class" }, classes.map((text) => h("option", { value: text }, plain(text))));
  const list = h("ul");
  const count = h("p", { "aria-live": "polite" });
  const undoing = h("button", { type: "button", onclick: undo }, "Undo the last (Ctrl+Z)");
  const adding = h("div");
  const result = h("div", { "aria-live": "polite" });
  const element = panel("Correct labels", asCode,
    h("p", "Move to an image by the arrow keys, or select several, then press the key of the right class."),
    h("div", { class: "row legend" }, [...keys].map(([letter, text]) =>
      h("button", { type: "button", onclick: () => press(letter) }, h("kbd", letter), " ", text === null ? "remove" : name(text))),
    keys.size < classes.length && [choice, h("button", { type: "button", onclick: () => correct(picked(), choice.value) }, "Label the selected ones")]),
    count, list, undoing, adding, result);
  element.classList.add("unsaved");
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.matches("input, textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !typing && made.size) {
      event.preventDefault();
      undo();
    }
  }, { signal });
  /** @type {Record<string, any> | null} */
  let target = null;
  draw();

  /** @param {T} item */
  function id(item) {
    return JSON.stringify(place(item));
  }

  function picked() {
    return [...galleries].flatMap((gallery) => gallery.selected());
  }

  /** @param {string} letter */
  function press(letter) {
    if (correct(picked(), /** @type {string | null} */ (keys.get(letter)))) galleries.forEach((gallery) => gallery.unselect());
  }

  /** @param {T[]} items @param {string | null} to @returns {boolean} whether there was one */
  function correct(items, to) {
    if (!items.length) count.textContent = "Select images first.";
    for (const item of items) {
      made.delete(id(item)); // so that it is the last
      if (to !== label(item)) made.set(id(item), { place: place(item), was: label(item), label: to, words: words(item) });
      else if ("job" in place(item)) made.set(id(item), { place: place(item), was: to, label: to, words: words(item) });
    }
    if (items.length) changed();
    return items.length > 0;
  }

  /** The request that makes the data set: what it is made from, its query and its body. */
  function request() {
    const form = adding.querySelector("form");
    const { dataset: from = dataset, ...query } = Object.fromEntries([...(form ? new FormData(form) : [])].map(([field, value]) => [field, String(value)]));
    // Without a name the source's own one moves, unless somebody else has moved it meanwhile.
    if (query.name === target?.name) delete query.name;
    const body = { add: /** @type {object[]} */ ([]), relabel: /** @type {object[]} */ ([]), remove: /** @type {object[]} */ ([]) };
    for (const { place: where, label: to } of made.values()) {
      if (to === null) body.remove.push(where);
      else ("job" in where ? body.add : body.relabel).push({ ...where, label: to });
    }
    return { from, query, path: `${datasetPath(from)}/derive`, body };
  }

  /** The request as code; before the first correction, one as an example. */
  function asCode() {
    const { from, query, path, body } = request();
    if (!made.size) body.relabel.push({ split: "train", index: 0, label: classes[0] });
    const calls = /** @type {[string, object[]][]} */ ([["AddFromJob", body.add], ["Relabel", body.relabel], ["Remove", body.remove]])
      .filter(([, changes]) => changes.length);
    const list = calls.flatMap(([name, changes]) => changes.map((change) => `    ${name}(${keywords(change)}),\n`)).join("");
    return {
      method: "POST", path: address(path, query), body,
      python: `from glassbox import ${calls.map(([name]) => name).join(", ")}\n\nchanges = [\n${list}]\nprint(client.datasets.derive(${[python(from), "changes", keywords(query)].filter(Boolean).join(", ")}))`,
    };
  }

  function undo() {
    made.delete([...made.keys()].at(-1) ?? "");
    changed();
  }

  function changed() {
    try {
      sessionStorage.setItem(storage, JSON.stringify([...made]));
    } catch {
      count.textContent = "The browser keeps no more of them: add these to a data set first.";
    }
    galleries.forEach((gallery) => gallery.redraw());
    replace(result);
    draw();
    document.dispatchEvent(new Event("viewchange"));
  }

  function draw() {
    const all = [...made.values()].reverse();
    count.textContent = all.length ? `${number(all.length)} corrected` + (all.length > SHOWN ? `, the last ${SHOWN} are shown` : "") : "";
    replace(list, all.slice(0, SHOWN).map((each) => h("li", name(each.words), ": ", name(each.was), " → ",
      each.label === null ? "removed" : h("strong", name(each.label)), " ",
      h("button", { type: "button", "aria-label": `Undo ${plain(each.words)}`, onclick: () => (made.delete(JSON.stringify(each.place)), changed()) }, "Undo"))));
    undoing.hidden = !all.length;
    if (!all.length) replace(adding);
    else if (!adding.hasChildNodes()) void offer();
  }

  /** The form that makes the data set. */
  async function offer() {
    const fields = h("div");
    const adds = [...made.values()].some((each) => "job" in each.place);
    const text = adds ? "Add to the data set" : "Make the corrected data set";
    const button = allowed(h("button", { type: "submit", class: "primary", disabled: true }, text), "submit");
    replace(adding, h("form", { onsubmit: add }, fields, button));
    try {
      target = await get(datasetPath(dataset), { signal });
      const others = adds ? (await pageOf("/v1/datasets", { limit: 100 }, signal)).items : [];
      const into = h("select", { name: "dataset" }, [target, ...others.filter((each) => each.id !== target?.id)].map((each) =>
        h("option", { value: each.id }, `${plain(each.name)}, ${each.image_shape.join(" × ")}`)));
      const result = h("input", { name: "name", required: true, maxlength: 64, pattern: "[a-z0-9][a-z0-9._\\-]*" });
      const split = h("select", { name: "split" });
      const chosen = () => {
        target = [target, ...others].find((each) => each?.id === into.value) ?? target;
        result.value = target?.source.startsWith("built-in") ? `my-${target.name}` : target?.name;
        replace(split, Object.keys(target?.splits).map((text) => h("option", { value: text }, text)));
      };
      into.addEventListener("change", chosen);
      chosen();
      replace(fields, h("div", { class: "fields" }, h("label", "From the data set", into), h("label", "Name of the new one", result),
        adds && h("label", "New images go to", split)));
      button.disabled = false;
      allowed(button, "submit");
    } catch (error) {
      if (!signal.aborted) replace(fields, problem(error, () => void offer(), signal));
    }
  }

  /** @param {SubmitEvent} event */
  async function add(event) {
    event.preventDefault();
    const { path, query, body } = request();
    replace(result, h("p", { class: "soft" }, "The service makes the data set …"));
    try {
      const found = await send("POST", path, body, { query, signal, idempotent: true });
      const sent = made.size;
      made.clear();
      changed();
      const { derived } = await import("./derived.js");
      replace(result, derived(found, sent, target, model ? { model, version: version ?? "latest" } : null));
    } catch (error) {
      if (!signal.aborted) replace(result, problem(error));
    }
  }

  return {
    element,
    /** Draw this gallery again after each correction; its selected images can be corrected by the legend. @param {Gallery} gallery */
    watch(gallery) {
      for (const other of galleries) if (!other.element.isConnected) galleries.delete(other);
      galleries.add(gallery);
    },
    /** @param {string} letter @param {T[]} items @returns {"next" | void} as a gallery's onkey */
    onkey(letter, items) {
      const to = keys.get(letter);
      if (to !== undefined && correct(items, to)) return "next";
    },
    /** @param {T} item @param {string} text the caption of an item that is not corrected */
    caption(item, text) {
      const found = made.get(id(item));
      return found ? `${isolated(found.was)} → ${found.label === null ? "removed" : isolated(found.label)}` : text;
    },
    /** @param {T} item */
    isCorrected: (item) => made.has(id(item)),
  };

  /** A key for each class: its own letter or digit, else the next free one. @param {string[]} names */
  function keysOf(names) {
    const own = names.filter((text) => text.length === 1 && KEYS.includes(text));
    const free = [...KEYS].filter((letter) => !own.includes(letter));
    /** @type {Map<string, string | null>} */
    const found = new Map();
    for (const text of names) {
      const letter = own.includes(text) ? text : free.shift();
      if (letter) found.set(letter, text);
    }
    if (removes) found.set(REMOVE, null);
    return found;
  }
}

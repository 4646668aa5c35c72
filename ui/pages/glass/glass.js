/** The glass box: one image through one version, from the input over every layer to the pixels that mattered. */

import { address, get, items } from "../../api.js";
import { load, panel } from "../../common/panel.js";
import { modelHref, modelPath } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { name, plain } from "../../parts/format.js";
import { paced } from "../../parts/paced.js";
import { pad } from "../../parts/pictures/pad.js";
import { asCode } from "./code.js";
import { METHODS, column } from "./column.js";

const BASELINES = ["black", "mean", "blurred"];
const PAUSE = 50; // milliseconds between requests while a person draws: 20 a second
const REST = 250; // milliseconds without a change of the drawing, after which everything is computed
const QUICK = { steps: 8, random_weights_seed: null };
const WHOLE = { random_weights_seed: 0 };
const MOST_VERSIONS = 50; // to compare with, in the list

/** @param {import("../../parts/router.js").Page} page */
export async function show({ root, params, query, signal, title, setQuery }) {
  const { model, version } = params;
  title(`Glass box: ${model}@${version}`);
  const versions = `${modelPath(model)}/versions`;
  const routeOf = (/** @type {string} */ reference) => `${versions}/${encodeURIComponent(reference)}`;
  const route = routeOf(version);
  /** @type {object | Blob | null} the body of a request: the place of an image, numbers, or a file */
  let image = placeOf(query);
  let asked = 0;
  let rest = 0;
  const follow = paced(async () => {
    await explain(QUICK);
    if (!signal.aborted) rest = setTimeout(ask, REST);
  }, PAUSE, signal);
  const results = h("div", { class: "columns" });
  const changed = h("p", { class: "small" });
  const drawing = pad({ onchange: drawn });
  signal.addEventListener("abort", () => (drawing.destroy(), clearTimeout(rest)));
  const controls = h("div", { class: "fields" });
  const first = h("p", { class: "soft" });
  replace(
    root,
    h("h1", "Glass box: ", h("a", { href: modelHref(model, version) }, name(`${model}@${version}`))),
    h("div", { class: "glass" },
      panel("Image", () => asCode("explain", route, `${model}@${version}`, image, optionsNow()), drawing.element, changed, browse()),
      h("div", controls, results)),
    h("p", { class: "soft" }, "How a network learns from an image: ", h("a", { href: address("/ui/article", lessonOf(query, model, version)) }, "the article, one training step with every number"), "."),
  );
  /** @type {ReturnType<typeof column>[]} */
  let columns = [];
  await load(controls, "the version", (stop) => Promise.all([get(route, { signal: stop }), others(stop)]), ([found, known]) => {
    replace(first, h("a", { href: address(location.pathname, { dataset: found.dataset, split: "test", index: 0 }) }, "Take the first test image of its data set"),
      ", or open an image of a data set or of a batch from its page.");
    return settings(found.classes, known);
  }, signal);
  arrange();
  await ask();

  /** @param {{gray: Uint8Array, size: number} | Blob | null} found */
  function drawn(found) {
    if (found === null) return;
    image = found instanceof Blob ? found : { instances: [rows(found.gray, found.size)] };
    setQuery({ dataset: null, split: null, index: null, job: null });
    clearTimeout(rest);
    if (found instanceof Blob) void ask();
    else follow();
  }

  /** Step through the images of a data set or a batch that the address names. */
  function browse() {
    if (!query.has("index")) return first;
    /** @param {number} by */
    const step = (by) => () => {
      const index = Math.max(0, Number(query.get("index")) + by);
      query.set("index", String(index));
      setQuery({ index });
      image = placeOf(query);
      void ask();
    };
    return h("p", { class: "row" }, h("button", { type: "button", onclick: step(-1) }, "Previous image"), h("button", { type: "button", onclick: step(1) }, "Next image"));
  }

  /** One column a version: this one, and the one to compare with. */
  function arrange() {
    const beside = new URLSearchParams(location.search).get("with");
    columns = [[version, "unit"], ...(beside ? [[beside, "other_unit"]] : [])].map(([reference, key]) =>
      column(routeOf(reference), { reference: `${model}@${reference}`, title: beside ? `${model}@${reference}` : null, key, setQuery, signal }));
    replace(results, columns.map(({ element }) => element));
  }

  /** The newest other versions. @param {AbortSignal} stop */
  async function others(stop) {
    const found = [];
    for await (const each of items(versions, { limit: MOST_VERSIONS }, stop)) {
      found.push(String(each.version));
      if (found.length >= MOST_VERSIONS) break;
    }
    const beside = query.get("with");
    return beside && !found.includes(beside) ? [beside, ...found] : found;
  }

  /** @param {string[]} classes @param {string[]} known */
  function settings(classes, known) {
    /** @param {string} key @param {string} text @param {[string, string][]} options */
    const choice = (key, text, options) =>
      h("label", text, h("select", { onchange: (/** @type {Event} */ { target }) => {
        setQuery({ [key]: /** @type {HTMLSelectElement} */ (target).value });
        if (key === "with") arrange();
        void ask();
      } }, options.map(([value, shown]) => h("option", { value, selected: value === (new URLSearchParams(location.search).get(key) ?? "") }, shown))));
    /** @type {[string, string][]} */
    const named = classes.map((label) => [label, plain(label)]);
    return [
      choice("target", "Explain", [["", "the predicted class"], ...named]),
      choice("against", "Why not", [["", "–"], ...named]),
      choice("method", "By", [["", METHODS.integrated_gradients], .../** @type {[string, string][]} */ (Object.entries(METHODS).slice(1))]),
      choice("baseline", "Compared with", BASELINES.map((baseline, i) => [i ? baseline : "", baseline])),
      choice("with", "Beside", [["", "–"], .../** @type {[string, string][]} */ (known.filter((each) => each !== version).map((each) => [each, `${model}@${each}`]))]),
    ];
  }

  /** Show everything about the image: what takes long waits until a drawing rests. */
  async function ask() {
    if (!image) return replace(changed, "Draw a digit, or choose an image.");
    if (await explain(WHOLE)) await Promise.all(columns.flatMap((each) => [each.nearest(), each.refresh()]));
  }

  /** Return whether nothing newer was asked meanwhile. @param {Record<string, number | null>} extent */
  async function explain(extent) {
    const turn = ++asked;
    const options = { ...optionsNow(), ...extent };
    await Promise.all(columns.map((each) => each.ask(image, options)));
    if (turn !== asked) return false;
    const changes = columns[0]?.input()?.changes ?? [];
    replace(changed, changes.length > 0 && `Changed for the network: ${changes.join("; ")}.`);
    return !signal.aborted;
  }

  /** What the fields above the results say. */
  function optionsNow() {
    const now = new URLSearchParams(location.search);
    return Object.fromEntries(["target", "against", "method", "baseline"].map((key) => [key, now.get(key)]));
  }
}

/** What the article shows: the version and the image, if it is one of a data set. @param {URLSearchParams} query @param {string} model @param {string} version */
function lessonOf(query, model, version) {
  const [dataset, split, index] = ["dataset", "split", "index"].map((key) => query.get(key));
  return { model, version, ...(dataset ? { dataset, split: split ?? "test", index } : {}) };
}

/** The place of an image that the address names. @param {URLSearchParams} query */
function placeOf(query) {
  const index = Number(query.get("index"));
  if (query.has("job")) return { job: query.get("job"), index };
  return query.has("dataset") ? { dataset: query.get("dataset"), split: query.get("split") ?? "test", index } : null;
}

/** @param {Uint8Array} gray @param {number} size */
function rows(gray, size) {
  return Array.from({ length: size }, (_, y) => Array.from(gray.subarray(y * size, (y + 1) * size)));
}

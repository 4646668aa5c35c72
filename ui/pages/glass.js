/** The glass box: one image through one version, from the input over every layer to the pixels that mattered. */

import { address, get, send } from "../api.js";
import { modelHref } from "../common/actions.js";
import { load, panel, problem } from "../common/panel.js";
import { h, replace } from "../parts/dom.js";
import { name, number, percent, plain } from "../parts/format.js";
import { bars } from "../parts/charts/bars.js";
import { activations, largest, picture, signed } from "../parts/pictures/maps.js";
import { pad } from "../parts/pictures/pad.js";
import { imagesOf } from "../common/pictures.js";

const METHODS = { integrated_gradients: "integrated gradients", gradient_x_input: "gradient × input", gradient: "gradient", occlusion: "occlusion" };
const BASELINES = ["black", "mean", "blurred"];
const MOST_MAPS = 64; // feature maps of a layer that are shown
const PAUSE = 50; // milliseconds between requests while a person draws: at most 20 a second
const CONTROL_SEED = 0;

/** @typedef {any} Explanation */

/** @param {import("../parts/router.js").Page} page */
export async function show({ root, params, query, signal, title, setQuery }) {
  const { model, version } = params;
  title(`Glass box: ${model}@${version}`);
  const route = `/v1/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}`;
  /** @type {object | Blob | null} the body of a request: the place of an image, numbers, or a file */
  let image = placeOf(query);
  let asking = false;
  let stale = false;
  const results = h("div", { "aria-live": "polite" });
  const neighbours = h("div");
  const drawing = pad({ onchange: drawn });
  signal.addEventListener("abort", drawing.destroy);
  const controls = h("div", { class: "fields" });
  const first = h("p", { class: "soft" });
  replace(
    root,
    h("h1", "Glass box: ", h("a", { href: modelHref(model, version) }, name(`${model}@${version}`))),
    h("div", { class: "glass" },
      panel("Image", { method: "POST", path: `${route}/explain`, body: image ?? { dataset: "…", split: "test", index: 0 }, command: `glassbox explain image.png -m ${model}@${version} -o why.png` }, drawing.element, browse()),
      h("div", controls, results, neighbours)),
    h("p", { class: "soft" }, "How a network learns from an image: ", h("a", { href: address("/ui/article", lessonOf(query, model, version)) }, "the article, one training step with every number"), "."),
  );
  await load(controls, "the version", (stop) => get(route, { signal: stop }), (found) => {
    replace(first, h("a", { href: address(location.pathname, { dataset: found.dataset, split: "test", index: 0 }) }, "Take the first test image of its data set"),
      ", or open an image of a data set or of a batch from its page.");
    return settings(found.classes);
  }, signal);
  await ask();

  /** @param {{gray: Uint8Array, size: number} | Blob | null} found */
  function drawn(found) {
    if (found === null) return;
    image = found instanceof Blob ? found : { instances: [rows(found.gray, found.size)] };
    setQuery({ dataset: null, split: null, index: null, job: null });
    void ask();
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

  /** @param {string[]} classes */
  function settings(classes) {
    /** @param {string} key @param {string} text @param {[string, string][]} options */
    const choice = (key, text, options) =>
      h("label", text, h("select", { onchange: (/** @type {Event} */ { target }) => {
        setQuery({ [key]: /** @type {HTMLSelectElement} */ (target).value });
        void ask();
      } }, options.map(([value, shown]) => h("option", { value, selected: value === (new URLSearchParams(location.search).get(key) ?? "") }, shown))));
    /** @type {[string, string][]} */
    const named = classes.map((label) => [label, plain(label)]);
    return [
      choice("target", "Explain", [["", "the predicted class"], ...named]),
      choice("against", "Why not", [["", "–"], ...named]),
      choice("method", "By", [["", METHODS.integrated_gradients], .../** @type {[string, string][]} */ (Object.entries(METHODS).slice(1))]),
      choice("baseline", "Compared with", BASELINES.map((baseline, i) => [i ? baseline : "", baseline])),
    ];
  }

  async function ask() {
    if (!image) return replace(results, h("p", { class: "empty" }, "Draw a digit, or choose an image."));
    if (asking) {
      stale = true;
      return;
    }
    asking = true;
    const now = new URLSearchParams(location.search);
    const options = Object.fromEntries(["target", "against", "method", "baseline"].map((key) => [key, now.get(key)]));
    try {
      const found = await send("POST", address(`${route}/explain`, { ...options, random_weights_seed: CONTROL_SEED }), image, { signal });
      replace(results, view(found));
    } catch (error) {
      if (!signal.aborted) replace(results, problem(error, () => void ask(), signal));
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    asking = false;
    if (stale && !signal.aborted) {
      stale = false;
      return ask();
    }
    await nearest();
  }

  async function nearest() {
    try {
      const found = await send("POST", address(`${route}/neighbours`, { count: 10 }), image, { signal });
      const path = `/v1/datasets/${encodeURIComponent(found.dataset)}/images`;
      const { pictures, items, ...shape } = await imagesOf(path, found.neighbours, (one) => one, signal);
      const size = shape.height * shape.width * shape.channels;
      replace(neighbours, panel("Nearest training images", { method: "POST", path: `${route}/neighbours` },
        h("p", { class: "soft" }, `By the last hidden layer, among ${number(found.searched)} of ${number(found.images)} training images.`),
        h("div", { class: "row" }, items.map((/** @type {any} */ one, i) =>
          h("a", { class: "thumbnail", href: address(location.pathname, { dataset: found.dataset, split: one.split, index: one.index }) },
            picture(pictures.subarray(i * size, (i + 1) * size), { ...shape, size: 64, label: `training image ${one.index}` }), name(one.label))))));
    } catch {
      replace(neighbours); // the version's data set was deleted, for example: the rest of the page does not need it
    }
  }
}

/** @param {Explanation} found */
function view(found) {
  const { input, prediction, classes, probabilities, logits, layers, attribution, warnings = [] } = found;
  const shape = { height: input.pixels.length, width: input.pixels[0].length, channels: input.pixels[0][0].length ?? 1 };
  const map = attribution.values.flat(2);
  const order = classes.map((/** @type {string} */ _, /** @type {number} */ i) => i).sort((/** @type {number} */ a, /** @type {number} */ b) => probabilities[b] - probabilities[a]).slice(0, 12);
  const probability = bars({ label: "Probabilities", format: percent, most: 1, items: order.map((/** @type {number} */ i) => ({ label: plain(classes[i]), value: probabilities[i], selected: classes[i] === attribution.target })) });
  const target = plain(attribution.target);
  const what = attribution.against === null ? `the logit of ${target}` : `the logit of ${target} less that of ${plain(attribution.against)}`;
  return [
    warnings.map((/** @type {string} */ text) => h("p", { class: "warning" }, plain(text))),
    h("div", { class: "grid" },
      panel("What the network sees", null,
        picture(input.pixels.flat(2), { ...shape, label: `the image as the network gets it, ${shape.height} × ${shape.width}` }),
        h("p", { class: "small" }, `${shape.height} × ${shape.width}, predicted: `, h("strong", name(prediction.label)), ` ${percent(prediction.confidence)}`, input.label && ` · its class: ${plain(input.label)}`, input.inverted && " · light and dark exchanged")),
      panel("Probabilities", null, probability.element, h("p", { class: "small" }, `Logits from ${number(Math.min(...logits))} to ${number(Math.max(...logits))}.`)),
      panel(`Which pixels raise ${what}`, null,
        signed(map, { ...shape, label: `attribution by ${attribution.method}` }),
        h("p", { class: "small" }, "Orange raises it, blue lowers it; the scale ends at the 98th percentile."),
        completeness(attribution)),
      attribution.control && panel("The same with random weights", null,
        signed(attribution.control.values.flat(2), { ...shape, label: "attribution with random weights" }),
        h("p", { class: "small" }, `Rank correlation with the map: ${number(attribution.control.rank_correlation)}. Near 1, the map shows the image and not what the network has learned.`))),
    layers.map(layer),
  ];
}

/** @param {any} attribution */
function completeness({ completeness: sums, method }) {
  if (!sums) return h("p", { class: "small" }, `The method ${METHODS[/** @type {keyof typeof METHODS} */ (method)]} claims no sum.`);
  const { sum, difference, gap, correction } = sums;
  const error = gap - correction;
  const before = correction ? `; before it was corrected by the score, the integral was off by ${number(error)}${difference ? ` (${percent(Math.abs(error / difference))})` : ""}` : "";
  return h("p", { class: "completeness" }, `The map sums to ${number(sum)}; the score differs from the baseline's by ${number(difference)}; gap ${number(gap)}${before}.`);
}

/** @param {any} found */
function layer({ name: title, kind, activation, shape, activations: values }) {
  const heading = `${title}: ${kind}, ${shape.join(" × ")}, ${activation}`;
  const flat = values.flat(2);
  const active = flat.filter((/** @type {number} */ value) => value > 0).length;
  const note = h("p", { class: "small" }, `${number(active)} of ${number(flat.length)} activations are above 0; the largest is ${number(Math.max(...flat))}.`);
  if (kind === "dense") {
    const width = Math.min(64, flat.length);
    const height = Math.ceil(flat.length / width);
    const padded = [...flat, ...Array(height * width - flat.length).fill(0)];
    return panel(heading, null, activations(padded, { height, width, size: Math.min(640, width * 10), label: `${flat.length} activations of ${title}` }), note);
  }
  const [height, width, filters] = shape;
  const most = largest(flat) || 1;
  const maps = Array.from({ length: Math.min(filters, MOST_MAPS) }, (_, filter) =>
    activations(values.flatMap((/** @type {number[][]} */ row) => row.map((place) => place[filter])), { height, width, most, size: 64, label: `feature map ${filter} of ${title}` }));
  return panel(heading, null, h("div", { class: "row" }, maps), filters > MOST_MAPS && h("p", { class: "soft" }, `${MOST_MAPS} of ${filters} feature maps are shown.`), note);
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

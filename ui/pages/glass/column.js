/** One version's explanation of the image: probabilities, the map with its control, and the layers, whose units open. */

import { address, send } from "../../api.js";
import { panel, problem } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { name, number, percent, plain } from "../../parts/format.js";
import { bars } from "../../parts/charts/bars.js";
import { cells } from "../../parts/pictures/cells.js";
import { activations, largest, picture, signed } from "../../parts/pictures/maps.js";
import { titleOf, unit } from "./unit.js";

export const METHODS = { integrated_gradients: "integrated gradients", gradient_x_input: "gradient × input", gradient: "gradient", occlusion: "occlusion" };
const MOST_MAPS = 64; // feature maps of a layer that are shown
const ROUNDING = 1e-6; // of the difference; a smaller gap is shown as 0

/** @typedef {import("./unit.js").Chosen} Chosen */

/**
 * @param {string} route of the version
 * @param {{title: string | null, key: string, setQuery: import("../../parts/router.js").Page["setQuery"], signal: AbortSignal}} options
 *   `title` is shown if there are two columns; `key` names the opened unit in the address
 */
export function column(route, { title, key, setQuery, signal }) {
  const results = h("div", { "aria-live": "polite" });
  const layers = h("div");
  const opened = h("div", { tabindex: -1, class: "unit" });
  /** @type {any} */
  let found = null;
  /** @type {any} */
  let image = null;
  let chosen = parsed(new URLSearchParams(location.search).get(key));

  /** @param {Chosen | null} next */
  async function open(next) {
    chosen = next;
    setQuery({ [key]: next && [next.layer, next.unit, ...(next.row === undefined ? [] : [next.row, next.column])].join(".") });
    arrange();
    await refresh();
    opened.scrollIntoView({ block: "nearest" });
    opened.focus({ preventScroll: true });
  }

  async function refresh() {
    if (!chosen || !image) return replace(opened);
    const query = chosen;
    try {
      const unitOf = await send("POST", address(`${route}/explain/unit`, query), image, { signal });
      if (chosen !== query) return; // another one was opened meanwhile
      const close = h("button", { type: "button", onclick: () => void open(null) }, "Close");
      replace(opened, panel(`Opened: ${titleOf(unitOf)}`, { method: "POST", path: address(`${route}/explain/unit`, query) }, unit(unitOf, (next) => void open(next)), close));
    } catch (error) {
      if (!signal.aborted) replace(opened, problem(error, () => void refresh(), signal));
    }
  }

  /** The opened unit stands after its layer; one of the last layer, the classes, before all. */
  function arrange() {
    if (!found) return;
    const at = found.layers.findIndex((/** @type {any} */ each) => each.name === chosen?.layer);
    const all = found.layers.map((/** @type {any} */ each) => layer(each, (next) => void open(next)));
    all.splice(at + 1, 0, opened);
    replace(layers, all);
  }

  /** @param {any} next @param {Record<string, string | number | null>} options */
  async function ask(next, options) {
    image = next;
    try {
      found = await send("POST", address(`${route}/explain`, options), image, { signal });
      replace(results, view(found, (index) => void open({ layer: `layer${found.layers.length + 1}`, unit: index })));
      arrange();
    } catch (error) {
      found = null;
      if (!signal.aborted) replace(results, problem(error, () => void ask(next, options), signal));
      replace(layers);
    }
  }

  const element = h("div", { class: "column" }, title && h("h2", name(title)), results, layers);
  return { element, ask, refresh, input: () => found?.input };
}

/** @param {string | null} text such as `layer1.12` or `layer1.3.0.5` @returns {Chosen | null} */
function parsed(text) {
  const [layer, ...numbers] = (text ?? "").split(".");
  const [unit, row, column] = numbers.map(Number);
  if (!layer || !numbers.length) return null;
  return row === undefined ? { layer, unit } : { layer, unit, row, column };
}

/** @param {any} found @param {(index: number) => void} open opens a class */
function view(found, open) {
  const { input, prediction, classes, probabilities, logits, attribution, warnings = [] } = found;
  const shape = { height: input.pixels.length, width: input.pixels[0].length, channels: input.pixels[0][0].length ?? 1 };
  const map = attribution.values.flat(2);
  const order = classes.map((/** @type {string} */ _, /** @type {number} */ i) => i).sort((/** @type {number} */ a, /** @type {number} */ b) => probabilities[b] - probabilities[a]).slice(0, 12);
  const probability = bars({ label: "Probabilities", format: percent, most: 1, items: order.map((/** @type {number} */ i) => ({ label: plain(classes[i]), value: probabilities[i], selected: classes[i] === attribution.target, onselect: () => open(i) })) });
  const target = plain(attribution.target);
  const what = attribution.against === null ? `the logit of ${target}` : `the logit of ${target} less that of ${plain(attribution.against)}`;
  return [
    warnings.map((/** @type {string} */ text) => h("p", { class: "warning" }, plain(text))),
    h("div", { class: "grid" },
      panel("What the network sees", null,
        picture(input.pixels.flat(2), { ...shape, label: `the image as the network gets it, ${shape.height} × ${shape.width}` }),
        h("p", { class: "small" }, `${shape.height} × ${shape.width}, predicted: `, h("strong", name(prediction.label)), ` ${percent(prediction.confidence)}`, input.label && ` · its class: ${plain(input.label)}`, input.inverted && " · light and dark exchanged")),
      panel("Probabilities", null, probability.element, h("p", { class: "small" }, `Logits from ${number(Math.min(...logits))} to ${number(Math.max(...logits))}. Choose a class to open its sum.`)),
      panel(`Which pixels raise ${what}`, null,
        signed(map, { ...shape, label: `attribution by ${attribution.method}` }),
        h("p", { class: "small" }, "Orange raises it, blue lowers it; the scale ends at the 98th percentile."),
        completeness(attribution)),
      panel("The same with random weights", null, attribution.control
        ? [signed(attribution.control.values.flat(2), { ...shape, label: "attribution with random weights" }),
          h("p", { class: "small" }, `Rank correlation with the map: ${number(attribution.control.rank_correlation)}. Near 1, the map shows the image and not what the network has learned.`)]
        : h("p", { class: "soft" }, "Computed when the drawing rests."))),
  ];
}

/** @param {any} attribution */
function completeness({ completeness: sums, method }) {
  if (!sums) return h("p", { class: "small" }, `The method ${METHODS[/** @type {keyof typeof METHODS} */ (method)]} claims no sum.`);
  const { sum, difference, gap, correction } = sums;
  const error = gap - correction;
  const before = correction ? `; before it was corrected by the score, the integral was off by ${number(error)}${difference ? ` (${percent(Math.abs(error / difference), 2)})` : ""}` : "";
  return h("p", { class: "completeness" }, `The map sums to ${number(sum)}; the score differs from the baseline's by ${number(difference)}; gap ${number(Math.abs(gap) < ROUNDING * Math.abs(difference) ? 0 : gap)}${before}.`);
}

/** @param {any} found @param {(chosen: Chosen) => void} open */
function layer({ name: title, kind, activation, shape, activations: values }, open) {
  const heading = `${title}: ${kind}, ${shape.join(" × ")}, ${activation}`;
  const flat = values.flat(2);
  const active = flat.filter((/** @type {number} */ value) => value > 0).length;
  const note = h("p", { class: "small" }, `${number(active)} of ${number(flat.length)} activations are above 0; the largest is ${number(flat.reduce((/** @type {number} */ a, /** @type {number} */ b) => Math.max(a, b)))}.`);
  if (kind === "dense") {
    const width = Math.min(32, flat.length);
    const height = Math.ceil(flat.length / width);
    const padded = [...flat, ...Array(height * width - flat.length).fill(0)];
    const label = `${flat.length} activations of ${title}`;
    return panel(heading, null, cells(activations(padded, { height, width, size: Math.min(640, width * 20), label }), {
      height, width, count: flat.length, label,
      name: (cell) => `unit ${cell}: ${number(flat[cell])}`,
      onopen: (cell) => open({ layer: title, unit: cell }),
    }), note);
  }
  const [height, width, filters] = shape;
  const count = Math.min(filters, MOST_MAPS);
  const across = Math.min(count, 10);
  const down = Math.ceil(count / across);
  const [tall, wide] = [height + 1, width + 1]; // with a gap between the maps
  const sheet = new Float32Array(down * tall * across * wide);
  for (let f = 0; f < count; f++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) sheet[(Math.floor(f / across) * tall + y) * across * wide + (f % across) * wide + x] = values[y][x][f];
  const label = `${count} feature maps of ${title}`;
  const canvas = activations(sheet, { height: down * tall, width: across * wide, most: largest(flat) || 1, size: 64 * Math.max(across, down), label });
  return panel(heading, null, cells(canvas, {
    height: down, width: across, count, label,
    name: (cell) => `filter ${cell}, at most ${number(values.flat().reduce((/** @type {number} */ top, /** @type {number[]} */ place) => Math.max(top, place[cell]), -Infinity))}`,
    onopen: (cell, inside) => open({ layer: title, unit: cell, ...(inside && { row: Math.min(height - 1, Math.floor(inside[0] * tall)), column: Math.min(width - 1, Math.floor(inside[1] * wide)) }) }),
  }), filters > count && h("p", { class: "soft" }, `${count} of ${filters} feature maps are shown.`), note);
}

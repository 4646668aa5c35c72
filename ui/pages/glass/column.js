/** One version's explanation of the image: probabilities, the map with its control, and the layers, whose units open. */

import { address, send } from "../../api.js";
import { panel, problem, warnings } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { name, number, percent, plain } from "../../parts/format.js";
import { bars } from "../../parts/charts/bars.js";
import { cells } from "../../parts/pictures/cells.js";
import { activations, largest, picture, signed, surface } from "../../parts/pictures/maps.js";
import { asCode } from "./code.js";
import { neighbours } from "./neighbours.js";
import { titleOf, unit } from "./unit.js";

export const METHODS = { integrated_gradients: "integrated gradients", gradient_x_input: "gradient × input", gradient: "gradient", occlusion: "occlusion" };
const MOST_CLASSES = 12; // with the largest probabilities
const MOST_MAPS = 64; // feature maps of a layer that are shown
const ROUNDING = 1e-6; // of the difference; a smaller gap is shown as 0

/** @typedef {import("./unit.js").Chosen} Chosen */
/** @typedef {import("../../common/panel.js").Recipe} Recipe */

/**
 * @param {string} route of the version
 * @param {{reference: string, title: string | null, key: string, setQuery: import("../../parts/router.js").Page["setQuery"], signal: AbortSignal}} options
 *   `title` is shown if there are two columns; `key` names the opened unit in the address
 */
export function column(route, { reference, title, key, setQuery, signal }) {
  const failure = h("div");
  const results = h("div", { "aria-live": "polite" });
  const layers = h("div");
  const alike = h("div");
  const opened = h("div", { tabindex: -1, class: "unit" });
  /** @type {ReturnType<typeof sheet> | null} what the first answer built, and later ones change */
  let shown = null;
  /** @type {any} */
  let found = null;
  /** @type {any} */
  let image = null;
  /** @type {Record<string, any>} */
  let asked = {};
  let turn = 0;
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
      replace(opened, panel(`Opened: ${titleOf(unitOf)}`, asCode("unit", route, reference, image, query), unit(unitOf, (next) => void open(next)), close));
    } catch (error) {
      if (!signal.aborted) replace(opened, problem(error, () => void refresh(), signal));
    }
  }

  /** The opened unit stands after its layer; one of the last layer, the classes, before all. */
  function arrange() {
    if (!found || !shown) return replace(layers);
    const at = found.layers.findIndex((/** @type {any} */ each) => each.name === chosen?.layer);
    replace(layers, shown.layers.toSpliced(at + 1, 0, opened));
  }

  /** @param {any} next @param {Record<string, string | number | null>} options */
  async function ask(next, options) {
    image = next;
    asked = options;
    const mine = ++turn;
    try {
      const answer = await send("POST", address(`${route}/explain`, options), image, { signal });
      if (mine !== turn) return; // an image or a setting has changed since
      found = answer;
      if (!shown) {
        shown = sheet(found, (next) => void open(next), () => asCode("explain", route, reference, image, asked));
        replace(results, shown.element);
        arrange();
      }
      shown.set(found);
      replace(failure);
    } catch (error) {
      if (signal.aborted || mine !== turn) return;
      found = shown = null;
      replace(failure, problem(error, () => void ask(next, options), signal));
      replace(results);
      arrange();
    }
  }

  async function nearest() {
    const [mine, found] = [turn, await neighbours(route, reference, image, signal)];
    if (mine === turn) replace(alike, found);
  }

  const element = h("div", { class: "column" }, title && h("h2", name(title)), failure, results, layers, alike);
  return { element, ask, nearest, refresh, input: () => found?.input };
}

/** @param {string | null} text such as `layer1.12` or `layer1.3.0.5` @returns {Chosen | null} */
function parsed(text) {
  const [layer, ...numbers] = (text ?? "").split(".");
  const [unit, row, column] = numbers.map(Number);
  if (!layer || !numbers.length) return null;
  return row === undefined ? { layer, unit } : { layer, unit, row, column };
}

/**
 * The panels of a version. All its answers have the same shapes: `set` changes numbers and pictures in place, so that a
 * stroke of a drawing costs little.
 * @param {any} first @param {(chosen: Chosen) => void} open @param {() => Recipe} recipe
 */
function sheet({ input, layers: kinds }, open, recipe) {
  const shape = { height: input.pixels.length, width: input.pixels[0].length, channels: input.pixels[0][0].length ?? 1 };
  const [seen, map, random] = [surface(shape), surface(shape), surface(shape)];
  const [predicted, logits, sums, correlation] = ["small", "small", "completeness", "small"].map((kind) => h("p", { class: kind }));
  const [texts, score] = [h("div"), h("span")];
  const control = h("div", random);
  const probability = bars({ label: "Probabilities", format: percent, most: 1 });
  const parts = kinds.map((/** @type {any} */ kind) => layer(kind, open, recipe));
  const classLayer = `layer${kinds.length + 1}`;
  const element = h("div", texts, h("div", { class: "grid" },
    panel("What the network sees", recipe, seen, predicted),
    panel("Probabilities", recipe, probability.element, logits),
    panel(score, recipe, map, h("p", { class: "small" }, "Orange raises it, blue lowers it; the scale ends at the 98th percentile."), sums),
    panel("The same with random weights", recipe, control, correlation)));

  /** @param {any} found */
  function set({ input, prediction, classes, probabilities, logits: z, attribution, layers, warnings: said = [] }) {
    replace(texts, warnings(said));
    picture(input.pixels.flat(2), { ...shape, label: `the image as the network gets it, ${shape.height} × ${shape.width}` }, seen);
    replace(predicted, `${shape.height} × ${shape.width}, predicted: `, h("strong", name(prediction.label)), ` ${percent(prediction.confidence)}`, input.label && ` · its class: ${plain(input.label)}`, input.inverted && " · light and dark exchanged");
    const order = classes.map((/** @type {string} */ _, /** @type {number} */ i) => i).sort((/** @type {number} */ a, /** @type {number} */ b) => probabilities[b] - probabilities[a]).slice(0, MOST_CLASSES);
    probability.set(order.map((/** @type {number} */ i) => ({ label: plain(classes[i]), value: probabilities[i], selected: classes[i] === attribution.target, onselect: () => open({ layer: classLayer, unit: i }) })));
    logits.textContent = `Logits from ${number(Math.min(...z))} to ${number(Math.max(...z))}. Choose a class to open its sum.`;
    score.textContent = `Which pixels raise the logit of ${plain(attribution.target)}${attribution.against === null ? "" : ` less that of ${plain(attribution.against)}`}`;
    signed(attribution.values.flat(2), { ...shape, label: `attribution by ${attribution.method}` }, map);
    sums.textContent = completeness(attribution);
    control.hidden = !attribution.control;
    if (attribution.control) signed(attribution.control.values.flat(2), { ...shape, label: "attribution with random weights" }, random);
    correlation.textContent = attribution.control
      ? `Rank correlation with the map: ${number(attribution.control.rank_correlation)}. Near 1, the map shows the image and not what the network has learned.`
      : `Computed when the drawing rests${attribution.steps ? `; until then the map has ${attribution.steps} steps` : ""}.`;
    parts.forEach((/** @type {any} */ part, /** @type {number} */ i) => part.set(layers[i].activations));
  }

  return { element, layers: parts.map((/** @type {any} */ part) => part.element), set };
}

/** @param {any} attribution */
function completeness({ completeness: sums, method }) {
  if (!sums) return `The method ${METHODS[/** @type {keyof typeof METHODS} */ (method)]} claims no sum.`;
  const { sum, difference, gap, correction } = sums;
  const error = gap - correction;
  const before = correction ? `; before it was corrected by the score, the integral was off by ${number(error)}${difference ? ` (${percent(Math.abs(error / difference), 2)})` : ""}` : "";
  return `The map sums to ${number(sum)}; the score differs from the baseline's by ${number(difference)}; gap ${number(Math.abs(gap) < ROUNDING * Math.abs(difference) ? 0 : gap)}${before}.`;
}

/** A layer: its units as cells, or its filters as maps, with a gap between them. @param {any} found @param {(chosen: Chosen) => void} open @param {() => Recipe} recipe */
function layer({ name: title, kind, activation, shape }, open, recipe) {
  const isDense = kind === "dense";
  const [high, wide, filters] = isDense ? [1, 1, shape[0]] : [shape[0] + 1, shape[1] + 1, shape[2]];
  const count = isDense ? filters : Math.min(filters, MOST_MAPS);
  const across = Math.min(count, isDense ? 32 : 10);
  const down = Math.ceil(count / across);
  const size = isDense ? Math.min(640, 20 * across) : 64 * Math.max(across, down);
  const whole = { height: down * high, width: across * wide, size, label: isDense ? `${count} activations of ${title}` : `${count} feature maps of ${title}` };
  const canvas = surface(whole);
  const note = h("p", { class: "small" });
  /** @type {number[]} by place, and at each place by filter */
  let values = [];
  const greatest = (/** @type {number} */ filter) => {
    let most = -Infinity;
    for (let i = filter; i < values.length; i += filters) most = Math.max(most, values[i]);
    return most;
  };
  const element = panel(`${title}: ${kind}, ${shape.join(" × ")}, ${activation}`, recipe, cells(canvas, {
    height: down, width: across, count, label: whole.label,
    name: (cell) => (isDense ? `unit ${cell}: ${number(values[cell])}` : `filter ${cell}, at most ${number(greatest(cell))}`),
    onopen: (cell, inside) => open({ layer: title, unit: cell, ...(!isDense && inside && { row: Math.min(shape[0] - 1, Math.floor(inside[0] * high)), column: Math.min(shape[1] - 1, Math.floor(inside[1] * wide)) }) }),
  }), filters > count && h("p", { class: "soft" }, `${count} of ${filters} feature maps are shown.`), note);

  /** @param {any[]} next */
  function set(next) {
    values = next.flat(2);
    const sheet = new Float32Array(whole.height * whole.width);
    values.forEach((value, i) => {
      const filter = i % filters;
      const [y, x] = [Math.floor(i / filters / shape[1]), Math.floor(i / filters) % shape[1]];
      if (isDense) sheet[i] = value;
      else if (filter < count) sheet[(Math.floor(filter / across) * high + y) * whole.width + (filter % across) * wide + x] = value;
    });
    activations(sheet, { ...whole, most: largest(values) || 1 }, canvas);
    const active = values.filter((value) => value > 0).length;
    note.textContent = `${number(active)} of ${number(values.length)} activations are above 0; the largest is ${number(values.reduce((a, b) => Math.max(a, b)))}.`;
  }

  return { element, set };
}

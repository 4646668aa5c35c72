/** One unit, opened: its weights as a picture, and its sum as a waterfall from the largest term to the activation. */

import { h, svg } from "../../parts/dom.js";
import { name, number, plain } from "../../parts/format.js";
import { signed } from "../../parts/pictures/maps.js";

const MOST_KERNELS = 64;

/** @typedef {{layer: string, unit: number, row?: number, column?: number}} Chosen */

/** @param {any} found a response of `explain/unit` @param {(chosen: Chosen) => void} open opens another unit */
export function unit(found, open) {
  const { weights, z, activation, layer } = found;
  const what = layer.kind === "output" ? "probability" : `${layer.activation}(z)`;
  return [
    h("div", { class: "opened" },
      h("div", picture(weights, `weights of ${titleOf(found)}`), h("p", { class: "small" }, "Its weights: orange above 0, blue below.")),
      waterfall(found, open)),
    h("p", { class: "completeness" }, `z = ${number(z)}; ${what} = ${number(activation)}.`),
    layer.kind === "convolutional" && place(found, open),
  ];
}

/** @param {any} found */
export function titleOf({ layer, unit: index, label, place: at }) {
  if (label !== null) return `class ${plain(label)} of ${layer.name}`;
  return at ? `filter ${index} of ${layer.name} at row ${at.row}, column ${at.column}` : `unit ${index} of ${layer.name}`;
}

/** Another place of the same filter, without a pointer. @param {any} found @param {(chosen: Chosen) => void} open */
function place({ layer, unit: index, place: at }, open) {
  const field = (/** @type {"row" | "column"} */ key, /** @type {number} */ side) =>
    h("label", key === "row" ? "Row" : "Column", h("input", { type: "number", min: 0, max: side - 1, value: at[key], onchange: (/** @type {Event} */ { target }) => {
      const value = Number(/** @type {HTMLInputElement} */ (target).value);
      if (Number.isInteger(value) && value >= 0 && value < side) open({ layer: layer.name, unit: index, ...at, [key]: value });
    } }));
  return h("div", { class: "fields" }, field("row", layer.shape[0]), field("column", layer.shape[1]));
}

/** A picture in the image's shape, one of each channel, or a row of bars. @param {any[]} weights @param {string} label */
function picture(weights, label) {
  if (!Array.isArray(weights[0])) return strip(weights, label);
  const [height, width] = [weights.length, weights[0].length];
  if (!Array.isArray(weights[0][0])) return signed(weights.flat(), { height, width, label });
  const channels = weights[0][0].length;
  const shown = Math.min(channels, MOST_KERNELS);
  const most = Math.max(...weights.flat(2).map(Math.abs)) || 1;
  return h("div", { class: "row" },
    Array.from({ length: shown }, (_, c) => signed(weights.flat().map((/** @type {number[]} */ each) => each[c]), { height, width, most, size: shown > 3 ? 48 : 96, label: `${label}, channel ${c}` })),
    shown < channels && h("p", { class: "soft" }, `${shown} of ${channels} channels are shown.`));
}

/** @param {number[]} weights @param {string} label */
function strip(weights, label) {
  const most = Math.max(...weights.map(Math.abs)) || 1;
  const d = (/** @type {boolean} */ above) => weights.map((w, i) => (w > 0 === above ? `M${i + 0.5} 20V${20 - (19 * w) / most}` : "")).join("");
  return svg("svg", { class: "strip", viewBox: `0 0 ${weights.length} 40`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { class: "plus", d: d(true) }), svg("path", { class: "minus", d: d(false) }));
}

/** @param {any} found @param {(chosen: Chosen) => void} open */
function waterfall({ layer, terms, rest, bias, z }, open) {
  const before = Number(layer.name.slice("layer".length)) - 1;
  /** @type {[string, number, string, (() => void)?][]} */
  const steps = terms.map((/** @type {any} */ { index, weight, input, value }) => {
    const [label, chosen] = source(index, before);
    return [label, value, `${number(weight)} × ${number(input)} = ${number(value)}`, chosen && (() => open(chosen))];
  });
  steps.push([`${number(rest.count)} other terms`, rest.value, number(rest.value)], ["bias", bias, number(bias)]);
  let sum = 0;
  const ends = steps.map(([, value]) => (sum += value));
  const low = Math.min(0, z, ...ends);
  const scale = Math.max(0, z, ...ends) - low || 1;
  /** @param {string} label @param {number} from @param {number} value @param {string} text @param {(() => void)} [onclick] */
  const row = (label, from, value, text, onclick) => {
    const bar = h("i", { class: value < 0 ? "minus" : "plus" });
    bar.style.marginInlineStart = `${(100 * (Math.min(from, from + value) - low)) / scale}%`;
    bar.style.inlineSize = `${(100 * Math.abs(value)) / scale}%`;
    const content = [name(label), h("span", { class: "track" }, bar), h("b", text)];
    return h("li", onclick ? h("button", { type: "button", onclick }, content) : h("span", content));
  };
  return h("ol", { class: "bars waterfall", "aria-label": "The sum z, from its largest term" },
    steps.map(([label, value, text, onclick], i) => row(label, i ? ends[i - 1] : 0, value, text, onclick)),
    row("z", 0, z, number(z)));
}

/**
 * Where a term's input is from: a pixel, or a unit of the layer before, which can be opened.
 * @param {number[]} index @param {number} before
 * @returns {[string, Chosen?]}
 */
function source(index, before) {
  const [row, column, channel] = index;
  const layer = `layer${before}`;
  if (index.length === 1) return [`unit ${row} of ${layer}`, { layer, unit: row }];
  const where = `row ${row}, column ${column}`;
  if (!before) return [channel === undefined ? where : `${where}, ${["red", "green", "blue"][channel] ?? channel}`];
  return [`filter ${channel} (${row}, ${column})`, { layer, unit: channel, row, column }];
}

/** An array of a lesson: its name, shape, picture and numbers. */

import { h } from "../../parts/dom.js";
import { number } from "../../parts/format.js";
import { inline, kind } from "../../parts/formula.js";
import { activations, signed } from "../../parts/pictures/maps.js";

const FIRST = 10; // numbers that stand beside a picture
const MOST = 200; // numbers of a list
const WIDEST = 560;

/** @typedef {{name: string, shape: number[], values: ArrayLike<number> | null}} Values */

/**
 * @param {Values} found
 * @param {{image: number[], classes: string[], layers: number}} lesson `image`: the shape of the network's input
 */
export function arrayView({ name, shape, values }, { image, classes, layers }) {
  const heading = h("figcaption", { class: kind(name) }, inline(name), ` ${shape.join(" × ")}`);
  if (!values) return h("figure", { class: "array" }, heading, h("p", { class: "soft" }, "Too large to be shown."));
  if (values.length === 1) return h("figure", { class: "array" }, heading, h("p", { class: "scalar" }, number(values[0])));
  const ofClasses = values.length === classes.length && (name === "P" || name.replace("'", "").endsWith(String(layers)));
  const labelled = (/** @type {number} */ i) => (ofClasses ? `${classes[i]}: ${number(values[i])}` : number(values[i]));
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const few = values.length <= 2 * FIRST;
  return h("figure", { class: "array" }, heading, drawn(name, shape, values, image, low),
    h("p", { class: "small" }, few ? list(values.length, labelled) : `From ${number(low)} to ${number(high)}; it begins ${list(FIRST, labelled)}, …`),
    !few && numbers(values, shape));
}

/** @param {string} name @param {number[]} shape @param {ArrayLike<number>} values @param {number[]} image @param {number} low */
function drawn(name, shape, values, image, low) {
  const draw = low < 0 ? signed : activations;
  if (name === "X") {
    const [height, width, channels = 1] = image;
    const gray = channels === 1 ? values : Array.from({ length: height * width }, (_, i) => (values[3 * i] + values[3 * i + 1] + values[3 * i + 2]) / 3);
    return draw(gray, { height, width, size: 160, label: `X as an image, ${height} × ${width}` });
  }
  if (shape.length === 1 || shape[0] === 1) {
    return draw(values, { height: 1, width: values.length, size: Math.min(WIDEST, 24 * values.length), label: `${values.length} numbers of ${name}` });
  }
  const [rows, columns] = shape; // drawn with a row for each unit, which fits a page better
  const turned = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) turned[(i % columns) * rows + Math.floor(i / columns)] = values[i];
  return draw(turned, { height: columns, width: rows, size: Math.min(WIDEST, 8 * Math.max(rows, columns)), label: `${name}: ${columns} rows, one for each unit, of ${rows} numbers` });
}

/** @param {ArrayLike<number>} values @param {number[]} shape */
function numbers(values, shape) {
  const shown = Math.min(MOST, values.length);
  const box = h("details", { class: "numbers" }, h("summary", "Numbers"));
  box.addEventListener("toggle", () => {
    const width = Math.min(shape.at(-1) ?? 1, 10);
    const text = Array.from({ length: Math.ceil(shown / width) }, (_, row) => list(Math.min(width, shown - row * width), (i) => number(values[row * width + i])));
    box.append(h("p", { class: "soft" }, `${number(shown)} of ${number(values.length)} are shown, row by row.`), h("pre", { tabindex: 0 }, text.join("\n")));
  }, { once: true });
  return box;
}

/** @param {number} count @param {(i: number) => string} text */
function list(count, text) {
  return Array.from({ length: count }, (_, i) => text(i)).join(", ");
}

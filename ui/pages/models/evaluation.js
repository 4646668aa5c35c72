/** What was measured on the test images; every number opens its images. */

import { address } from "../../api.js";
import { keywords } from "../../common/code.js";
import { h } from "../../parts/dom.js";
import { bars } from "../../parts/charts/bars.js";
import { chart, cursors } from "../../parts/charts/chart.js";
import { isolated, number, percent, plain } from "../../parts/format.js";
import { matrix } from "../../parts/charts/matrix.js";
import { table } from "../../parts/table.js";

/** @typedef {Record<string, string | number | boolean | null>} Filter the query of a version's predictions */

const FILTER = ["label", "predicted", "wrong", "above", "below"];
const FEW = 20; // a bin with fewer predictions says little
const MANY = 20; // of more classes, the table scrolls inside the page

/** @type {[label: string, field: string, format: (value: number) => string][]} */
const CURVES = [
  ["Loss", "loss", number],
  ["Accuracy", "accuracy", (share) => percent(share, 2)],
  ["Gradient norm", "gradient_norm", number],
  ["Learning rate", "learning_rate", number],
];
/** @type {("train" | "validation" | "plain" | "other")[]} */
const STYLES = ["train", "validation", "plain", "other"];

/**
 * The curves of one training, or of several over each other.
 * @param {{name: string, history: any[]}[]} runs
 * @param {AbortSignal} signal
 */
export function curves(runs, signal) {
  const group = cursors();
  const one = runs.length === 1;
  const made = CURVES.map(([label, field, format]) => {
    const series = runs.flatMap(({ name: run, history }, index) =>
      [`train_${field}`, `validation_${field}`, field].map((key) => {
        const part = key.split("_")[0];
        const style = one ? (part === "validation" ? "validation" : "train") : STYLES[index % STYLES.length];
        const line = part === "train" || part === "validation" ? part : field.replace("_", " ");
        return {
          name: one ? line : `${run} ${line}`, style,
          xs: history.map(({ epoch }) => epoch), ys: history.map((epoch) => epoch[key] ?? null),
        };
      }).filter(({ ys }) => ys.some((y) => y !== null)));
    const drawing = chart({ label, format, group, log: label === "Loss" ? false : undefined });
    drawing.set(series);
    drawing.element.hidden = !series.length;
    signal.addEventListener("abort", () => drawing.destroy(), { once: true });
    return drawing.element;
  });
  return h("div", { class: "grid" }, made);
}

/** @param {any} evaluation @param {(filter: Filter) => void} open */
export function confusion({ classes, confusion_matrix: counts }, open) {
  const labels = classes.map((/** @type {any} */ each) => each.label);
  return matrix({
    label: "Confusion matrix", names: labels.map(plain), counts,
    onselect: (row, column) => open({ label: labels[row], predicted: labels[column] }),
  }).element;
}

/** @param {any} evaluation @param {(filter: Filter) => void} open */
export function classTable({ classes }, open) {
  const share = (/** @type {string} */ key, /** @type {string} */ label) => ({
    name: key, label, numeric: true, sort: true, cell: (/** @type {any} */ row) => percent(row[key]),
    value: (/** @type {any} */ row) => row[key],
  });
  const made = table({
    label: "Classes", key: (row) => row.label, onopen: (row) => open({ label: row.label, wrong: true }),
    columns: [
      { name: "label", label: "Class", sort: true, cell: (row) => h("button", {
        type: "button", class: "link", onclick: () => open({ label: row.label }),
      }, plain(row.label)) },
      share("precision", "Precision"), share("recall", "Recall"), share("f1", "F1"),
      { ...share("support", "Test images"), cell: (row) => number(row.support) },
    ],
  });
  made.set(classes);
  return [
    h("p", { class: "soft" }, "Precision: the share of the images predicted as a class that belong to it. Recall: the share of a class's images that are predicted as it. F1: their harmonic mean. A row opens the class's errors."),
    h("div", { class: classes.length > MANY ? "scrolls" : "" }, made.element),
  ];
}

/** @param {any} evaluation @param {(filter: Filter) => void} open */
export function calibration({ calibration: { expected_error: error, bins } }, open) {
  const full = bins.filter((/** @type {any} */ bin) => bin.count);
  return [
    h("p", "In a calibrated model, 80 % of the predictions with a probability of 80 % are correct. The expected calibration error is ",
      h("b", percent(error, 2)), ". A bar is the accuracy of the predictions in a range of confidence, the thin one their mean confidence: a bar that is shorter than the thin one is over-confident."),
    bars({ label: "Accuracy by confidence", most: 1, format: percent, items: full.map((/** @type {any} */ bin) => ({
      label: `${percent(bin.above, 0)} – ${percent(bin.to, 0)}: ${number(bin.count)}${bin.count < FEW ? " (few)" : ""}`,
      value: bin.accuracy, second: bin.confidence,
      onselect: () => open({ above: bin.above || null, below: bin.to < 1 ? bin.to : null }),
    })) }).element,
  ];
}

/** A filter in words. @param {Filter} filter @param {string} split */
export function words({ label, predicted, wrong, above, below }, split) {
  const parts = [
    label && `of class ${isolated(String(label))}`, predicted && `predicted as ${isolated(String(predicted))}`,
    above != null && `with a confidence of at least ${percent(Number(above), 0)}`,
    below != null && `${above != null ? "and" : "with a confidence"} below ${percent(Number(below), 0)}`,
  ];
  const kind = wrong === null || wrong === undefined ? "" : String(wrong) === "true" ? "misclassified " : "correctly classified ";
  return [`${kind}${split} images`, ...parts].filter(Boolean).join(" ");
}

/** The images that an address selects; without a filter, the errors. @param {URLSearchParams} query @returns {Filter} */
export function filterOf(query) {
  const filter = Object.fromEntries(FILTER.map((key) => [key, query.get(key)]));
  return Object.values(filter).every((value) => value === null) ? { ...filter, wrong: "true" } : filter;
}

/** The changes of an address that select these images. @param {Filter} filter */
export function queryOf(filter) {
  return Object.fromEntries(FILTER.map((key) => [key, filter[key] == null ? null : String(filter[key])]));
}

/** The predictions that are shown, as code. @param {string} path @param {string} call such as `client.jobs.predictions("…"`
 *  @param {Record<string, any>} filter @returns {import("../../common/panel.js").Recipe} */
export function asCode(path, call, { with: other, ...filter }) {
  const { wrong, above, below } = filter;
  const number = (/** @type {any} */ text) => (text == null ? null : Number(text));
  const values = { ...filter, wrong: wrong == null ? null : String(wrong) === "true", above: number(above), below: number(below) };
  return { path: address(path, { with: other, ...filter }), python: `for image in ${call}, ${keywords(values)}):\n    print(image)` };
}

/** Settings that are not null, by path, such as `optimizer.learning_rate`.
 *  @param {Record<string, any>} settings @param {string} [prefix] @returns {[string, string][]} */
export function flat(settings, prefix = "") {
  return Object.entries(settings).flatMap(([key, value]) => {
    if (value && typeof value === "object" && !Array.isArray(value)) return flat(value, `${prefix}${key}.`);
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return value === null ? [] : [/** @type {[string, string]} */ ([prefix + key, text])];
  });
}

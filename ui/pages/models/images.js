/** Test images with their predictions: a gallery of those that a filter selects, and one of them from near. */

import { get, send } from "../../api.js";
import { problem } from "../../common/panel.js";
import { bars } from "../../parts/charts/bars.js";
import { h, replace } from "../../parts/dom.js";
import { isolated, number, percent, plain } from "../../parts/format.js";
import { gallery } from "../../parts/pictures/gallery.js";
import { called, imagesOf } from "../../common/pictures.js";
import { datasetPath, glassHref, versionPath } from "../../common/paths.js";

const MOST = 20_000; // images of one gallery, whose predictions are kept
const PAGE = 500;
const PROBABILITIES = 10;

/** @typedef {import("./evaluation.js").Filter} Filter */
/** @typedef {{index: number, label: string, predicted: string, confidence: number, path?: string | null, other_predicted?: string}} Predicted */
/**
 * The images of a version's or a job's predictions. path: where the predictions are; page: the version's page.
 * @typedef {{path: string, dataset: string, split: string, model: string, version: number}} Source
 */

/**
 * @param {Source} source
 * @param {{caption?: (item: Predicted) => string, onkey?: (key: string, items: Predicted[]) => any, signal: AbortSignal}} options
 */
export function images(source, { caption = said, onkey, signal }) {
  const where = `${datasetPath(source.dataset)}/images`;
  const line = h("p", { class: "soft", "aria-live": "polite" });
  const near = h("div", { "aria-live": "polite" });
  const failure = h("div");
  const place = h("div");
  const element = h("div", line, failure, place, near);
  let turn = 0; // of the filter that is shown

  /** @param {Predicted[]} items @param {AbortSignal} until */
  function pictures(items, until) {
    return imagesOf(where, items, ({ index }) => ({ split: source.split, index }), until);
  }

  /**
   * Show the images that this filter selects.
   * @param {Record<string, any>} filter @param {string} words what they are
   */
  async function show(filter, words) {
    const mine = ++turn;
    /** @type {Predicted[]} */
    const items = [];
    /** @type {string | null} */
    let next = null;
    let total = 0;
    /** @param {number} count @param {AbortSignal} until */
    async function upTo(count, until) {
      do {
        const found = await get(source.path, { query: { ...filter, limit: PAGE, after: next }, signal: until });
        items.push(...found.items);
        ({ next, total } = found);
      } while (items.length < count && next);
    }
    line.textContent = `Reading ${words} …`;
    replace(near);
    replace(failure);
    try {
      await upTo(1, signal);
    } catch (error) {
      if (signal.aborted || mine !== turn) return null;
      line.textContent = "";
      replace(place);
      replace(failure, problem(error, () => void show(filter, words), signal));
      return null;
    }
    if (mine !== turn) return null;
    line.textContent = `${number(total)} ${words}` + (total > MOST ? `, ${number(MOST)} are shown` : "");
    if (!total) return replace(place), null;
    const made = gallery({
      label: words, caption, onkey,
      line: (item) => `${called({ split: source.split, ...item })}: ${caption(item)}`,
      tone: ({ label, predicted }) => (label === predicted ? "right" : "wrong"),
      onopen: (item) => void open(item),
      async read(from, count, until) {
        if (items.length < from + count && next) await upTo(from + count, until);
        return pictures(items.slice(from, from + count), until);
      },
    });
    made.set(Math.min(total, MOST));
    replace(place, made.element);
    return made;
  }

  /** Show one image from near, with what the version predicts now. @param {Predicted} item */
  async function open(item) {
    const { model, version, split, dataset } = source;
    const label = `test image ${item.index}`;
    const canvas = h("canvas", { role: "img", "aria-label": label });
    const chances = bars({ label: "Probabilities", most: 1, format: percent });
    const lost = h("div");
    const glass = glassHref(model, version);
    const query = new URLSearchParams({ dataset, split, index: String(item.index) });
    replace(near, h("div", { class: "near" }, canvas, h("div",
      h("h3", h("span", { class: "name", dir: "auto" }, called({ split, ...item })), `: ${said(item)}`),
      item.path && h("p", { class: "soft" }, `Image ${number(item.index)} of ${split}`), chances.element, lost,
      h("p", { class: "row" },
        h("a", { class: "chip", href: `${glass}?${query}` }, "Explain it"),
        h("button", { type: "button", onclick: () => replace(near) }, "Close")))));
    try {
      const found = versionPath(model, version);
      const [{ pictures: pixels, height, width, channels }, { classes }] = await Promise.all([pictures([item], signal), get(found, { signal })]);
      const { picture } = await import("../../parts/pictures/maps.js");
      Object.assign(canvas, { height, width });
      picture(pixels, { height, width, channels, label }, canvas);
      const rows = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => {
        const at = (y * width + x) * channels;
        return channels === 1 ? pixels[at] : [...pixels.subarray(at, at + channels)];
      }));
      const top = Math.min(PROBABILITIES, classes.length);
      const { predictions } = await send("POST", `${found}/predict?invert=never&top_k=${top}`, { instances: [rows] }, { signal });
      chances.set(predictions[0].top.map((/** @type {any} */ each) => ({
        label: plain(each.label), value: each.probability, selected: each.label === item.label,
      })));
    } catch (error) {
      if (!signal.aborted) replace(lost, problem(error));
    }
  }

  return { element, show };
}

/** @param {Predicted} item */
export function said({ label, predicted, confidence, other_predicted: other }) {
  if (other !== undefined) return `${isolated(label)}: ${isolated(predicted)} / ${isolated(other)}`;
  return `${isolated(label)} → ${isolated(predicted)} ${percent(confidence, 0)}`;
}

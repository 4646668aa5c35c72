/** What the checks of a data set found: images that are equal or nearly so, as galleries. */

import { called, enlarge, imagesOf } from "../../common/pictures.js";
import { h } from "../../parts/dom.js";
import { isolated, number, plain } from "../../parts/format.js";
import { gallery } from "../../parts/pictures/gallery.js";

/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {{split: string, index: number, label: string, path?: string | null}} Item */

const CHECKS = [
  ["within_splits", "Equal images in one split", "They teach nothing new."],
  ["between_splits", "Equal images in several splits", "The model has seen them in training: its test accuracy is too high."],
  ["different_labels", "Equal images in several classes", "At least one of their labels is wrong."],
];
export const NEAR = "near_pairs";

/** What the checks found. @param {Record<string, any>} summary @param {Checking} checking */
export function equalImages(summary, checking) {
  return CHECKS.map(([kind, title, why]) => {
    const { groups, images: count, first } = summary[kind];
    /** @type {Item[]} */
    const found = first.flatMap((/** @type {{copies: Item[]}} */ group) => group.copies);
    return check(checking, {
      kind, why, found, title: `${title}: ${number(count)} images in ${number(groups)} groups`,
      rest: count > found.length ? `${number(found.length)} of ${number(count)} images are shown, of the first ${first.length} groups.` : "",
      read: (items, signal) => imagesOf(checking.path, items, (item) => item, signal),
      caption: (item) => `${item.split} ${isolated(item.label)}`,
    });
  });
}

/** Each test or validation image beside its nearest training image. @param {Record<string, any>} pairs @param {Checking} checking */
export function nearPairs({ pairs: count, first, compared, threshold }, checking) {
  const found = first.map((/** @type {Record<string, any>} */ { image, nearest, cosine }) => ({ ...image, nearest, cosine }));
  const sample = Object.entries(compared).filter(([, split]) => split.compared < split.images);
  return [check(checking, {
    kind: NEAR, title: `Nearly equal to a training image: ${number(count)} images`, found, size: 128,
    why: `Left the image, right the training image; below their classes and the cosine of their pixels, above ${threshold}.`,
    rest: count > found.length ? `The ${number(found.length)} most similar of ${number(count)} pairs are shown.` : "",
    async read(items, signal) {
      const flat = items.flatMap((/** @type {any} */ item) => [item, item.nearest]);
      const { pictures, height, width, channels, items: got } = await imagesOf(checking.path, flat, (item) => item, signal);
      const pairs = items.slice(0, got.length >> 1);
      const row = width * channels;
      const both = new Uint8Array(pairs.length * 2 * height * row);
      for (let i = 0; i < pairs.length * 2 * height; i++) {
        const [picture, y] = [Math.floor(i / height), i % height];
        both.set(pictures.subarray(i * row, (i + 1) * row), (((picture >> 1) * height + y) * 2 + (picture & 1)) * row);
      }
      return { pictures: both, height, width: width * 2, channels, items: pairs };
    },
    caption: (item) => `${isolated(item.label)}, ${isolated(item.nearest.label)}: ${item.cosine.toFixed(3)}`,
  }), sample.map(([split, each]) => h("p", { class: "soft" }, `Of ${split}, ${number(each.compared)} of ${number(each.images)} images were compared.`))];
}

/** @typedef {{page: Page, path: string, right: any}} Checking path: of the images */
/**
 * A check: a line with its count, which opens a gallery.
 * @param {Checking} checking
 * @param {{kind: string, title: string, why: string, found: any[], rest: string, size?: number, read: (items: any[], signal: AbortSignal) => Promise<any>,
 *   caption: (item: any) => string}} options
 */
function check({ page, path, right }, { kind, title, why, found, rest, size, read, caption }) {
  if (!found.length) return h("p", h("span", { class: "tone-right" }, "● "), title);
  const box = h("details", { ontoggle: opened, open: page.query.get("check") === kind },
    h("summary", h("span", { class: "tone-wrong" }, "▲ "), title), h("p", why));
  return box;

  function opened() {
    if (box.open) page.setQuery({ check: kind });
    else if (page.query.get("check") === kind) page.setQuery({ check: null });
    if (!box.open || box.querySelector(".gallery")) return;
    const grid = gallery({
      label: title, size,
      read: (from, count, signal) => read(found.slice(from, from + count), signal),
      caption: (/** @type {any} */ item) => right.caption(item, caption(item)),
      line: (item) => (item.path ? `${isolated(item.path)}: ` : "") + right.caption(item, caption(item)),
      tone: (item) => (right.isCorrected(item) ? "right" : ""),
      onkey: right.onkey,
      onopen: (item) => open(item, path),
    });
    right.watch(grid);
    grid.set(found.length);
    box.append(grid.element, rest);
  }
}

/** Show an image in large. @param {Item} item @param {string} path */
export function open(item, path) {
  enlarge(`${called(item)}: ${plain(item.label)}`, path, item);
}

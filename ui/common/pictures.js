/** Images in bulk, as galleries read them; and one of them in large. */

import { bytes } from "../api.js";
import { h } from "../parts/dom.js";
import { isolated, number } from "../parts/format.js";
import { gallery } from "../parts/pictures/gallery.js";
import { dialog } from "../shell.js";

/** @typedef {{split: string, index: number}} Place an image of a data set */
/**
 * @typedef {{pictures: Uint8Array, height: number, width: number, channels: number, indices: Int32Array,
 *   labels: Int32Array | null, paths: (string | null)[], total: number, next: number | null}} Images
 */

/**
 * Read images of a data set or a batch, a safetensors file.
 * @param {string} path
 * @param {import("../api.js").RequestOptions["query"]} query
 * @param {AbortSignal} signal
 * @returns {Promise<Images>}
 */
export async function images(path, query, signal) {
  const { bytes: content } = await bytes(path, { query, signal });
  const start = 8 + Number(new DataView(content.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(content.subarray(8, start)));
  const part = (/** @type {string} */ name) => {
    const [from, to] = header[name].data_offsets;
    return content.subarray(start + from, start + to);
  };
  const numbers = (/** @type {string} */ name) => new Int32Array(part(name).slice().buffer);
  const [, height, width, channels = 1] = header.images.shape;
  const { total, next, paths } = header.__metadata__;
  return {
    pictures: part("images"), height, width, channels,
    indices: numbers("indices"), labels: header.labels ? numbers("labels") : null,
    paths: JSON.parse(paths ?? "[]"), total: Number(total), next: next === undefined ? null : Number(next),
  };
}

/**
 * Read the images of these items, in their order: the first ones that fit into a response. An image that cannot be
 * decoded is empty. An item of a data set gets the `path` that its image had in the upload.
 * @template T
 * @param {string} path
 * @param {T[]} items
 * @param {(item: T) => {split?: string, index: number}} place
 * @param {AbortSignal} signal
 */
export async function imagesOf(path, items, place, signal) {
  const places = items.map(place);
  let [height, width, channels] = [1, 1, 1];
  /** @type {Map<number, Uint8Array | null>} */
  const found = new Map();
  for (const split of new Set(places.map((each) => each.split))) {
    const wanted = [...places.keys()].filter((i) => places[i].split === split);
    const named = split && !("path" in /** @type {any} */ (items[wanted[0]]));
    const query = { split, indices: wanted.map((i) => places[i].index).join(), paths: named || null };
    const read = await images(path, query, signal);
    ({ height, width, channels } = read);
    const size = height * width * channels;
    const rows = new Map([...read.indices].map((index, row) => [index, row]));
    for (const i of wanted.slice(0, read.next ?? wanted.length)) {
      const row = rows.get(places[i].index);
      found.set(i, row === undefined ? null : read.pictures.subarray(row * size, (row + 1) * size));
      if (named) /** @type {any} */ (items[i]).path = read.paths[row ?? -1];
    }
  }
  let count = 0;
  while (found.has(count)) count++;
  const size = height * width * channels;
  const pictures = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) pictures.set(found.get(i) ?? [], i * size);
  return { pictures, height, width, channels, items: items.slice(0, count) };
}

/** An image of a data set in words: its path, if it is known, else its place.
 *  @param {{split: string, index: number, path?: string | null}} item */
export function called({ split, index, path }) {
  return path ? isolated(path) : `image ${number(index)} of ${split}`;
}

/** Show an image in large. @param {string} title @param {string} path @param {{split?: string, index: number}} place @param {...import("../parts/dom.js").Child} children */
export function enlarge(title, path, place, ...children) {
  const large = gallery({ label: "The image", size: 256, read: (_, __, signal) => imagesOf(path, [place], (one) => one, signal) });
  dialog(title, large.element, children, h("form", { method: "dialog" }, h("button", "Close")));
  large.set(1);
}

/** What an upload holds, and its files that were left out, by reason. */

import { h } from "../parts/dom.js";
import { name, number } from "../parts/format.js";

/** @type {Record<string, string>} */
const REASONS = {
  system_file: "left by an operating system", hidden: "hidden files", side_file: "texts and tables beside the images",
  link: "links, which are not followed", special_file: "devices, pipes and sockets",
  special_entry: "entries that hold no file", not_an_image: "not images",
  image_unsupported: "images of a format that is not read", image_damaged: "damaged images",
  image_animated: "animated images", image_too_large: "images with too many pixels",
  image_too_costly: "images that take too long to decode", entry_damaged: "damaged entries of the archive",
  entry_sparse: "sparse files in a tar",
  in_other_split: "equal to an image of another split", already_present: "there already, with the same label",
};

/** "60,000 train, 10,000 test". @param {Record<string, any>} dataset */
export function splits(dataset) {
  return Object.entries(dataset.splits).map(([split, images]) => `${number(images)} ${split}`).join(", ");
}

/** @param {Record<string, {count: number, names: string[]}>} skipped by code */
export function skippedFiles(skipped) {
  return Object.entries(skipped ?? {}).map(([code, { count, names }]) => h("details", {},
    h("summary", `${number(count)} skipped: ${REASONS[code] ?? code}`),
    h("ul", names.map((text) => h("li", name(text)))),
    count > names.length && h("p", { class: "soft" }, `${names.length} of ${number(count)} are shown.`)));
}

/** The training images that a version takes for most alike to an image. */

import { address, send } from "../../api.js";
import { panel } from "../../common/panel.js";
import { imagesOf } from "../../common/pictures.js";
import { datasetPath } from "../../common/paths.js";
import { h } from "../../parts/dom.js";
import { name, number } from "../../parts/format.js";
import { picture } from "../../parts/pictures/maps.js";
import { asCode } from "./code.js";

const SHOWN = 10;

/** @param {string} route of the version @param {string} reference @param {any} image the body of a request @param {AbortSignal} signal */
export async function neighbours(route, reference, image, signal) {
  try {
    const found = await send("POST", address(`${route}/neighbours`, { count: SHOWN }), image, { signal });
    const path = `${datasetPath(found.dataset)}/images`;
    const { pictures, items, ...shape } = await imagesOf(path, found.neighbours, (one) => one, signal);
    const size = shape.height * shape.width * shape.channels;
    return panel("Nearest training images", asCode("neighbours", route, reference, image, { count: SHOWN }),
      h("p", { class: "soft" }, `By the last hidden layer, among ${number(found.searched)} of ${number(found.images)} training images.`),
      h("div", { class: "row" }, items.map((/** @type {any} */ one, i) =>
        h("a", { class: "thumbnail", href: address(location.pathname, { dataset: found.dataset, split: one.split, index: one.index }) },
          picture(pictures.subarray(i * size, (i + 1) * size), { ...shape, size: 64, label: `training image ${one.index}` }), name(one.label)))));
  } catch {
    return null; // the version's data set was deleted, for example: the rest of the page does not need it
  }
}

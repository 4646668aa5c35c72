/** What several pages say about a data set. */

import { number } from "../parts/format.js";

/** The page of a data set. @param {string} reference */
export function href(reference) {
  return `/ui/datasets/${encodeURIComponent(reference)}`;
}

/** "60,000 train, 10,000 test". @param {Record<string, any>} dataset */
export function splits(dataset) {
  return Object.entries(dataset.splits).map(([split, images]) => `${number(images)} ${split}`).join(", ");
}

/** The weights of a training's first layer as pictures: the newest, and those of the epochs that the page has seen. */

import { panel } from "../panel.js";
import { h, replace } from "../parts/dom.js";
import { tiles } from "../parts/tiles.js";
import { tensor } from "../weights.js";

/** @param {AbortSignal} signal */
export function firstLayer(signal) {
  const pictures = tiles({ label: "First layer" });
  const place = h("div", h("p", { class: "soft" }, "They appear here when the training has a version."));
  const element = panel("First layer", null, place);
  signal.addEventListener("abort", pictures.destroy, { once: true });

  /** Show the published weights. @param {any} version */
  async function version({ links, input, configuration, classes }) {
    const found = await tensor(links.weights, signal).catch((error) => none(error.message));
    if (!found || signal.aborted) return;
    const linear = !configuration.hidden?.length && found.shape.length === 2;
    pictures.set(found, input.image_shape, { names: linear ? classes : null });
    replace(place, pictures.element);
  }

  /** @param {string} text */
  function none(text) {
    if (!signal.aborted) replace(place, h("p", { class: "soft" }, text));
    return null;
  }

  return { element, version, none, epoch: (/** @type {string} */ _id, /** @type {number} */ _epoch) => {} };
}

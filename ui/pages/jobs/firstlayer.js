/** The weights of a training's first layer as pictures: the newest, and those of the epochs that the page has seen. */

import { get } from "../../api.js";
import { panel } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { number } from "../../parts/format.js";
import { tiles } from "../../parts/pictures/tiles.js";
import { asCode as weightsAsCode, checkpoint, tensor } from "../../common/weights.js";
import { datasetPath } from "../../common/paths.js";

/** @typedef {import("../../parts/pictures/tiles.js").Tensor} Tensor */

const PAUSE = 1000; // milliseconds: a training saves a checkpoint at most once a second
const MOST_BYTES = 24 * 2 ** 20; // of the snapshots that are kept

/** @param {any} job @param {AbortSignal} signal */
export function firstLayer(job, signal) {
  const path = `/v1/jobs/${job.id}/weights`;
  const pictures = tiles({ label: "First layer" });
  const place = h("div", h("p", { class: "soft" }, "They appear with the first checkpoint."));
  const said = h("output");
  const slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "Epoch of the weights", oninput: draw });
  const choice = h("p", { class: "row" }, slider, said);
  /** @type {any} the version that the training has published */
  let published = null;
  const element = panel("First layer", () => published ? weightsAsCode(published)
    : { path: `${path}?tensor=layer1.weights`, save: "weights.safetensors", python: `client.jobs.save_weights(${JSON.stringify(job.id)}, "weights.safetensors")` }, place);
  /** @type {{epochs: number, tensor: Tensor}[]} */
  let snapshots = [];
  /** @type {number[] | undefined} the units that are shown, the same for all epochs */
  let order;
  /** @type {number[] | null} */
  let shape = null;
  /** @type {string[] | null} */
  let names = null;
  let next = 0;
  let busy = false;
  let final = false;
  signal.addEventListener("abort", pictures.destroy, { once: true });

  /** Add the weights after an epoch, and show them if the newest ones are shown. @param {number} epochs @param {Tensor} found */
  function add(epochs, found) {
    const last = snapshots.at(-1);
    if (last && String(last.tensor.shape) !== String(found.shape)) snapshots = []; // another candidate of the preset auto
    if (!snapshots.length) order = undefined;
    const isNewest = Number(slider.value) >= snapshots.length - 1;
    snapshots = [...snapshots.filter((one) => one.epochs < epochs), { epochs, tensor: found }];
    // Beyond the limit every second one goes, so that the rest still covers the whole training.
    if (snapshots.length * found.values.byteLength > MOST_BYTES) snapshots = snapshots.filter((_, i) => (snapshots.length - i) % 2);
    slider.max = String(snapshots.length - 1);
    if (isNewest) slider.value = slider.max;
    slider.hidden = snapshots.length < 2;
    if (!pictures.element.isConnected) replace(place, choice, pictures.element);
    draw();
  }

  function draw() {
    const shown = snapshots[Number(slider.value)];
    if (!shown || !shape) return;
    order = pictures.set(shown.tensor, shape, { names, order });
    said.textContent = `after epoch ${number(shown.epochs)}`;
  }

  /** Read the newest checkpoint, if the last one is old enough. */
  async function epoch() {
    if (busy || final || signal.aborted || performance.now() < next) return;
    busy = true;
    try {
      shape ??= (await get(datasetPath(job.request.dataset), { signal })).image_shape;
      const { epochs, tensor: found } = await checkpoint(path, signal);
      if (!final && !signal.aborted) add(epochs, found);
    } catch {
      // no checkpoint yet, or no longer: the next epoch or the version brings the weights
    }
    next = performance.now() + PAUSE;
    busy = false;
  }

  /** Show the published weights. @param {any} found @param {number} epochs */
  async function version(found, epochs) {
    const { links, input, configuration, classes } = (published = found);
    final = true;
    try {
      const weights = await tensor(links.weights, signal);
      if (signal.aborted) return;
      if (!weights) return none("The first layer is too large to be shown here.");
      shape = input.image_shape;
      if (!configuration.hidden?.length && weights.shape.length === 2) names = classes;
      add(epochs, weights);
    } catch (error) {
      none(`The weights cannot be read: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** @param {string} text */
  function none(text) {
    if (!signal.aborted) replace(place, h("p", { class: "soft" }, text));
  }

  return { element, version, none, epoch };
}

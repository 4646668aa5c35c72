/** The lower part of a version's page: its first layer, how its settings were selected, the training again, provenance. */

import { load, panel, terms } from "../../common/panel.js";
import { asCode, tensor } from "../../common/weights.js";
import { datasetHref } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { bytes, plain } from "../../parts/format.js";
import { tiles } from "../../parts/pictures/tiles.js";
import { flat } from "./evaluation.js";
import { reproduction } from "./reproduction.js";

/** Show it; it is complete when the first layer is drawn. @param {HTMLElement} place @param {any} version @param {AbortSignal} signal */
export async function below(place, version, signal) {
  const reference = referenceOf(version);
  const layer = h("div");
  const raced = version.selection && await selection(version);
  replace(place,
    panel("First layer", asCode(version), layer),
    raced,
    panel("Train it again", { method: "POST", path: version.links.reproduce, python: `print(client.reproduce(${JSON.stringify(reference)}).wait().result)`, command: `glassbox models verify ${reference}` },
      reproduction(version, signal)),
    provenance(version));
  await firstLayer(layer, version, signal);
}

/** @param {any} version */
function referenceOf({ model, version }) {
  return `${model}@${version}`;
}

/** @param {any} version */
function pathOf({ links }) {
  return links.weights.replace(/\/weights$/, "");
}

/** @param {HTMLElement} place @param {any} version @param {AbortSignal} signal */
function firstLayer(place, { links, input, configuration, classes }, signal) {
  const made = tiles({ label: "First layer" });
  signal.addEventListener("abort", made.destroy, { once: true });
  return load(place, "the weights", (until) => tensor(links.weights, until), (found) => {
    if (!found) return h("p", { class: "soft" }, "The first layer is too large for a page.");
    const linear = !configuration.hidden?.length && found.shape.length === 2;
    made.set(found, input.image_shape, { names: linear ? classes.map(plain) : null });
    return [made.element, h("p", { class: "soft" }, "A tile of noise has learned little.")];
  }, signal);
}

/** @param {any} version */
async function selection(version) {
  const { race } = await import("../jobs/race.js");
  const made = race();
  made.set(version.selection);
  return panel("Selection", { path: pathOf(version), python: `print(client.models.version(${JSON.stringify(referenceOf(version))}).selection)`, command: `glassbox models show ${referenceOf(version)}` }, made.element);
}

/** @param {any} version */
function provenance(version) {
  /** @type {[string, any][]} */
  const facts = [
    ["Data set", h("a", { href: datasetHref(version.dataset) }, version.dataset)],
    ["Job", h("a", { href: `/ui/jobs/${version.job}` }, version.job)],
    ["Random seed", String(version.seed)], ["BLAS threads", String(version.blas_threads)],
    ...Object.entries(version.environment).map(([key, value]) => /** @type {[string, any]} */ ([key, plain(value)])),
    ["Weights", `${bytes(version.weights.bytes)}, SHA-256 ${version.weights.sha256}`],
    ...flat(version.configuration).map(([key, value]) => /** @type {[string, any]} */ ([key, plain(value)])),
  ];
  return panel("Provenance", { path: pathOf(version), python: `print(client.models.version(${JSON.stringify(referenceOf(version))}))`, command: `glassbox models report ${referenceOf(version)}` },
    h("p", "The same data, settings, seed and threads give the same bits."),
    terms("facts", facts));
}

/** How the weights of each layer are distributed, after the newest checkpoint or in the published version. */

import { get } from "../../api.js";
import { panel } from "../../common/panel.js";
import { histogram } from "../../parts/charts/histogram.js";
import { h, replace } from "../../parts/dom.js";
import { number, plain } from "../../parts/format.js";

const PAUSE = 2000; // milliseconds between two readings
const MOST = 12; // layers that are shown

/** @param {any} job @param {AbortSignal} signal */
export function histograms(job, signal) {
  const path = `/v1/jobs/${job.id}/weights/histogram`;
  const place = h("div", { class: "grid" });
  const said = h("p", { class: "soft" });
  const element = panel("Weights of each layer", { path, python: `print(client.jobs.weight_histograms(${JSON.stringify(job.id)}))` }, said, place);
  element.hidden = true;
  let next = 0;
  let busy = false;

  /** Read them, if the last reading is old enough. @param {boolean} [now] in any case */
  async function read(now = false) {
    if (busy || signal.aborted || (!now && performance.now() < next)) return;
    busy = true;
    try {
      draw(await get(path, { signal }));
    } catch {
      // no checkpoint yet, or the version was deleted
    }
    next = performance.now() + PAUSE;
    busy = false;
  }

  /** @param {{epochs: number, tensors: any[]}} found */
  function draw({ epochs, tensors }) {
    const weights = tensors.filter(({ tensor, maximum }) => tensor.endsWith(".weights") && maximum !== null);
    element.hidden = !weights.length;
    said.textContent = `After epoch ${number(epochs)}.` + (weights.length > MOST ? ` ${MOST} of ${number(weights.length)} are shown.` : "");
    replace(place, weights.slice(0, MOST).map(({ tensor, counts, minimum, maximum, mean, deviation, not_finite: broken }) => h("div",
      histogram({ label: plain(tensor), counts, from: minimum, to: maximum, log: true }).element,
      h("p", { class: "soft" }, `mean ${number(mean)}, standard deviation ${number(deviation)}`,
        broken > 0 && h("span", { class: "tone-wrong" }, `, ▲ ${number(broken)} not finite`)))));
  }

  return { element, read };
}

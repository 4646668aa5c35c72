/** The layers of a training as small multiples: the norm of each gradient, and beside it the dead units, by epoch. */

import { panel } from "../../common/panel.js";
import { chart } from "../../parts/charts/chart.js";
import { h, replace } from "../../parts/dom.js";
import { number, percent } from "../../parts/format.js";

/** @typedef {import("../../parts/charts/chart.js").Series} Series */
/** @typedef {{id: string, epochs: any[]}} Run */

const MOST = 12; // layers that are shown
/** @type {[what: string, field: string, format: (value: number) => string][]} */
const MEASURES = [["gradient norm", "layer_gradient_norms", number], ["dead units", "dead_units", (share) => percent(share, 2)]];

/**
 * One value of each epoch. @param {any[]} epochs @param {string} field a name, or that of a list with an index
 * @param {string} name @param {Series["style"]} style @returns {Series}
 */
export function column(epochs, field, name, style) {
  const [list, index] = field.split(".");
  return {
    name, style,
    xs: epochs.map(({ epoch }) => epoch),
    ys: epochs.map((report) => (index === undefined ? report[list] : report[list]?.[index]) ?? null),
  };
}

/** @param {import("../../common/panel.js").Recipe} recipe @param {import("../../parts/charts/chart.js").Cursors} group @param {AbortSignal} signal */
export function layers(recipe, group, signal) {
  const place = h("div", { class: "layers" });
  const note = h("p", { class: "soft" });
  const element = panel("Layers", recipe, h("p", { class: "soft" },
    "A layer whose gradient is far smaller than that of the others hardly learns; one with dead units gets no gradient through them."), place, note);
  element.hidden = true;
  /** @type {{field: string, set(series: Series[]): void, destroy(): void}[]} */
  let charts = [];
  let shown = "";
  const clear = () => charts.forEach(({ destroy }) => destroy());
  signal.addEventListener("abort", clear, { once: true });

  /** @param {any[]} mine @param {any[]} theirs @param {string} other the name of the training that is laid over */
  function set(mine, theirs, other) {
    const counts = MEASURES.map(([, field]) => Math.max(0, ...mine.map((epoch) => epoch[field]?.length ?? 0)));
    const count = Math.max(...counts);
    element.hidden = !count;
    if (shown !== counts.join()) {
      shown = counts.join();
      clear();
      const made = Array.from({ length: count }, (_, i) => i).filter((i) => count <= MOST || i < MOST / 2 || i >= count - MOST / 2)
        .flatMap((i) => MEASURES.map(([what, field, format], m) => i < counts[m] &&
          { field: `${field}.${i}`, ...chart({ label: `Layer ${i + 1}: ${what}`, format, group, height: 80 }) }));
      charts = made.filter((one) => !!one);
      replace(place, made.map((one) => (one ? one.element : counts[MEASURES.length - 1] > 0 && h("div"))));
      place.classList.toggle("single", counts.includes(0));
      note.textContent = count > MOST ? `The first and the last ${MOST / 2} of ${number(count)} layers are shown; the history has all.` : "";
    }
    for (const { field, set: fill } of charts) {
      fill([column(mine, field, "train", "train"), ...(other ? [column(theirs, field, other, "plain")] : [])]);
    }
  }

  return { element, set };
}

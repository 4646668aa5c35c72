/** The race of the preset `auto`: what each candidate reached in each rung, while it runs and afterwards. */

import { bars } from "../../parts/charts/bars.js";
import { h, replace } from "../../parts/dom.js";
import { number, percent, plain } from "../../parts/format.js";

/** @typedef {{candidate: number, rung?: number, epochs: number, validation_loss: number | null, standard_error: number | null, validation_accuracy: number | null}} Trial */

/**
 * @returns {{element: HTMLElement, event(type: string, data: any): boolean, set(selection: any): void}} `event` returns
 *   whether the event is one of the race
 */
export function race() {
  const element = h("div");
  /** @type {any} */
  let plan = null;
  /** @type {Map<string, Trial>} */
  const trials = new Map();
  /** @type {any[]} */
  let candidates = [];
  /** @type {any[]} */
  let rungs = [];
  /** @type {number | null} */
  let winner = null;

  /** @param {string} type @param {any} data */
  function event(type, data) {
    if (type === "selection") plan = data;
    else if (type === "trial") trials.set(`${data.rung} ${data.candidate}`, data);
    else if (type === "selected") {
      winner = data.winner;
      candidates[data.winner] ??= { settings: data.settings };
    } else return false;
    draw();
    return true;
  }

  /** The whole race, of the published version. @param {any} selection */
  function set(selection) {
    ({ candidates, rungs, winner } = selection);
    trials.clear();
    rungs.forEach((rung, i) => rung.trials.forEach((/** @type {Trial} */ trial) => trials.set(`${i} ${trial.candidate}`, { ...trial, rung: i })));
    plan = { candidates: candidates.length, trials: trials.size, validation_images: selection.validation_images };
    draw();
  }

  /** @param {number} index */
  function named(index) {
    const settings = candidates[index]?.settings;
    return `${index === winner ? "★ " : ""}${index + 1}${settings ? `: ${described(settings)}` : ""}`;
  }

  function draw() {
    const numbers = [...new Set([...trials.values()].map(({ rung }) => Number(rung)))].sort((a, b) => a - b);
    replace(element,
      plan && h("p", { class: "soft" }, `${plan.candidates} candidates, ${trials.size} of ${plan.trials} trials, measured on ` +
        `${number(plan.validation_images)} validation images. The half with the lowest losses continues in the next rung.`),
      winner !== null && h("p", "★ Candidate ", h("b", String(winner + 1)), " won",
        candidates[winner] && [": ", h("span", { dir: "auto" }, described(candidates[winner].settings))], "."),
      numbers.map((rung) => {
        const run = [...trials.values()].filter((trial) => Number(trial.rung) === rung)
          .sort((a, b) => (a.validation_loss ?? Infinity) - (b.validation_loss ?? Infinity));
        const images = rungs[rung]?.images;
        const label = `Rung ${rung + 1}: validation loss${images ? `, ${number(images)} images` : ""}`;
        return [h("h3", label), bars({ label, format: number, items: run.map((trial) => ({
          label: `${named(trial.candidate)}${trial.validation_loss === null ? " (diverged)" : ` (${percent(trial.validation_accuracy)})`}`,
          value: trial.validation_loss ?? 0, selected: trial.candidate === winner,
        })) }).element];
      }));
  }

  return { element, event, set };
}

/** Settings as one line. @param {Record<string, any>} settings */
export function described(settings) {
  return plain(Object.entries(settings).map(([path, value]) =>
    `${path.replace(/^(optimizer|augmentation)\./, "").replaceAll("_", " ")} ${short(value)}`).join(", "));
}

/** @param {any} value @returns {string} */
function short(value) {
  if (value === null || (Array.isArray(value) && !value.length)) return "none";
  if (Array.isArray(value)) return value.map(short).join("–");
  if (typeof value === "object") return String(value.filters ?? JSON.stringify(value));
  return typeof value === "number" ? number(value) : String(value);
}

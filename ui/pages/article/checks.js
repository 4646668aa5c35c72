/** What a person need not believe: a derivative beside the slope of the loss, and the losses of the first steps. */

import { send } from "../../api.js";
import { keywords, python } from "../../common/code.js";
import { load, panel, problem } from "../../common/panel.js";
import { chart } from "../../parts/charts/chart.js";
import { h, replace } from "../../parts/dom.js";
import { number } from "../../parts/format.js";

export const STEP = "/v1/lessons/step";
export const ORDERS = ["layerwise", "together"];
const STEPS = 100;

/** A step as code. @param {any} body @returns {import("../../common/panel.js").Recipe} */
export function asCode(body) {
  const { dataset, index, ...options } = body;
  return { method: "POST", path: STEP, body, python: `print(client.lesson(${python(dataset)}, ${python(index)}, ${keywords(options)}))` };
}

/** Move a weight and compare. @param {any} body of the request @param {number} layers @param {AbortSignal} signal */
export function derivative(body, layers, signal) {
  const names = Array.from({ length: layers }, (_, i) => [`W${i + 1}`, `b${i + 1}`]).flat();
  const parameter = h("select", names.map((name) => h("option", name)));
  const index = h("input", { placeholder: "largest derivative", pattern: "\\s*\\d+\\s*(,\\s*\\d+\\s*)?", title: "row, column" });
  const place = h("div", { "aria-live": "polite" });
  const at = () => (index.value.trim() ? index.value.split(",").map(Number) : null);
  const ask = () => load(place, "the losses", (stop) => {
    const check = { parameter: parameter.value, index: at() };
    return Promise.all(ORDERS.map((order) => send("POST", STEP, { ...body, update_order: order, check }, { signal: stop })));
  }, (found) => compared(found.map(({ check }) => check)), signal);
  return panel("Do not believe me", () => asCode({ ...body, check: { parameter: parameter.value, index: at() } }),
    h("p", "A derivative is a slope. Move one weight both ways by 0.001, compute the loss twice, and compare the slope between with the derivative that the step has computed."),
    h("form", { class: "row moved", onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      replace(place);
      void ask();
    } }, h("label", "Parameters", parameter), h("label", "Row, column", index), h("button", "Move it by ±0.001")), place);
}

/** @param {any[]} checks of both orders */
function compared(checks) {
  const [{ parameter, index, value, losses, move, slope }] = checks;
  return [
    h("p", `${parameter}[${index.join(", ")}] is ${number(value)}. With ${move} less the loss is ${exact(losses[0])}, with ${move} more it is ${exact(losses[1])}: the slope is `, h("strong", exact(slope)), "."),
    h("ul", checks.map(({ derivative: found }, i) => h("li", `Derivative in the order ${ORDERS[i]}: `, h("strong", exact(found)), ` – ${verdict(found, slope)}`))),
  ];
}

/** @param {number | null} found @param {number | null} slope */
function verdict(found, slope) {
  if (found === null || slope === null) return "not a number: the learning rate or the weights are too large.";
  const gap = Math.abs(found - slope);
  if (gap <= 1e-3 * Math.abs(slope) + 1e-8) return "equal to the slope, to one part in a thousand.";
  return `${number(gap)} from the slope. In the order layerwise the layers below the last get the error through changed weights; so their derivatives are not quite those of the loss.`;
}

/** @param {number | null} value */
function exact(value) {
  return value === null ? "–" : value.toPrecision(6);
}

/** The loss of the first steps, in both orders. @param {any} body @param {AbortSignal} signal */
export function firstLosses(body, signal) {
  const lines = chart({ label: "Loss", x: "step" });
  const place = h("div", h("p", { class: "soft" }, `Reading ${STEPS} losses …`));
  signal.addEventListener("abort", lines.destroy, { once: true });
  Promise.all(ORDERS.map((order) => send("POST", STEP, { ...body, update_order: order, losses: STEPS }, { signal }))).then(
    (found) => {
      if (signal.aborted) return;
      lines.set(found.map(({ losses }, i) => ({
        name: ORDERS[i], style: i ? "validation" : "train",
        xs: losses.map((/** @type {number} */ _, /** @type {number} */ step) => step + 1), ys: losses,
      })));
      const [own, other] = found.map(({ losses }) => losses);
      const apart = Math.max(...own.map((/** @type {number} */ loss, /** @type {number} */ i) => Math.abs(loss - other[i])));
      replace(place, lines.element, h("p", { class: "small" }, `One image a step, from this one on in its split: ${number(own.length)} steps. The losses jump, because each is that of another image. The two orders differ by at most ${number(apart)}.`));
    },
    (error) => !signal.aborted && replace(place, problem(error, undefined, signal)),
  );
  return panel("The first hundred steps", asCode({ ...body, losses: STEPS }), place);
}

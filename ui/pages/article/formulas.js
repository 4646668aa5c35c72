/** The formulas of a training step, layer by layer: what is computed, of which arrays, and in words why. */

import { formula, frac, sub, sup } from "../../parts/formula.js";

/** @typedef {{operation: string, names: string[]}} Step the arrays that one operation computes for one layer */
/** @typedef {{math: Element, uses: string[], text: string}} Formula `uses`: the arrays on its right side */

/** Group the arrays of a lesson into steps: weights and biases of a layer are one. @param {{name: string, operation: string}[]} arrays @returns {Step[]} */
export function stepsOf(arrays) {
  /** @type {Step[]} */
  const steps = [];
  for (const { name, operation } of arrays) {
    const last = steps.at(-1);
    const together = last?.operation === operation && (operation === "weights" || layerOf(last.names[0]) === layerOf(name));
    if (last && together) last.names.push(name);
    else steps.push({ operation, names: [name] });
  }
  return steps;
}

/** The layer of an array: 2 of `dW2`. @param {string} name */
function layerOf(name) {
  return Number(/\d+/.exec(name)?.[0] ?? 0);
}

/**
 * @param {Step} step
 * @param {{layers: number, layerwise: boolean, activation: string, label: string, rate: number}} lesson
 * @returns {Formula}
 */
export function written({ operation, names }, { layers, layerwise, activation, label, rate }) {
  const n = layerOf(names[0]);
  const input = n > 1 ? `A${n - 1}` : "X";
  const after = `W${n + 1}${layerwise ? "'" : ""}`;
  /** @type {Record<string, () => [Element, string[], string]>} */
  const all = {
    input: () => [formula("X"), [], "The image as one row of numbers: its pixels from 0 to 1, or standardized if the version was trained so."],
    weights: () => [formula(layers > 2 ? `W1 , b1 , … , W${layers} , b${layers}` : names.join(" , ")), [], "The weights W and the biases b of each layer before the step. A column of W belongs to one unit."],
    forward: () => [formula(`Z${n} = ${input} W${n} + b${n}`), [input, `W${n}`, `b${n}`], "Each unit sums the inputs, each times its weight, and adds its bias."],
    activation: () => [formula(`A${n} = f ( Z${n} )`), [`Z${n}`], `The activation function f, here ${activation}, of each number.`],
    softmax: () => [
      formula("P =", frac([sup("e", `Z${layers}`)], ["Σ", sup("e", `Z${layers}`)])), [`Z${layers}`],
      "The exponentials, divided by their sum, are one probability for each class.",
    ],
    loss: () => [formula("L = − log", sub("P", "y")), ["P"], `The lower the probability of the image's class, y = ${label}, the larger the loss.`],
    logit_gradient: () => [
      formula(`dZ${n} = P − onehot ( y )`), ["P"],
      `The derivative of the loss with respect to Z${n}: the probabilities, less 1 at the class y = ${label}.`,
    ],
    gradients: () => [
      formula(`dW${n} = ${input}ᵀ dZ${n} , db${n} = dZ${n}`), [input, `dZ${n}`],
      "The derivative of a weight is its input times the derivative of its unit's sum.",
    ],
    propagate: () => [
      formula(`dA${n} = dZ${n + 1} ${after}ᵀ`), [`dZ${n + 1}`, after],
      `The derivative goes back through the weights to the layer before: ${layerwise ? "in this order through those that the step has already changed" : "in this order through those from before the step"}.`,
    ],
    activation_gradient: () => [formula(`dZ${n} = dA${n} · f' ( Z${n} )`), [`dA${n}`, `Z${n}`], `Times the slope of ${activation} at each number.`],
    update: () => [
      formula(`W${n}' = W${n} − η dW${n} , b${n}' = b${n} − η db${n}`), [`W${n}`, `dW${n}`, `b${n}`, `db${n}`],
      `Each weight moves against its derivative, which lowers the loss: by η = ${rate} times the derivative.`,
    ],
  };
  const [math, uses, text] = all[operation]?.() ?? [formula(names.join(" , ")), [], ""];
  return { math, uses, text };
}

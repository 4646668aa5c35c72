/** Weights as pictures: a tile for each unit or filter, in diverging colours around zero. */

import { h } from "../dom.js";
import { number } from "../format.js";

/** @typedef {{values: Float32Array | Float64Array, shape: number[]}} Tensor the units are the last axis */

const MOST = 64;
const COLUMNS = 8;
const FULL = 0.98; // share of the weights that are not clipped to the full colour
const SAMPLE = 4096;

/**
 * @param {{label: string, size?: number}} options size of a tile in pixels
 * @returns {{element: HTMLElement, set(tensor: Tensor, image: number[], options?: {names?: string[] | null, order?: number[]}): number[],
 *   destroy(): void}}
 *   `set` draws the units with the largest norms, or those of `order`, and returns which; image: the network's image shape
 */
export function tiles({ label, size = 56 }) {
  const canvas = h("canvas", { role: "img", onpointermove: point });
  const caption = h("figcaption", { class: "soft" });
  const element = h("figure", { class: "tiles" }, canvas, caption);
  /** @type {{tensor: Tensor, tall: number, wide: number, channels: number, order: number[], named: (unit: number) => string} | null} */
  let shown = null;
  document.addEventListener("themechange", draw);

  /** @param {Tensor} tensor @param {number[]} image @param {{names?: string[] | null, order?: number[]}} [options] */
  function set(tensor, image, { names, order } = {}) {
    const { shape } = tensor;
    const [tall, wide, channels = 1] = shape.length === 4 ? shape : image;
    const kind = shape.length === 4 ? "filter" : "unit";
    const total = shape[shape.length - 1];
    order ??= strongest(tensor, total);
    shown = { tensor, tall, wide, channels, order, named: (unit) => names?.[unit] ?? `${kind} ${unit}` };
    const scale = draw();
    const which = order.length < total ? `The ${order.length} of ${number(total)} ${kind}s with the largest norms` : `All ${number(total)} ${kind}s`;
    const colours = channels === 3 ? "gray is 0, each colour its channel's weight" : "blue is negative, orange is positive, the background is 0";
    caption.textContent = `${which}: ${colours}; full colour from ±${number(scale)}, the 98th percentile.`;
    canvas.setAttribute("aria-label", `${label}: ${order.length} tiles of ${tall} × ${wide} weights`);
    return order;
  }

  /** Draw, and return the weight that has the full colour. */
  function draw() {
    if (!shown) return 0;
    const { tensor, tall, wide, channels, order } = shown;
    const { values, shape } = tensor;
    const total = shape[shape.length - 1];
    const columns = Math.min(COLUMNS, order.length);
    const rows = Math.ceil(order.length / columns);
    canvas.width = columns * (wide + 1) - 1;
    canvas.height = rows * (tall + 1) - 1;
    const zoom = Math.max(1, Math.round(size / Math.max(wide, tall)));
    canvas.style.inlineSize = `${canvas.width * zoom}px`;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const style = getComputedStyle(document.documentElement);
    const [minus, zero, plus] = ["--minus", "--paper", "--plus"].map((name) => rgb(context, style.getPropertyValue(name)));
    const scale = percentile(values) || 1;
    const picture = context.createImageData(canvas.width, canvas.height);
    order.forEach((unit, place) => {
      const left = (place % columns) * (wide + 1);
      const top = Math.floor(place / columns) * (tall + 1);
      for (let pixel = 0; pixel < tall * wide; pixel++) {
        const at = 4 * ((top + Math.floor(pixel / wide)) * canvas.width + left + (pixel % wide));
        for (let c = 0; c < 3; c++) {
          const weight = values[(pixel * channels + (channels === 3 ? c : 0)) * total + unit];
          const share = Math.max(-1, Math.min(1, weight / scale));
          const end = share < 0 ? minus : plus;
          picture.data[at + c] = channels === 3 ? 127.5 * (1 + share) : zero[c] + Math.abs(share) * (end[c] - zero[c]);
        }
        picture.data[at + 3] = 255;
      }
    });
    context.putImageData(picture, 0, 0);
    return scale;
  }

  /** @param {PointerEvent} event */
  function point(event) {
    if (!shown) return;
    const { width, height, left, top } = canvas.getBoundingClientRect();
    const column = Math.floor((((event.clientX - left) / width) * canvas.width) / (shown.wide + 1));
    const row = Math.floor((((event.clientY - top) / height) * canvas.height) / (shown.tall + 1));
    const unit = shown.order[row * COLUMNS + column];
    canvas.title = unit === undefined ? "" : shown.named(unit);
  }

  return { element, set, destroy: () => document.removeEventListener("themechange", draw) };
}

/** @param {Tensor} tensor @param {number} total */
function strongest({ values }, total) {
  const norms = new Float64Array(total);
  for (let i = 0; i < values.length; i++) norms[i % total] += values[i] * values[i];
  return Array.from(norms, (_, unit) => unit).sort((a, b) => norms[b] - norms[a]).slice(0, MOST);
}

/** The size that 98 % of the weights do not exceed, by a regular sample. @param {ArrayLike<number>} values */
function percentile(values) {
  const step = Math.max(1, Math.floor(values.length / SAMPLE)) | 1; // odd: not always the same units
  const sample = Float64Array.from({ length: Math.ceil(values.length / step) }, (_, i) => Math.abs(values[i * step])).sort();
  return sample[Math.floor(FULL * (sample.length - 1))];
}

/** @param {CanvasRenderingContext2D} context @param {string} colour */
function rgb(context, colour) {
  context.fillStyle = colour;
  return [1, 3, 5].map((at) => parseInt(String(context.fillStyle).slice(at, at + 2), 16));
}

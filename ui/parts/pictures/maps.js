/** Arrays as pictures: gray or colour, signed numbers around zero, and numbers from zero up. */

import { h } from "../dom.js";

const CLIPPED = 0.98; // of the magnitudes; larger ones have the last colour

/**
 * @typedef {{height: number, width: number, channels?: number, label: string, size?: number}} Shape
 * `label` says in words what the picture shows; `size` is its longer side on the page, in pixels
 */

/** @type {WeakMap<HTMLCanvasElement, () => void>} what each shows */
const drawn = new WeakMap();

/** An empty canvas for a picture, which is drawn again if the theme changes. @param {Omit<Shape, "label">} shape */
export function surface({ height, width, size = 196 }) {
  const canvas = h("canvas", { width, height, role: "img", class: "map" });
  const scale = size / Math.max(height, width);
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  document.addEventListener("themechange", function redraw() {
    if (canvas.isConnected) drawn.get(canvas)?.();
    else document.removeEventListener("themechange", redraw);
  });
  return canvas;
}

/** A picture of numbers from 0 to 255, (H, W) or (H, W, 3). @param {ArrayLike<number>} pixels @param {Shape} shape @param {HTMLCanvasElement} [canvas] */
export function picture(pixels, shape, canvas = surface(shape)) {
  const { channels = 1 } = shape;
  return painted(canvas, shape, (image) => {
    for (let i = 0; i < image.length / 4; i++) {
      for (let c = 0; c < 3; c++) image[4 * i + c] = pixels[channels * i + (channels === 3 ? c : 0)];
      image[4 * i + 3] = 255;
    }
  });
}

/**
 * Signed numbers: zero has the paper's colour, the scale is symmetric. Channels are summed. Redrawn if the theme changes.
 * @param {ArrayLike<number>} values @param {Shape & {most?: number}} shape `most`: the number with the last colour
 * @param {HTMLCanvasElement} [canvas]
 */
export function signed(values, shape, canvas = surface(shape)) {
  const sums = summed(values, shape);
  const most = shape.most ?? (largest(sums) || 1);
  return painted(canvas, shape, (image, colour) => {
    const [paper, minus, plus] = [colour("--paper"), colour("--minus"), colour("--plus")];
    sums.forEach((value, i) => mix(image, i, paper, value < 0 ? minus : plus, Math.min(1, Math.abs(value) / most)));
  });
}

/**
 * Numbers of a layer: the larger the magnitude, the more ink.
 * @param {ArrayLike<number>} values @param {Shape & {most?: number}} shape @param {HTMLCanvasElement} [canvas]
 */
export function activations(values, shape, canvas = surface(shape)) {
  const numbers = Array.from(values);
  const most = shape.most ?? (largest(numbers) || 1);
  return painted(canvas, shape, (image, colour) => {
    const [paper, ink] = [colour("--paper"), colour("--train")];
    numbers.forEach((value, i) => mix(image, i, paper, ink, Math.min(1, Math.abs(value) / most)));
  });
}

/** The magnitude that 98 % of the numbers do not exceed. @param {ArrayLike<number>} values */
export function largest(values) {
  const sizes = Float64Array.from(values, Math.abs).sort();
  return sizes[Math.min(sizes.length - 1, Math.floor(CLIPPED * sizes.length))] || (sizes.at(-1) ?? 0);
}

/** @param {ArrayLike<number>} values @param {Shape} shape */
function summed(values, { height, width, channels = 1 }) {
  const sums = new Float64Array(height * width);
  for (let i = 0; i < sums.length * channels; i++) sums[Math.floor(i / channels)] += values[i];
  return sums;
}

/**
 * @param {HTMLCanvasElement} canvas of this shape
 * @param {Shape} shape
 * @param {(image: Uint8ClampedArray, colour: (token: string) => number[]) => void} paint
 */
function painted(canvas, { height, width, label }, paint) {
  canvas.setAttribute("aria-label", label);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const draw = () => {
    const image = context.createImageData(width, height);
    paint(image.data, colour);
    context.putImageData(image, 0, 0);
  };
  drawn.set(canvas, draw);
  draw();
  return canvas;
}

/** @param {Uint8ClampedArray} image @param {number} i @param {number[]} from @param {number[]} to @param {number} share */
function mix(image, i, from, to, share) {
  for (let c = 0; c < 3; c++) image[4 * i + c] = from[c] + share * (to[c] - from[c]);
  image[4 * i + 3] = 255;
}

/** Return red, green and blue of a token such as `#2166ac`. @param {string} token */
function colour(token) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(token).trim();
  return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
}

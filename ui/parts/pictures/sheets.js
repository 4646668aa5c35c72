// Pictures that were read, as canvases with one below the other: bounded memory, the longest unused go first.
import { h } from "../dom.js";

const FIRST = 32; // pictures of the first read, before their size is known
const MOST = 128; // pictures of a read
const READ_BYTES = 2 ** 20; // of a read
const KEPT_BYTES = 2 ** 25; // of all sheets, as RGBA; those that were drawn last are kept anyway

/**
 * @template T
 * @typedef {{pictures: Uint8Array, height: number, width: number, channels: number, items: T[]}} Pictures
 * `pictures` is (items, height, width, channels), of 1 channel (gray) or 3 (red, green, blue)
 */

/**
 * @template T
 * @param {number} size the side in which a picture is drawn: larger ones are kept smaller
 */
export function sheetsOf(size) {
  /** @typedef {{canvas: HTMLCanvasElement, from: number, items: T[], width: number, height: number, used: number}} Sheet */
  /** @type {Set<Sheet>} */
  const sheets = new Set();
  /** @type {Map<number, Sheet>} */
  const at = new Map();
  let most = FIRST;

  /** @param {Sheet} sheet */
  function drop(sheet) {
    sheets.delete(sheet);
    sheet.items.forEach((_, i) => at.delete(sheet.from + i));
  }

  return {
    at,

    /** @param {number} position @returns {T | undefined} */
    item(position) {
      const sheet = at.get(position);
      return sheet?.items[position - sheet.from];
    },

    /** Return the start and length of the first block that is missing in a range, aligned, so that reads do not overlap.
     * @param {number} from @param {number} to @param {number} total */
    missing(from, to, total) {
      while (from < to && at.has(from)) from++;
      if (from >= to) return null;
      const start = from - (from % most);
      from = start;
      while (at.has(from)) from++;
      let end = from + 1;
      while (end < Math.min(start + most, total) && !at.has(end)) end++;
      return [from, end - from];
    },

    /** @param {number} from @param {Pictures<T>} read @param {number} clock sheets that were used then are kept */
    add(from, { pictures, height, width, channels, items }, clock) {
      const rgba = new Uint8ClampedArray(items.length * height * width * 4).fill(255);
      for (let i = 0, j = 0; j < rgba.length; i += channels, j += 4) {
        for (let c = 0; c < 3; c++) rgba[j + c] = pictures[channels === 3 ? i + c : i];
      }
      most = Math.floor(Math.min(MOST, READ_BYTES / (height * width * channels), 8192 / height)) || 1;
      let canvas = h("canvas", { width, height: items.length * height });
      canvas.getContext("2d")?.putImageData(new ImageData(rgba, width), 0, 0);
      const scale = (size * devicePixelRatio) / Math.max(height, width);
      if (scale < 1) {
        const whole = canvas;
        const [w, t] = [Math.ceil(width * scale), Math.ceil(height * scale)];
        canvas = h("canvas", { width: w, height: items.length * t });
        const small = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
        small.imageSmoothingQuality = "high";
        items.forEach((_, i) => small.drawImage(whole, 0, i * height, width, height, 0, i * t, w, t));
      }
      const sheet = { canvas, from, items, width: canvas.width, height: canvas.height / items.length, used: clock };
      sheets.add(sheet);
      items.forEach((_, i) => at.set(from + i, sheet));
      for (const old of [...sheets].sort((a, b) => a.used - b.used)) {
        if (old.used === clock || this.bytes() <= KEPT_BYTES) break;
        drop(old);
      }
    },

    bytes() {
      return [...sheets].reduce((sum, { canvas }) => sum + canvas.width * canvas.height * 4, 0);
    },

    /** Drop what lies at this position and after it. @param {number} position */
    cut(position) {
      for (const sheet of sheets) if (sheet.from + sheet.items.length > position) drop(sheet);
    },
  };
}

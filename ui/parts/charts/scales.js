/** Numbers on a line: ticks, paths, and series that have more points than pixels. */

/** @typedef {Array<number | null | undefined>} Numbers */
/** @typedef {(value: number) => number} Scale */

const DOT = "m-1.5 0h3";

/**
 * Whether a value can be drawn. A logarithm exists only for values above 0.
 * @param {number | null | undefined} value
 * @param {boolean} [log]
 * @returns {value is number}
 */
export function drawable(value, log) {
  return typeof value === "number" && Number.isFinite(value) && (!log || value > 0);
}

/**
 * Round numbers from `from` to `to`, about `count` of them.
 * @param {number} from
 * @param {number} to
 * @param {number} count
 * @param {{whole?: boolean, log?: boolean}} [options] whole: only integers
 * @returns {number[]}
 */
export function ticks(from, to, count, { whole = false, log = false } = {}) {
  if (log) {
    const marks = [];
    const few = Math.log10(to / from) < 2;
    const stride = Math.max(1, Math.ceil(Math.log10(to / from) / count));
    for (let power = Math.floor(Math.log10(from)); power <= Math.log10(to); power += stride) {
      marks.push(...(few ? [1, 2, 5] : [1]).map((digit) => digit * 10 ** power));
    }
    return marks.filter((mark) => mark >= from * 0.999 && mark <= to * 1.001);
  }
  const rough = (to - from) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const wanted = power * ([1, 2, 5].find((digit) => digit * power >= rough * 0.8) || 10);
  const step = whole ? Math.max(1, Math.round(wanted)) : wanted;
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * The indices to draw: all, or of a long series the least and the greatest of each pixel, so that no peak is lost.
 * A gap that fills a pixel stays a gap.
 * @param {Numbers} xs
 * @param {Numbers} ys
 * @param {Scale} across
 * @param {boolean} log
 * @returns {number[]}
 */
export function thinned(xs, ys, across, log) {
  if (xs.length <= 2000) return xs.map((_, i) => i);
  /** @type {number[]} */
  const kept = [];
  let pixel = NaN;
  let least = -1;
  let most = -1;
  function flush() {
    if (least >= 0) kept.push(...(least === most ? [least] : [Math.min(least, most), Math.max(least, most)]));
  }
  for (let i = 0; i < xs.length; i++) {
    const at = Math.round(across(Number(xs[i])));
    if (at !== pixel) {
      flush();
      pixel = at;
      least = most = i;
    }
    if (!drawable(ys[i], log)) continue;
    const value = Number(ys[i]);
    if (!drawable(ys[least], log)) least = most = i;
    else if (value < Number(ys[least])) least = i;
    else if (value > Number(ys[most])) most = i;
  }
  flush();
  return kept;
}

/**
 * The path of a line. It is broken at values that cannot be drawn; a point alone is a dot.
 * @param {Numbers} xs
 * @param {Numbers} ys
 * @param {Scale} across
 * @param {Scale} up
 * @param {boolean} log
 */
export function path(xs, ys, across, up, log) {
  let text = "";
  let run = 0;
  for (const i of thinned(xs, ys, across, log)) {
    const value = ys[i];
    if (!drawable(value, log)) {
      if (run === 1) text += DOT;
      run = 0;
      continue;
    }
    text += `${run++ ? "L" : "M"}${across(Number(xs[i])).toFixed(1)} ${up(value).toFixed(1)}`;
  }
  return run === 1 ? text + DOT : text;
}

/**
 * The index of the number nearest to `x` in an ascending list.
 * @param {number[]} sorted
 * @param {number} x
 */
export function nearest(sorted, x) {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= x) low = middle;
    else high = middle;
  }
  return sorted[low] === undefined || Math.abs(sorted[high] - x) < Math.abs(sorted[low] - x) ? high : low;
}

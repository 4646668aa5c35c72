/** A histogram whose range can be chosen. */

import { h, replace, svg } from "../dom.js";
import { number } from "../format.js";

/**
 * A histogram of counts in equal bins from `from` to `to`. With `onbrush`, a range of it can be dragged or set by keys;
 * null is the whole. Small counts stay visible; `log` draws the counts on a logarithmic scale.
 * @param {{label: string, counts: number[], from: number, to: number, log?: boolean, format?: (value: number) => string,
 *   onbrush?: (range: [number, number] | null) => void}} options
 * @returns {{element: HTMLElement, set(counts: number[]): void, brush(range: [number, number] | null): void}}
 */
export function histogram({ label, counts, from, to, log = false, format = number, onbrush }) {
  /** @type {[number, number] | null} */
  let range = null;
  let start = NaN;
  const columns = svg("g", {});
  const drawing = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img" }, columns);
  const plot = h("div", { class: "plot" }, drawing);
  const said = h("output", { class: "soft" });
  const ends = ["from", "to"].map((end, i) => h("input", {
    type: "range", min: from, max: to, step: (to - from) / counts.length, "aria-label": `${label}: ${end}`,
    oninput: () => {
      const [a, b] = ends.map((input) => Number(input.value));
      choose(i === 0 ? [Math.min(a, b), b] : [a, Math.max(a, b)]);
    },
  }));
  const element = h("figure", { class: "histogram" },
    h("figcaption", h("span", { class: "what" }, label), said), plot,
    h("div", { class: "ends" }, h("span", format(from)), onbrush && ends, h("span", format(to))));
  if (onbrush) {
    plot.classList.add("brush");
    plot.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      plot.setPointerCapture(event.pointerId);
      start = edge(event, Math.floor);
    });
    plot.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (Number.isNaN(start)) return;
      const now = edge(event, Math.round);
      if (now !== start) choose([Math.min(start, now), Math.max(start, now)]);
    });
    plot.addEventListener("pointerup", () => (start = NaN));
    plot.addEventListener("dblclick", () => choose(null));
  }

  /** @param {PointerEvent} event @param {(bin: number) => number} round */
  function edge(event, round) {
    const { left, width } = plot.getBoundingClientRect();
    const bin = round((Math.max(0, Math.min(1, (event.clientX - left) / width))) * counts.length);
    return from + (bin / counts.length) * (to - from);
  }

  /** @param {[number, number] | null} next */
  function choose(next) {
    brush(next);
    onbrush?.(range);
  }

  /** Shows a range; does not call `onbrush`. @param {[number, number] | null} next */
  function brush(next) {
    range = next && (next[0] > from || next[1] < to) ? next : null;
    ends.forEach((input, i) => (input.value = String((range || [from, to])[i])));
    draw();
  }

  /** @param {number[]} next */
  function set(next) {
    counts = next;
    draw();
  }

  function draw() {
    const scale = log ? Math.log1p : Number;
    const top = scale(counts.reduce((most, count) => Math.max(most, count), 0)) || 1;
    const wide = 1000 / counts.length;
    const [a, b] = range || [from, to];
    let inside = 0;
    replace(columns, counts.map((count, i) => {
      const middle = from + ((i + 0.5) / counts.length) * (to - from);
      const within = middle >= a && middle <= b;
      if (within) inside += count;
      const high = count ? Math.max(2, (scale(count) / top) * 100) : 0;
      return svg("rect", { class: within ? "in" : "out", x: i * wide, y: 100 - high, width: wide * 0.9, height: high });
    }));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const text = range ? `${number(inside)} of ${number(total)} from ${format(a)} to ${format(b)}` : number(total);
    said.textContent = text + (log ? ", logarithmic" : "");
    drawing.setAttribute("aria-label", `${label}: ${text}, ${counts.length} bins from ${format(from)} to ${format(to)}, greatest ${number(Math.max(0, ...counts))}`);
  }

  brush(null);
  return { element, set, brush };
}

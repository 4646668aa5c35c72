/** Bars: of labelled values, and of a histogram whose range can be chosen. */

import { h, replace, svg } from "./dom.js";
import { number } from "./format.js";

/**
 * second: a value to compare with, drawn as a thinner bar. A bar with href is a link, one with onselect a button.
 * @typedef {{label: string, value: number, second?: number, href?: string, onselect?: () => void, selected?: boolean}} Bar
 */

const MOST_BARS = 1000;

/**
 * Horizontal bars, from 0 to the greatest value or to `most`.
 * @param {{label: string, items?: Bar[], format?: (value: number) => string, most?: number}} options
 * @returns {{element: HTMLElement, set(items: Bar[]): void}}
 */
export function bars({ label, items = [], format = number, most }) {
  const list = h("ol", { class: "bars", "aria-label": label });
  const rest = h("p", { class: "soft", hidden: true });
  const element = h("div", {}, list, rest);
  /** @type {Array<{item: Bar, row: HTMLElement, update(item: Bar, scale: number): void}>} */
  let rows = [];

  /** @param {Bar} item */
  function build(item) {
    const bar = h("i", {});
    const second = item.second === undefined ? null : h("i", { class: "second" });
    const value = h("b", {});
    const content = [h("span", { class: "name", dir: "auto", title: item.label }, item.label), h("span", { class: "track" }, bar, second), value];
    const inner = item.href ? h("a", { href: item.href }, content) :
      item.onselect ? h("button", { type: "button", onclick: () => made.item.onselect?.() }, content) : h("span", {}, content);
    const made = {
      item,
      row: h("li", {}, inner),
      /** @param {Bar} now @param {number} scale */
      update(now, scale) {
        made.item = now;
        bar.style.inlineSize = `${Math.max(0, (now.value / scale) * 100)}%`;
        if (second) second.style.inlineSize = `${Math.max(0, (Number(now.second) / scale) * 100)}%`;
        const text = format(now.value) + (second ? ` (${format(Number(now.second))})` : "");
        if (value.textContent !== text) value.textContent = text;
        if (now.onselect) inner.setAttribute("aria-pressed", String(!!now.selected));
        made.row.classList.toggle("selected", !!now.selected);
      },
    };
    return made;
  }

  /** Rows that show the same label stay, so that the focus does and an answer many times a second is cheap. @param {Bar[]} next */
  function set(next) {
    const shown = next.slice(0, MOST_BARS);
    const scale = most ?? (shown.reduce((top, { value, second = 0 }) => Math.max(top, value, second), 0) || 1);
    const kept = rows.length === shown.length && rows.every(({ item }, i) => ["label", "href", "second", "onselect"].every((field) => {
      const [before, now] = [/** @type {any} */ (item)[field], /** @type {any} */ (shown[i])[field]];
      return field === "second" || field === "onselect" ? (before === undefined) === (now === undefined) : before === now;
    }));
    if (!kept) {
      rows = shown.map(build);
      replace(list, rows.map(({ row }) => row));
    }
    rows.forEach((row, i) => row.update(shown[i], scale));
    rest.hidden = next.length <= MOST_BARS;
    rest.textContent = `${number(MOST_BARS)} of ${number(next.length)} are shown.`;
  }

  set(items);
  return { element, set };
}

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
    h("figcaption", {}, h("span", { class: "what" }, label), said), plot,
    h("div", { class: "ends" }, h("span", {}, format(from)), onbrush && ends, h("span", {}, format(to))));
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

/** Lines over a common axis, with a cursor that several charts share, a sentence and a table that say the same. */

import { h, replace, svg } from "../dom.js";
import { number } from "../format.js";
import { drawable, nearest, path, ticks } from "./scales.js";

/** @typedef {import("./scales.js").Numbers} Numbers */
/**
 * xs ascend. null in ys is a gap.
 * @typedef {{name: string, style: "train" | "validation" | "plain" | "other", xs: number[], ys: Numbers}} Series
 */
/** @typedef {{at: number | null, move(at: number | null): void, onmove: Set<() => void>}} Cursors */

const MARGIN = { right: 10, top: 8, bottom: 20 };
const DIGIT = 6.6; // pixels, of an axis label
const MOST_ROWS = 1000;
let made = 0;

/**
 * The cursor of charts with the same axis.
 * @returns {Cursors}
 */
export function cursors() {
  /** @type {Cursors} */
  const group = {
    at: null,
    onmove: new Set(),
    move(at) {
      if (at === group.at) return;
      group.at = at;
      for (const draw of group.onmove) draw();
    },
  };
  return group;
}

/**
 * A chart. With `log`, true or false, it has a switch to a logarithmic axis.
 * @param {{label: string, x?: string, format?: (value: number) => string, log?: boolean, onlog?: (log: boolean) => void,
 *   height?: number, group?: Cursors}} options
 * @returns {{element: HTMLElement, set(series: Series[]): void, destroy(): void}}
 */
export function chart({ label, x = "epoch", format = number, log, onlog, height = 150, group = cursors() }) {
  /** @type {Series[]} */
  let series = [];
  /** @type {number[]} */
  let all = []; // every x, once, ascending
  let width = 0;
  let frame = 0;
  let changed = false;
  let left = 40;
  /** @type {import("./scales.js").Scale} */
  let across = Number;
  /** @type {import("./scales.js").Scale} */
  let up = Number;

  const id = `chart-${++made}`;
  const axes = svg("g", { class: "axes" });
  const lines = svg("g", { class: "lines" });
  const cursor = svg("g", { class: "cursor" });
  const drawing = svg("svg", { height, "aria-hidden": "true" }, axes, lines, cursor);
  const plot = h("div", {
    class: "plot", role: "slider", tabindex: 0, "aria-label": `${label}: ${x}`, "aria-describedby": id,
    onpointermove: point, onpointerleave: () => group.move(null), onkeydown: step,
  }, drawing);
  plot.style.height = `${height}px`;
  const legend = h("ul", { class: "legend" });
  const sentence = h("p", { class: "sentence", id, hidden: true });
  const rows = h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": `${label}: numbers` });
  const numbers = h("details", { class: "numbers", ontoggle: list }, h("summary", "Numbers"), rows);
  const logarithmic = h("button", { type: "button", class: "small", "aria-pressed": String(!!log), onclick: toggle }, "log");
  const element = h("figure", { class: "chart" },
    h("figcaption", h("span", { class: "what" }, label), log !== undefined && logarithmic), legend, plot, sentence, numbers);

  const observer = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now !== width) width = now, later();
  });
  observer.observe(plot);
  group.onmove.add(mark);

  function later() {
    frame ||= requestAnimationFrame(draw);
  }

  function toggle() {
    log = !log;
    logarithmic.setAttribute("aria-pressed", String(log));
    onlog?.(log);
    later();
  }

  /** @param {Series[]} next */
  function set(next) {
    series = next;
    changed = true;
    later();
  }

  function draw() {
    frame = 0;
    if (changed) {
      changed = false;
      all = [...new Set(series.flatMap((line) => line.xs))].sort((a, b) => a - b);
      say();
      list();
    }
    if (!width) return;
    drawing.setAttribute("width", String(width));
    let low = Infinity;
    let high = -Infinity;
    for (const { ys } of series) {
      for (const y of ys) if (drawable(y, log)) low = Math.min(low, y), high = Math.max(high, y);
    }
    const empty = low > high;
    if (empty) [low, high] = [log ? 0.1 : 0, 1];
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [Math.min(0, 2 * low), Math.max(0, 2 * high) || 1];
    const marks = ticks(low, high, 4, { log }).map((y) => ({ y, text: format(y) }));
    left = 16 + DIGIT * Math.max(3, ...marks.map(({ text }) => text.length));
    const from = all.length ? all[0] : 0;
    const to = all.length > 1 ? all[all.length - 1] : from + 1;
    const [bottom, top] = log ? [Math.log(low), Math.log(high)] : [low, high];
    const right = width - MARGIN.right;
    const floor = height - MARGIN.bottom;
    across = (value) => left + ((value - from) / (to - from)) * (right - left);
    up = (value) => floor - (((log ? Math.log(value) : value) - bottom) / (top - bottom)) * (floor - MARGIN.top);
    const whole = all.every(Number.isInteger);
    replace(axes,
      ...marks.map(({ y, text }) => [
        svg("line", { x1: left, x2: right, y1: up(y), y2: up(y) }),
        svg("text", { x: left - 6, y: up(y) + 4, "text-anchor": "end" }, text),
      ]),
      ...ticks(from, to, Math.max(2, Math.floor(width / 80)), { whole }).map((value) =>
        svg("text", { x: across(value), y: height - 5, "text-anchor": "middle" }, number(value))),
      empty && svg("text", { x: (left + right) / 2, y: floor / 2, "text-anchor": "middle" },
        log && all.length ? "no values above 0" : "no values yet"));
    replace(lines, ...series.map(({ style, xs, ys }) =>
      svg("path", { class: style, d: path(xs, ys, across, up, !!log) })));
    mark();
  }

  /** Draws the cursor, and the values at it into the legend; without a cursor, the latest values. */
  function mark() {
    const at = group.at === null || !all.length ? null : all[nearest(all, group.at)];
    const place = at ?? all[all.length - 1];
    const found = series.map(({ xs, ys }) => (place === undefined ? null : ys[xs.indexOf(place)]));
    const shown = series.map(({ name, style, ys }, i) => {
      const value = at === null ? ys.findLast((y) => drawable(y)) : found[i];
      return { name, style, text: drawable(value) ? format(value) : "–" };
    });
    replace(legend, shown.map(({ name, style, text }) =>
      h("li", { class: style }, h("span", { class: "name", dir: "auto", title: name }, name), " ", h("b", text))),
      at !== null && h("li", { class: "at" }, `${x} `, h("b", number(at))));
    for (const [name, value] of [["min", all[0]], ["max", all[all.length - 1]], ["now", place]]) {
      plot.setAttribute(`aria-value${name}`, String(value ?? 0));
    }
    plot.setAttribute("aria-valuetext", place === undefined ? "no values" :
      `${x} ${number(place)}: ${shown.map((item) => `${item.name} ${item.text}`).join(", ")}`);
    replace(cursor,
      at !== null && svg("line", { x1: across(at), x2: across(at), y1: MARGIN.top, y2: height - MARGIN.bottom }),
      series.map(({ style }, i) => place !== undefined && drawable(found[i], log) &&
        svg("circle", { class: style, cx: across(place), cy: up(Number(found[i])), r: 3 })));
  }

  /** @param {PointerEvent} event */
  function point(event) {
    if (!all.length || !width) return;
    const share = (event.clientX - plot.getBoundingClientRect().left - left) / (width - left - MARGIN.right);
    group.move(all[nearest(all, all[0] + share * (all[all.length - 1] - all[0]))]);
  }

  /** @param {KeyboardEvent} event */
  function step(event) {
    const end = all.length - 1;
    const now = group.at === null ? end : nearest(all, group.at);
    const ten = Math.ceil(all.length / 10);
    const to = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageDown: now - ten,
      PageUp: now + ten, Home: 0, End: end, Escape: -1 }[event.key];
    if (to === undefined || !all.length) return;
    event.preventDefault();
    group.move(event.key === "Escape" ? null : all[Math.max(0, Math.min(end, to))]);
  }

  function say() {
    sentence.textContent = series.map(({ name, xs, ys }) => {
      const known = xs.map((at, i) => ({ at, y: ys[i] })).filter(({ y }) => drawable(y));
      if (!known.length) return `${name}: no values.`;
      const sorted = known.reduce((found, one) => ({
        least: Number(one.y) < Number(found.least.y) ? one : found.least,
        most: Number(one.y) > Number(found.most.y) ? one : found.most,
      }), { least: known[0], most: known[0] });
      const [last] = known.slice(-1);
      return `${name}: ${format(Number(known[0].y))} at ${x} ${known[0].at}, ${format(Number(last.y))} at ${x} ${last.at};` +
        ` least ${format(Number(sorted.least.y))} at ${sorted.least.at}, greatest ${format(Number(sorted.most.y))} at ${sorted.most.at}.`;
    }).join(" ") || `${label}: no values yet.`;
  }

  /** Fills the table if it is open. */
  function list() {
    if (!numbers.open) return;
    const shown = all.slice(-MOST_ROWS);
    const found = series.map(({ xs, ys }) => new Map(xs.map((at, i) => [at, ys[i]])));
    replace(rows,
      shown.length < all.length && h("p", { class: "soft" }, `The last ${number(shown.length)} of ${number(all.length)} are shown.`),
      h("table", { "aria-label": label },
        h("thead", h("tr", [x, ...series.map(({ name }) => name)].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", shown.map((at) => h("tr", h("th", { scope: "row" }, number(at)),
          found.map((ys) => h("td", drawable(ys.get(at)) ? format(Number(ys.get(at))) : "–")))))));
  }

  function destroy() {
    observer.disconnect();
    cancelAnimationFrame(frame);
    group.onmove.delete(mark);
  }

  mark();
  return { element, set, destroy };
}

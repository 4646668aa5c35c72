// A grid of pictures on one canvas. It reads and draws only what is in sight, so that 10,000 pictures scroll smoothly.
// Arrow keys move, space or x selects, Shift extends, Enter opens; a click on a picture's upper left corner selects it.
import { h } from "../dom.js";
import { sheetsOf } from "./sheets.js";

const GAP = 8;
const CAPTION = 16;
const CORNER = 24;
const RETRY = 3000; // milliseconds after an error that says of itself that it passes
const SHAPES = { right: "●", wrong: "▲" }; // so that colour is not the only sign
let galleries = 0;

/**
 * @template T
 * @param {{
 *   label: string, size?: number,
 *   read: (from: number, count: number, signal: AbortSignal) => Promise<import("./sheets.js").Pictures<T>>,
 *   caption?: (item: T) => string, line?: (item: T) => string, tone?: (item: T) => "right" | "wrong" | "",
 *   onopen?: (item: T, index: number) => void, onselect?: (items: T[]) => void,
 *   onkey?: (key: string, items: T[]) => boolean | "next" | void,
 * }} options read may return fewer pictures than wanted. line: what is said of the focused one, by default its caption. onkey gets the selected items, or else the focused one, and
 *   returns true if it used the key, "next" to move on too
 */
export function gallery({ label, size = 64, read, caption, line: words = caption, tone, onopen, onselect, onkey }) {
  const id = `gallery-${++galleries}`;
  const row = size + GAP + (caption ? CAPTION : 0);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const space = h("div", { class: "gallery-space" }, canvas);
  const option = h("div", { role: "option", id, class: "gallery-option" });
  const scroller = h("div", {
    class: "gallery-scroller", tabindex: "0", role: "listbox", "aria-label": label, "aria-multiselectable": "true",
    "aria-activedescendant": id, onscroll: later, onkeydown: press, onclick: click, onfocus: later, onblur: later,
  }, space, option);
  const line = h("p", { class: "gallery-line", "aria-live": "polite" });
  const again = h("button", { type: "button", onclick: () => fail("") }, "Try again");
  const element = h("div", { class: "gallery" }, scroller, line, again);

  const sheets = /** @type {ReturnType<typeof sheetsOf<T>>} */ (sheetsOf(size));
  const chosen = /** @type {Map<number, T>} */ (new Map());
  const captions = /** @type {Map<T, string>} */ (new Map()); // as cut for the cells
  let [total, columns, focused, anchor, frame, clock] = [0, 1, 0, 0, 0, 0];
  let failure = "";
  let controller = new AbortController();
  let reading = false;
  new ResizeObserver(later).observe(scroller);

  function later() {
    frame ||= requestAnimationFrame(draw);
  }

  /** The left edge of the columns. @param {number} width */
  function margin(width) {
    return (width - columns * (size + GAP) + GAP) / 2;
  }

  function draw() {
    frame = 0;
    const { clientWidth: width, clientHeight: height, scrollTop: top } = scroller;
    // Without a width it has left the document; a listener would keep its pictures in memory.
    document[width ? "addEventListener" : "removeEventListener"]("themechange", later);
    if (!width) return;
    clock += 1;
    columns = Math.max(1, Math.floor((width - GAP) / (size + GAP)));
    space.style.height = `${Math.ceil(total / columns) * row + GAP}px`;
    const style = getComputedStyle(element);
    const paint = (/** @type {string} */ name) => (context.fillStyle = style.getPropertyValue(`--${name}`));
    const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `12px ${style.fontFamily}`;
    context.textAlign = "center";
    const first = Math.floor(top / row) * columns;
    const last = Math.min(total, Math.ceil((top + height) / row) * columns);
    for (let position = first; position < last; position++) {
      const x = margin(width) + (position % columns) * (size + GAP);
      const y = Math.floor(position / columns) * row + GAP - top;
      if (position === focused && document.activeElement === scroller) ring(x, y, 3, paint("focus"));
      const sheet = sheets.at.get(position);
      if (!sheet) {
        paint("tile");
        context.fillRect(x, y, size, size);
        continue;
      }
      const shown = sheet.items[position - sheet.from];
      const scale = size / Math.max(sheet.height, sheet.width);
      const [wide, high] = [sheet.width * scale, sheet.height * scale];
      const source = (position - sheet.from) * sheet.height;
      sheet.used = clock;
      context.imageSmoothingEnabled = scale < 1;
      context.drawImage(
        sheet.canvas, 0, source, sheet.width, sheet.height, x + (size - wide) / 2, y + (size - high) / 2, wide, high,
      );
      paint("ink");
      if (caption) context.fillText(shortened(shown, caption), x + size / 2, y + size + 12);
      const kind = tone?.(shown);
      if (kind) sign(SHAPES[kind], x + size - 16, y, kind);
      if (chosen.has(position)) {
        ring(x, y, -1, paint("focus"));
        sign("✓", x, y, "focus");
      }
    }

    /** @param {string} shape @param {number} x @param {number} y @param {string} name */
    function sign(shape, x, y, name) {
      paint("paper");
      context.fillRect(x, y, 16, 16);
      paint(name);
      context.fillText(shape, x + 8, y + 12);
    }

    tell();
    fill(first, last);
  }

  /** @param {number} x @param {number} y @param {number} out @param {string} colour */
  function ring(x, y, out, colour) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.strokeRect(x - out, y - out, size + 2 * out, size + 2 * out);
  }

  /** @param {T} shown @param {(item: T) => string} caption */
  function shortened(shown, caption) {
    let text = captions.get(shown);
    if (text === undefined) {
      const whole = caption(shown);
      text = whole.length > 40 ? `${whole.slice(0, 40)}…` : whole;
      let wide = context.measureText(text).width;
      for (let end = text.length; wide > size + 4 && end > 1; wide = context.measureText(text).width) {
        end = Math.min(end - 1, Math.ceil((end * size) / wide));
        text = `${whole.slice(0, end)}…`;
      }
      if (captions.size > 20000) captions.clear();
      captions.set(shown, text);
    }
    return text;
  }

  /** Say what is focused and selected, to people who see it and to screen readers. */
  function tell() {
    const shown = sheets.item(focused);
    const parts = [
      `${(focused + 1).toLocaleString("en")} of ${total.toLocaleString("en")}`,
      shown && words?.(shown), shown && tone?.(shown),
      chosen.size && `${chosen.size.toLocaleString("en")} selected`,
    ];
    const text = failure || (total ? parts.filter(Boolean).join(" · ") : "No pictures.");
    again.hidden = !failure;
    option.setAttribute("aria-selected", String(chosen.has(focused)));
    if (line.textContent !== text) line.textContent = option.textContent = text;
  }

  /** Read pictures that are missing in sight, or else on the next screen: one read at a time.
   * @param {number} first @param {number} last */
  async function fill(first, last) {
    const range = sheets.missing(first, Math.min(total, last + last - first), total);
    if (reading || failure || !range) return;
    const { signal } = controller;
    reading = true;
    try {
      const pictures = await read(range[0], range[1], signal);
      if (signal.aborted) return;
      if (pictures.items.length) sheets.add(range[0], pictures, clock);
      else total = range[0]; // there are no more
      later();
    } catch (error) {
      if (signal.aborted) return;
      fail(`The pictures could not be read: ${error instanceof Error ? error.message : error}`);
      if (/** @type {any} */ (error)?.passes) setTimeout(() => signal.aborted || fail(""), RETRY);
    }
    reading = false;
  }

  /** @param {string} text empty: read again */
  function fail(text) {
    failure = text;
    later();
  }

  /** @param {number} from @param {number} to @param {boolean} on */
  function select(from, to, on) {
    for (let i = Math.min(from, to); i <= Math.max(from, to); i++) {
      const shown = sheets.item(i);
      if (!on) chosen.delete(i);
      else if (shown !== undefined) chosen.set(i, shown);
    }
    onselect?.([...chosen.values()]);
    later();
  }

  function unselect() {
    chosen.clear();
    select(0, 0, false);
  }

  /** @param {number} to @param {boolean} [extend] */
  function move(to, extend) {
    focused = Math.max(0, Math.min(total - 1, to));
    if (extend) select(anchor, focused, true);
    else anchor = focused;
    const top = Math.floor(focused / columns) * row;
    scroller.scrollTop = Math.min(top, Math.max(scroller.scrollTop, top + row + GAP - scroller.clientHeight));
    later();
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !total) return;
    const page = Math.max(1, Math.floor(scroller.clientHeight / row)) * columns;
    const steps = /** @type {Record<string, number>} */ ({
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
      PageUp: -page, PageDown: page, Home: -total, End: total,
    });
    const shown = sheets.item(focused);
    const used = /^\S$/u.test(key) && onkey?.(key, chosen.size || !shown ? [...chosen.values()] : [shown]);
    if (used === "next" && chosen.size) unselect();
    else if (used === "next") move(focused + 1);
    else if (used) later();
    else if (steps[key]) move(focused + steps[key], event.shiftKey);
    else if (key === " " || key === "x") select(focused, focused, !chosen.has(focused));
    else if (key === "Enter" && onopen && shown) onopen(shown, focused);
    else if (key === "Escape" && chosen.size) unselect();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {MouseEvent} event */
  function click(event) {
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left - margin(box.width);
    const y = event.clientY - box.top + scroller.scrollTop - GAP;
    const column = Math.floor(x / (size + GAP));
    const position = Math.floor(y / row) * columns + column;
    if (x < 0 || y < 0 || column >= columns || position >= total) return;
    move(position, event.shiftKey);
    const shown = sheets.item(position);
    const corner = x % (size + GAP) < CORNER && y % row < CORNER;
    if (event.shiftKey || !shown) return;
    if (!onopen || corner || event.ctrlKey || event.metaKey) select(position, position, !chosen.has(position));
    else onopen(shown, position);
  }

  return {
    element,
    unselect,
    selected: () => [...chosen.values()],
    /** Draw again, with new captions and tones. */
    redraw() {
      captions.clear();
      later();
    },
    /** Set the number of pictures. Those that were read stay. @param {number} count */
    set(count) {
      total = count;
      focused = Math.max(0, Math.min(focused, total - 1));
      sheets.cut(total);
      later();
    },
    /** Read everything again: other pictures have these positions now. */
    refresh() {
      controller.abort();
      controller = new AbortController();
      reading = false;
      failure = "";
      focused = anchor = scroller.scrollTop = 0;
      sheets.cut(0);
      captions.clear();
      unselect();
    },
  };
}

/** A table: moved through by keyboard, ordered by a column, with rows that can be selected and changed one by one. */

import { h } from "./dom.js";

const ORDER = new Intl.Collator(undefined, { numeric: true });
const STEPS = new Map([["j", 1], ["ArrowDown", 1], ["k", -1], ["ArrowUp", -1], ["Home", -Infinity], ["End", Infinity]]);
const FIRST = 100; // as the style has it
const CONTROLS = "a, button, input, select, textarea, summary, label";

/** @typedef {{name: string, descending: boolean}} Order */
/** @typedef {HTMLTableRowElement} Line */

/**
 * A column. cell: a row's content. value: what rows are ordered by, the cell's text by default.
 * @template R
 * @typedef {{name: string, label: string, numeric?: boolean, cell: (row: R) => string | Node | null, sort?: boolean,
 *   value?: (row: R) => number | string | null}} Column
 */

/**
 * Make a table.
 *
 * `empty` stands in its place while it has no rows. A row opens by Enter or a click. With `onselect`, rows can be
 * selected by checkbox or `x`; Shift extends the selection. `order` is the first order and `onorder` reports later
 * ones, so that a page can keep them in its address. With `signal`, j and k enter the table from anywhere on the page.
 * @template R
 * @param {{label: string, columns: Column<R>[], key: (row: R) => string, empty?: HTMLElement,
 *   onopen?: (row: R) => void, onselect?: (keys: string[]) => void, order?: Order | null, onorder?: (order: Order | null) => void,
 *   signal?: AbortSignal}} options
 */
export function table({ label, columns, key, empty, onopen, onselect, order = null, onorder, signal }) {
  /** @type {Map<string, {row: R, line: Line}>} */
  const entries = new Map();
  /** @type {Set<string>} */
  const chosen = new Set();
  /** @type {string[]} the keys in the order in which the rows came */
  let given = [];
  /** @type {Line | undefined} the row that Tab reaches */
  let current;
  /** @type {Line | undefined} the row from which Shift extends the selection */
  let anchor;
  const offset = onselect ? 1 : 0;
  const all = h("input", { type: "checkbox", "aria-label": "select all rows" });
  all.addEventListener("change", () => select([...entries.keys()], all.checked));
  /** @type {HTMLElement[]} */
  const heads = columns.map(head);
  const body = h("tbody", { onkeydown: keyed, onclick: clicked, onfocusin: entered });
  const header = h("thead", h("tr", onselect && h("td", { class: "choice" }, all), heads));
  const whole = h("table", { class: "rows", "aria-label": label }, header, body);
  const element = h("div", { class: "wide" }, whole, empty);
  const model = h("tr", { tabindex: -1, class: onopen && "opens" },
    onselect && h("td", { class: "choice" }, h("input", { type: "checkbox", tabindex: -1 })),
    columns.map((column) => h("td", { class: column.numeric && "number", "data-label": column.label })));
  if (signal) document.addEventListener("keydown", enter, { signal });
  mark();
  count();

  /** @param {Column<R>} column */
  function head(column) {
    const button = () => h("button", { type: "button", class: "sort", onclick: () => reorder(column) }, column.label);
    if (!column.label) return h("td");
    return h("th", { scope: "col", class: column.numeric && "number" }, column.sort ? button() : column.label);
  }

  /** Order by a column: numbers largest first, texts from A. The next click reverses it, a third one ends it.
   *  @param {Column<R>} column */
  function reorder({ name, numeric = false }) {
    if (order?.name !== name) order = { name, descending: numeric };
    else order = order.descending === numeric ? { name, descending: !numeric } : null;
    mark();
    arrange();
    onorder?.(order);
  }

  function mark() {
    columns.forEach(({ name }, index) => {
      if (order?.name !== name) heads[index].removeAttribute("aria-sort");
      else heads[index].setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    });
  }

  /** @param {R} row */
  function draw(row) {
    const id = key(row);
    const line = entries.get(id)?.line ?? /** @type {Line} */ (model.cloneNode(true));
    if (onselect) line.cells[0].firstElementChild?.setAttribute("aria-label", `select ${id}`);
    line.dataset.key = id;
    entries.set(id, { row, line });
    columns.forEach(({ cell }, index) => {
      const place = line.cells[index + offset];
      const content = cell(row) ?? "";
      const same = typeof content === "string"
        ? place.textContent === content && !place.childElementCount
        : place.firstChild === content || (place.contains(document.activeElement) && place.firstChild?.isEqualNode(content));
      if (!same) place.replaceChildren(content);
    });
    return id;
  }

  /** Bring the lines into their order. Lines in their place are not moved, as that would take the focus from them. */
  function arrange() {
    const column = columns.find(({ name }) => name === order?.name);
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    let next = body.firstChild;
    for (const { line } of column ? sorted(column) : given.map(entry)) {
      if (line === next) next = line.nextSibling;
      else body.insertBefore(line, next);
    }
    if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
    count();
  }

  /** @param {Column<R>} column rows without a value come last in both directions */
  function sorted({ cell, value }) {
    const sign = order?.descending ? -1 : 1;
    const read = value ?? ((/** @type {R} */ row) => textOf(cell(row)));
    const values = given.map((id) => ({ line: entry(id).line, value: read(entry(id).row) }));
    return values.sort(({ value: a }, { value: b }) => {
      if (a === null || b === null) return Number(a === null) - Number(b === null);
      return sign * (typeof a === "number" && typeof b === "number" ? a - b : ORDER.compare(String(a), String(b)));
    });
  }

  /** Show what depends on all rows: whether there are any, which one Tab reaches, whether all are selected. */
  function count() {
    whole.hidden = !entries.size && empty !== undefined;
    if (empty) empty.hidden = entries.size > 0;
    if (!current?.isConnected) current = body.rows[0];
    if (current) current.tabIndex = 0;
    all.checked = chosen.size > 0 && chosen.size === entries.size;
    all.indeterminate = chosen.size > 0 && chosen.size < entries.size;
  }

  /** Let the first rows be painted alone: the style hides the others for a frame. */
  function screenful() {
    body.classList.add("first");
    requestAnimationFrame(() => setTimeout(() => body.classList.remove("first")));
  }

  /** @param {string[]} ids @param {boolean} on */
  function select(ids, on) {
    for (const id of ids) {
      const box = entry(id).line.querySelector("input");
      if (box) box.checked = on;
      if (on) chosen.add(id);
      else chosen.delete(id);
    }
    count();
    onselect?.([...chosen]);
  }

  /** @param {FocusEvent} event */
  function entered(event) {
    if (current) current.tabIndex = -1;
    current = lineOf(event);
    current.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  function keyed(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!isPlain(event) || target.matches("select, textarea, input:not([type=checkbox])")) return;
    const line = lineOf(event);
    const step = STEPS.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (step) {
      const to = body.rows[Math.max(0, Math.min(body.rows.length - 1, line.sectionRowIndex + step))];
      if (event.shiftKey && onselect) select([idOf(line), idOf(to)], true);
      to.focus();
    } else if (event.key === "x" && onselect) {
      anchor = line;
      select([idOf(line)], !chosen.has(idOf(line)));
    } else if (event.key === "Enter" && target === line && onopen) onopen(entry(idOf(line)).row);
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  function enter(event) {
    const idle = [document.body, null].includes(/** @type {HTMLElement | null} */ (document.activeElement));
    if (!idle || !current || !isPlain(event) || !"jk".includes(event.key)) return;
    current.focus();
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  function clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const line = lineOf(event);
    if (!line) return;
    if (target.matches(".choice input")) {
      const from = event.shiftKey && anchor?.isConnected ? anchor.sectionRowIndex : line.sectionRowIndex;
      const [first, last] = [from, line.sectionRowIndex].sort((a, b) => a - b);
      anchor = line;
      select([...body.rows].slice(first, last + 1).map(idOf), /** @type {HTMLInputElement} */ (target).checked);
    } else if (onopen && !target.closest(CONTROLS) && !String(getSelection())) onopen(entry(idOf(line)).row);
  }

  /** @param {string} id */
  function entry(id) {
    return /** @type {{row: R, line: Line}} */ (entries.get(id));
  }

  /** @param {string[]} ids */
  function drop(ids) {
    let changed = false;
    for (const id of ids) {
      entries.get(id)?.line.remove();
      entries.delete(id);
      changed = chosen.delete(id) || changed;
    }
    given = given.filter((id) => entries.has(id));
    count();
    if (changed) onselect?.([...chosen]);
  }

  return {
    element,
    /** Show these rows and no others. Rows that were there keep their focus and selection. @param {R[]} rows */
    set(rows) {
      if (!entries.size && rows.length > FIRST) screenful();
      const ids = rows.map(draw);
      const kept = new Set(ids);
      given = [...kept];
      drop([...entries.keys()].filter((id) => !kept.has(id)));
      arrange();
    },
    /** Change a row, or add it as the first. @param {R} row */
    update(row) {
      const known = entries.has(key(row));
      const id = draw(row);
      if (known) return;
      given.unshift(id);
      arrange();
    },
    /** Remove a row; the focus moves to its neighbour. @param {string} id */
    remove(id) {
      const line = entries.get(id)?.line;
      const neighbour = line?.nextElementSibling ?? line?.previousElementSibling;
      if (line?.contains(document.activeElement)) /** @type {Line | undefined} */ (neighbour)?.focus();
      drop([id]);
    },
    /** @param {string} id */
    focus(id) {
      body.classList.remove("first");
      entries.get(id)?.line.focus();
    },
    selected() {
      return [...chosen];
    },
    /** Select these rows and no others. @param {string[]} ids */
    choose(ids) {
      select([...chosen], false);
      select(ids.filter((id) => entries.has(id)), true);
    },
  };
}

/** @param {Event} event */
function lineOf(event) {
  return /** @type {Line} */ (/** @type {Element} */ (event.target).closest("tbody > tr"));
}

/** @param {Line} line */
function idOf(line) {
  return line.dataset.key ?? "";
}

/** @param {KeyboardEvent} event */
function isPlain(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey;
}

/** @param {string | Node | null} content */
function textOf(content) {
  return typeof content === "string" ? content : (content?.textContent ?? "");
}

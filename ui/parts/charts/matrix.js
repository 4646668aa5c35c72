/** A confusion matrix, or the difference of two: cells that can be opened. */

import { bars } from "./bars.js";
import { h, replace } from "../dom.js";
import { number } from "../format.js";

const MOST_CLASSES = 40; // beyond, a cell would be smaller than a finger
const MOST_CELLS = 50;

/**
 * Rows are the true classes, columns the predicted ones. Of more than 40 classes, the largest cells off the diagonal
 * are listed.
 * @param {{label: string, names: string[], counts: number[][], onselect?: (row: number, column: number) => void,
 *   difference?: boolean}} options
 * @returns {{element: HTMLElement, set(counts: number[][]): void}}
 */
export function matrix({ label, names, counts, onselect, difference = false }) {
  const element = h("div", { class: "matrix" });

  /** @param {number} count */
  function text(count) {
    return difference && count > 0 ? `+${number(count)}` : number(count);
  }

  function list() {
    const cells = counts.flatMap((row, i) => row.map((count, j) => ({ i, j, count })))
      .filter(({ i, j, count }) => i !== j && count).sort((a, b) => Math.abs(b.count) - Math.abs(a.count));
    const shown = cells.slice(0, MOST_CELLS);
    replace(element,
      h("p", { class: "soft" }, `True class → predicted class. ${number(shown.length)} of ${number(cells.length)} cells` +
        " with errors are shown, the largest first."),
      bars({ label, format: text, items: shown.map(({ i, j, count }) => ({
        label: `${names[i]} → ${names[j]}`, value: count, onselect: onselect && (() => onselect(i, j)),
      })) }).element);
  }

  function grid() {
    // Errors are few beside the diagonal: they have a logarithmic scale of their own.
    let off = 0;
    let on = 0;
    counts.forEach((row, i) => row.forEach((count, j) => {
      if (i === j) on = Math.max(on, Math.abs(count));
      else off = Math.max(off, Math.abs(count));
    }));
    const cells = counts.map((row, i) => row.map((count, j) => {
      const share = i === j ? Math.abs(count) / (on || 1) : Math.log1p(Math.abs(count)) / (Math.log1p(off) || 1);
      const said = `${names[i]} predicted as ${names[j]}: ${text(count)}`;
      const open = onselect && count !== 0;
      const cell = h("td", { class: (i === j ? "diagonal" : "") + (difference ? (count < 0 ? " minus" : " plus") : "") },
        open ? h("button", { type: "button", tabindex: -1, "aria-label": said, title: said, onclick: () => onselect(i, j) }, text(count)) :
          h("span", { class: count ? "" : "soft", title: said }, count ? text(count) : "·"));
      cell.style.setProperty("--share", `${Math.round(share * 45)}%`);
      return cell;
    }));
    const heading = (/** @type {string} */ name, /** @type {string} */ scope) =>
      h("th", { scope }, h("span", { class: "name", dir: "auto", title: name }, name));
    replace(element, h("div", { class: "wide" }, h("table", { "aria-label": label, onkeydown: move },
      h("caption", "Rows: true class. Columns: predicted class."),
      h("thead", h("tr", h("td", {}), names.map((name) => heading(name, "col")))),
      h("tbody", cells.map((row, i) => h("tr", heading(names[i], "row"), row))))));
    element.querySelector("button")?.setAttribute("tabindex", "0");
  }

  /** Arrows move to the next cell that can be opened. @param {KeyboardEvent} event */
  function move(event) {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [0, 0];
    const cell = /** @type {Element} */ (event.target).closest("td");
    if (!cell || (!down && !right)) return;
    event.preventDefault();
    const table = /** @type {HTMLTableElement} */ (cell.closest("table"));
    let row = /** @type {HTMLTableRowElement} */ (cell.parentElement).rowIndex + down;
    let column = cell.cellIndex + right;
    for (; table.rows[row]?.cells[column]; row += down, column += right) {
      const button = table.rows[row].cells[column].querySelector("button");
      if (!button) continue;
      for (const one of element.querySelectorAll("button")) one.setAttribute("tabindex", "-1");
      button.setAttribute("tabindex", "0");
      return button.focus();
    }
  }

  /** @param {number[][]} next */
  function set(next) {
    counts = next;
    if (names.length > MOST_CLASSES) list();
    else grid();
  }

  set(counts);
  return { element, set };
}

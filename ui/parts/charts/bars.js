/** Horizontal bars of labelled values. */

import { h, replace } from "../dom.js";
import { number } from "../format.js";

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
  const element = h("div", list, rest);
  /** @type {Array<{item: Bar, row: HTMLElement, update(item: Bar, scale: number): void}>} */
  let rows = [];

  /** @param {Bar} item */
  function build(item) {
    const bar = h("i", {});
    const second = item.second === undefined ? null : h("i", { class: "second" });
    const value = h("b", {});
    const content = [h("span", { class: "name", dir: "auto", title: item.label }, item.label), h("span", { class: "track" }, bar, second), value];
    const inner = item.href ? h("a", { href: item.href }, content) :
      item.onselect ? h("button", { type: "button", onclick: () => made.item.onselect?.() }, content) : h("span", content);
    const made = {
      item,
      row: h("li", inner),
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

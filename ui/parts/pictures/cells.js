/** A picture whose cells open something: by pointer, or by arrows and Enter. */

import { h } from "../dom.js";

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * @typedef {{height: number, width: number, count: number, label: string, name: (cell: number) => string,
 *   onopen: (cell: number, inside: [number, number] | null) => void}} Options
 * `name` describes a cell, counted by row; `inside` is where in the cell the pointer was, down and right from 0 to 1
 */

/** One stop of the Tab key for all cells. @param {HTMLCanvasElement} canvas @param {Options} options */
export function cells(canvas, { height, width, count, label, name, onopen }) {
  let at = 0;
  const frame = h("span", { class: "frame", hidden: true });
  const said = h("p", { class: "small", "aria-live": "polite" }, "Choose one to open it.");
  const button = h("button", {
    type: "button", class: "cells", "aria-label": `${label}; arrows choose one, Enter opens it`,
    onkeydown: moved,
    onclick: (/** @type {MouseEvent} */ event) => (event.detail ? pointed(event, onopen) : onopen(at, null)),
    onpointermove: (/** @type {PointerEvent} */ event) => pointed(event, choose),
    onpointerleave: () => (frame.hidden = document.activeElement !== button),
    onfocus: () => choose(at),
    onblur: () => (frame.hidden = true),
  }, canvas, frame);
  button.style.inlineSize = canvas.style.width;
  canvas.style.width = "100%";
  canvas.style.height = "auto"; // keeps its shape if the page is narrower

  /** @param {number} cell */
  function choose(cell) {
    at = cell;
    said.textContent = name(cell);
    frame.hidden = false;
    const [row, column] = [Math.floor(cell / width), cell % width];
    Object.assign(frame.style, { top: `${(100 * row) / height}%`, left: `${(100 * column) / width}%`, height: `${100 / height}%`, width: `${100 / width}%` });
  }

  /** @param {KeyboardEvent} event */
  function moved(event) {
    const [down, right] = ARROWS[event.key] ?? [0, 0];
    const next = event.key === "Home" ? 0 : event.key === "End" ? count - 1 : at + down * width + right;
    if (next === at && event.key !== "Home") return;
    event.preventDefault();
    if (next >= 0 && next < count) choose(next);
  }

  /** @param {MouseEvent} event @param {(cell: number, inside: [number, number]) => void} act */
  function pointed({ clientX, clientY }, act) {
    const box = canvas.getBoundingClientRect();
    const y = (height * (clientY - box.top)) / box.height;
    const x = (width * (clientX - box.left)) / box.width;
    const [row, column] = [Math.floor(y), Math.floor(x)];
    const cell = row * width + column;
    if (row >= 0 && column >= 0 && column < width && cell < count) act(cell, [y - row, x - column]);
  }

  return h("div", {}, button, said);
}

/** One line at the foot of the page that says what happened, and how to undo it. */

import { h } from "./dom.js";

/**
 * Show a line for some seconds. With `commit`, the change is made when the line goes, and not if a person undoes it.
 * @param {string} text
 * @param {{undo?: () => void, commit?: () => void, seconds?: number}} [options]
 */
export function toast(text, { undo, commit, seconds = 5 } = {}) {
  let open = true;
  /** @param {(() => void) | undefined} then */
  const close = (then) => {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    removeEventListener("pagehide", leave);
    line.remove();
    then?.();
  };
  const leave = () => close(commit);
  const line = h(
    "div",
    { class: "toast", role: "status" },
    text,
    undo && h("button", { type: "button", onclick: () => close(undo) }, "Undo"),
  );
  const timer = setTimeout(leave, seconds * 1000);
  addEventListener("pagehide", leave);
  document.body.append(line);
}

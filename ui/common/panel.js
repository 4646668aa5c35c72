/** What pages are built of: a titled section, its request as curl, Python and command, states, errors, empty states. */

import { Problem, may } from "../api.js";
import { h, replace } from "../parts/dom.js";
import { plain } from "../parts/format.js";
import { toast } from "../parts/toast.js";
import { written } from "./code.js";
import { REMEDIES } from "./remedies.js";

/** @typedef {import("./code.js").Recipe} Recipe */

/** @type {Record<string, string>} */
const SHAPES = {
  queued: "○",
  running: "◐",
  cancelling: "◐",
  succeeded: "●",
  completed_with_errors: "◆",
  failed: "▲",
  cancelled: "■",
};

/**
 * A section with a heading, and how to get the same without the page.
 * @param {string | Node} title
 * @param {Recipe | (() => Recipe) | null} recipe
 * @param {...import("../parts/dom.js").Child} children
 */
export function panel(title, recipe, ...children) {
  return h("section", { class: "panel" }, h("h2", title), recipe && recipes(recipe), ...children);
}

/** "As curl, Python, command" of a panel. @param {Recipe | (() => Recipe)} recipe a function, if it depends on what a person has chosen */
function recipes(recipe) {
  const ways = h("div");
  const box = h("details", { class: "recipes", ontoggle: draw }, h("summary", "As code"), ways);
  let shown = "";
  return box;

  function draw() {
    const now = typeof recipe === "function" ? recipe() : recipe;
    if (JSON.stringify(now) !== shown) replace(ways, written(now));
    shown = JSON.stringify(now);
    for (const type of ["change", "viewchange"]) document[box.open && box.isConnected ? "addEventListener" : "removeEventListener"](type, draw);
  }
}

/** A job's state: a shape, a word and a colour. @param {string} word */
export function state(word) {
  return h(
    "span",
    { class: `state ${word}` },
    h("span", { "aria-hidden": "true" }, SHAPES[word] ?? "○"),
    ` ${word.replaceAll("_", " ")}`,
  );
}

/**
 * An error: what happened and what to do. If the same request can succeed later, it is sent again by itself.
 * @param {unknown} error
 * @param {() => void} [again]
 * @param {AbortSignal} [signal]
 */
export function problem(error, again, signal) {
  const found = error instanceof Problem ? error : null;
  const box = h(
    "div",
    { class: "problem", role: "alert" },
    h("strong", found?.title || (found ? `Error ${found.status}` : "The page failed")),
    h("p", plain(found ? found.message : String(error))),
    found?.errors.map(({ pointer, parameter, detail }) => h("p", h("code", plain(pointer ?? parameter ?? "")), ` ${plain(detail)}`)),
    found?.code && remedy(found.code),
    again && h("button", { type: "button", onclick: again }, "Try again"),
  );
  if (again && found?.passes) {
    box.append(h("p", { class: "soft" }, "The page tries again by itself."));
    const timer = setTimeout(() => !signal?.aborted && again(), 1000 * Math.max(3, found.retryAfter));
    signal?.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }
  return box;
}

/** An error's code, and what the operations pages say about it. @param {string} code */
export function remedy(code) {
  return h("p", { class: "soft" }, "Code ", h("code", code), REMEDIES[code] && `: ${REMEDIES[code]}`);
}

/** What a page shows if there is nothing yet: a sentence and first steps. @param {string} text @param {...import("../parts/dom.js").Child} steps */
export function empty(text, ...steps) {
  return h("div", { class: "empty" }, h("p", text), h("div", { class: "steps" }, ...steps));
}

/**
 * Read, and show the result or the error in `place`; again after an error that passes.
 * @template T
 * @param {Element} place
 * @param {string} what what the page waits for: "the jobs"
 * @param {(signal: AbortSignal) => Promise<T>} read
 * @param {(found: T) => import("../parts/dom.js").Child} draw
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export async function load(place, what, read, draw, signal) {
  if (!place.hasChildNodes()) replace(place, h("p", { class: "soft" }, `Reading ${what} …`));
  try {
    const found = await read(signal);
    if (!signal.aborted) replace(place, draw(found));
  } catch (error) {
    if (!signal.aborted) replace(place, problem(error, () => void load(place, what, read, draw, signal), signal));
  }
}

/** Disable a button if the key lacks a scope. It keeps the focus, and pressing it says why: a tooltip needs a mouse.
 *  @template {HTMLButtonElement} B @param {B} button @param {string} scope @returns {B} */
export function allowed(button, scope) {
  may(scope).then(
    (yes) => {
      if (yes || button.title === lacks(scope)) return;
      button.ariaDisabled = "true";
      button.title = lacks(scope);
      button.setAttribute("aria-description", button.title);
      button.addEventListener("click", (event) => {
        event.preventDefault();
        event.stopImmediatePropagation();
        toast(button.title);
      }, { capture: true });
    },
    () => {}, // the page shows the error of its own request
  );
  return button;
}

/**
 * Figures or facts: terms with their values, without those that have none.
 * @param {"figures" | "facts"} kind @param {[term: string, value: any][]} pairs
 */
export function terms(kind, pairs) {
  return h("dl", { class: kind }, pairs.filter(([, value]) => value).map(([term, value]) => h("div", h("dt", term), h("dd", value))));
}

/** Why a key may not do something. @param {string} scope */
export function lacks(scope) {
  return `The key lacks the scope ${scope}`;
}

/** Sentences that a person should read. @param {string[]} texts */
export function warnings(texts) {
  return texts.map((text) => h("p", { class: "warning" }, plain(text)));
}

/** The choices of a list. @param {[value: string, text: string][]} choices @param {string | null} [selected] */
export function options(choices, selected) {
  return choices.map(([value, text]) => h("option", { value, selected: value === selected }, plain(text)));
}

/** The article: one training step on one image, formula by formula, with the arrays and the functions that compute them. */

import { bytes, get, page as pageOf } from "../../api.js";
import { load, panel } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { name as nameOf } from "../../parts/format.js";
import { inline } from "../../parts/formula.js";
import { isTyping } from "../../shell.js";
import { tensors } from "../../common/weights.js";
import { datasetPath, modelHref } from "../../common/paths.js";
import { arrayView } from "./arrays.js";
import { ORDERS, STEP, asCode, derivative, firstLosses } from "./checks.js";
import { stepsOf, written } from "./formulas.js";

const BUILT_IN = ["mnist", "digits", "fashion-mnist"];
const PRESETS = ["article", "fast"];
const PAUSE = 1500; // milliseconds between steps of a person who only watches
/** @typedef {import("./arrays.js").Values & {operation: string}} Recorded */
/** @typedef {{steps: Recorded[], classes: string[], activation: string, label: string, rate: number, update_order: string,
 *   model: string | null, version: number | null}} Lesson */
/** @typedef {{name: string, formula: string, source: string | null}} Operation */

/** @param {import("../../parts/router.js").Page} page */
export function show(page) {
  const { root, signal, title } = page;
  title("The article");
  const settings = h("div");
  const body = h("div");
  replace(root, h("h1", "The article: one training step"),
    h("p", "A network takes one step of gradient descent on one image, and every number is here: the arrays come from the functions that also train the models, by ", h("code", `POST ${STEP}`), ". The derivations are in ", h("a", { href: "/ui/article/text", target: "_blank" }, "the article as a text"), "."),
    settings, body);
  return load(settings, "the data sets", (stop) => pageOf("/v1/datasets", { limit: 200 }, stop), ({ items, built_in: others = [] }) => {
    const known = items.map(({ name }) => name);
    // Without a data set in use, the digits: they are part of the service, so nothing is downloaded.
    const dataset = page.query.get("dataset") ?? BUILT_IN.find((one) => known.includes(one)) ?? "digits";
    const ask = () => load(body, "the training step", (stop) => read(requestOf(page.query, dataset), stop), (found) => view(page, found), signal);
    void ask();
    return chosen(page, dataset, [...new Set([dataset, ...known, ...others.map((/** @type {{name: string}} */ one) => one.name)])], () => {
      replace(body);
      void ask();
    });
  }, signal);
}

/** The request of an address. @param {URLSearchParams} query @param {string} dataset */
function requestOf(query, dataset) {
  const model = query.get("model");
  return {
    dataset: query.get("dataset") ?? dataset,
    split: query.get("split") ?? "train",
    index: Number(query.get("index") ?? 0),
    rate: Number(query.get("rate") ?? 0.01),
    ...(model ? { model, version: query.get("version") ?? "latest" } : { preset: query.get("preset") ?? PRESETS[0], seed: Number(query.get("seed") ?? 0) }),
  };
}

/** The settings, whose values are in the address. @param {import("../../parts/router.js").Page} page @param {string} dataset @param {string[]} datasets @param {() => void} ask */
function chosen(page, dataset, datasets, ask) {
  const { query, setQuery } = page;
  /** @param {string} key */
  const changed = (key) => (/** @type {Event} */ { target }) => {
    const field = /** @type {HTMLInputElement} */ (target);
    if (!field.reportValidity()) return;
    setQuery({ [key]: field.value });
    ask();
  };
  /** @param {string} key @param {string} text @param {string[]} options @param {string} value */
  const choice = (key, text, options, value) =>
    h("label", text, h("select", { onchange: changed(key) }, options.map((one) => h("option", { value: one, selected: one === value }, nameOf(one)))));
  /** @param {string} key @param {string} text @param {Record<string, unknown>} props */
  const field = (key, text, props) => h("label", text, h("input", { type: "number", required: true, onchange: changed(key), ...props }));
  const model = query.get("model");
  const version = query.get("version") ?? "latest";
  return panel("The image and the network", () => asCode({ ...requestOf(page.query, dataset), update_order: page.query.get("order") ?? ORDERS[0] }), h("div", { class: "settings" },
    choice("dataset", "Data set", datasets, dataset),
    choice("split", "Split", ["train", "validation", "test"], query.get("split") ?? "train"),
    field("index", "Image", { min: 0, step: 1, value: query.get("index") ?? 0 }),
    model ? h("p", "Weights of ", h("a", { href: modelHref(model, version) }, nameOf(`${model}@${version}`)), ". ", h("a", { href: "/ui/article" }, "New weights"))
      : [choice("preset", "New weights of the preset", PRESETS, query.get("preset") ?? PRESETS[0]), field("seed", "Seed", { min: 0, step: 1, value: query.get("seed") ?? 0 })],
    field("rate", "Learning rate η", { min: 0, max: 100, step: "any", value: query.get("rate") ?? 0.01 }),
    choice("order", "Order of updates", ORDERS, query.get("order") ?? ORDERS[0])));
}

/** @param {any} request @param {AbortSignal} signal */
async function read(request, signal) {
  const path = datasetPath(request.dataset);
  const [dataset, { activations }, ...lessons] = await Promise.all([
    get(path, { signal }), get("/v1/lessons", { signal }), ...ORDERS.map((order) => lessonOf({ ...request, update_order: order }, signal)),
  ]);
  return { request, image: dataset.image_shape, activations, lessons };
}

/** @param {any} body @param {AbortSignal} signal @returns {Promise<Lesson>} */
async function lessonOf(body, signal) {
  const { bytes: file, headers } = await bytes(STEP, { method: "POST", body, headers: { Accept: "application/octet-stream, application/json;q=0.5" }, signal });
  if (headers.get("Content-Type")?.startsWith("application/json")) {
    const found = JSON.parse(new TextDecoder().decode(file));
    for (const each of found.steps) each.values = each.values?.flat(9) ?? null;
    return found;
  }
  const { metadata, arrays } = tensors(file);
  const found = JSON.parse(metadata.lesson);
  for (const each of found.steps) each.values = arrays[each.name].values;
  return found;
}

/** @param {import("../../parts/router.js").Page} page @param {Awaited<ReturnType<typeof read>>} found */
function view({ query, setQuery, signal }, { request, image, activations, lessons }) {
  const [lesson, other] = query.get("order") === ORDERS[1] ? lessons.toReversed() : lessons;
  const steps = stepsOf(lesson.steps);
  const layers = lesson.steps.filter(({ operation }) => operation === "forward").length;
  const operations = new Map(activations[lesson.activation]?.map((/** @type {Operation} */ one) => [one.name, one]));
  const place = h("div", { class: "lesson" });
  const said = h("p", { role: "status" });
  let at = 0;
  let timer = 0;
  const back = h("button", { type: "button", onclick: () => go(at - 1) }, "Back");
  const next = h("button", { type: "button", class: "primary", onclick: () => go(at + 1) }, "Step");
  // A page that moves by itself is not what a person with reduced motion has asked for.
  const play = h("button", { type: "button", "aria-pressed": "false", hidden: matchMedia("(prefers-reduced-motion: reduce)").matches, onclick: () => (timer ? pause() : start()) }, "Play");
  const marks = steps.map((step, i) => h("button", { type: "button", class: "mark", "aria-label": step.names.join(", "), onclick: () => go(i) }, inline(step.names.length > 2 ? "W , b" : step.names.join(" , "))));

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function start() {
    if (at === steps.length - 1) draw(0);
    timer = setInterval(() => (at < steps.length - 1 ? draw(at + 1) : pause()), PAUSE);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
  }

  /** @param {number} to */
  function go(to) {
    pause();
    if (to >= 0 && to < steps.length) draw(to);
  }

  /** @param {number} to */
  function draw(to) {
    at = to;
    setQuery({ step: at + 1 });
    back.disabled = at === 0;
    next.disabled = at === steps.length - 1;
    marks.forEach((mark, i) => (i === at ? mark.setAttribute("aria-current", "step") : mark.removeAttribute("aria-current")));
    said.textContent = `Step ${at + 1} of ${steps.length}: ${steps[at].names.join(", ")}`;
    replace(place, stepView(steps[at], [lesson, other], operations.get(steps[at].operation), { image, layers }));
  }

  signal.addEventListener("abort", pause, { once: true });
  const move = { ArrowLeft: -1, ArrowRight: 1 };
  document.addEventListener("keydown", (event) => {
    const by = move[/** @type {keyof typeof move} */ (event.key)];
    const inside = /** @type {Element} */ (event.target).closest("input, pre, [role=slider], dialog");
    if (!by || !said.isConnected || inside || isTyping(event) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    go(at + by);
  }, { signal });
  draw(Math.min(steps.length, Math.max(1, Math.floor(Number(query.get("step"))) || 1)) - 1);
  return [
    panel("Step by step", asCode({ ...request, update_order: lesson.update_order }),
      h("p", { class: "row" }, back, next, play, h("span", { class: "soft small" }, "or the keys ← →")),
      h("ol", { class: "marks", "aria-label": "Steps" }, marks.map((mark) => h("li", mark))),
      said, place),
    h("div", { class: "grid" }, derivative(request, layers, signal), firstLosses(request, signal)),
  ];
}

/**
 * @param {import("./formulas.js").Step} step
 * @param {Lesson[]} lessons that of the chosen order, and the other one
 * @param {Operation | undefined} operation
 * @param {{image: number[], layers: number}} shapes
 */
function stepView(step, lessons, operation, { image, layers }) {
  const [own, others] = lessons.map((lesson) => {
    const arrays = new Map(lesson.steps.map((one) => [one.name, one]));
    const shown = written(step, { ...lesson, layers, layerwise: lesson.update_order === ORDERS[0] });
    const views = (/** @type {string[]} */ names) => names.flatMap((name) => arrays.get(name) ?? []).map((one) => arrayView(one, { image, layers, classes: lesson.classes }));
    return { ...shown, arrays, views, order: lesson.update_order };
  });
  const same = step.names.every((name) => equal(own.arrays.get(name)?.values, others.arrays.get(name)?.values));
  const column = (/** @type {typeof own} */ { math, text, views, order }) => h("section", h("h3", `Order ${order}`), math, h("p", text), views(step.names));
  return [
    h("div", { class: "beside" },
      same ? h("section", h("h3", "Formula"), own.math, h("p", own.text), h("p", { class: "soft" }, "The same numbers in both orders of updates."), own.views(step.names))
        : h("div", { class: "orders" }, column(own), column(others)),
      operation?.source && h("section", h("h3", "The function that computes it: ", h("code", operation.formula)), h("pre", { tabindex: 0 }, operation.source))),
    own.uses.length > 0 && h("section", h("h3", "From these arrays"), h("div", { class: "arrays" }, own.views(own.uses))),
  ];
}

/** @param {ArrayLike<number> | null} [a] @param {ArrayLike<number> | null} [b] */
function equal(a, b) {
  if (!a || !b) return a === b;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

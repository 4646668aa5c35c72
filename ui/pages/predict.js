/** One image: drawn, dropped, pasted or chosen; what the network sees of it, and its probabilities. */

import { address, get, page as readPage, send } from "../api.js";
import { flags, keywords } from "../common/code.js";
import { empty, load, panel, problem } from "../common/panel.js";
import { glassHref, modelHref, versionPath } from "../common/paths.js";
import { bars } from "../parts/charts/bars.js";
import { h, replace } from "../parts/dom.js";
import { percent, plain } from "../parts/format.js";
import { paced } from "../parts/paced.js";
import { picture as paintOn } from "../parts/pictures/maps.js";
import { pad } from "../parts/pictures/pad.js";

/** @typedef {import("../parts/router.js").Page} Page */
/** @typedef {{gray: Uint8Array, size: number} | Blob} Picture */

const PAUSE = 50; // milliseconds between requests: 20 a second
const MOST_BARS = 10;
const BINARY = "application/octet-stream";
const BOX = 20; // MNIST's digits fill a box of 20 × 20 in 28 × 28; smaller images, as of 8 × 8, have no margin

/** @param {Page} page */
export async function show(page) {
  page.title("Predict");
  const place = h("div");
  page.root.append(h("h1", "Predict an image"), place);
  await load(place, "the models", () => readPage("/v1/models", { limit: 500 }, page.signal), ({ items }) => content(page, items), page.signal);
}

/** @param {Page} page @param {any[]} models */
function content(page, models) {
  const wanted = page.query.get("model");
  if (!models.length && !wanted) {
    return empty("There is no model yet. A model comes from a training.", h("a", { href: "/ui/train?dataset=digits&model=digits&preset=auto" }, "Train on digits (10 s)"));
  }
  const references = models.flatMap(({ name, aliases }) => [...Object.keys(aliases), "latest"].map((reference) => `${name}@${reference}`));
  const chosen = wanted ?? references.find((one) => one.endsWith("@champion")) ?? references[0];
  if (!references.includes(chosen)) references.unshift(chosen);
  const choice = h("select", { id: "model", onchange: () => (page.setQuery({ model: choice.value }), void take()) },
    references.map((one) => h("option", { value: one, selected: one === chosen }, plain(one))));
  const canvas = h("canvas", { class: "seen", role: "img", "aria-label": "What the network sees" });
  const seen = h("p", { class: "soft" });
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const probabilities = bars({ label: "Probabilities", most: 1, format: percent });
  const warnings = h("div");
  const failure = h("div");
  const about = h("span", { class: "soft" });

  /** @type {any} */
  let version = null;
  /** @type {Picture | null} */
  let picture = null;
  const ask = paced(request, PAUSE, page.signal);
  const drawing = pad({
    onchange(next) {
      picture = next;
      ask();
    },
  });
  page.signal.addEventListener("abort", drawing.destroy, { once: true });

  /** Read the chosen version: its classes, and the shape of its images. */
  async function take() {
    const reference = choice.value;
    replace(failure);
    try {
      const [model, place = "latest"] = reference.split("@");
      const found = await get(versionPath(model, place), { signal: page.signal });
      if (reference !== choice.value) return;
      version = found;
      replace(about, h("a", { href: modelHref(model, version.version) }, `version ${version.version}`),
        `, images of ${version.input.image_shape.join(" × ")}, test accuracy ${percent(version.metrics.test_accuracy)} · `,
        h("a", { href: address(glassHref(model, version.version), { dataset: version.dataset, split: "test", index: 0 }) }, "look inside"));
      ask();
    } catch (error) {
      if (!page.signal.aborted) replace(failure, problem(error, () => void take(), page.signal));
    }
  }

  async function request() {
    const now = picture;
    if (!version) return;
    if (!now) return blank();
    try {
      const { path, body, pixels } = asked(now, version);
      const found = await send("POST", path, body, { signal: page.signal, headers: body instanceof Blob ? { "Content-Type": body.type || BINARY } : {} });
      replace(failure);
      if (picture) draw(found, pixels);
      if (now instanceof Blob) await look(now);
    } catch (error) {
      if (page.signal.aborted) return;
      replace(failure, problem(error, ask, page.signal));
    }
  }

  /** Show what the service made of a file. @param {Blob} file */
  async function look(file) {
    const path = version.links.predict.replace(/predict$/, "explain?method=gradient");
    const found = await send("POST", path, file, { signal: page.signal, headers: { "Content-Type": file.type || BINARY } }).catch(() => null);
    if (!found?.input || picture !== file) return;
    canvas.hidden = false;
    const { pixels } = found.input;
    paint(pixels.flat(2), [pixels.length, pixels[0].length]);
    seen.textContent = `The service made this from the file${found.input.inverted ? ", and exchanged light and dark, because the image looks inverted against the training images" : ""}.`;
  }

  function blank() {
    replace(answer, h("p", { class: "soft" }, "Draw a digit, or drop, paste or choose an image."));
    probabilities.set([]);
    replace(warnings);
    canvas.hidden = true;
    seen.textContent = "Its input appears here.";
  }

  /** @param {any} found @param {Uint8Array | null} pixels */
  function draw({ predictions: [prediction], look_inverted: inverted, warnings: texts = [] }, pixels) {
    const { label, confidence, top } = prediction;
    replace(answer, h("span", { class: "name label", dir: "auto", title: plain(label) }, plain(label)), h("span", { class: "soft" }, percent(confidence)));
    // In the classes' order, so that no bar moves while a person draws; of many classes the most probable.
    const few = version.classes.length <= MOST_BARS;
    const known = new Map(top.map((/** @type {any} */ one) => [one.label, one.probability]));
    const shown = few ? version.classes : top.map((/** @type {any} */ one) => one.label);
    probabilities.set(shown.map((/** @type {string} */ name) => ({ label: plain(name), value: known.get(name) ?? 0, selected: name === label })));
    replace(warnings, texts.map((/** @type {string} */ text) => h("p", { class: "warning" }, plain(text))),
      !few && h("p", { class: "soft" }, `${top.length} of ${version.classes.length} classes are shown.`));
    canvas.hidden = !pixels;
    seen.textContent = (pixels ? "These numbers were sent" : "The service makes the network's image from the file") +
      (inverted ? ", and light and dark were exchanged, because the image looks inverted against the training images." : ".");
    if (pixels) paint(inverted ? pixels.map((level) => 255 - level) : pixels, version.input.image_shape);
  }

  /** @param {ArrayLike<number>} pixels @param {number[]} shape */
  function paint(pixels, [height, width]) {
    Object.assign(canvas, { height, width });
    paintOn(pixels, { height, width, channels: pixels.length / (height * width), label: "What the network sees" }, canvas);
  }

  blank();
  void take();

  /**
   * A request about an image file, as code.
   * @param {string} call @param {Record<string, string | number>} options
   * @param {(values: Record<string, string | number>) => {python: string, command: string}} write
   */
  function asCode(call, options, write) {
    const [model, number = "latest"] = choice.value.split("@");
    const path = address(`${versionPath(model, number)}/${call}`, options);
    return { method: "POST", path, file: "image.png", ...write({ model: choice.value, ...options }) };
  }

  return [
    h("p", { class: "row" }, h("label", { for: "model" }, "Model"), choice, about),
    failure,
    h("div", { class: "grid" },
      panel("Image", null, drawing.element),
      panel("Answer", () => asCode("predict", { top_k: Math.min(MOST_BARS, version?.classes.length ?? MOST_BARS) }, (values) => ({
        python: `print(client.predict("image.png", ${keywords(values)}))`, command: `glassbox predict image.png${flags(values)}`,
      })), answer, probabilities.element, warnings),
      panel("What the network sees", () => asCode("explain", { method: "gradient" }, (values) => ({
        python: `print(client.explain("image.png", ${keywords(values)}).input)`, command: `glassbox explain image.png${flags(values)} -o seen.png`,
      })), canvas, seen)),
  ];
}

/**
 * The request of a picture. A drawing goes as numbers in the network's own shape, so that they can be shown.
 * @param {Picture} picture
 * @param {any} version
 */
function asked(picture, { links, classes, input }) {
  const path = `${links.predict}?top_k=${Math.min(MOST_BARS, classes.length)}`;
  if (picture instanceof Blob) return { path, body: picture, pixels: null };
  const [height, width, channels] = input.image_shape;
  const pixels = resized(height < BOX ? filled(picture) : picture, height, width);
  const numbers = Array.from(pixels, (gray) => (channels ? [gray, gray, gray] : gray));
  const rows = Array.from({ length: height }, (_, y) => numbers.slice(y * width, (y + 1) * width));
  return { path, body: { instances: [rows] }, pixels };
}

/** Cut the margin of a drawing. @param {{gray: Uint8Array, size: number}} picture */
function filled(picture) {
  const { gray, size } = picture;
  const inked = Array.from(gray.keys()).filter((i) => gray[i]);
  if (!inked.length) return picture;
  const [columns, rows] = [inked.map((i) => i % size), inked.map((i) => Math.floor(i / size))];
  const [left, top] = [Math.min(...columns), Math.min(...rows)];
  const [wide, high] = [Math.max(...columns) - left + 1, Math.max(...rows) - top + 1];
  const side = Math.max(wide, high);
  const cut = new Uint8Array(side * side);
  const [x, y] = [Math.floor((side - wide) / 2) - left, Math.floor((side - high) / 2) - top];
  for (const i of inked) cut[(Math.floor(i / size) + y) * side + (i % size) + x] = gray[i];
  return { gray: cut, size: side };
}

/** Scale a square drawing: each pixel is the mean of the area that it covers. @param {{gray: Uint8Array, size: number}} picture @param {number} height @param {number} width */
function resized({ gray, size }, height, width) {
  if (height === size && width === size) return gray;
  const pixels = new Uint8Array(height * width);
  for (let i = 0; i < pixels.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    let [sum, area] = [0, 0];
    for (let row = Math.floor((y * size) / height); row < ((y + 1) * size) / height; row++) {
      for (let column = Math.floor((x * size) / width); column < ((x + 1) * size) / width; column++) {
        // The share of this pixel that lies in the area.
        const high = Math.min(row + 1, ((y + 1) * size) / height) - Math.max(row, (y * size) / height);
        const wide = Math.min(column + 1, ((x + 1) * size) / width) - Math.max(column, (x * size) / width);
        sum += gray[row * size + column] * high * wide;
        area += high * wide;
      }
    }
    pixels[i] = Math.round(sum / area);
  }
  return pixels;
}

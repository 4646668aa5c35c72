/** A data set: its balance, mean images, all images, and what its checks found. */

import { Problem, address, get, send } from "../../api.js";
import { keywords, python } from "../../common/code.js";
import { corrections } from "../../common/correct.js";
import { whenDeleted } from "../../common/deleted.js";
import { allowed, load, options, panel, terms, warnings } from "../../common/panel.js";
import { bars } from "../../parts/charts/bars.js";
import { h, replace } from "../../parts/dom.js";
import { ago, bytes, name, number, plain } from "../../parts/format.js";
import { gallery } from "../../parts/pictures/gallery.js";
import { go } from "../../parts/router.js";
import { toast } from "../../parts/toast.js";
import { called, images } from "../../common/pictures.js";
import { datasetHref, datasetPath } from "../../common/paths.js";
import { skippedFiles, splits } from "../../common/skipped.js";
import { NEAR, equalImages, nearPairs, open } from "./checks.js";
import { users } from "./users.js";

/** @typedef {Record<string, any>} Dataset */
/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {import("./checks.js").Item} Item */

/** @param {Page} page */
export function show(page) {
  const reference = page.params.name;
  const body = h("div");
  page.title(plain(reference));
  replace(page.root, h("h1", "Data set ", name(reference)), body);
  const read = (/** @type {AbortSignal} */ signal) => get(datasetPath(reference), { signal });
  return load(body, "the data set", read, (dataset) => sections(page, dataset), page.signal);
}

/** @param {Page} page @param {Dataset} dataset */
function sections(page, dataset) {
  const path = datasetPath(dataset.id);
  const asCode = codeOf(page.params.name);
  whenDeleted(page, `The data set ${plain(dataset.name)}`, datasetPath(page.params.name), ({ type, data }) =>
    data.dataset === dataset.id && (type === "dataset_deleted" || (type === "dataset_name_deleted" && data.name === page.params.name)));
  const right = corrections({
    key: dataset.id,
    classes: dataset.classes,
    dataset: dataset.id,
    place: ({ split, index }) => ({ split, index }),
    label: (/** @type {Item} */ item) => item.label,
    words: called,
    removes: true,
    signal: page.signal,
  });
  const grid = pictures(page, dataset, path, right);
  const means = h("div", { class: "scrolls" });
  const equal = h("div");
  const near = h("div");
  const checking = { page, path: `${path}/images`, right };
  load(means, "the mean images", (signal) => computed(`${datasetPath(page.params.name)}/summary`, signal), (summary) => {
    replace(equal, equalImages(summary, checking));
    pairs(); // not before: their search takes seconds of the service's time
    return h("ul", { class: "means" }, summary.classes.map((/** @type {Record<string, any>} */ { label, mean_image: mean }) =>
      h("li", h("button", { type: "button", onclick: () => grid.choose({ class: label }) },
        mean && h("img", { src: mean, alt: "" }), name(label)))));
  }, page.signal);
  const pairs = () => load(near, "the near pairs, which a first search takes some seconds to find",
    (signal) => computed(`${path}/near-pairs`, signal), (found) => nearPairs(found, checking), page.signal);
  return [facts(dataset, page.params.name), h("div", { class: "grid" },
    panel("Classes", asCode.shown(".class_counts"),
      h("p", { class: "soft" }, "Images for training (for testing)"),
      h("div", { class: "scrolls" }, balance(dataset, grid))),
    panel("Mean image of each class", asCode.call("summary", ".classes"), means)),
  grid.element,
  panel("Checks", () => asCode.call(page.query.get("check") === NEAR ? NEAR : "summary"), equal, near,
    h("p", { class: "soft" }, "Not checked: whether a label is right, and whether images show what their class says.")),
  right.element,
  panel("Models that were trained on it", {
    path: "/v1/models",
    python: `for model in client.models.list():\n    for version in client.models.versions(model.name):\n        if version.dataset == ${python(dataset.id)}:\n            print(version)`,
  }, users(dataset, page.signal))];
}

/** What is read about a data set, as code. @param {string} reference */
function codeOf(reference) {
  const [path, text] = [datasetPath(reference), python(reference)];
  return {
    /** @param {string} [field] of the SDK's record */
    shown: (field = "") => ({ path, python: `print(client.datasets.get(${text})${field})`, command: `glassbox datasets show ${reference}` }),
    /** @param {string} name of the SDK's method @param {string} [field] */
    call: (name, field = "") => ({ path: `${path}/${name.replace("_", "-")}`, python: `print(client.datasets.${name}(${text})${field})` }),
  };
}

/** Read what the service computes for some seconds before its first answer. @param {string} path @param {AbortSignal} signal @returns {Promise<any>} */
async function computed(path, signal) {
  try {
    return await get(path, { signal });
  } catch (error) {
    if (!(error instanceof Problem && ["near_pairs_busy", "summary_busy"].includes(error.code))) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(1, error.retryAfter)));
    signal.throwIfAborted();
    return computed(path, signal);
  }
}

/** Delete it, or one of its names, unless a person undoes it. @param {string} reference */
function remove(reference) {
  go("/ui/datasets");
  toast(`The data set ${plain(reference)} is deleted.`, {
    undo: () => go(datasetHref(reference)),
    commit: () => void send("DELETE", datasetPath(reference), null, { keepalive: true }).catch((error) => toast(plain(error.message), { seconds: 15 })),
  });
}

/** @param {Dataset} dataset @param {string} reference */
function facts(dataset, reference) {
  const made = dataset.provenance;
  const rows = {
    Images: splits(dataset), Classes: number(dataset.classes.length), Image: dataset.image_shape.join(" × "),
    Size: bytes(dataset.bytes), Source: dataset.source, Created: ago(dataset.created_at), Id: h("code", dataset.id),
    "Derived from": made && [h("a", { href: datasetHref(made.derived_from) }, h("code", made.derived_from.slice(0, 15)), "…"),
      ` ${number(made.added)} added, ${number(made.relabelled)} relabelled, ${number(made.removed)} removed`,
      made.by && ` by ${plain(made.by)}`,
      Object.keys(made.jobs ?? {}).map((job) => [" from ", h("a", { href: `/ui/batches/${job}` }, `batch ${job}`)])],
    ...Object.fromEntries(Object.entries(dataset.chosen).map(([option, why]) => [option[0].toUpperCase() + option.slice(1).replaceAll("_", " "), why])),
  };
  return panel("Overview", codeOf(reference).shown(),
    warnings(dataset.warnings),
    terms("facts", Object.entries(rows)),
    skippedFiles(dataset.skipped),
    h("p", { class: "row" }, h("a", { class: "chip", href: `/ui/train?dataset=${encodeURIComponent(dataset.name)}` }, "Train on it"),
      allowed(h("button", { type: "button", onclick: () => remove(reference) }, "Delete"), "manage")));
}

/** @param {Dataset} dataset @param {ReturnType<typeof pictures>} grid */
function balance(dataset, grid) {
  const { train, test } = dataset.class_counts;
  return bars({
    label: "Images of each class",
    items: dataset.classes.map((/** @type {string} */ label, /** @type {number} */ i) => ({
      label: plain(label), value: train[i], second: test?.[i], onselect: () => grid.choose({ class: label }),
    })),
  }).element;
}

/** All images: class, split and order are in the address. @param {Page} page @param {Dataset} dataset @param {string} path @param {any} right */
function pictures(page, dataset, path, right) {
  const select = (/** @type {string} */ field, /** @type {[string, string][]} */ choices) => h("select", {
    onchange: (/** @type {Event} */ event) => renew({ [field]: /** @type {HTMLSelectElement} */ (event.target).value }),
  }, options(choices));
  const controls = {
    class: select("class", [["", "all classes"], ...dataset.classes.map((/** @type {string} */ label) => [label, label])]),
    split: select("split", Object.keys(dataset.splits).map((split) => [split, split])),
    order: select("order", [["", "by index"], ["random", "at random"], ["least_typical", "least typical first"]]),
  };
  const shuffle = h("button", { type: "button", onclick: () => renew({ order: "random", seed: String(Math.floor(Math.random() * 1e6)) }) }, "Shuffle");
  const grid = gallery({
    label: "Images of the data set",
    async read(from, count, signal) {
      const { split, ...wanted } = chosen();
      const found = await images(`${path}/images`, { split, ...wanted, from, count, paths: true }, signal);
      grid.set(found.total);
      return { ...found, items: [...found.indices].map((index, i) => ({ split, index, label: dataset.classes[found.labels?.[i] ?? 0], path: found.paths[i] })) };
    },
    caption: (/** @type {Item} */ item) => right.caption(item, plain(item.label)),
    line: (item) => `${called(item)}: ${right.caption(item, plain(item.label))}`,
    tone: (item) => (right.isCorrected(item) ? "right" : ""),
    onkey: right.onkey,
    onopen: (item) => open(item, `${path}/images`),
  });
  right.watch(grid);

  function chosen() {
    const { query } = page;
    return {
      split: query.get("split") ?? Object.keys(dataset.splits)[0], class: query.get("class"),
      order: query.get("order"), seed: query.get("order") && query.get("seed"),
    };
  }

  /** @param {Record<string, string>} changes */
  function renew(changes) {
    page.setQuery(changes);
    draw();
    grid.refresh();
  }

  /** Show the images of a class that was chosen elsewhere on the page. @param {Record<string, string>} changes */
  function choose(changes) {
    renew(changes);
    grid.element.scrollIntoView({ block: "nearest" });
  }

  function draw() {
    const { split, class: label, order } = chosen();
    controls.class.value = label ?? "";
    controls.split.value = split;
    controls.order.value = order ?? "";
    const counts = dataset.class_counts[split] ?? [];
    grid.set(label === null ? dataset.splits[split] ?? 0 : counts[dataset.classes.indexOf(label)] ?? 0);
  }

  draw();
  const element = panel("Images", () => {
    const { split, class: label, order, seed } = chosen();
    const options = { label, least_typical: order === "least_typical" || null, seed: order === "random" ? Number(seed) : null, count: 100 };
    return {
      path: address(`${path}/images`, { ...chosen(), count: 100 }), save: "images.safetensors",
      python: `print(client.datasets.images(${python(dataset.id)}, ${python(split)}, ${keywords(options)}))`,
    };
  }, h("div", { class: "fields" }, h("label", "Class", controls.class), h("label", "Split", controls.split),
    h("label", "Order", controls.order), shuffle), grid.element);
  return { element, choose };
}

/** A data set: its balance, mean images, all images, and what its checks found. */

import { Problem, get, items as itemsOf, send } from "../../api.js";
import { corrections } from "../../common/correct.js";
import { whenDeleted } from "../../common/deleted.js";
import { allowed, load, options, panel, warnings } from "../../common/panel.js";
import { bars } from "../../parts/charts/bars.js";
import { h, replace } from "../../parts/dom.js";
import { ago, bytes, name, number, plain } from "../../parts/format.js";
import { gallery } from "../../parts/pictures/gallery.js";
import { go } from "../../parts/router.js";
import { toast } from "../../parts/toast.js";
import { called, enlarge, images, imagesOf } from "../../common/pictures.js";
import { skippedFiles } from "../../common/skipped.js";
import { href, splits } from "../../common/datasets.js";

/** @typedef {Record<string, any>} Dataset */
/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {{split: string, index: number, label: string, path?: string | null}} Item */

const CHECKS = [
  ["within_splits", "Equal images in one split", "They teach nothing new."],
  ["between_splits", "Equal images in several splits", "The model has seen them in training: its test accuracy is too high."],
  ["different_labels", "Equal images in several classes", "At least one of their labels is wrong."],
];
const MOST_VERSIONS = 500;

/** @param {Page} page */
export function show(page) {
  const reference = page.params.name;
  const body = h("div");
  page.title(plain(reference));
  replace(page.root, h("h1", "Data set ", name(reference)), body);
  const read = (/** @type {AbortSignal} */ signal) => get(pathOf(reference), { signal });
  return load(body, "the data set", read, (dataset) => sections(page, dataset), page.signal);
}

/** @param {string} reference */
function pathOf(reference) {
  return `/v1/datasets/${encodeURIComponent(reference)}`;
}

/** @param {Page} page @param {Dataset} dataset */
function sections(page, dataset) {
  const path = pathOf(dataset.id);
  whenDeleted(page, `The data set ${plain(dataset.name)}`, pathOf(page.params.name), ({ type, data }) =>
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
  load(means, "the mean images", (signal) => computed(`${pathOf(page.params.name)}/summary`, signal), (summary) => {
    replace(equal, equalImages(summary, checking));
    pairs(); // not before: their search takes seconds of the service's time
    return h("ul", { class: "means" }, summary.classes.map((/** @type {Record<string, any>} */ { label, mean_image: mean }) =>
      h("li", h("button", { type: "button", onclick: () => grid.choose({ class: label }) },
        mean && h("img", { src: mean, alt: "" }), name(label)))));
  }, page.signal);
  const pairs = () => load(near, "the near pairs, which a first search takes some seconds to find",
    (signal) => computed(`${path}/near-pairs`, signal), (found) => nearPairs(found, checking), page.signal);
  return [facts(dataset, page.params.name), h("div", { class: "grid" },
    panel("Classes", { path, python: `print(client.datasets.get("${dataset.name}").class_counts)`, command: `glassbox datasets show ${dataset.name}` },
      h("p", { class: "soft" }, "Images for training (for testing)"),
      h("div", { class: "scrolls" }, balance(dataset, grid))),
    panel("Mean image of each class", { path: `${path}/summary`, python: `print(client.datasets.summary("${dataset.name}").classes)` }, means)),
  grid.element,
  panel("Checks", { path: `${path}/summary`, python: `print(client.datasets.summary("${dataset.name}"))` }, equal, near,
    h("p", { class: "soft" }, "Not checked: whether a label is right, and whether images show what their class says.")),
  right.element,
  panel("Models that were trained on it", { path: "/v1/models" }, users(dataset, page.signal))];
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
    undo: () => go(href(reference)),
    commit: () => void send("DELETE", pathOf(reference), null, { keepalive: true }).catch((error) => toast(plain(error.message), { seconds: 15 })),
  });
}

/** @param {Dataset} dataset @param {string} reference */
function facts(dataset, reference) {
  const made = dataset.provenance;
  const rows = {
    Images: splits(dataset), Classes: number(dataset.classes.length), Image: dataset.image_shape.join(" × "),
    Size: bytes(dataset.bytes), Source: dataset.source, Created: ago(dataset.created_at), Id: h("code", dataset.id),
    "Derived from": made && [h("a", { href: href(made.derived_from) }, h("code", made.derived_from.slice(0, 15)), "…"),
      ` ${number(made.added)} added, ${number(made.relabelled)} relabelled, ${number(made.removed)} removed`,
      made.by && ` by ${plain(made.by)}`,
      Object.keys(made.jobs ?? {}).map((job) => [" from ", h("a", { href: `/ui/batches/${job}` }, `batch ${job}`)])],
    ...Object.fromEntries(Object.entries(dataset.chosen).map(([option, why]) => [option[0].toUpperCase() + option.slice(1).replaceAll("_", " "), why])),
  };
  return h("div", { class: "panel" },
    warnings(dataset.warnings),
    h("dl", { class: "facts" }, Object.entries(rows).map(([term, value]) => value && [h("dt", term), h("dd", value)])),
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
    onchange: (/** @type {Event} */ event) => choose({ [field]: /** @type {HTMLSelectElement} */ (event.target).value }),
  }, options(choices));
  const controls = {
    class: select("class", [["", "all classes"], ...dataset.classes.map((/** @type {string} */ label) => [label, label])]),
    split: select("split", Object.keys(dataset.splits).map((split) => [split, split])),
    order: select("order", [["", "by index"], ["random", "at random"], ["least_typical", "least typical first"]]),
  };
  const shuffle = h("button", { type: "button", onclick: () => choose({ order: "random", seed: String(Math.floor(Math.random() * 1e6)) }) }, "Shuffle");
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
  function choose(changes) {
    page.setQuery(changes);
    draw();
    grid.refresh();
    if ("class" in changes) grid.element.scrollIntoView({ block: "nearest" });
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
  const element = panel("Images", {
    path: `${path}/images?split=train&count=100`, save: "images.safetensors", python: `print(client.datasets.images("${dataset.name}", "train", count=100))`,
  }, h("div", { class: "fields" }, h("label", "Class", controls.class), h("label", "Split", controls.split),
    h("label", "Order", controls.order), shuffle), grid.element);
  return { element, choose };
}

/** Show an image in large. @param {Item} item @param {string} path */
function open(item, path) {
  enlarge(`${called(item)}: ${plain(item.label)}`, path, item);
}

/** What the checks found. @param {Record<string, any>} summary @param {Checking} checking */
function equalImages(summary, checking) {
  return CHECKS.map(([kind, title, why]) => {
    const { groups, images: count, first } = summary[kind];
    /** @type {Item[]} */
    const found = first.flatMap((/** @type {{copies: Item[]}} */ group) => group.copies);
    return check(checking, {
      kind, why, found, title: `${title}: ${number(count)} images in ${number(groups)} groups`,
      rest: count > found.length ? `${number(found.length)} of ${number(count)} images are shown, of the first ${first.length} groups.` : "",
      read: (items, signal) => imagesOf(checking.path, items, (item) => item, signal),
      caption: (item) => `${item.split} ${plain(item.label)}`,
    });
  });
}

/** Each test or validation image beside its nearest training image. @param {Record<string, any>} pairs @param {Checking} checking */
function nearPairs({ pairs: count, first, compared, threshold }, checking) {
  const found = first.map((/** @type {Record<string, any>} */ { image, nearest, cosine }) => ({ ...image, nearest, cosine }));
  const sample = Object.entries(compared).filter(([, split]) => split.compared < split.images);
  return [check(checking, {
    kind: "near_pairs", title: `Nearly equal to a training image: ${number(count)} images`, found, size: 128,
    why: `Left the image, right the training image; below their classes and the cosine of their pixels, above ${threshold}.`,
    rest: count > found.length ? `The ${number(found.length)} most similar of ${number(count)} pairs are shown.` : "",
    async read(items, signal) {
      const flat = items.flatMap((/** @type {any} */ item) => [item, item.nearest]);
      const { pictures, height, width, channels, items: got } = await imagesOf(checking.path, flat, (item) => item, signal);
      const pairs = items.slice(0, got.length >> 1);
      const row = width * channels;
      const both = new Uint8Array(pairs.length * 2 * height * row);
      for (let i = 0; i < pairs.length * 2 * height; i++) {
        const [picture, y] = [Math.floor(i / height), i % height];
        both.set(pictures.subarray(i * row, (i + 1) * row), (((picture >> 1) * height + y) * 2 + (picture & 1)) * row);
      }
      return { pictures: both, height, width: width * 2, channels, items: pairs };
    },
    caption: (item) => `${plain(item.label)}, ${plain(item.nearest.label)}: ${item.cosine.toFixed(3)}`,
  }), sample.map(([split, each]) => h("p", { class: "soft" }, `Of ${split}, ${number(each.compared)} of ${number(each.images)} images were compared.`))];
}

/** @typedef {{page: Page, path: string, right: any}} Checking path: of the images */
/**
 * A check: a line with its count, which opens a gallery.
 * @param {Checking} checking
 * @param {{kind: string, title: string, why: string, found: any[], rest: string, size?: number, read: (items: any[], signal: AbortSignal) => Promise<any>,
 *   caption: (item: any) => string}} options
 */
function check({ page, path, right }, { kind, title, why, found, rest, size, read, caption }) {
  if (!found.length) return h("p", h("span", { class: "tone-right" }, "● "), title);
  const box = h("details", { ontoggle: opened, open: page.query.get("check") === kind },
    h("summary", h("span", { class: "tone-wrong" }, "▲ "), title), h("p", why));
  return box;

  function opened() {
    if (box.open) page.setQuery({ check: kind });
    else if (page.query.get("check") === kind) page.setQuery({ check: null });
    if (!box.open || box.querySelector(".gallery")) return;
    const grid = gallery({
      label: title, size,
      read: (from, count, signal) => read(found.slice(from, from + count), signal),
      caption: (/** @type {any} */ item) => right.caption(item, caption(item)),
      line: (item) => (item.path ? `${plain(item.path)}: ` : "") + right.caption(item, caption(item)),
      tone: (item) => (right.isCorrected(item) ? "right" : ""),
      onkey: right.onkey,
      onopen: (item) => open(item, path),
    });
    right.watch(grid);
    grid.set(found.length);
    box.append(grid.element, rest);
  }
}

/** The versions that were trained on it, looked up when a person wants them. @param {Dataset} dataset @param {AbortSignal} signal */
function users(dataset, signal) {
  const place = h("div");
  const button = h("button", { type: "button", onclick: look }, "Look them up");
  return [button, place];

  function look() {
    button.hidden = true;
    load(place, "the versions of all models", async () => {
      let seen = 0;
      const found = [];
      for await (const model of itemsOf("/v1/models", { limit: 500 }, signal)) {
        const versions = `/v1/models/${encodeURIComponent(model.name)}/versions`;
        for await (const version of itemsOf(versions, { limit: 500 }, signal)) {
          if (++seen > MOST_VERSIONS) return { seen, found };
          if (version.dataset === dataset.id) found.push(version);
        }
      }
      return { seen, found };
    }, ({ seen, found }) => [
      found.length ? h("ul", found.map(({ model, version, test_accuracy: accuracy }) =>
        h("li", h("a", { href: `/ui/models/${encodeURIComponent(model)}/${version}` }, `${plain(model)}@${version}`),
          accuracy !== undefined && ` accuracy ${number(accuracy)}`))) : h("p", "No version was trained on exactly this content."),
      seen > MOST_VERSIONS && h("p", { class: "soft" }, `Only the first ${MOST_VERSIONS} versions were searched.`),
    ], signal);
  }
}

/** Data sets: the list, and the upload of a new one. */

import { address, page as pageOf } from "../../api.js";
import { flags, keywords, python, quoted } from "../../common/code.js";
import { empty, load, options, panel, warnings } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { ago, bytes, name, number } from "../../parts/format.js";
import { go } from "../../parts/router.js";
import { ordered } from "../../parts/order.js";
import { table } from "../../parts/table.js";
import { drop } from "../../parts/drop.js";
import { skippedFiles, splits } from "../../common/skipped.js";
import { uploadForm } from "../../common/uploading.js";
import { datasetHref } from "../../common/paths.js";

/** @type {Record<string, string>} what the first use of a built-in data set does */
const FIRST_USE = { included: "prepared at its first use", folder: "read from the operator's folder at its first use", download: "downloaded at its first use" };

/** @typedef {Record<string, any>} Dataset */

/** @param {import("../../parts/router.js").Page} page */
export function show(page) {
  page.title("Data sets");
  const list = h("div");
  const read = () => load(list, "the data sets", (signal) => pageOf("/v1/datasets", { limit: 500 }, signal), (found) => listed(page, found), page.signal);
  replace(page.root, h("h1", "Data sets"), uploading(page, read), panel(
    "All data sets",
    { path: "/v1/datasets", python: "for dataset in client.datasets.list(): print(dataset.name)", command: "glassbox datasets list" },
    list,
  ));
  return read();
}

/** @param {import("../../parts/router.js").Page} page @param {{items: Dataset[], next: string | null, built_in?: Dataset[]}} found */
function listed(page, { items, next, built_in: known = [] }) {
  const rows = table({
    label: "Data sets",
    ...ordered(page),
    key: (dataset) => dataset.id,
    onopen: (dataset) => go(datasetHref(dataset.name)),
    empty: empty(
      "No data set has been used yet.",
      h("a", { href: "/ui/train?dataset=digits", class: "chip" }, "Train on the digits"),
    ),
    columns: [
      { name: "name", label: "Name", sort: true, cell: (dataset) => h("a", { href: datasetHref(dataset.name) }, name(dataset.name)) },
      { name: "images", label: "Images", numeric: true, sort: true, value: count, cell: (dataset) => number(count(dataset)) },
      { name: "splits", label: "Splits", cell: splits },
      { name: "classes", label: "Classes", numeric: true, sort: true, value: (dataset) => dataset.classes.length, cell: (dataset) => number(dataset.classes.length) },
      { name: "shape", label: "Image", cell: (dataset) => dataset.image_shape.join(" × ") },
      { name: "bytes", label: "Size", numeric: true, sort: true, value: (dataset) => dataset.bytes, cell: (dataset) => bytes(dataset.bytes) },
      { name: "source", label: "Source", cell: (dataset) => dataset.source },
      { name: "created", label: "Created", sort: true, value: (dataset) => dataset.created_at, cell: (dataset) => ago(dataset.created_at) },
    ],
  });
  rows.set(items);
  const unused = known.filter(({ prepared }) => !prepared);
  return [rows.element, unused.length > 0 && [h("p", "Built in, and not used yet:"),
    h("ul", unused.map((one) => h("li", h("a", { href: datasetHref(one.name) }, name(one.name)), `: ${one.content}; ${FIRST_USE[one.origin]}`)))], next && h("p", { class: "soft" }, `The newest ${items.length} are shown.`)];
}

/** @param {Dataset} dataset @returns {number} */
function count(dataset) {
  return Object.values(dataset.splits).reduce((sum, images) => sum + images, 0);
}

/** @param {import("../../parts/router.js").Page} page @param {() => void} done called after an upload */
function uploading(page, done) {
  const field = h("input", { name: "name", required: true, pattern: "[a-z0-9][a-z0-9._\\-]*", maxlength: 63, placeholder: "my-digits" });
  const shape = h("input", { name: "image_shape", placeholder: "chosen", pattern: "[1-9][0-9]*x[1-9][0-9]*" });
  const choice = (/** @type {string} */ name, /** @type {[string, string][]} */ ...choices) => h("select", { name }, options(choices));
  const file = drop({
    text: "Drop a zip or tar of class folders, an .npz or a CSV file here",
    ontake(taken) {
      field.value ||= taken.name.replace(/(\.(zip|tar|gz|tgz|zst|npz|csv))+$/i, "").toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 63);
    },
  });
  const { form, values } = uploadForm({
    path: "/v1/datasets", verb: "Upload", file, signal: page.signal,
    fields: [
      h("label", "Name", field),
      h("label", "Image shape, such as 28x28", shape),
      h("label", "Channels", choice("channels", ["", "chosen"], ["1", "1: grayscale"], ["3", "3: colour"])),
      h("label", "Unreadable images", choice("on_unreadable", ["", "refuse above 1 %"], ["skip", "skip all"], ["refuse", "refuse any"])),
      h("label", "Test fraction, if there is no test split", h("input", { name: "test_fraction", type: "number", min: 0.01, max: 0.99, step: 0.01, placeholder: "0.1" })),
    ],
    done(dataset) {
      done();
      return [
        h("p", h("a", { href: datasetHref(dataset.name) }, "Open ", name(dataset.name)), ` ${splits(dataset)} images, ${dataset.classes.length} classes`),
        warnings(dataset.warnings), skippedFiles(dataset.skipped),
      ];
    },
  });
  return panel("Upload", () => {
    /** @type {Record<string, string>} */
    const options = { name: "my-digits", ...values() };
    const { image_shape: size, channels, test_fraction: share, ...texts } = options;
    const archive = file.file()?.name ?? "my-digits.zip";
    const shape = size && `, image_shape=(${size.replace("x", ", ")})`;
    return {
      method: "POST", path: address("/v1/datasets", options), file: archive,
      python: `print(client.datasets.upload(${python(archive)}, ${keywords({ ...texts, channels: channels && Number(channels), test_fraction: share && Number(share) })}${shape ?? ""}))`,
      command: `glassbox datasets upload ${quoted(archive)}${flags(options)}`,
    };
  }, form);
}

/** Batches: an archive to classify, and the list of those before. */

import { address, items as itemsOf, page as pageOf } from "../../api.js";
import { modelOf, tookOf } from "../../common/actions.js";
import { flags, keywords, python, quoted } from "../../common/code.js";
import { live } from "../../live.js";
import { empty, load, options, panel, problem, state } from "../../common/panel.js";
import { uploadForm } from "../../common/uploading.js";
import { h, replace } from "../../parts/dom.js";
import { drop } from "../../parts/drop.js";
import { ago, name, number, percent, seconds } from "../../parts/format.js";
import { go } from "../../parts/router.js";
import { ordered } from "../../parts/order.js";
import { table } from "../../parts/table.js";

/** @typedef {Record<string, any>} Job */
const SHOWN = 200;

/** @param {import("../../parts/router.js").Page} page */
export function show(page) {
  page.title("Batches");
  const list = h("div");
  replace(page.root, h("h1", "Batches"), submitting(page), panel("All batches", {
    path: "/v1/jobs?kind=batch", python: 'for job in client.jobs.list(kind="batch"): print(job.id, job.state)',
    command: "glassbox jobs list --kind batch",
  }, list));
  const rows = listed(page);
  let timer = 0;
  live.on({ kind: "batch" }, () => {
    timer ||= setTimeout(() => {
      timer = 0;
      if (!page.signal.aborted) void again();
    }, 1000);
  }, page.signal);
  return draw();

  /** @param {AbortSignal} signal */
  function read(signal) {
    return pageOf("/v1/jobs", { kind: "batch", limit: SHOWN }, signal);
  }

  /** Change the rows in their place, so that the focus stays. */
  async function again() {
    const found = rows.element.isConnected ? await read(page.signal).catch(() => null) : null;
    if (found) rows.set(found.items);
    else if (!page.signal.aborted) void draw();
  }

  function draw() {
    return load(list, "the batches", read, ({ items, next }) => {
      rows.set(items);
      return [rows.element, next && h("p", { class: "soft" }, `The newest ${SHOWN} are shown.`)];
    }, page.signal);
  }
}

/** @param {import("../../parts/router.js").Page} page */
function listed(page) {
  return table({
    label: "Batches",
    ...ordered(page),
    key: (/** @type {Job} */ job) => job.id,
    onopen: (job) => go(`/ui/batches/${job.id}`),
    empty: empty("No archive has been classified yet. Drop one above, or train a model first.",
      h("a", { class: "chip", href: "/ui/train?dataset=digits" }, "Train digits (10 s)")),
    columns: [
      { name: "id", label: "Batch", cell: (job) => h("a", { href: `/ui/batches/${job.id}` }, h("code", job.id.slice(-8))) },
      { name: "state", label: "State", sort: true, value: (job) => job.state, cell: (job) => state(job.state) },
      { name: "model", label: "Model", sort: true, value: (job) => job.request.model, cell: (job) => name(modelOf(job)) },
      { name: "images", label: "Images", numeric: true, sort: true, value: (job) => job.progress.total, cell: (job) => number(job.progress.total) },
      { name: "done", label: "Done", numeric: true, cell: (job) => percent(job.progress.total ? job.progress.done / job.progress.total : 0, 0) },
      { name: "errors", label: "Errors", numeric: true, cell: (job) => number(job.result?.failed) },
      { name: "submitted", label: "Submitted", sort: true, value: (job) => job.created_at, cell: (job) => ago(job.created_at) },
      { name: "took", label: "Took", numeric: true, cell: (job) => seconds(tookOf(job)) },
    ],
  });
}

/** @param {import("../../parts/router.js").Page} page */
function submitting(page) {
  const models = h("datalist", { id: "models" });
  const model = h("input", { name: "model", required: true, list: "models", placeholder: "digits or digits@champion", value: page.query.get("model") ?? "" });
  const file = drop({ text: "Drop a zip or tar of images, or an .npz or .npy array, here" });
  const { form, result, values } = uploadForm({
    path: "/v1/batch-jobs", verb: "Classify", file, signal: page.signal,
    fields: [
      models,
      h("label", "Model", model),
      h("label", "Classes in each row", h("input", { name: "top_k", type: "number", min: 1, value: 3 })),
      h("label", "Light and dark", h("select", { name: "invert" }, options([
        ["auto", "invert what looks inverted"], ["never", "never invert"], ["always", "always invert"],
      ]))),
    ],
    done: ({ id }) => void go(`/ui/batches/${id}`),
  });
  void suggest();

  async function suggest() {
    try {
      for await (const { name: text, aliases } of itemsOf("/v1/models", { limit: 100 }, page.signal)) {
        for (const alias of ["", ...Object.keys(aliases)]) models.append(h("option", { value: alias ? `${text}@${alias}` : text }));
        model.value ||= text;
      }
      replace(result);
      if (!models.childElementCount) {
        replace(result, h("p", "There is no model yet. ", h("a", { href: "/ui/train?dataset=digits" }, "Train one"), " first."));
      }
    } catch (error) {
      if (!page.signal.aborted) replace(result, problem(error, () => void suggest(), page.signal));
    }
  }

  return panel("Classify an archive", () => {
    const { top_k: k, ...rest } = values();
    const options = { model: "digits", ...rest, top_k: k && Number(k) };
    const archive = file.file()?.name ?? "images.zip";
    return {
      method: "POST", path: address("/v1/batch-jobs", options), file: archive,
      python: `print(client.classify(${python(archive)}, ${keywords(options)}).wait().result)`, command: `glassbox classify ${quoted(archive)}${flags(options)}`,
    };
  }, form);
}

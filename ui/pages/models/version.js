/** A version: how good it is, what it confuses, how it was trained, what it is made of. Every number opens its images. */

import { Problem, download, get } from "../../api.js";
import { live } from "../../live.js";
import { deletesVersion, whenDeleted } from "../../common/deleted.js";
import { allowed, load, panel, problem, terms } from "../../common/panel.js";
import { datasetHref, datasetPath, glassHref, modelHref, modelPath, versionPath } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { ago, name, number, percent, plain, seconds } from "../../parts/format.js";
import { near } from "../../parts/near.js";
import { go } from "../../parts/router.js";
import { toast } from "../../parts/toast.js";
import { aliasesOf } from "./aliases.js";
import { calibration, classTable, confusion, curves } from "./evaluation.js";
import { remove } from "./removal.js";

/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {import("./evaluation.js").Filter} Filter */

/** @param {Page} page */
export async function show(page) {
  const { params, signal, root } = page;
  const model = modelPath(params.name);
  const path = versionPath(params.name, params.version);
  const place = h("div");
  const title = `${plain(params.name)}@${plain(params.version)}`;
  page.title(title);
  root.append(h("h1", title), place);
  await load(place, "the version", async () => {
    const [version, owner, evaluation] = await Promise.all([
      get(path, { signal }), get(model, { signal }),
      get(`${path}/evaluation`, { signal }).catch((error) => {
        if (error instanceof Problem && error.code === "evaluation_not_found") return null;
        throw error;
      }),
    ]);
    const dataset = await get(datasetPath(version.dataset), { signal }).catch(() => null);
    return { version, owner, evaluation, dataset };
  }, (found) => content(page, found), signal);
}

/** @param {Page} page @param {{version: any, owner: any, evaluation: any, dataset: any}} found without a data set, if it is deleted */
function content(page, { version, owner, evaluation, dataset }) {
  const { signal } = page;
  const reference = `${version.model}@${version.version}`;
  page.title(reference);
  const path = versionPath(version.model, version.version);
  const quoted = JSON.stringify(reference);
  whenDeleted(page, reference, path, deletesVersion(version.model, version.version));
  const measured = (/** @type {string} */ field) => ({
    path: `${path}/evaluation`, python: `print(client.models.evaluation(${quoted}).${field})`, command: `glassbox models show ${reference}`,
  });
  const below = h("div", h("p", { class: "soft" }, "First layer, how it was trained, provenance …"));
  const belowShown = near(below, () => import("./below.js").then((made) => made.below(below, version, signal)).catch((error) => replace(below, problem(error))));
  const notice = h("div");
  const chips = h("span");
  /** @type {Promise<ReturnType<typeof import("./errors.js").testImages>> | null} */
  const shown = evaluation && import("./errors.js").then(({ testImages }) => testImages(page, version, evaluation.mistakes));
  const gallery = shown && later(shown.then(({ element }) => element));
  const open = (/** @type {Filter} */ filter) => void shown?.then((made) => made.open(filter), () => {});
  const aliases = aliasesOf({ model: version.model, notice, signal, async changed() {
    owner = await get(modelPath(version.model), { signal });
    replace(chips, aliases.chips(version.version, owner.aliases));
  } });
  replace(chips, aliases.chips(version.version, owner.aliases));
  live.on({ kind: "training", model: version.model, types: ["state"] }, ({ data }) => {
    if (data.state === "succeeded") void get(modelPath(version.model), { signal }).then((found) => replace(chips, aliases.chips(version.version, found.aliases)), () => {});
  }, signal);

  return [
    version.damaged && h("div", { class: "problem", role: "alert" }, h("strong", "This version is damaged"),
      h("p", "The digest of its file is wrong, so it is not used. Restore the file from a backup, or train it again.")),
    h("p", summary(version), " Made ", ago(version.created_at), " from the data set ", dataset
      ? h("a", { href: datasetHref(version.dataset) }, name(dataset.name)) : "that is deleted now", "."),
    h("p", { class: "row" }, "Aliases ", chips), notice,
    actions(page, version, owner, dataset, belowShown),
    figures(version, evaluation, open),
    version.diagnosis && panel("Diagnosis", { path, python: `print(client.models.version(${quoted}).diagnosis)`, command: `glassbox models show ${reference}` }, diagnosis(version)),
    evaluation?.history.length > 0 && panel("Training", measured("history"),
      curves([{ name: reference, history: evaluation.history }], signal),
      h("p", { class: "soft" }, h("a", { href: `/ui/jobs/${version.job}` }, "The job of this training"))),
    evaluation && panel("Confusion matrix", measured("confusion_matrix"), confusion(evaluation, open)),
    gallery,
    evaluation && panel("Classes", measured("classes"), classTable(evaluation, open)),
    evaluation && panel("Calibration", measured("calibration"), calibration(evaluation, open)),
    below,
  ];
}

/** @param {any} version */
function summary({ input, configuration, classes }) {
  const [height, width, channels] = input.image_shape;
  const convolutions = configuration.convolutions?.map((/** @type {any} */ layer) => `${number(layer.filters)} filters ${layer.kernel_size}×${layer.kernel_size}`);
  const layers = [
    convolutions?.length && `convolutions ${convolutions.join(", ")}`,
    configuration.hidden?.length && `hidden layers ${configuration.hidden.map(number).join(", ")}`,
  ].filter(Boolean).join(", ");
  return `${height}×${width} pixels${channels ? " in colour" : ""}, ${layers ? `${layers} (${configuration.activation})` : "no hidden layers"}, ${number(classes.length)} classes.`;
}

/** @param {Page} page @param {any} version @param {any} owner @param {any} dataset @param {() => Promise<void>} whole shows the rest of the page */
function actions({ root }, version, owner, dataset, whole) {
  const reference = `${version.model}@${version.version}`;
  const here = modelHref(version.model);
  const glass = glassHref(version.model, version.version);
  const rival = owner.aliases.champion ?? (owner.latest.version === version.version ? version.version - 1 : owner.latest.version);
  const against = rival && rival !== version.version ? `${version.version},${rival}` : String(version.version);
  const chip = (/** @type {string} */ text, /** @type {string} */ href) => h("a", { class: "chip", href }, text);
  const lost = h("div");
  const save = (/** @type {string} */ format) => h("button", { type: "button", onclick: () => download(
    `${version.links.weights}?format=${format}`, `${version.model}-${version.version}.${format}`).then(() => replace(lost), (error) => replace(lost, problem(error))) }, format);
  const pointing = Object.keys(owner.aliases).filter((alias) => owner.aliases[alias] === version.version);
  const deletion = allowed(h("button", { type: "button", onclick: () => remove({
    what: reference, path: version.links.weights.replace(/\/weights$/, ""), aliases: pointing, gone: () => go(here), back(error) {
      if (error instanceof Problem) toast(plain(error.message), { seconds: 15 });
      go(`${here}/${version.version}`);
    },
  }) }, "Delete"), "manage");
  const file = h("button", { type: "button", onclick: () => Promise.all([import("../../common/save.js"), whole()]).then(([{ saveAsFile }]) =>
    saveAsFile(root, reference, `${version.model}-${version.version}.html`)).then(() => replace(lost), (error) => replace(lost, problem(error))) }, "Save as one file");
  return h("div", { class: "unsaved" }, lost, h("p", { class: "row" },
    chip("Classify an image", `/ui/predict?model=${encodeURIComponent(reference)}`),
    chip("Classify an archive", `/ui/batches?model=${encodeURIComponent(reference)}`),
    chip("Look inside", glass),
    chip("Compare", `${here}/compare?versions=${against}`),
    dataset && later(import("../../common/again.js").then(({ compareWithChampion, trainAgain }) => h("div", { class: "row" },
      trainAgain(version.model, version.version, dataset.name, `Train again on ${plain(dataset.name)}`),
      owner.aliases.champion && owner.aliases.champion !== version.version && compareWithChampion(version.model, version.version, version.dataset)))),
    chip("Train again with …", `/ui/train?like=${encodeURIComponent(reference)}`),
    h("span", "Weights ", save("npz"), " ", save("safetensors"), " ", save("onnx")), file, deletion));
}

/** @param {any} version @param {any} evaluation @param {(filter: Filter) => void} open */
function figures({ metrics, accuracy_interval: interval, baselines, parameters }, evaluation, open) {
  const wrong = evaluation && evaluation.samples - Math.round(evaluation.accuracy * evaluation.samples);
  const link = (/** @type {string} */ text, /** @type {Filter} */ filter) => h("button", { type: "button", class: "link", onclick: () => open(filter) }, text);
  const second = evaluation?.top_accuracy["2"];
  /** @type {[string, any][]} */
  const found = [
    ["Test accuracy", [percent(evaluation?.accuracy ?? metrics.test_accuracy, 2), interval && h("span", { class: "small soft" }, ` ${percent(interval[0])} – ${percent(interval[1])}`)]],
    ["Linear model", baselines && percent(baselines.linear)],
    ["Most frequent class", baselines && percent(baselines.majority_class)],
    [`Errors of ${number(evaluation?.samples)}`, evaluation && link(number(wrong), { wrong: true })],
    ["Top-2 accuracy", second !== undefined && percent(second, 2)],
    ["Test loss", number(evaluation?.loss ?? metrics.test_loss)],
    ["Calibration error", evaluation && percent(evaluation.calibration.expected_error, 2)],
    ["Parameters", number(parameters)],
    ["Training time", metrics.training_seconds !== undefined && seconds(metrics.training_seconds)],
  ];
  return terms("figures", found);
}

/** @param {any} version */
function diagnosis({ diagnosis: found }) {
  if (!found.length) return h("p", "No problem was found.");
  return found.map((/** @type {any} */ each) => h("p", { class: "warning" }, plain(each.message), " ", h("code", plain(each.code))));
}

/** A place for what is loaded after what is seen first. @param {Promise<import("../../parts/dom.js").Child>} made */
function later(made) {
  const place = h("div");
  made.then((found) => replace(place, found), (error) => replace(place, problem(error)));
  return place;
}

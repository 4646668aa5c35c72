/** Two to four versions of a model beside each other: figures, settings that differ, curves, and the same test images. */

import { address, get, page as pageOf, send } from "../../api.js";
import { quoted } from "../../common/code.js";
import { live } from "../../live.js";
import { deletesVersion, whenDeleted } from "../../common/deleted.js";
import { allowed, load, panel, problem, state, terms } from "../../common/panel.js";
import { datasetHref, datasetPath, modelHref, modelPath, versionPath } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { name, number, percent, plain, seconds } from "../../parts/format.js";
import { matrix } from "../../parts/charts/matrix.js";
import { go } from "../../parts/router.js";
import { aliasesOf } from "./aliases.js";
import { asCode, curves, flat, words } from "./evaluation.js";

/** @typedef {import("../../parts/router.js").Page} Page */
/**
 * What is compared: a version's own evaluation, or that of a job. path: where its predictions are; as: how the other's
 * comparison names it.
 * @typedef {{reference: string, evaluation: any, path: string, as: string}} Side
 */

const MOST = 4;
const CELLS = ["both_right", "only_this_right", "only_other_right", "both_wrong"];

/** @param {Page} page */
export async function show(page) {
  const { params, signal, root } = page;
  const place = h("div");
  page.title(`Compare versions of ${plain(params.name)}`);
  root.append(h("h1", "Compare versions of ", h("a", { href: modelHref(params.name) }, name(params.name))), place);
  await load(place, "the versions", () => read(page), (found) => content(page, found), signal);
}

/** @param {Page} page */
async function read({ params, query, signal }) {
  const model = modelPath(params.name);
  const [owner, list] = await Promise.all([get(model, { signal }), pageOf(`${model}/versions`, { limit: 100 }, signal)]);
  const newest = list.items.map(({ version }) => String(version));
  const champion = String(owner.aliases.champion ?? newest[1] ?? newest[0]);
  const wanted = query.get("versions")?.split(",").slice(0, MOST) ?? [newest[0], champion === newest[0] ? (newest[1] ?? champion) : champion];
  const compared = await Promise.all([...new Set(wanted)].map(async (number) => {
    const path = versionPath(params.name, number);
    const [version, evaluation] = await Promise.all([get(path, { signal }), get(`${path}/evaluation`, { signal })]);
    return { version, evaluation };
  }));
  for (const { version } of compared) {
    const dataset = await get(datasetPath(version.dataset), { signal }).catch(() => null); // deleted
    version.named = dataset?.name ?? version.dataset.slice(0, 15);
  }
  return { owner, newest, compared };
}

/** @param {Page} page @param {{owner: any, newest: string[], compared: {version: any, evaluation: any}[]}} found */
function content(page, { owner, newest, compared }) {
  const { signal } = page;
  const versions = compared.map(({ version }) => version);
  for (const { model, version, links } of versions) {
    whenDeleted(page, `${model}@${version}`, links.evaluation.replace(/\/evaluation$/, ""), deletesVersion(model, version));
  }
  const numbers = versions.map((/** @type {any} */ { version }) => String(version));
  const rest = newest.filter((each) => !numbers.includes(each));
  const more = h("select", { "aria-label": "Add a version", onchange: () => chosen([...numbers, more.value]) },
    h("option", { value: "" }, "add a version"), rest.map((each) => h("option", { value: each }, `@${each}`)));
  /** @param {string[]} next */
  function chosen(next) {
    go(`${location.pathname}?versions=${next.join()}`);
  }
  /** @type {Side[]} */
  const own = compared.map(({ version, evaluation }) => ({
    reference: `${version.model}@${version.version}`, evaluation, path: version.links.evaluation.replace(/\/evaluation$/, ""),
    as: `${version.model}@${version.version}`,
  }));
  const one = new Set(versions.map((/** @type {any} */ each) => each.dataset)).size === 1;
  const pairs = h("div");
  if (one && own.length > 1) replace(pairs, beside(own, signal));
  else if (own.length > 1) replace(pairs, h("p", { class: "warning" }, "The versions were tested on different images: evaluate them on the same test set below."));
  const as = {
    path: `${modelPath(owner.name)}/versions`, command: `glassbox models compare ${own.map(({ reference }) => reference).join(" ")}`,
    python: `for version in ${JSON.stringify(own.map(({ reference }) => reference))}:\n    print(client.models.version(version))`,
  };
  const same = sameTest(page, own, versions, pairs);
  const isAsked = page.query.has("dataset");
  return [
    h("p", { class: "row" }, numbers.map((each) => h("span", { class: "row" },
      h("a", { class: "chip", href: modelHref(owner.name, each) }, `@${each}`),
      numbers.length > 2 && h("button", { type: "button", "aria-label": `Remove version ${each}`, onclick: () => chosen(numbers.filter((other) => other !== each)) }, "×"))),
      numbers.length < MOST && rest.length > 0 && more),
    isAsked && same,
    panel("Figures", as, figures(compared), promotion(page, owner, own)),
    panel("Settings that differ", as, differences(versions)),
    panel("Training", as, curves(compared.map(({ version, evaluation }) => ({ name: `@${version.version}`, history: evaluation.history })), signal)),
    pairs,
    !isAsked && same,
  ];
}

/** @param {string} label @param {string[]} heads @param {[string, ...import("../../parts/dom.js").Child[]][]} rows */
function grid(label, heads, rows) {
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": label }, h("table",
    h("thead", h("tr", h("td"), heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", rows.map(([head, ...cells]) => h("tr", h("th", { scope: "row" }, plain(head)), cells.map((cell) => h("td", cell)))))));
}

/** @param {{version: any, evaluation: any}[]} compared */
function figures(compared) {
  /** @type {[string, (each: {version: any, evaluation: any}) => import("../../parts/dom.js").Child][]} */
  const rows = [
    ["Test accuracy", ({ version, evaluation }) => `${percent(evaluation.accuracy, 2)}${range(version.accuracy_interval)}`],
    ["Test loss", ({ evaluation }) => number(evaluation.loss)],
    ["Calibration error", ({ evaluation }) => percent(evaluation.calibration.expected_error, 2)],
    ["Parameters", ({ version }) => number(version.parameters)],
    ["Training time", ({ version }) => seconds(version.metrics.training_seconds)],
    ["Images a second", ({ version }) => number(version.metrics.images_per_second)],
    ["Test images", ({ evaluation }) => number(evaluation.samples)],
    ["Data set", ({ version }) => h("a", { href: datasetHref(version.dataset) }, name(version.named))],
    ["Aliases", ({ version }) => version.aliases.map((/** @type {string} */ alias) => h("span", { class: "chip" }, name(alias)))],
  ];
  return grid("Figures", compared.map(({ version }) => `@${version.version}`), rows.map(([head, cell]) => [head, ...compared.map(cell)]));
}

/** @param {[number, number] | null | undefined} interval */
function range(interval) {
  return interval ? ` (${percent(interval[0])} – ${percent(interval[1])})` : "";
}

/** @param {any[]} versions */
function differences(versions) {
  const all = versions.map((each) => new Map(flat({ ...each.configuration, "data set": each.dataset, "BLAS threads": each.blas_threads, environment: each.environment })));
  const keys = [...new Set(all.flatMap((each) => [...each.keys()]))].filter((key) => new Set(all.map((each) => each.get(key))).size > 1);
  if (!keys.length) return h("p", "All settings, the data set and the environment are the same.");
  return grid("Settings that differ", versions.map((each) => `@${each.version}`), keys.map((key) => [key, ...all.map((each) => plain(each.get(key) ?? "–"))]));
}

/** The version with the highest accuracy on the same images, and the alias that moves to it. @param {Page} page @param {any} owner @param {Side[]} sides */
function promotion(page, owner, sides) {
  const notice = h("div");
  const place = h("p", { class: "row" });
  const aliases = aliasesOf({ model: owner.name, notice, signal: page.signal, async changed() {
    owner = await get(modelPath(owner.name), { signal: page.signal });
    draw();
  } });
  function draw() {
    const best = sides.reduce((top, side) => (side.evaluation.accuracy > top.evaluation.accuracy ? side : top));
    const names = Object.keys(owner.aliases);
    const choice = h("select", { "aria-label": "Alias" }, (names.includes("champion") ? names : ["champion", ...names]).map((alias) => h("option", { value: alias }, plain(alias))));
    const to = best.evaluation.version;
    replace(place, `@${to} has the highest test accuracy. `,
      allowed(h("button", { type: "button", class: "primary", onclick: () => void aliases.move(choice.value, owner.aliases[choice.value], to) }, `Promote @${to}`), "manage"),
      " to ", choice, names.length > 0 && h("span", { class: "soft" }, names.map((alias) => `${plain(alias)} is version ${owner.aliases[alias]}`).join(", ")));
  }
  draw();
  return [place, notice];
}

/** Image by image: the first side and each other one. @param {Side[]} sides @param {AbortSignal} signal */
function beside(sides, signal) {
  const [first, ...others] = sides;
  return others.map((other) => {
    const place = h("div");
    const title = `${plain(first.reference)} and ${plain(other.reference)} on the same images`;
    const gallery = h("div");
    const { model, version, dataset, split = "test" } = first.evaluation;
    /** @type {Promise<{show: (filter: any, words: string) => any}> | null} */
    let shown = null;
    /** @type {Record<string, any> | null} of the images that are shown */
    let chosen = null;
    const open = async (/** @type {Record<string, any>} */ filter, /** @type {string} */ what) => {
      shown ??= import("./images.js").then(({ images }) => {
        const made = images({ path: `${first.path}/predictions/compare`, dataset, split, model, version }, { signal });
        replace(gallery, made.element);
        return made;
      });
      const legend = `${what} (class: prediction of ${plain(first.reference)} / ${plain(other.reference)})`;
      chosen = { with: other.as, order: "most_confident", ...filter };
      document.dispatchEvent(new Event("viewchange"));
      await (await shown).show(chosen, legend);
      gallery.scrollIntoView({ block: "nearest" });
    };
    void load(place, "the comparison", (until) => get(`${first.path}/predictions/compare`, { query: { with: other.as, limit: 1 }, signal: until }), (found) => [
      terms("figures", CELLS.map((cell) => [said(cell, first, other),
        h("button", { type: "button", class: "link", onclick: () => void open({ cell }, `images: ${said(cell, first, other)}`) }, number(found.counts[cell]))])),
      h("p", verdict(found)),
      h("h3", "Confusion matrix: ", `${plain(first.reference)} minus ${plain(other.reference)}`),
      difference(first, other, (filter) => void open(filter, words(filter, `${first.reference}:`))),
    ], signal);
    const call = (/** @type {string} */ name) => `client.${first.as.includes("@") ? "models" : "jobs"}.${name}(${JSON.stringify(first.as)}, ${JSON.stringify(other.as)}`;
    const path = `${first.path}/predictions/compare`;
    return panel(title, () => chosen ? asCode(path, call("compared_images"), chosen) : { path: address(path, { with: other.as }), python: `print(${call("compare")}))` }, place, gallery);
  });
}

/** @param {string} cell @param {Side} first @param {Side} other */
function said(cell, first, other) {
  const names = [plain(first.reference), plain(other.reference)];
  if (cell === "only_this_right") return `only ${names[0]} is right`;
  return cell === "only_other_right" ? `only ${names[1]} is right` : cell.replace("_", " are ");
}

/** McNemar's exact test in words. @param {any} found */
function verdict({ p_value: p, counts }) {
  const differing = counts.only_this_right + counts.only_other_right;
  if (!differing) return "Both are right on the same images.";
  const text = `If both were equally good, the ${number(differing)} images on which only one is right would be split at least as unevenly with a probability of ${number(p)} (McNemar's exact test). `;
  return text + (p < 0.05 ? "The difference is hardly chance." : "These test images are too few to show a difference, which does not mean that there is none.");
}

/** @param {Side} first @param {Side} other @param {(filter: any) => void} open */
function difference(first, other, open) {
  const labels = first.evaluation.classes.map((/** @type {any} */ each) => each.label);
  const theirs = new Map(other.evaluation.classes.map((/** @type {any} */ each, /** @type {number} */ index) => [each.label, index]));
  const counts = first.evaluation.confusion_matrix.map((/** @type {number[]} */ row, /** @type {number} */ i) => row.map((count, j) => {
    const [a, b] = [theirs.get(labels[i]), theirs.get(labels[j])];
    return count - (a === undefined || b === undefined ? 0 : other.evaluation.confusion_matrix[a][b]);
  }));
  return matrix({ label: "Difference of the confusion matrices", names: labels.map(plain), counts, difference: true,
    onselect: (i, j) => open({ label: labels[i], predicted: labels[j] }) }).element;
}

/** Evaluate all versions on one data set by jobs, and compare them on it. @param {Page} page @param {Side[]} own @param {any[]} versions @param {HTMLElement} pairs */
function sameTest(page, own, versions, pairs) {
  const { query, signal, setQuery } = page;
  const field = h("input", { id: "dataset", list: "datasets", required: true, value: query.get("dataset") ?? "", placeholder: "a data set's name or id" });
  const known = h("datalist", { id: "datasets" });
  const result = h("div", { "aria-live": "polite" });
  const button = allowed(h("button", { class: "primary" }, `Evaluate ${own.length > 2 ? `all ${own.length}` : "both"} on it`), "submit");
  /** @type {any[]} */
  let jobs = [];
  let shown = false;
  pageOf("/v1/datasets", { limit: 500 }, signal).then(({ items, built_in: others = [] }) =>
    replace(known, [...new Set([...items, ...others].map((each) => each.name))].map((value) => h("option", { value }))), () => {});
  live.on({ kind: "evaluation" }, ({ type, job }) => {
    if (jobs.length && (type === "missed" || jobs.some(({ id }) => id === job))) void follow(jobs.map(({ id }) => id));
  }, signal);
  const before = query.get("jobs");
  if (before) void follow(before.split(",").slice(0, MOST));

  /** @param {Event} event */
  async function start(event) {
    event.preventDefault();
    try {
      const made = [];
      for (const { reference } of own) {
        const body = { model: reference, dataset: field.value.trim(), split: "test" };
        made.push(await send("POST", "/v1/evaluation-jobs", body, { signal, idempotent: true }));
      }
      jobs = made;
      shown = false;
      setQuery({ dataset: field.value.trim(), jobs: jobs.map(({ id }) => id).join() });
      await follow(jobs.map(({ id }) => id));
    } catch (error) {
      if (!signal.aborted) replace(result, problem(error));
    }
  }

  /** @param {string[]} ids */
  async function follow(ids) {
    if (shown) return;
    try {
      jobs = await Promise.all(ids.map((id) => get(`/v1/jobs/${encodeURIComponent(id)}`, { signal })));
      replace(result, jobs.map((job) => h("p", state(job.state), " ", h("a", { href: `/ui/jobs/${job.id}` }, name(job.request.model)), job.error && ` ${plain(job.error.detail)}`)));
      if (!jobs.every((job) => job.state === "succeeded") || shown) return;
      shown = true;
      const evaluations = await Promise.all(ids.map((id) => get(`/v1/jobs/${encodeURIComponent(id)}/evaluation`, { signal })));
      const sides = evaluations.map((evaluation, index) => ({
        reference: `${evaluation.model}@${evaluation.version}`, evaluation, path: `/v1/jobs/${ids[index]}`, as: ids[index],
      }));
      result.append(grid("On the same test set", sides.map((side) => `@${side.evaluation.version}`), [
        ["Accuracy", ...evaluations.map((each) => `${percent(each.accuracy, 2)}${range(each.accuracy_interval)}`)],
        ["Loss", ...evaluations.map((each) => number(each.loss))], ["Images", ...evaluations.map((each) => number(each.samples))],
      ]), h("div", promotion(page, await get(modelPath(page.params.name), { signal }), sides)));
      replace(pairs, beside(sides, signal));
    } catch (error) {
      shown = false;
      if (!signal.aborted) replace(result, problem(error, () => void follow(ids), signal));
    }
  }

  return panel("On the same test set", () => {
    const [{ reference }, dataset] = [own[0], field.value || versions[0].named];
    return { method: "POST", path: "/v1/evaluation-jobs", body: { model: reference, dataset, split: "test" }, command: `glassbox evaluate ${reference} ${quoted(dataset)}`,
      python: `print(client.evaluate(${JSON.stringify(reference)}, ${JSON.stringify(dataset)}).wait().result)` };
  },
    h("form", { class: "row", onsubmit: start }, h("label", { for: "dataset" }, "Test images of the data set"), field, known, button), result);
}

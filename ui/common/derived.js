/** What corrections have made, a data set, and what to do with it next. */

import { page as pageOf } from "../api.js";
import { compareWithChampion, trainAgain } from "./again.js";
import { problem } from "./panel.js";
import { datasetHref } from "./paths.js";
import { h, replace } from "../parts/dom.js";
import { name, number, plain } from "../parts/format.js";
import { skippedFiles } from "./skipped.js";

/**
 * What a correction has made, and what to do with it: train again the version that it is for, else the models whose
 * newest version was trained on what the data set was made of.
 * @param {any} made the data set @param {number} sent the number of corrections @param {any} source the data set before
 * @param {{model: string, version: string | number} | null} owner
 */
export function derived(made, sent, source, owner) {
  const query = new URLSearchParams({ dataset: made.name });
  if (owner) query.set("like", `${owner.model}@${owner.version}`);
  const steps = h("div");
  nextSteps(made, [source?.id, source?.provenance?.derived_from], owner)
    .then((buttons) => replace(steps, buttons), (error) => replace(steps, problem(error)));
  const left = Object.values(made.skipped).reduce((sum, { count }) => sum + count, 0);
  return [
    h("p", `${number(sent - left)} of ${number(sent)} corrections are in the data set `,
      h("a", { href: datasetHref(made.name) }, name(made.name)),
      `, which has ${number(made.splits.train)} images for training.`),
    skippedFiles(made.skipped),
    steps,
    h("p", h("a", { class: "chip", href: `/ui/train?${query}` }, "Train on it with …")),
  ];
}

/** @param {any} made @param {string[]} sources @param {{model: string, version: string | number} | null} owner */
async function nextSteps(made, sources, owner) {
  const models = owner ? [owner] : (await pageOf("/v1/models", { limit: 500 })).items.map(({ latest }) => latest)
    .filter(({ dataset }) => sources.includes(dataset)).slice(0, 3);
  return models.map(({ model, version }) => h("div", { class: "row" },
    trainAgain(model, version, made.id, owner ? undefined : `Train ${plain(model)} again`), compareWithChampion(model, owner ? version : null, made.id)));
}

/** A job. A training and a batch have pages of their own; the others show their progress and their result. */

import { get } from "../../api.js";
import { load, panel, problem, terms } from "../../common/panel.js";
import { datasetHref } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { name as nameOf, number, percent, plain } from "../../parts/format.js";
import { again } from "../../parts/router.js";
import { follow, head } from "./jobhead.js";
import { training } from "./training.js";

/** @typedef {import("../../parts/router.js").Page} Page */

/** @param {Page} page */
export async function show(page) {
  const id = page.params.id;
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  page.title(`Job ${id}`);
  const place = h("div", h("h1", { class: "name", dir: "auto" }, `Job ${plain(id)}`));
  const content = h("div");
  page.root.append(place, content);
  await load(content, "the job", () => get(path, { signal: page.signal }), (job) => {
    place.remove();
    if (job.kind === "batch") {
      history.replaceState(null, "", `/ui/batches/${job.id}${location.search}`);
      queueMicrotask(again);
      return null;
    }
    return job.kind === "training" ? training(page, job) : plainJob(page, job);
  }, page.signal);
}

/** @param {Page} page @param {any} first */
function plainJob(page, first) {
  const kind = plain(first.kind);
  const title = `${kind[0].toUpperCase()}${kind.slice(1)} of ${plain(String(first.request.model ?? first.id))}`;
  const top = head(page, title, first);
  const result = h("div");
  const told = h("div");
  const found = h("div");
  page.title(title);

  /** @param {any} job */
  function draw(job) {
    top.update(job);
    replace(result, job.result
      ? [told, facts(job.result)]
      : h("p", { class: "soft" }, job.error ? "No result." : "The result appears here when the job ends."));
    if (job.kind === "reproduction" && job.result && !told.hasChildNodes())
      import("../models/reproduction.js").then(({ verdict }) => replace(told, verdict(job.result)), (error) => replace(told, problem(error)));
    if (job.links.evaluation && job.result && !found.dataset.shown) {
      found.dataset.shown = "yes";
      import("./evaluated.js").then(({ evaluated }) => found.append(evaluated(page, job)), (error) => replace(found, problem(error)));
    }
  }

  draw(first);
  follow(page, first, { onjob: draw });
  const asCode = { path: `/v1/jobs/${first.id}`, python: `print(client.jobs.get(${JSON.stringify(first.id)}))`, command: `glassbox jobs show ${first.id}` };
  return [
    top.element,
    panel("Result", asCode, result),
    found,
    panel("Request", { ...asCode, python: `print(client.jobs.get(${JSON.stringify(first.id)}).request)` }, facts(first.request)),
  ];
}

/** What a JSON object says, one line a member. @param {Record<string, any>} object */
export function facts(object) {
  return terms("facts", Object.entries(object).map(([name, value]) => [plain(name.replaceAll("_", " ")), text(name, value)]));
}

/** @param {string} name @param {any} value @returns {string | HTMLElement} */
function text(name, value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return /accuracy|agreement/.test(name) ? percent(value, 2) : number(value);
  if (name === "dataset") return h("a", { href: datasetHref(value) }, nameOf(value));
  if (Array.isArray(value) && value.every((one) => typeof one === "number")) return value.map((one) => text(name, one)).join(", ");
  if (typeof value === "object") return plain(JSON.stringify(value));
  return plain(String(value));
}

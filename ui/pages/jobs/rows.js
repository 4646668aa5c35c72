/** A job as a row of the board, and as a card while it runs. */

import { hasEnded, hrefOf, modelLink, tookOf } from "../../common/actions.js";
import { state } from "../../common/panel.js";
import { h } from "../../parts/dom.js";
import { ago, number, percent, plain, seconds } from "../../parts/format.js";

/** @typedef {any} Job */

/** @type {import("../../parts/table.js").Column<Job>[]} */
export const COLUMNS = [
  { name: "id", label: "Job", cell: (job) => h("a", { href: hrefOf(job), title: job.id, class: "id" }, job.id.slice(-6)) },
  { name: "kind", label: "Kind", cell: (job) => job.kind },
  { name: "state", label: "State", cell: (job) => state(job.state) },
  { name: "model", label: "Model", cell: model },
  { name: "result", label: "Result", cell: result },
  { name: "submitted", label: "Submitted", cell: (job) => ago(job.created_at) },
  { name: "took", label: "Took", numeric: true, cell: (job) => seconds(tookOf(job)) },
];

/** @param {Job} job */
function model(job) {
  return job.request?.model ? modelLink(job) : "–";
}

/** @param {Job} job */
function result(job) {
  const { error, result: made, waiting } = job;
  if (error) return h("span", { class: "small" }, h("code", error.code), ` ${plain(error.detail)}`);
  if (made?.test_accuracy !== undefined) return `${percent(made.test_accuracy)} correct`;
  if (made?.accuracy !== undefined) return `${percent(made.accuracy)} correct`;
  if (made?.images_per_second !== undefined) return `${number(made.succeeded)} of ${number(made.total)} images, ${number(Math.round(made.images_per_second))}/s`;
  if (made?.reproduced !== undefined) return made.reproduced ? "reproduced bit for bit" : "not reproduced";
  if (waiting) return h("span", { class: "small" }, plain(waiting.detail ?? waiting.reason ?? "waiting"));
  return hasEnded(job) ? "–" : progressText(job);
}

/** @param {Job} job */
function progressText({ progress: { done, total, unit, eta_seconds: left, place, starts_in_seconds: start } }) {
  if (place) return `place ${place} in the queue${start == null ? "" : `, starts in about ${seconds(start)}`}`;
  return `${number(done)} of ${number(total)} ${unit}${left ? `, ${seconds(left)} left` : ""}`;
}

/** @param {Job} job */
export function card(job) {
  const { progress: { done, total }, metrics } = job;
  return h(
    "section",
    { class: "panel" },
    h("h2", h("a", { href: hrefOf(job) }, `${job.kind} ${job.id.slice(-6)}`)),
    h("p", state(job.state), " ", model(job)),
    h("progress", { value: total ? done / total : 0, "aria-label": "progress" }),
    h("p", { class: "small" }, progressText(job), metrics?.train_loss !== undefined && ` · loss ${number(metrics.train_loss)}`),
  );
}

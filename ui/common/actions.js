/** What a person does to jobs, on every page that shows one: cancel, retry, delete with undo; and where a job's page is. */

import { send } from "../api.js";
import { allowed, problem } from "./panel.js";
import { modelHref } from "./paths.js";
import { h } from "../parts/dom.js";
import { name } from "../parts/format.js";
import { toast } from "../parts/toast.js";

const ENDED = ["succeeded", "completed_with_errors", "failed", "cancelled"];

/** @param {{state: string}} job */
export function hasEnded(job) {
  return ENDED.includes(job.state);
}

/** A job as an answer has it, with the progress of an event that arrived before the answer. @param {any} known @param {any} next @returns {any} */
export function updated(known, next) {
  const isOlder = known?.progress && next.state === known.state && next.attempt === known.attempt && next.progress.done < known.progress.done;
  return isOlder ? { ...next, progress: known.progress, metrics: known.metrics } : next;
}

/** How long a job took, null before its end. @param {any} job @returns {number | null} seconds */
export function tookOf({ started_at: from, finished_at: to }) {
  return from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : null;
}

/** @param {{id: string, kind: string}} job */
export function hrefOf({ id, kind }) {
  return `/ui/${kind === "batch" ? "batches" : "jobs"}/${id}`;
}

/** "digits@3" as the job pinned it, or as it was requested. @param {Record<string, any>} job @returns {string} */
export function modelOf({ result, request }) {
  const [model, reference] = String(result?.model ?? request.model).split("@");
  const version = result?.version ?? reference ?? request.version;
  return version === undefined ? model : `${model}@${version}`;
}

/** That model as a link. @param {Record<string, any>} job */
export function modelLink(job) {
  const [model, version] = modelOf(job).split("@");
  return h("a", { href: modelHref(model, version) }, name(modelOf(job)));
}

/** @param {string} id */
export function cancel(id) {
  return send("POST", `/v1/jobs/${id}/cancel`);
}

/** @param {string} id */
export function retry(id) {
  return send("POST", `/v1/jobs/${id}/retry`);
}

/**
 * Delete jobs, unless a person undoes it within some seconds.
 * @param {string[]} ids
 * @param {{hide: () => void, restore: (error?: unknown) => void}} view what happens on the page meanwhile
 */
export function remove(ids, { hide, restore }) {
  hide();
  toast(ids.length === 1 ? "1 job deleted" : `${ids.length} jobs deleted`, {
    undo: () => restore(),
    commit: () =>
      void Promise.all(ids.map((id) => send("DELETE", `/v1/jobs/${id}`, null, { keepalive: true }))).catch(restore),
  });
}

/**
 * The buttons of one job. `changed` gets the job as it is afterwards; null after its deletion.
 * @param {{id: string, state: string, kind: string}} job
 * @param {(job: any | null) => void} changed
 */
export function buttons(job, changed) {
  const errors = h("div");
  /** @param {string} text @param {() => Promise<any>} act */
  const button = (text, act) => {
    const made = h("button", { type: "button", onclick: async () => {
      made.disabled = true;
      try {
        changed(await act());
      } catch (error) {
        made.disabled = false;
        errors.replaceChildren(problem(error));
      }
    } }, text);
    return allowed(made, "submit");
  };
  const away = () => remove([job.id], { hide: () => changed(null), restore: () => changed(job) });
  return h(
    "div",
    h(
      "div",
      { class: "row" },
      !hasEnded(job) && job.state !== "cancelling" && button("Cancel", () => cancel(job.id)),
      hasEnded(job) && job.state !== "succeeded" && button("Retry", () => retry(job.id)),
      hasEnded(job) && allowed(h("button", { type: "button", onclick: away }, "Delete"), "manage"),
    ),
    errors,
  );
}

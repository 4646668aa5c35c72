/** The head of a job's page: state, progress, what it waits for or why it failed, and what can be done with it. */

import { buttons, hasEnded, hrefOf, modelLink, tookOf, updated } from "../../common/actions.js";
import { get } from "../../api.js";
import { live } from "../../live.js";
import { remedy, state, warnings } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { ago, number, plain, seconds } from "../../parts/format.js";
import { go } from "../../parts/router.js";

/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {any} Job the JSON of `/v1/jobs/{id}` */

/**
 * Keep a job current until the person leaves: `onjob` gets it after each change, `onevent` each event of its log.
 * @param {Page} page
 * @param {Job} job
 * @param {{onjob: (job: Job) => void, onevent?: (event: import("../../live.js").LiveEvent) => void}} options
 */
export function follow(page, job, { onjob, onevent }) {
  const { signal } = page;
  let reads = false;
  let stale = false;

  /** @param {Job} next */
  function take(next) {
    if (job.deleted) return;
    job = updated(job, next);
    onjob(job);
  }

  async function read() {
    stale = reads;
    if (reads) return;
    reads = true;
    try {
      take(await get(`/v1/jobs/${job.id}`, { signal }));
    } catch (error) {
      if (signal.aborted) return;
      if (/** @type {any} */ (error).status === 404) take({ ...job, deleted: true });
      else setTimeout(() => !signal.aborted && void read(), 3000);
    }
    reads = false;
    if (stale) void read();
  }

  live.on({ job: job.id }, (event) => {
    if (event.type === "deleted") take({ ...job, deleted: true });
    else if (event.type === "progress" || event.type === "epoch") {
      // A late event of an attempt must not move a job that has ended.
      if (!hasEnded(job)) take({ ...job, progress: event.data.progress ?? job.progress, metrics: event.data.metrics ?? job.metrics });
      const codes = (/** @type {any[]} */ (job.diagnosis ?? [])).map(({ code }) => code);
      if (event.type === "epoch" && !hasEnded(job) && codes.join() !== (event.data.diagnosis ?? []).join()) void read(); // a finding ended
    } else void read();
    onevent?.(event);
  }, signal);
}

/**
 * @param {Page} page
 * @param {string} title
 * @param {Job} job
 * @param {import("../../parts/dom.js").Child} [more] further buttons
 * @returns {{element: HTMLElement, update(job: Job): void}}
 */
export function head(page, title, job, more) {
  const facts = h("p", { class: "row" });
  const bar = h("progress", { "aria-label": "Progress" });
  const notes = h("div", { "aria-live": "polite" });
  const actions = h("div");
  let shown = "";
  const id = h("button", { type: "button", class: "small", title: "Copy the id", onclick: () => void navigator.clipboard?.writeText(job.id) }, h("code", job.id));
  const element = h("header", { class: "job" },
    h("div", { class: "row" }, h("h1", title), h("span", { class: "grow" }), more, actions), h("div", { class: "row" }, id, facts), bar, notes);

  /** After a button: the job as it is now, null if it is deleted, which can be undone from the next page. @param {Job | null} after */
  function acted(after) {
    if (!after) go("/ui/");
    else if (page.signal.aborted) go(hrefOf(after));
    else update(after);
  }

  /** @param {Job} next */
  function update(next) {
    job = next;
    const { progress, deleted } = job;
    const done = hasEnded(job);
    replace(facts, state(deleted ? "deleted" : job.state), modelLink(job),
      progress.total > 0 && h("span", `${number(progress.done)} of ${number(progress.total)} ${progress.unit}`),
      !done && progress.eta_seconds > 0 && h("span", { class: "soft" }, `about ${seconds(progress.eta_seconds)} left`),
      job.attempt > 1 && h("span", { class: "soft" }, `attempt ${job.attempt}`),
      h("span", { class: "soft" }, "submitted ", ago(job.created_at)),
      done && job.started_at && h("span", { class: "soft" }, `took ${seconds(tookOf(job))}`));
    bar.hidden = done || deleted;
    bar.max = progress.total || 1;
    if (job.state === "queued") bar.removeAttribute("value");
    else bar.value = progress.done;
    const texts = [...(job.warnings ?? [])];
    if (deleted) texts.unshift("This job was deleted. What is shown is its last state.");
    if (job.waiting) texts.unshift(`It waits: ${job.waiting.detail}`);
    replace(notes,
      job.error && h("div", { class: "problem" }, h("strong", "The job failed"), h("p", plain(job.error.detail)),
        remedy(plain(job.error.code))),
      warnings(texts));
    const now = deleted ? "deleted" : job.state;
    if (now !== shown) replace(actions, !deleted && buttons(job, acted)); // else the button keeps the focus
    shown = now;
  }

  update(job);
  return { element, update };
}

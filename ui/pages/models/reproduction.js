/** "Train it again": a job that repeats the training, and whether all bits agree. */

import { get, page as pageOf, send } from "../../api.js";
import { hasEnded } from "../../common/actions.js";
import { live } from "../../live.js";
import { allowed, problem, state } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { ago, number, percent, plain } from "../../parts/format.js";

/** @param {any} version @param {AbortSignal} signal */
export function reproduction({ model, version, links }, signal) {
  const place = h("div", { "aria-live": "polite" });
  const button = allowed(h("button", { type: "button", onclick: start }, "Train it again and compare the bits"), "submit");
  /** @type {any} */
  let job = null;
  live.on({ kind: "reproduction", model }, (event) => {
    if (job && (event.type === "missed" || event.job === job.id)) void read();
  }, signal);
  void latest();

  /** The last one that is still known. */
  async function latest() {
    const found = await pageOf("/v1/jobs", { kind: "reproduction", model, limit: 100 }, signal).catch(() => ({ items: [] }));
    job ??= found.items.find(({ result, request }) => (result ? result.version === version : request.model === `${model}@${version}`)) ?? null;
    if (!signal.aborted && job) draw();
  }

  async function start() {
    button.disabled = true;
    try {
      job = await send("POST", links.reproduce, null, { signal, idempotent: true });
      draw();
    } catch (error) {
      if (!signal.aborted) replace(place, problem(error));
    }
    button.disabled = false;
  }

  async function read() {
    try {
      job = await get(`/v1/jobs/${job.id}`, { signal });
      draw();
    } catch (error) {
      if (!signal.aborted) replace(place, problem(error, () => void read(), signal));
    }
  }

  function draw() {
    const { progress, result, error } = job;
    const running = !hasEnded(job);
    replace(place, h("p", state(job.state), " ", h("a", { href: `/ui/jobs/${job.id}` }, "job ", h("code", job.id)), " ", ago(job.created_at),
      running && progress.total ? `, ${percent(progress.done / progress.total, 0)}` : ""),
      error && h("p", { class: "warning" }, plain(error.detail)), result && verdict(result));
  }

  return [h("p", "A job trains with the same data, settings, seed and threads, and publishes no version. It says whether all numbers agree bit for bit."), button, place];
}

/** Whether all bits agree, and what differs. @param {any} result */
export function verdict({ reproduced, weights_sha256_got: digest, differing_numbers: differing, first_difference: first, environment }) {
  if (reproduced) return h("p", { class: "tone-right" }, "● All numbers agree bit for bit: ", h("code", digest));
  const differences = Object.entries(environment ?? {}).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return h("div", h("p", { class: "tone-wrong" }, `▲ ${number(differing)} numbers differ`,
    first && `; the first is ${first.parameter}${first.index ? `[${first.index.join(", ")}]` : ""}: ${first.expected} before, ${first.got} now`, "."),
  differences.length > 0 && h("p", "What differs in the environment: ", plain(differences.join("; "))));
}

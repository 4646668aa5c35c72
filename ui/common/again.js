/** "Train again" and "compare with the champion": one click starts the jobs, and "Undo" cancels them. */

import { cancel, hrefOf } from "./actions.js";
import { get, send } from "../api.js";
import { allowed, problem } from "./panel.js";
import { modelHref, modelPath } from "./paths.js";
import { h, replace } from "../parts/dom.js";
import { plain } from "../parts/format.js";
import { go } from "../parts/router.js";
import { toast } from "../parts/toast.js";

/** A button and the place of its error. `act` gets a function that opens a page, unless the person has left this one.
 *  @param {string} text @param {(open: (href: string) => void) => Promise<void>} act */
function starter(text, act) {
  const lost = h("div");
  const button = h("button", { type: "button", async onclick() {
    button.disabled = true;
    replace(lost);
    await act((href) => lost.isConnected && go(href)).catch((error) => replace(lost, problem(error)));
    button.disabled = false;
  } }, text);
  return h("div", allowed(button, "submit"), lost);
}

/** Say what was started; undone, its jobs are cancelled. @param {string} text @param {any[]} jobs @param {string} back */
function started(text, jobs, back = location.pathname + location.search) {
  toast(text, { seconds: 10, undo() {
    Promise.all(jobs.map(({ id }) => cancel(id))).then(() => go(back), (error) => toast(plain(error.message)));
  } });
}

/** Train with the settings of a version. @param {string} model @param {string | number} version @param {string} dataset @param {string} [text] */
export function trainAgain(model, version, dataset, text = "Train again") {
  return starter(text, async (open) => {
    const job = await send("POST", "/v1/training-jobs", { model, like: `${model}@${version}`, dataset }, { idempotent: true });
    started("The training has started.", [job]);
    open(hrefOf(job));
  });
}

/**
 * Compare a version, or the newest one, with the champion on the test images of a data set. If both were tested on it,
 * there is nothing to compute.
 * @param {string} model @param {string | number | null} version null: the newest @param {string} dataset an id
 */
export function compareWithChampion(model, version, dataset) {
  return starter("Compare with the champion on the same test set", async (open) => {
    const path = modelPath(model);
    const { aliases, latest } = await get(path);
    const one = Number(version ?? latest.version);
    const { champion } = aliases;
    if (!champion || champion === one) {
      throw Error(champion ? `Version ${one} is the champion: train another version first.` : "No version is the champion: point the alias to one first.");
    }
    const versions = await Promise.all([one, champion].map((each) => get(`${path}/versions/${each}`)));
    const href = `${modelHref(model)}/compare?versions=${one},${champion}`;
    if (versions.every((each) => each.dataset === dataset)) return open(href);
    /** @type {any[]} */
    const jobs = [];
    for (const each of [one, champion]) {
      jobs.push(await send("POST", "/v1/evaluation-jobs", { model: `${model}@${each}`, dataset, split: "test" }, { idempotent: true }));
    }
    started("Both versions are evaluated.", jobs);
    open(`${href}&${new URLSearchParams({ dataset, jobs: jobs.map(({ id }) => id).join() })}`);
  });
}

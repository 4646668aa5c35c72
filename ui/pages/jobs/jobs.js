/** The board: what runs now, and all jobs, newest first. */

import { cancel, hasEnded, hrefOf, remove, retry, updated } from "../../common/actions.js";
import { Problem, address, get, may, page as readPage, send } from "../../api.js";
import { flags, keywords } from "../../common/code.js";
import { live } from "../../live.js";
import { allowed, empty, lacks, panel, problem, terms } from "../../common/panel.js";
import { eachFrame, h, replace } from "../../parts/dom.js";
import { bytes, number } from "../../parts/format.js";
import { again, go } from "../../parts/router.js";
import { table } from "../../parts/table.js";
import { isTyping } from "../../shell.js";
import { COLUMNS, card } from "./rows.js";

const PAGE = 200;
const KINDS = ["training", "batch", "reproduction", "evaluation"];
const STATES = ["queued", "running", "cancelling", "succeeded", "completed_with_errors", "failed", "cancelled"];
const FILTERS = ["kind", "state", "model", "label"];

/** @typedef {any} Job */

/** @param {import("../../parts/router.js").Page} page */
export async function show(page) {
  const { root, title, signal, query, setQuery } = page;
  title("Jobs");
  /** @type {Map<string, Job>} */
  const jobs = new Map();
  let [turns, listed] = [0, 0]; // requests that were sent, and that of the list that is shown
  /** @type {WeakMap<Job, number>} the request that a job is from */
  const turnOf = new WeakMap();
  /** @type {Set<string>} deleted, or about to be */
  const gone = new Set();
  /** @type {string | null} */
  let next = null;
  const filters = Object.fromEntries(FILTERS.map((filter) => [filter, query.get(filter)]));
  const figures = h("div");
  const now = h("div", { class: "grid" });
  const errors = h("div");
  const more = h("button", { type: "button", hidden: true, onclick: () => void read(next) });
  const bulk = h("span", { class: "row" });
  const rows = table({
    label: "Jobs",
    columns: COLUMNS,
    key: (/** @type {Job} */ job) => job.id,
    empty: nothing(filters),
    onopen: (job) => go(hrefOf(job)),
    onselect: offer,
    signal,
  });
  rows.element.hidden = true; // until the first page is read
  root.append(
    h("h1", "Jobs"),
    figures,
    now,
    errors,
    panel(
      "All jobs",
      () => ({ path: address("/v1/jobs", filters), python: `for job in client.jobs.list(${keywords(filters)}):\n    print(job.id, job.state)`, command: `glassbox jobs list${flags(filters)}` }),
      h("div", { class: "row" }, h("form", { class: "row", onsubmit: (/** @type {Event} */ event) => event.preventDefault() }, fields()), h("span", { class: "grow" }), bulk),
      rows.element,
      more,
    ),
  );

  /** The filters: each change is a new address. */
  function fields() {
    /** @param {string} filter @param {string[]} options */
    const choice = (filter, options) =>
      h("label", { class: "check" }, filter, h("select", { onchange: change(filter) }, h("option", { value: "" }, "all"), options.map((option) => h("option", { value: option, selected: option === filters[filter] }, option.replaceAll("_", " ")))));
    /** @param {string} filter @param {string} hint */
    const text = (filter, hint) =>
      h("label", { class: "check" }, filter, h("input", { value: filters[filter] ?? "", placeholder: hint, size: 12, onchange: change(filter) }));
    return [choice("kind", KINDS), choice("state", STATES), text("model", "any"), text("label", "name:value")];
  }

  /** @param {string} filter */
  function change(filter) {
    return (/** @type {Event} */ { target }) => {
      setQuery({ [filter]: /** @type {HTMLInputElement} */ (target).value }, { push: true });
      again();
    };
  }

  /** The newest of a job: answers can arrive in another order than their requests were sent. @param {Job} job @param {number} turn @returns {Job} */
  function newest(job, turn) {
    const known = jobs.get(job.id);
    if (known && (turnOf.get(known) ?? 0) > turn) return known;
    const next = updated(known, job);
    turnOf.set(next, turn);
    return next;
  }

  /** @param {string | null} [after] */
  async function read(after = null) {
    const turn = ++turns;
    try {
      const found = await readPage("/v1/jobs", { ...filters, limit: PAGE, after }, signal);
      if (turn < listed) return; // a newer list has arrived
      const items = found.items.map((job) => newest(job, turn));
      if (after === null) {
        listed = turn;
        jobs.clear();
      }
      for (const job of items) jobs.set(job.id, job);
      next = found.next;
      replace(errors);
      draw();
    } catch (error) {
      if (!signal.aborted) replace(errors, problem(error, () => void read(after), signal));
    }
  }

  function draw() {
    const shown = [...jobs.values()].filter(({ id }) => !gone.has(id)).sort((a, b) => (a.id < b.id ? 1 : -1));
    rows.element.hidden = false;
    rows.set(shown);
    more.hidden = next === null;
    more.textContent = `${number(shown.length)} jobs shown; show ${PAGE} more`;
    drawNow();
  }

  function drawNow() {
    const running = [...jobs.values()].filter((job) => !gone.has(job.id) && ["running", "cancelling"].includes(job.state));
    replace(now, running.slice(0, 12).map(card));
  }

  async function readFigures() {
    try {
      const { jobs: counts, queues, volume, redis } = await get("/v1/system", { signal });
      const processes = queues?.reduce((/** @type {number[]} */ sum, /** @type {any} */ queue) => [sum[0] + queue.busy, sum[1] + queue.processes], [0, 0]);
      /** @type {[string, import("../../parts/dom.js").Child][]} */
      const shown = [
        ["Running", h("a", { href: "/ui/?state=running" }, number(counts?.running))],
        ...(queues ?? []).map((/** @type {any} */ { queue, jobs: waiting }) => [`Waiting for ${queue}`, h("a", { href: "/ui/?state=queued" }, number(waiting))]),
        ["Processes busy", h("a", { href: "/ui/system" }, processes ? `${processes[0]} of ${processes[1]}` : "unknown")],
        ["Volume, free", h("a", { href: "/ui/system" }, bytes(volume.free))],
      ];
      replace(figures, terms("figures", shown));
      for (const { fault } of [redis, volume]) if (fault) figures.append(h("div", { class: "problem", role: "alert" }, h("strong", "No new job is accepted"), h("p", fault.detail)));
      if (!redis.fault && !volume.fault) return;
    } catch {} // the list of jobs shows the error
    setTimeout(() => !signal.aborted && void readFigures(), 5000);
  }

  /** @param {Iterable<string>} ids */
  async function refresh(ids) {
    const turn = ++turns;
    const found = await Promise.all([...ids].map((id) => get(`/v1/jobs/${id}`, { signal }).catch((error) => (error instanceof Problem && error.status === 404 ? { id, deleted: true } : null))));
    for (const job of found) if (job) put(job.deleted ? job : newest(job, turn));
    drawNow();
  }

  /** @param {Job} job */
  function put(job) {
    if (job.deleted || !matches(job, filters)) {
      if (jobs.delete(job.id)) rows.remove(job.id);
      return;
    }
    jobs.set(job.id, job);
    if (!gone.has(job.id)) rows.update(job);
  }

  const stale = /** @type {Set<string>} */ (new Set());
  const freshen = eachFrame(() => {
    const ids = [...stale];
    stale.clear();
    if (ids.length > 20) void read();
    else void refresh(ids);
    void readFigures();
  });
  live.on(
    {},
    ({ type, job, data }) => {
      const known = job && jobs.get(job);
      if (type === "missed") void Promise.all([read(), readFigures()]);
      else if (type === "deleted" && job) put({ id: job, deleted: true });
      else if (type === "state" && job) {
        stale.add(job);
        freshen();
      } else if (known && data.progress) {
        Object.assign(known, { progress: data.progress, metrics: { ...known.metrics, ...data.metrics } });
        rows.update(known);
        drawNow();
      }
    },
    signal,
  );

  /** Offer what can be done with the selected jobs. @param {string[]} ids */
  function offer(ids) {
    const chosen = ids.flatMap((id) => jobs.get(id) ?? []);
    /** @param {string} text @param {string} scope @param {Job[]} some @param {(some: Job[]) => void} act */
    const button = (text, scope, some, act) =>
      some.length > 0 && allowed(h("button", { type: "button", onclick: () => act(some) }, `${text} ${some.length}`), scope);
    replace(
      bulk,
      button("Cancel", "submit", chosen.filter((job) => !hasEnded(job)), (some) => void all(some, cancel)),
      button("Retry", "submit", chosen.filter((job) => hasEnded(job) && job.state !== "succeeded"), (some) => void all(some, retry)),
      button("Delete", "manage", chosen.filter(hasEnded), (some) => {
        const away = some.map(({ id }) => id);
        remove(away, {
          hide: () => (away.forEach((id) => gone.add(id)), draw()),
          restore: (error) => (away.forEach((id) => gone.delete(id)), draw(), error && replace(errors, problem(error))),
        });
      }),
    );
  }

  /** @param {Job[]} some @param {(id: string) => Promise<Job>} act */
  async function all(some, act) {
    const found = await Promise.allSettled(some.map(({ id }) => act(id)));
    replace(errors, found.filter((result) => result.status === "rejected").slice(0, 3).map(({ reason }) => problem(reason)));
    for (const result of found) if (result.status === "fulfilled") put(result.value);
    offer(rows.selected());
    drawNow();
  }

  /** @param {Job[]} some @param {(id: string) => Promise<Job>} act */
  async function pressed(some, act) {
    if (await may("submit").catch(() => true)) return all(some, act);
    if (some.length) replace(errors, h("p", { class: "warning", role: "alert" }, lacks("submit")));
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const focused = document.activeElement?.closest("tr")?.dataset.key ?? "";
      const some = (rows.selected().length ? rows.selected() : [focused]).flatMap((id) => jobs.get(id) ?? []);
      if (event.key === "c") void pressed(some.filter((job) => !hasEnded(job)), cancel);
      else if (event.key === "r") void pressed(some.filter((job) => hasEnded(job) && job.state !== "succeeded"), retry);
    },
    { signal },
  );
  await Promise.all([read(), readFigures()]);
}

/** @param {Job} job @param {Record<string, string | null>} filters */
function matches(job, { kind, state: wanted, model, label }) {
  const [key, ...value] = (label ?? "").split(":");
  return (
    (!kind || job.kind === kind) &&
    (!wanted || job.state === wanted) &&
    (!model || job.request?.model === model) &&
    (!label || job.request?.labels?.[key] === value.join(":"))
  );
}

/** @param {Record<string, string | null>} filters */
function nothing(filters) {
  if (Object.values(filters).some(Boolean)) return empty("No job has these properties.", h("a", { href: "/ui/" }, "Show all jobs"));
  const errors = h("div");
  const train = async () => {
    try {
      go(hrefOf(await send("POST", "/v1/training-jobs", { model: "digits", dataset: "digits", preset: "fast" }, { idempotent: true })));
    } catch (error) {
      replace(errors, problem(error));
    }
  };
  return empty(
    "No job yet. Three first steps:",
    allowed(h("button", { type: "button", class: "primary", onclick: () => void train() }, "Train on digits (some seconds)"), "submit"),
    h("a", { href: "/ui/datasets" }, "Upload a data set"),
    h("a", { href: "/ui/batches" }, "Classify an archive"),
    errors,
  );
}

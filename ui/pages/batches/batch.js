/** A batch: its counts while it runs, its images from the least sure one, its errors, its files. */

import { buttons, hasEnded, hrefOf, modelLink, modelOf } from "../../common/actions.js";
import { address, get, page as pageOf } from "../../api.js";
import { flags, keywords } from "../../common/code.js";
import { corrections } from "../../common/correct.js";
import { live } from "../../live.js";
import { load, options, panel, problem, state, warnings } from "../../common/panel.js";
import { bars } from "../../parts/charts/bars.js";
import { histogram } from "../../parts/charts/histogram.js";
import { h, replace } from "../../parts/dom.js";
import { ago, isolated, number, percent, plain, seconds } from "../../parts/format.js";
import { gallery } from "../../parts/pictures/gallery.js";
import { go } from "../../parts/router.js";
import { enlarge, imagesOf } from "../../common/pictures.js";
import { skippedFiles } from "../../common/skipped.js";
import { glassHref, versionPath } from "../../common/paths.js";

/** @typedef {Record<string, any>} Json */
/** @typedef {{index: number, path: string, label: string, confidence: number, top: {label: string, probability: number}[]}} Row */
const MOST = 10000; // rows in the gallery: a multiple of a page of 500
const ORDERS = { "": "least confident first", most_confident: "most confident first", archive: "as in the archive" };

/** @param {import("../../parts/router.js").Page} page */
export function show(page) {
  const id = page.params.job;
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const body = h("div");
  page.title(`Batch ${id.slice(-8)}`);
  replace(page.root, h("h1", "Batch ", h("code", plain(id))), body);
  return load(body, "the batch", async (signal) => {
    const [job, summary] = await Promise.all([get(path, { signal }), get(`${path}/results/summary`, { signal })]);
    const [model, version = "latest"] = modelOf(job).split("@");
    const made = await get(versionPath(model, version), { signal }).catch(() => null); // deleted
    return { job, summary, made };
  }, (found) => sections(page, path, found), page.signal);
}

/** @param {import("../../parts/router.js").Page} page @param {string} path @param {{job: Json, summary: Json, made: Json | null}} found */
function sections(page, path, { job, summary, made }) {
  const { signal } = page;
  const head = h("div");
  void import("../../common/deleted.js").then(({ whenDeleted }) =>
    whenDeleted(page, "This batch", path, (event) => event.type === "deleted" && event.job === job.id));
  const owner = h("p");
  const acts = h("div");
  const errors = h("div");
  const fresh = h("button", { type: "button", hidden: true, onclick: () => renew({}) });
  const range = h("p", { class: "row" });
  const labels = bars({ label: "Rows by label", items: [] });
  const confidence = histogram({
    label: "Rows by confidence", counts: [], from: 0, to: 1, format: (value) => percent(value, 0),
    onbrush: (part) => renew(part ? { above: part[0] || null, below: part[1] < 1 ? part[1] : null } : { above: null, below: null }),
  });
  const right = made && corrections({
    key: job.id, classes: made.classes, dataset: made.dataset, model: made.model, version: made.version, signal,
    place: (/** @type {Row} */ { index }) => ({ job: job.id, index }), label: (row) => row.label, words: (row) => row.path,
  });
  const label = h("select", { onchange: () => renew({ label: label.value }) });
  const order = h("select", { onchange: () => renew({ order: order.value }) },
    options(Object.entries(ORDERS)));
  const search = h("input", { type: "search", placeholder: "part of the path", onchange: () => renew({ path: search.value }) });
  let reader = { rows: /** @type {Row[]} */ ([]), next: /** @type {string | null} */ ("") };
  let first = 0; // rows before the gallery's
  let counted = 0; // rows when the gallery was read
  const grid = gallery({
    label: "Images of the batch",
    async read(from, count, stop) {
      const mine = reader;
      await upTo(mine, Math.min(MOST, from + count), stop);
      if (mine === reader) size();
      const rows = mine.rows.slice(from, from + count);
      return imagesOf(`${path}/images`, rows, ({ index }) => ({ index }), stop);
    },
    caption: (row) => words(row, `${isolated(row.label)} ${percent(row.confidence, 0)}`),
    line: (row) => `${isolated(row.path)}: ${words(row, `${isolated(row.label)} ${percent(row.confidence)}`)}`,
    tone: (row) => (right?.isCorrected(row) ? "right" : ""),
    onkey: right?.onkey,
    onopen: (row) => enlarge(plain(row.path), `${path}/images`, { index: row.index }, bars({
      label: "Most probable labels", most: 1, format: (value) => percent(value),
      items: (row.top ?? [{ label: row.label, probability: row.confidence }]).map(({ label: text, probability }) => ({ label: plain(text), value: probability })),
    }).element, made && h("p", h("a", { href: `${glassHref(made.model, made.version)}?job=${job.id}&index=${row.index}` }, "Open the glass box"))),
  });
  const shown = h("p", { class: "soft" });
  const more = h("button", { type: "button", hidden: true, onclick: further }, `Show the next ${number(MOST)}`);
  right?.watch(grid);

  /** @param {Row} row @param {string} text */
  function words(row, text) {
    return right?.caption(row, text) ?? text;
  }

  /** Read rows until the reader has so many. @param {typeof reader} mine @param {number} count @param {AbortSignal} stop */
  async function upTo(mine, count, stop) {
    while (mine.rows.length < count && mine.next !== null) {
      const read = await pageOf(`${path}/results/rows`, { ...filter(), order: page.query.get("order") || "least_confident", limit: 500, after: mine.next }, stop);
      mine.rows.push(...read.items);
      mine.next = read.next;
    }
  }

  /** Show the rows after those of the gallery. */
  async function further() {
    const mine = reader;
    more.disabled = true;
    try {
      await upTo(mine, MOST, signal);
      if (mine !== reader) return; // another filter
      first += mine.rows.length;
      reader = { rows: [], next: mine.next };
      size();
      grid.refresh();
    } catch (error) {
      if (!signal.aborted) replace(shown, problem(error));
    }
    more.disabled = false;
  }

  function filter() {
    return Object.fromEntries(["label", "above", "below", "path"].map((field) => [field, page.query.get(field)]));
  }

  /** Change the filter, and read the rows again. @param {Record<string, string | number | null>} changes */
  function renew(changes) {
    page.setQuery(changes);
    reader = { rows: [], next: "" };
    first = 0;
    draw();
    size();
    counted = summary.rows;
    grid.refresh();
  }

  /** The number of rows that pass the filter; null if the summary does not have it. */
  function matching() {
    const { label: only, above, below, path: part } = filter();
    const [from, to] = [above, below].map((edge, i) => (edge === null ? i * (summary.edges.length - 1) : summary.edges.indexOf(Number(edge))));
    if (part || from < 0 || to < 0) return null;
    return counts(only).slice(from, to).reduce((sum, count) => sum + count, 0);
  }

  /** The rows in each bin of confidence, of a label or of all. @param {string | null} only @returns {number[]} */
  function counts(only) {
    const found = summary.labels.filter((/** @type {Json} */ each) => only === null || each.label === only);
    return summary.edges.slice(1).map((/** @type {number} */ _, /** @type {number} */ i) => found.reduce((/** @type {number} */ sum, /** @type {Json} */ { bins }) => sum + bins[i], 0));
  }

  /** Set the size of the gallery. */
  function size() {
    const { rows, next } = reader;
    const all = next === null ? first + rows.length : matching();
    const here = Math.min(MOST, all === null ? rows.length + 500 : all - first);
    grid.set(here);
    more.hidden = !next || (all === null ? rows.length < MOST : all <= first + MOST);
    shown.textContent = all === null ? "The number of images that match is not known yet." :
      `${first ? `${number(first + 1)} to ${number(first + here)}` : number(here)} of ${number(first || here < all ? all : summary.rows)} images are shown.`;
  }

  function draw() {
    const { label: only, above, below, path: part } = filter();
    const [from, to] = [Number(above ?? 0), Number(below ?? 1)];
    const names = summary.labels.map((/** @type {Json} */ each) => each.label);
    replace(head, heading(job), skippedFiles(job.result?.skipped));
    if (owner.textContent !== plain(modelOf(job))) {
      replace(owner, modelLink(job));
    }
    if (acts.dataset.state !== job.state) {
      acts.dataset.state = job.state;
      replace(acts, buttons(/** @type {any} */ (job), (now) => go(now ? hrefOf(now) : "/ui/batches")));
    }
    labels.set(summary.labels.map((/** @type {Json} */ { label: text, count }) => ({
      label: plain(text), value: count, selected: text === only, onselect: () => renew({ label: text === filter().label ? null : text }),
    })));
    confidence.set(counts(only));
    confidence.brush(above === null && below === null ? null : [from, to]);
    replace(range, above === null && below === null ? "Drag over the bars to filter." :
      [`Confidence from ${percent(from, 0)} to ${percent(to, 0)}`, h("button", { type: "button", onclick: () => renew({ above: null, below: null }) }, "Show all")]);
    if (label.options.length !== names.length + 1 || !names.includes(only ?? names[0])) {
      replace(label, h("option", { value: "" }, "all labels"),
        [...names, ...(only !== null && !names.includes(only) ? [only] : [])].map((text) => h("option", { value: text }, plain(text))));
    }
    label.value = only ?? "";
    order.value = page.query.get("order") ?? "";
    if (document.activeElement !== search) search.value = part ?? "";
    fresh.hidden = summary.rows === counted;
    fresh.textContent = `Show ${number(summary.rows - counted)} new rows`;
    if (errors.dataset.count !== String(summary.errors)) {
      errors.dataset.count = String(summary.errors);
      const { codes } = summary;
      if (codes.length) later(errors, ({ errorsOf }) => codes.map((/** @type {Json} */ each) => errorsOf(path, each.code, each.count, signal)));
      else replace(errors, h("p", h("span", { class: "tone-right" }, "● "), "Every image that was tried could be read."));
    }
  }

  let waits = false;
  let [turns, drawn] = [0, 0];
  live.on({ job: job.id }, () => {
    if (waits) return;
    waits = true;
    setTimeout(async () => {
      waits = false; // an event during the requests may be newer than their answers
      try {
        const turn = ++turns;
        const found = await Promise.all([get(path, { signal }), get(`${path}/results/summary`, { signal })]);
        if (turn < drawn) return; // the answers to a newer event came earlier
        drawn = turn;
        [job, summary] = found;
        if (!counted && summary.rows) renew({});
        else draw();
      } catch (error) {
        if (!signal.aborted) replace(head, problem(error, () => go(location.href), signal));
      }
    }, 1000);
  }, signal);

  renew({});
  const ordering = () => page.query.get("order") || "least_confident";
  const numeric = (/** @type {string | null} */ text) => text && Number(text);
  /** The filter in Python. @param {Record<string, any>} [more] */
  const filtered = (more) => keywords({ ...filter(), above: numeric(filter().above), below: numeric(filter().below), ...more });
  return [panel("Progress", { path, python: `print(client.jobs.get("${job.id}"))`, command: `glassbox jobs show ${job.id}` }, owner, head, acts), h("div", { class: "grid" },
    panel("Labels", { path: `${path}/results/summary`, python: `print(client.jobs.summary("${job.id}").labels)` }, h("div", { class: "scrolls" }, labels.element)),
    panel("Confidence", { path: `${path}/results/summary`, python: `print(client.jobs.summary("${job.id}").edges)` }, confidence.element, range)),
  panel("Images", () => ({ path: address(`${path}/results/rows`, { ...filter(), order: ordering() }), python: `for row in client.jobs.find_rows("${job.id}", ${filtered({ order: ordering() })}):\n    print(row)` }),
    h("div", { class: "fields" }, h("label", "Label", label), h("label", "Order", order), h("label", "Path", search), fresh), shown, grid.element, more),
  right?.element,
  panel("Errors", { path: `${path}/errors`, python: `for error in client.jobs.errors("${job.id}"): print(error)`, command: `glassbox jobs errors ${job.id}` }, errors),
  panel("Rows as a file", () => ({ path: address(`${path}/results`, { format: "csv", ...filter() }), save: "rows.csv", python: `from glassbox import RowFilter\n\nclient.jobs.save("${job.id}", "rows.csv", rows=RowFilter(${filtered()}))`, command: `glassbox jobs rows ${job.id} -o rows.csv${flags(filter())}` }),
    later(h("div"), ({ files }) => files(job.id, path, filter)))];
}

/** Fill a place with what is loaded after what is seen first. @param {HTMLElement} place @param {(module: typeof import("./downloads.js")) => any} make */
function later(place, make) {
  import("./downloads.js").then((module) => replace(place, make(module)), (error) => replace(place, problem(error)));
  return place;
}

/** Where the results are written, if the request says so. @param {Json} job */
function sinkOf({ request, result }) {
  if (!request.sink) return null;
  const written = result?.sink;
  const how = !written ? "are written to it when all images are classified"
    : written.complete ? `are complete there: ${number(written.parts)} parts and manifest.json`
    : `are incomplete there: ${number(written.parts)} parts without manifest.json`;
  return h("p", "Results in ", h("code", request.sink), ` (${request.sink_format ?? "jsonl"}) ${how}.`);
}

/** The state and the progress. @param {Json} job */
function heading(job) {
  const { done, total, eta_seconds: eta } = job.progress;
  const active = !hasEnded(/** @type {any} */ (job));
  const { look_inverted: inverted, images_per_second: speed } = job.result ?? {};
  return [
    h("p", { class: "row" }, state(job.state),
      h("span", `${number(done)} of ${number(total)} images`), active && eta !== null && `${seconds(eta)} left`,
      speed && `${number(speed)} images a second`, h("span", "submitted ", ago(job.created_at))),
    active && h("progress", { value: total ? done / total : 0, max: 1, "aria-label": "Progress" }),
    sinkOf(job),
    warnings([
      job.waiting?.detail, job.error && `${job.error.code}: ${job.error.detail}`, ...(job.warnings ?? []),
      inverted && `${number(inverted)} images look inverted: light and dark are exchanged.`,
    ].filter(Boolean)),
  ];
}

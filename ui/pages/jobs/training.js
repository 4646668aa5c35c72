/** A training: its curves while it runs and afterwards, its first layer, the race of its preset, its warnings, its log. */

import { hasEnded } from "../../common/actions.js";
import { get, items, page as readPage } from "../../api.js";
import { live } from "../../live.js";
import { panel, problem, terms } from "../../common/panel.js";
import { modelHref, modelPath, versionPath } from "../../common/paths.js";
import { chart, cursors } from "../../parts/charts/chart.js";
import { eachFrame, h, replace } from "../../parts/dom.js";
import { bytes, number, percent, plain, seconds } from "../../parts/format.js";
import { follow, head } from "./jobhead.js";
import { race } from "./race.js";
import { firstLayer } from "./firstlayer.js";
import { histograms } from "./histograms.js";
import { column, layers } from "./layers.js";

/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {{epoch: number} & Record<string, any>} Epoch the JSON of an epoch in `/v1/jobs/{id}/history` */
/** @typedef {{id: string, epochs: Epoch[]}} Run epochs[n] is that of number n, if it is known */
/** @typedef {[name: string, field: string, style: "train" | "validation" | "plain" | "other"]} Line */

const PER_CENT = (/** @type {number} */ share) => percent(share, 2);
/** @type {{label: string, format: (value: number) => string, log?: string, lines: Line[]}[]} */
const CHARTS = [
  { label: "Loss", format: number, log: "log", lines: [["train", "train_loss", "train"], ["validation", "validation_loss", "validation"]] },
  { label: "Accuracy", format: PER_CENT, lines: [["train", "train_accuracy", "train"], ["validation", "validation_accuracy", "validation"]] },
  { label: "Gradient norm", format: number, log: "log_norm", lines: [["norm", "gradient_norm", "plain"]] },
  { label: "Learning rate", format: number, lines: [["rate", "learning_rate", "plain"]] },
  { label: "Seconds an epoch", format: number, lines: [["seconds", "seconds", "plain"]] },
];
/** @type {Record<string, Line[2]>} of the training that is laid over */
const OVERLAID = { train: "plain", validation: "other", plain: "other", other: "other" };
/** Epochs in a page of a history. */
const PAGE = 500;
const NOT_IN_LOG = ["epoch", "progress", "missed"];

/**
 * Return the content of the page.
 * @param {Page} page
 * @param {any} first the job
 */
export function training(page, first) {
  const { signal } = page;
  const id = first.id;
  let job = first;
  let drawn = false;
  let published = false;
  const title = `Training of ${plain(first.request.model)}`;
  page.title(title);

  const again = h("a", { href: `/ui/train?job=${id}` }, "Train again with …");
  const top = head(page, title, first, again);
  const figures = h("div");
  const versus = h("div");
  const note = h("p", { class: "soft" });
  const failure = h("div");
  const group = cursors();
  /** @type {Run} */
  const own = { id, epochs: [] };
  /** @type {Run | null} */
  let other = null;

  const charts = CHARTS.map(({ label, format, log, lines }) => ({
    lines,
    label,
    ...chart({
      label, format, group, log: log ? page.query.has(log) : undefined,
      onlog: (on) => page.setQuery({ [/** @type {string} */ (log)]: on ? 1 : null }),
    }),
  }));
  signal.addEventListener("abort", () => charts.forEach(({ destroy }) => destroy()), { once: true });

  const measured = layers({ path: `/v1/jobs/${id}/history`, python: `for epoch in client.jobs.history(${JSON.stringify(id)}):\n    print(epoch)` }, group, signal);
  const draw = eachFrame(() => {
    const mine = own.epochs.filter(Boolean);
    const theirs = other?.epochs.filter(Boolean) ?? [];
    /** @type {string[]} */
    const missing = [];
    for (const { label, lines, element, set } of charts) {
      const series = lines.flatMap(([name, field, style]) => [
        column(mine, field, name, style),
        ...(other ? [column(theirs, field, `${name} of ${other.id.slice(-6)}`, OVERLAID[style])] : []),
      ]).filter(({ ys }) => !mine.length || ys.some((y) => y !== null));
      element.hidden = !series.length;
      if (!series.length) missing.push(label.toLowerCase());
      if (label === "Loss" && mine.length && !series.some(({ name }) => name === "validation")) missing.unshift("validation (there are no validation images)");
      set(series);
    }
    measured.set(mine, theirs, other ? other.id.slice(-6) : "");
    if (mine.length && measured.element.hidden) missing.push("each layer");
    note.textContent = missing.length ? `Not measured: ${missing.join(", ")}.` : "";
    figure();
  });

  function figure() {
    const latest = own.epochs.findLast(Boolean) ?? job.metrics;
    const { result, metrics } = job;
    const { images_per_second: speed, cores, memory_bytes: memory, load_seconds: load, evaluation_seconds: evaluation } = { ...latest, ...metrics };
    const version = result && modelHref(result.model, result.version);
    const interval = result?.accuracy_interval;
    /** @type {[string, import("../../parts/dom.js").Child][]} */
    const shown = [
      ["Test accuracy", result && [h("a", { href: version }, percent(result.test_accuracy, 2)),
        interval && h("span", { class: "small soft" }, ` ${percent(interval[0])} – ${percent(interval[1])}`)]],
      ["Linear model", result?.baselines && percent(result.baselines.linear, 2)],
      ["Epoch", latest.epoch && `${number(latest.epoch)} of ${number(job.progress.total)}`],
      ["Train accuracy", latest.train_accuracy !== undefined && percent(latest.train_accuracy, 2)],
      ["Validation accuracy", latest.validation_accuracy != null && percent(latest.validation_accuracy, 2)],
      [result ? "Images a second (median)" : "Images a second", speed && number(Math.round(speed))],
      ["Load", cores !== undefined && `${number(cores)} ${cores === 1 ? "core" : "cores"}`],
      [result ? "Memory at most" : "Memory", memory && bytes(memory)],
      ["Training time", metrics.training_seconds && seconds(metrics.training_seconds)],
      ["Loading, evaluation", load !== undefined && `${seconds(load)}, ${seconds(evaluation)}`],
    ];
    replace(figures, terms("figures", shown));
  }

  // The first layer and the race.
  const weights = firstLayer(first, signal);
  const spread = histograms(first, signal);
  const selection = race();
  const events = { path: `/v1/jobs/${id}/events`, python: `for event in client.jobs.events(${JSON.stringify(id)}):\n    print(event)`, command: `glassbox jobs watch ${id}` };
  const raced = panel("Selection", events, selection.element);
  raced.hidden = first.request.preset !== "auto";

  const log = h("ol", { class: "log", tabindex: 0, "aria-label": "Log" });
  /** @type {string | null} */
  let position = null;
  const opened = h("details", { ontoggle: () => void readLog() }, h("summary", "Attempts, warnings, checkpoints"), log);
  let readsLog = false;

  /** Read the log on from where the page has it: epochs are in the curves. */
  async function readLog() {
    if (readsLog || !(opened.open || (!raced.hidden && !hasEnded(job)))) return;
    readsLog = true;
    try {
      for (;;) {
        const found = await readPage(`/v1/jobs/${id}/events`, { after: position, limit: 500 }, signal);
        for (const { id: at, type, time, data } of found.items) {
          position = at;
          if (!selection.event(type, data) && !NOT_IN_LOG.includes(type)) log.append(line(type, time, data));
        }
        if (!found.next) break;
      }
    } catch (error) {
      if (!signal.aborted) replace(failure, problem(error, () => void readLog(), signal));
    }
    readsLog = false;
  }

  /** @param {Run} run */
  async function readHistory(run) {
    try {
      for await (const epoch of items(`/v1/jobs/${run.id}/history`, { limit: PAGE }, signal)) {
        run.epochs[epoch.epoch] = epoch;
        draw();
      }
      replace(failure);
    } catch (error) {
      if (!signal.aborted) replace(failure, problem(error, () => void readHistory(run), signal));
    }
    draw();
  }

  /** @param {Run} run @param {import("../../live.js").LiveEvent} event */
  function take(run, { type, data }) {
    if (type === "missed") void readHistory(run);
    else if (type === "epoch" && data.metrics?.epoch) run.epochs[data.metrics.epoch] = data.metrics;
    else if (type === "epoch") void readHistory(run); // an event that was too long for the feed
    draw();
  }

  /** @param {any} next */
  function onjob(next) {
    job = next;
    top.update(job);
    again.hidden = !!job.deleted;
    draw();
    void readVersion();
  }

  /** Read the published version, once, for its first layer and its race; the curves come first. */
  async function readVersion() {
    if (!job.result || published || !drawn) return;
    published = true;
    const { model, version } = job.result;
    try {
      const found = await get(versionPath(model, version), { signal });
      void weights.version(found, own.epochs.length - 1);
      void spread.read(true);
      if (found.selection) selection.set(found.selection);
      const { aliases } = await get(modelPath(model), { signal });
      if (aliases.champion && aliases.champion !== version)
        void import("../../common/again.js").then(({ compareWithChampion }) => replace(versus, h("p", compareWithChampion(model, version, found.dataset))));
    } catch {
      weights.none("The version was deleted.");
    }
  }

  // Which training is laid over.
  const choice = h("select", { "aria-label": "Compare with", onchange: () => overlay(choice.value) }, h("option", { value: "" }, "no other training"));
  let overlaid = new AbortController();

  /** @param {string} wanted */
  function overlay(wanted) {
    page.setQuery({ with: wanted || null });
    overlaid.abort();
    overlaid = new AbortController();
    other = wanted ? { id: wanted, epochs: [] } : null;
    if (other) {
      const run = other;
      live.on({ job: wanted }, (event) => take(run, event), AbortSignal.any([signal, overlaid.signal]));
      void readHistory(run);
    }
    draw();
  }

  async function others() {
    const found = await readPage("/v1/jobs", { kind: "training", limit: 100 }, signal).catch(() => ({ items: [] }));
    const wanted = page.query.get("with") ?? "";
    const known = found.items.filter((one) => one.id !== id);
    if (wanted && !known.some((one) => one.id === wanted)) known.push({ id: wanted, request: { model: wanted } });
    choice.append(...known.map((one) => h("option", { value: one.id }, plain(`${one.request.model}${one.result ? `@${one.result.version}` : ""} ${one.id.slice(-6)}`))));
    choice.value = wanted;
  }

  follow(page, first, {
    onjob,
    onevent(event) {
      take(own, event);
      if (event.type === "epoch") void weights.epoch(), void spread.read();
      else if (event.type !== "progress") void readLog();
    },
  });
  const wanted = page.query.get("with");
  if (wanted) overlay(wanted);
  void readHistory(own).then(() => {
    drawn = true;
    void readVersion();
    void others();
    void readLog();
    if (!job.result && own.epochs.length) void weights.epoch(), void spread.read();
  });

  return [
    top.element,
    figures,
    versus,
    failure,
    panel("Curves", () => ({
      path: `/v1/jobs/${id}/history`, command: `glassbox jobs watch ${id}`,
      python: `for job in ${JSON.stringify([id, ...(other ? [other.id] : [])])}:\n    for epoch in client.jobs.history(job):\n        print(job, epoch)`,
    }),
      h("label", { class: "row" }, "Compare with ", choice), h("div", { class: "grid" }, charts.map(({ element }) => element)), note),
    measured.element,
    raced,
    weights.element,
    spread.element,
    panel("Log", events, opened),
  ];
}

/** @param {string} type @param {string} time @param {any} data */
function line(type, time, data) {
  const { state, message, detail, attempt, ...rest } = data;
  const text = [state, attempt ? `attempt ${attempt}` : "", message ?? detail, Object.keys(rest).length ? JSON.stringify(rest) : ""];
  return h("li", h("time", { datetime: time }, new Date(time).toLocaleTimeString()), " ", h("b", plain(type.replaceAll("_", " "))), " ",
    plain(text.filter(Boolean).join(" · ")));
}

/** The models, and a model's versions: ordered by any column, compared, promoted, deleted. */

import { get, page as pageOf } from "../../api.js";
import { live } from "../../live.js";
import { whenDeleted } from "../../common/deleted.js";
import { allowed, empty, panel, problem } from "../../common/panel.js";
import { datasetHref, modelHref, modelPath } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { ago, name, number, percent, plain, seconds } from "../../parts/format.js";
import { go } from "../../parts/router.js";
import { ordered } from "../../parts/order.js";
import { table } from "../../parts/table.js";
import { aliasesOf } from "./aliases.js";
import { remove } from "./removal.js";

/** @typedef {import("../../parts/router.js").Page} Page */

const LIMIT = 100;

/** @param {Page} page */
export async function show(page) {
  const { params, query, signal, root, setQuery } = page;
  const model = params.name;
  const here = model ? `${modelPath(model)}/versions` : "/v1/models";
  const notice = h("div");
  const rest = h("p", { class: "soft" });
  const steps = h("div");
  /** @type {Map<string, string>} names of data sets by id */
  const named = new Map();
  /** @type {Map<number, number | null>} expected calibration errors by version, which never change */
  const errors = new Map();
  let calibrates = false;
  let watched = false; // for its deletion, once it was read
  /** @type {Record<string, number>} */
  let aliases = {};
  /** @type {any[]} */
  let rows = [];
  const menus = aliasesOf({ model, notice, changed: () => void read(), signal });

  /** Where a version's page is. @param {any} row */
  const address = (row) => modelHref(row.model, row.version);
  /** The columns that a list of versions and one of models, with their newest version, have in common. @param {(row: any) => any} of */
  const figures = (of) => [
    column("accuracy", "Test accuracy", (row) => accuracy(of(row)), (row) => of(row).metrics.test_accuracy ?? null),
    column("loss", "Test loss", (row) => number(of(row).metrics.test_loss), (row) => of(row).metrics.test_loss ?? null),
    column("parameters", "Parameters", (row) => number(of(row).parameters), (row) => of(row).parameters),
    column("seconds", "Training", (row) => seconds(of(row).metrics.training_seconds), (row) => of(row).metrics.training_seconds ?? null),
    { ...column("dataset", "Data set", (row) => dataset(of(row).dataset)), numeric: false },
    { ...column("created", "Made", (row) => ago(of(row).created_at), (row) => Date.parse(of(row).created_at)) },
  ];
  const ofModels = () => [
    { ...column("name", "Model", (row) => h("a", { href: modelHref(row.name) }, name(row.name)), (row) => row.name), numeric: false },
    column("versions", "Versions", (row) => number(row.versions), (row) => row.versions),
    { ...column("latest", "Newest", (row) => h("a", { href: address(row.latest) }, `@${row.latest.version}`)), sort: false },
    ...figures((row) => row.latest),
    text("aliases", "Aliases", (row) => h("span", { class: "row" }, Object.entries(row.aliases).map(([alias, to]) =>
      h("a", { class: "chip", href: modelHref(row.name, to) }, name(`${alias} → ${to}`))))),
    text("delete", "", (row) => deletion(`The model ${row.name}`, row.name, modelPath(row.name), Object.keys(row.aliases))),
  ];
  const ofVersions = () => [
    column("version", "Version", (row) => h("a", { href: address(row) }, `@${row.version}`), (row) => row.version),
    ...figures((row) => row),
    column("ece", "Calibration error", (row) => errors.has(row.version) ? percent(errors.get(row.version)) : "…", (row) => errors.get(row.version) ?? null),
    text("findings", "Findings", (row) => h("a", { href: address(row), class: "soft" }, findings(row))),
    text("aliases", "Aliases", (row) => menus.chips(row.version, aliases)),
    text("delete", "", (row) => deletion(`Version ${row.version}`, String(row.version), `${here}/${row.version}`, row.aliases)),
  ];

  const comparison = h("a");
  let picked = query.get("selected")?.split(",") ?? [];
  const made = table({
    label: model ? "Versions" : "Models",
    columns: model ? ofVersions() : ofModels(),
    key: (row) => (model ? String(row.version) : row.name),
    empty: steps,
    onopen: (row) => go(model ? address(row) : modelHref(row.name)),
    onselect: model ? chosen : undefined,
    ...ordered(page),
    signal,
  });

  page.title(model ? plain(model) : "Models");
  replace(root,
    h("h1", model ? ["Model ", name(model)] : "Models"), notice,
    panel(model ? "Versions" : "All models", {
      path: here, python: model ? `for version in client.models.versions(${JSON.stringify(model)}):\n    print(version)` : "for model in client.models.list():\n    print(model)",
      command: model ? `glassbox models list ${model}` : "glassbox models list",
    }, model && h("p", { class: "row" }, comparison), made.element, rest));
  if (model) chosen(picked);
  live.on(model ? { model } : {}, ({ type, kind, data }) => {
    if (type === "missed" || /^(model|version)_/.test(type) || (kind === "training" && data.state === "succeeded")) void read();
  }, signal);
  rest.textContent = "Reading …";
  await read();

  /** Read the first rows again, and the following ones after `after`. @param {string | null} [after] */
  async function read(after = null) {
    try {
      const [found, owner] = await Promise.all([
        pageOf(here, { limit: LIMIT, after }, signal),
        model ? get(modelPath(model), { signal }) : null,
        named.size ? null : names(),
      ]);
      if (owner && !watched) {
        watched = true;
        whenDeleted(page, plain(model), modelPath(model), (event) => event.type === "model_deleted" && event.model === model);
      }
      aliases = owner?.aliases ?? {};
      rows = [...(after ? rows : []), ...found.items];
      for (const { version, metrics } of rows) if (metrics?.test_calibration_error !== undefined) errors.set(version, metrics.test_calibration_error);
      made.set(rows);
      if (picked.length) made.choose(picked);
      picked = [];
      const more = h("button", { type: "button", onclick: () => void read(found.next) }, "Show more");
      replace(rest, found.next ? [`The first ${number(rows.length)} are shown. `, more] : "");
      replace(steps, empty(model ? "This model has no version." : "There is no model yet. A model comes from a training.",
        h("a", { class: "chip", href: `/ui/train?preset=auto&dataset=digits&model=${encodeURIComponent(model ?? "digits")}` }, "Train on digits (10 s)"),
        h("a", { class: "chip", href: "/ui/datasets" }, "Upload a data set")));
      if (model) await calibrate();
    } catch (error) {
      if (!signal.aborted) replace(rest, problem(error, () => void read(), signal));
    }
  }

  async function names() {
    const found = await pageOf("/v1/datasets", { limit: 500 }, signal).catch(() => ({ items: [] }));
    for (const each of found.items) named.set(each.id, each.name);
  }

  /** Versions of older releases have the calibration error in the evaluation only, which is read after the table is there. */
  async function calibrate() {
    if (calibrates) return;
    calibrates = true;
    /** @type {number | undefined} */
    let version;
    while ((version = rows.find((each) => !errors.has(each.version))?.version)) {
      const found = await get(`${here}/${version}/evaluation`, { signal }).catch(() => null);
      if (signal.aborted) return;
      errors.set(version, found?.calibration?.expected_error ?? null);
      const row = rows.find((each) => each.version === version);
      if (row) made.update(row);
    }
    calibrates = false;
  }

  /** @param {string[]} keys */
  function chosen(keys) {
    setQuery({ selected: keys.join() });
    const fits = keys.length > 1 && keys.length < 5;
    comparison.className = fits ? "chip" : "soft";
    comparison.textContent = fits ? `Compare ${keys.map((key) => `@${key}`).join(" and ")}` : "Select 2 to 4 versions to compare them";
    if (fits) comparison.setAttribute("href", `${modelHref(model)}/compare?versions=${keys.join()}`);
    else comparison.removeAttribute("href");
  }

  /** @param {string} what @param {string} key @param {string} path @param {string[]} pointing */
  function deletion(what, key, path, pointing) {
    const onclick = () => remove({
      what: plain(what), path, aliases: pointing,
      gone: () => made.remove(key), after: () => made.remove(key), // also if it was read again meanwhile
      back(error) {
        if (error) replace(notice, problem(error));
        void read();
      },
    });
    return allowed(h("button", { type: "button", "aria-label": `Delete ${plain(what)}`, onclick }, "Delete"), "manage");
  }

  /** @param {string} id */
  function dataset(id) {
    return h("a", { href: datasetHref(named.get(id) ?? id) }, name(named.get(id) ?? id.slice(0, 15)));
  }
}

/** @param {string} key @param {string} label @param {(row: any) => string | Node} cell @param {(row: any) => number | string | null} [value] */
function column(key, label, cell, value) {
  return { name: key, label, numeric: true, sort: true, cell, value };
}

/** @param {string} key @param {string} label @param {(row: any) => string | Node} cell */
function text(key, label, cell) {
  return { name: key, label, cell };
}

/** @param {any} version */
function accuracy({ metrics, accuracy_interval: interval }) {
  const range = interval && `95 % interval ${percent(interval[0])} – ${percent(interval[1])}`;
  return h("span", { title: range }, percent(metrics.test_accuracy, 2));
}

/** @param {any} version */
function findings({ damaged, diagnosis }) {
  if (damaged) return "▲ damaged";
  return diagnosis?.length ? `▲ ${number(diagnosis.length)}` : diagnosis ? "● none" : "not assessed";
}

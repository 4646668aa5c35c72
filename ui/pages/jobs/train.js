/** A new training: a form made from the API's schema, with the preset's values, an estimate, and the same as code. */

import { get, may, page as readPage, send } from "../../api.js";
import { python, quoted } from "../../common/code.js";
import { allowed, lacks, load, panel, problem } from "../../common/panel.js";
import { versionPath } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { bytes, number, plain, seconds } from "../../parts/format.js";
import { form } from "../../parts/form.js";
import { go } from "../../parts/router.js";

/** @typedef {import("../../parts/router.js").Page} Page */
/** @typedef {Record<string, any>} Values */

const FIRST = ["model", "dataset", "preset", "epochs", "hidden", "promote"];
const NOT_SETTINGS = [...FIRST.slice(0, 3), "like", "promote", "webhook", "timeout_seconds", "labels", "seed"];
const LONGEST = 4000; // characters of settings in the address
const PAUSE = 250; // milliseconds without typing before an estimate

/** @param {Page} page */
export async function show(page) {
  page.title("A new training");
  const place = h("div");
  page.root.append(h("h1", "A new training"), place);
  await load(place, "the settings", () => read(page), (found) => content(page, found), page.signal);
}

/** @param {Page} page */
async function read({ query, signal }) {
  const list = (/** @type {string} */ path) => readPage(path, { limit: 500 }, signal).then(({ items }) => items);
  const [document, presets, datasets, models, { values, settings }] = await Promise.all([
    get("/openapi.json", { signal }), list("/v1/presets"), list("/v1/datasets"), list("/v1/models"), given(query, signal),
  ]);
  return { schema: document.components.schemas.TrainingRequest, presets, datasets, models, values, settings };
}

/**
 * The values that the address asks for: those of a job, of a version, or written out; and the settings of the version.
 * @param {URLSearchParams} query @param {AbortSignal} signal @returns {Promise<{values: Values, settings: Values | null}>}
 */
async function given(query, signal) {
  /** @type {Values} */
  let values = {};
  const job = query.get("job");
  if (job) values = (await get(`/v1/jobs/${encodeURIComponent(job)}`, { signal })).request;
  for (const name of ["model", "dataset", "preset", "like"]) if (query.has(name)) values[name] = query.get(name);
  try {
    values = { ...values, ...JSON.parse(query.get("values") ?? "{}") };
  } catch {
    // an address that was cut
  }
  if (!values.like) return { values, settings: null };
  const [model, reference = "latest"] = String(values.like).split("@");
  try {
    const version = await get(versionPath(model, reference), { signal });
    return { values: { model, dataset: version.dataset, ...values }, settings: version.configuration };
  } catch (error) {
    if (/** @type {import("../../api.js").Problem} */ (error).status !== 404) throw error;
    return { values, settings: null }; // it was deleted; another one can be chosen
  }
}

/** @param {Page} page @param {Awaited<ReturnType<typeof read>>} found */
function content(page, { schema, presets, datasets, models, values, settings }) {
  /** @type {Record<string, Values | null>} */
  const configurations = Object.fromEntries(presets.map(({ name, configuration }) => [name, configuration]));
  const sets = new Map(datasets.flatMap((one) => [one.name, one.id].map((name) => [name, one])));
  const failure = h("div");
  const about = h("p", { class: "soft" });
  const network = h("p", { class: "network", role: "group", "aria-label": "The network" });
  const estimate = h("p", { "aria-live": "polite" });
  const button = allowed(h("button", { class: "primary", type: "submit", form: "training" }, "Start the training"), "submit");
  let timer = 0;
  let asked = new AbortController();
  let filled = false;
  /** @type {[string, string]} the body that was sent last, and its key */
  let sent = ["", ""];

  const fields = form({
    schema, first: FIRST, rest: "All settings", onchange: changed, onsubmit: (now) => void submit(now),
    suggestions: {
      dataset: [...new Set(["digits", "mnist", "fashion-mnist", ...datasets.map(({ name }) => name)])],
      model: models.map(({ name }) => name),
      promote: ["champion"],
    },
  });
  fields.element.id = "training";
  fields.set(values);
  filled = true;
  page.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  /** @param {Values} now */
  function changed(now) {
    if (!filled) return;
    const text = JSON.stringify(now);
    page.setQuery({ values: text !== "{}" && text.length < LONGEST ? text : null, job: null, like: null, model: null, dataset: null, preset: null });
    draw(now);
    clearTimeout(timer);
    timer = setTimeout(() => void guess(now), PAUSE);
  }

  /** @param {Values} now */
  function draw(now) {
    const name = presetOf(now);
    const preset = !now.like ? configurations[name] : now.like === values.like ? settings : null;
    fields.hint(now.like ? { ...preset } : { preset: name, ...preset });
    about.textContent = now.like ? `The settings of ${plain(now.like)}.` : presets.find((one) => one.name === name)?.description ?? "";
    network.textContent = preset ? drawn({ ...preset, ...now }, sets.get(now.dataset)) : "";
    document.dispatchEvent(new Event("viewchange"));
  }

  function asCode() {
    const body = { model: "my-model", dataset: "digits", ...fields.values() };
    return { method: "POST", path: "/v1/training-jobs", body, python: inPython(body), command: asCommand(body) };
  }

  /** @param {Values} now */
  async function guess(now) {
    asked.abort();
    asked = new AbortController();
    const signal = AbortSignal.any([asked.signal, page.signal]);
    if (!now.model || !now.dataset) return replace(estimate);
    try {
      if (!(await may("submit"))) return replace(estimate, h("span", { class: "soft" }, "No estimate: ", lacks("submit")));
      const found = await send("POST", "/v1/training-jobs/estimate", now, { signal });
      replace(estimate, estimated(found));
      if (!network.textContent) network.textContent = (found.candidates > 1 ? `One of ${found.candidates} candidates, such as ` : "") + drawn(found.configuration, sets.get(now.dataset));
    } catch (error) {
      if (!signal.aborted) replace(estimate, h("span", { class: "soft" }, plain(/** @type {Error} */ (error).message)));
    }
  }

  /** @param {Values} now */
  async function submit(now) {
    const text = JSON.stringify(now);
    if (text !== sent[0]) sent = [text, crypto.randomUUID?.() ?? String(Math.random())];
    button.disabled = true;
    replace(failure);
    try {
      const job = await send("POST", "/v1/training-jobs", now, { signal: page.signal, headers: { "Idempotency-Key": sent[1] } });
      return go(`/ui/jobs/${job.id}`);
    } catch (error) {
      if (page.signal.aborted) return;
      const { status, errors } = /** @type {import("../../api.js").Problem} */ (error);
      if (status === 422 && errors?.length) fields.problems(errors);
      else replace(failure, problem(error));
      if (status === 422) sent = ["", ""];
    }
    button.disabled = false;
  }

  draw(fields.values());
  void guess(fields.values());
  return [
    failure,
    panel("Settings", asCode, fields.element, about, network, estimate, h("p", { class: "row" }, button)),
  ];
}

/** What the API chooses: `auto`, or `fast` if the request has settings. @param {Values} values */
function presetOf(values) {
  return values.preset ?? (Object.keys(values).some((name) => !NOT_SETTINGS.includes(name)) ? "fast" : "auto");
}

/** The layers in one line. @param {Values} settings @param {any} dataset */
function drawn({ convolutions, hidden, activation }, dataset) {
  const layers = [
    dataset?.image_shape.join(" × ") ?? "image",
    ...(convolutions ?? []).map((/** @type {any} */ one) => `${one.filters} filters ${one.kernel_size ?? "?"} × ${one.kernel_size ?? "?"}${one.pool_size > 1 ? `, pooled by ${one.pool_size}` : ""}`),
    ...(hidden ?? []).map((/** @type {any} */ units) => `${units} ${activation}`),
    dataset ? `${number(dataset.classes.length)} classes` : "classes",
  ];
  return plain(layers.join(" → "));
}

/** @param {any} found the estimate of a training @returns {import("../../parts/dom.js").Child[]} */
function estimated({ parameters, memory_bytes: memory, memory_limit_bytes: limit, seconds: [least, most], method }) {
  return ["Estimate: ", h("b", `${number(parameters)} parameters`), ", ", h("b", bytes(memory)), limit && ` of ${bytes(limit)}`, " of memory, ",
    h("b", { title: method }, `${seconds(least)} – ${seconds(most)}`), " on one core of a machine with nothing else to do."];
}

/** @param {Values} values */
function inPython({ model, dataset, ...options }) {
  const rest = Object.entries({ model, ...options }).map(([name, value]) => `, ${name}=${python(value)}`);
  return `job = client.train(${python(dataset)}${rest.join("")})\nprint(job.wait().result)`;
}

/** @param {Values} values */
function asCommand({ model, dataset, preset, like, promote, labels, ...settings }) {
  const options = [["--model", model], ["--preset", preset], ["--like", like], ["--promote", promote]].filter(([, value]) => value);
  /** @type {string[]} */
  const texts = options.flatMap(([option, value]) => [option, quoted(value)]);
  for (const [name, value] of Object.entries(labels ?? {})) texts.push("--label", quoted(`${name}=${value}`));
  for (const [path, value] of Object.entries(settings).flatMap(flat)) texts.push("--set", quoted(`${path}=${typeof value === "string" ? value : JSON.stringify(value)}`));
  return ["glassbox train", quoted(dataset), ...texts].join(" ");
}

/** @param {[string, any]} entry @returns {[string, any][]} */
function flat([name, value]) {
  const isGroup = value && typeof value === "object" && !Array.isArray(value);
  return isGroup ? Object.entries(value).map(([inner, one]) => [`${name}.${inner}`, one]) : [[name, value]];
}

/** What an evaluation job has found: as on a version's page, every number opens its images. */

import { get } from "../../api.js";
import { load, panel } from "../../common/panel.js";
import { h } from "../../parts/dom.js";
import { calibration, classTable, confusion, words } from "../models/evaluation.js";
import { filterOf, images, queryOf } from "../models/images.js";

/** @typedef {import("../models/evaluation.js").Filter} Filter */

/** @param {import("../../parts/router.js").Page} page @param {any} job @returns {HTMLElement} */
export function evaluated(page, { links, result }) {
  const { model, version, dataset, split } = result;
  const place = h("div");
  const shown = images({ path: links.predictions, dataset, split, model, version }, { signal: page.signal });
  const gallery = panel("Images", { path: links.predictions }, shown.element);
  const recipe = { path: links.evaluation };

  function draw() {
    const filter = filterOf(page.query);
    void shown.show({ ...filter, order: "most_confident" }, words(filter, split));
  }

  /** @param {Filter} filter */
  function open(filter) {
    page.setQuery(queryOf(filter), { push: true });
    gallery.scrollIntoView({ block: "start" });
    draw();
  }

  void load(place, "the evaluation", (signal) => get(links.evaluation, { signal }), (found) => [
    panel("Confusion matrix", recipe, confusion(found, open)),
    panel("Classes", recipe, classTable(found, open)),
    panel("Calibration", recipe, calibration(found, open)),
  ], page.signal);
  draw();
  return h("div", place, gallery);
}

/** What an evaluation job has found: as on a version's page, every number opens its images. */

import { get } from "../../api.js";
import { load as read, panel, problem } from "../../common/panel.js";
import { h, replace } from "../../parts/dom.js";
import { near } from "../../parts/near.js";
import { asCode, calibration, classTable, confusion, filterOf, queryOf, words } from "../models/evaluation.js";

/** @typedef {import("../models/evaluation.js").Filter} Filter */

/** @param {import("../../parts/router.js").Page} page @param {any} job @returns {HTMLElement} */
export function evaluated(page, { id: job, links, result }) {
  const { model, version, dataset, split } = result;
  const id = JSON.stringify(job);
  const place = h("div");
  const pictures = h("div", h("p", { class: "soft" }, "The images, the most confident errors first …"));
  const filter = () => ({ ...filterOf(page.query), order: "most_confident" });
  const gallery = panel("Images", () => asCode(links.predictions, `client.jobs.predictions(${id}`, filter()), pictures);
  const recipe = { path: links.evaluation, python: `print(client.jobs.evaluation(${id}))` };
  /** @type {(() => ReturnType<typeof load>) | null} */
  let shown = null;
  const open = (/** @type {Filter} */ filter) => void shown?.().then((made) => made.open(filter), () => {});

  async function load() {
    const { images } = await import("../models/images.js");
    const made = images({ path: links.predictions, dataset, split, model, version }, { signal: page.signal });
    replace(pictures, made.element);
    draw();

    function draw() {
      void made.show(filter(), words(filter(), split));
    }

    return {
      /** @param {Filter} filter */
      open(filter) {
        page.setQuery(queryOf(filter), { push: true });
        gallery.scrollIntoView({ block: "start" });
        draw();
      },
    };
  }

  void read(place, "the evaluation", (signal) => get(links.evaluation, { signal }), (found) => [
    panel("Confusion matrix", recipe, confusion(found, open)),
    panel("Classes", recipe, classTable(found, open)),
    panel("Calibration", recipe, calibration(found, open)),
  ], page.signal).then(() => {
    shown = near(gallery, () => load().catch((error) => {
      replace(pictures, problem(error));
      throw error;
    }));
  });
  return h("div", place, gallery);
}

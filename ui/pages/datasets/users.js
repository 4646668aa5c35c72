/** The versions that were trained on a data set. */

import { items as itemsOf } from "../../api.js";
import { load } from "../../common/panel.js";
import { modelHref, modelPath } from "../../common/paths.js";
import { h } from "../../parts/dom.js";
import { number, plain } from "../../parts/format.js";

/** @typedef {Record<string, any>} Dataset */

const MOST_VERSIONS = 500;

/** The versions that were trained on it, looked up when a person wants them. @param {Dataset} dataset @param {AbortSignal} signal */
export function users(dataset, signal) {
  const place = h("div");
  const button = h("button", { type: "button", onclick: look }, "Look them up");
  return [button, place];

  function look() {
    button.hidden = true;
    load(place, "the versions of all models", async () => {
      let seen = 0;
      const found = [];
      for await (const model of itemsOf("/v1/models", { limit: 500 }, signal)) {
        const versions = `${modelPath(model.name)}/versions`;
        for await (const version of itemsOf(versions, { limit: 500 }, signal)) {
          if (++seen > MOST_VERSIONS) return { seen, found };
          if (version.dataset === dataset.id) found.push(version);
        }
      }
      return { seen, found };
    }, ({ seen, found }) => [
      found.length ? h("ul", found.map(({ model, version, test_accuracy: accuracy }) =>
        h("li", h("a", { href: modelHref(model, version) }, `${plain(model)}@${version}`),
          accuracy !== undefined && ` accuracy ${number(accuracy)}`))) : h("p", "No version was trained on exactly this content."),
      seen > MOST_VERSIONS && h("p", { class: "soft" }, `Only the first ${MOST_VERSIONS} versions were searched.`),
    ], signal);
  }
}

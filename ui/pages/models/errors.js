/** The test images of a version, its errors first: their filter is in the address, their labels can be corrected. */

import { corrections } from "../../common/correct.js";
import { options, panel } from "../../common/panel.js";
import { called } from "../../common/pictures.js";
import { h, replace } from "../../parts/dom.js";
import { asCode, filterOf, queryOf, words } from "./evaluation.js";
import { images, said } from "./images.js";

/** @typedef {import("./evaluation.js").Filter} Filter */

const ORDERS = {
  most_confident: "most confident first", least_confident: "least confident first", index: "by index",
};

/**
 * @param {import("../../parts/router.js").Page} page
 * @param {any} version
 * @param {any[]} mistakes those of the evaluation, which versions of older releases have in place of predictions
 */
export function testImages(page, { model, version, dataset, classes, links }, mistakes) {
  const { signal } = page;
  const path = links.evaluation.replace(/evaluation$/, "predictions");
  const fix = corrections({
    key: `${model}@${version}`, classes, dataset, model, version, removes: true, signal,
    place: (item) => ({ split: "test", index: item.index }), label: (item) => item.label,
    words: (item) => called({ split: "test", ...item }),
  });
  const shown = images({ path, dataset, split: "test", model, version }, {
    signal, caption: (item) => fix.caption(item, said(item)), onkey: fix.onkey,
  });
  const order = h("select", { "aria-label": "Order", onchange: () => (page.setQuery({ order: order.value }), void read()) },
    options(Object.entries(ORDERS), page.query.get("order")));
  const all = h("button", { type: "button", onclick: () => open({ wrong: true }) }, "All errors");
  const reference = JSON.stringify(`${model}@${version}`);
  const few = h("div", { class: "row" });
  const element = panel("Test images", () => asCode(path, `client.models.predictions(${reference}`, { ...filterOf(page.query), order: order.value }), h("p", { class: "row" }, order, all), shown.element, few, fix.element);
  void read();

  async function read() {
    const filter = filterOf(page.query);
    const made = await shown.show({ ...filter, order: order.value }, words(filter, "test"));
    if (made) fix.watch(made);
    const isMissing = shown.element.querySelector(".problem") !== null;
    replace(few, isMissing && mistakes.filter(({ image }) => image.startsWith("data:image/png;")).map((each) =>
      h("figure", { class: "mistake" }, h("img", { src: each.image, alt: `test image ${each.index}` }), h("figcaption", said(each)))));
  }

  /** @param {Filter} filter */
  function open(filter) {
    page.setQuery(queryOf(filter), { push: true });
    element.scrollIntoView({ block: "start" });
    void read();
  }

  return { element, open };
}

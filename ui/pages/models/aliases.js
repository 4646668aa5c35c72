/** A model's aliases: chips with menus. An alias moves only if it still points to the version that the page shows. */

import { Problem, getWithHeaders, send } from "../../api.js";
import { allowed, problem } from "../../common/panel.js";
import { modelPath } from "../../common/paths.js";
import { h, replace } from "../../parts/dom.js";
import { ago, name, plain } from "../../parts/format.js";
import { toast } from "../../parts/toast.js";

/** @typedef {Record<string, number>} Targets versions by alias, as the page shows them */

let menus = 0;

/**
 * @param {{model: string, notice: HTMLElement, changed: () => void, signal: AbortSignal}} options notice: where a conflict
 *   is shown; changed: reads again what the page shows
 */
export function aliasesOf({ model, notice, changed, signal }) {
  const at = (/** @type {string} */ alias) => `${modelPath(model)}/aliases/${encodeURIComponent(alias)}`;

  /**
   * Move an alias from the version that the page shows, undefined if there is no alias; to null removes it.
   * @param {string} alias @param {number | undefined} from @param {number | null} to @param {boolean} [undoes]
   */
  async function move(alias, from, to, undoes = false) {
    replace(notice);
    try {
      /** @type {Record<string, string>} */
      let headers = { "If-None-Match": "*" };
      if (from !== undefined) {
        const { document, headers: read } = await getWithHeaders(at(alias), { signal });
        if (document.version !== from) return conflict(alias, from, to, document);
        headers = { "If-Match": read.get("ETag") ?? "" };
      }
      await send(to === null ? "DELETE" : "PUT", at(alias), to === null ? null : { version: to }, { headers, signal });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && (error.status === 412 || error.code === "alias_not_found")) return conflict(alias, from, to);
      return replace(notice, problem(error));
    }
    const back = from === undefined ? null : from;
    const undo = () => void move(alias, to ?? undefined, back, true);
    toast(to === null ? `${alias} was removed` : `${alias} points to version ${to}`, undoes ? {} : { undo });
    changed();
  }

  /** Say who moved the alias, when and to what. @param {string} alias @param {number | undefined} from
   *  @param {number | null} to @param {any} [now] the alias as it is, if it was read already */
  async function conflict(alias, from, to, now) {
    try {
      now ??= (await getWithHeaders(at(alias), { signal })).document;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem && error.status === 404)) return replace(notice, problem(error));
    }
    const found = now && [`It points to version ${now.version}; it was moved `, ago(now.moved_at), now.moved_by && [" by ", name(now.moved_by)]];
    const seen = from === undefined ? "there was no such alias" : `it pointed to version ${from}`;
    const anyway = to === null ? "Remove it anyway" : `Point it to version ${to} anyway`;
    replace(notice, h("div", { class: "problem", role: "alert" },
      h("strong", `Someone else has ${now ? "moved" : "removed"} `, name(alias)),
      h("p", found ?? "It does not exist any more", `. When this page was read, ${seen}. Nothing was changed.`),
      h("p", { class: "row" },
        h("button", { type: "button", onclick: () => (replace(notice), changed()) }, "Look again"),
        (now || to !== null) && h("button", { type: "button", onclick: () => void move(alias, now?.version, to) }, anyway))));
  }

  /** @param {import("../../parts/dom.js").Child} label @param {string} described @param {import("../../parts/dom.js").Child[]} content */
  function menu(label, described, ...content) {
    const id = `menu-${++menus}`;
    const box = h("div", { id, popover: "", class: "menu", onclick: (/** @type {Event} */ event) =>
      event.target instanceof HTMLButtonElement && event.target.type === "button" && box.hidePopover() }, content);
    return [h("button", { type: "button", class: "chip", popovertarget: id, "aria-label": described }, label), box];
  }

  /** @param {string} text @param {() => void} onclick */
  function action(text, onclick) {
    return allowed(h("button", { type: "button", onclick }, text), "manage");
  }

  /** @type {Map<number, {state: string, chips: HTMLElement}>} so that a menu stays open if its row is drawn again */
  const made = new Map();

  return {
    move,
    /** The aliases of a version, each with a menu, and a menu that points others to it.
     *  @param {number} version @param {Targets} targets */
    chips(version, targets) {
      const all = Object.entries(targets).sort();
      const state = JSON.stringify(all);
      const known = made.get(version);
      if (known?.state === state) return known.chips;
      const field = h("input", { "aria-label": "New alias", placeholder: "new alias", required: true, maxlength: 64, size: 12 });
      const add = h("form", { class: "row", onsubmit(/** @type {Event} */ event) {
        event.preventDefault();
        void move(field.value.trim(), targets[field.value.trim()], version);
      } }, field, allowed(h("button", "Add"), "manage"));
      const chips = h("span", { class: "row" },
        all.filter(([, to]) => to === version).map(([alias]) =>
          menu(name(alias), `Alias ${plain(alias)}`, action("Remove", () => void move(alias, version, null)))),
        menu("+", `Point an alias to version ${version}`,
          all.filter(([, to]) => to !== version).map(([alias, to]) =>
            action(`${plain(alias)}, now version ${to}`, () => void move(alias, to, version))),
          add));
      made.set(version, { state, chips });
      return chips;
    },
  };
}

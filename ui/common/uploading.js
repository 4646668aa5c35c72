/** A form that uploads a file, and shows below itself what the service says about it. */

import { h, replace } from "../parts/dom.js";
import { allowed, problem } from "./panel.js";

/** @typedef {import("../parts/dom.js").Child} Child */

/**
 * @param {object} options
 * @param {string} options.path
 * @param {string} options.verb the button's text
 * @param {ReturnType<typeof import("../parts/drop.js").drop>} options.file
 * @param {Child[]} options.fields their values are the query
 * @param {AbortSignal} options.signal
 * @param {(answer: any) => Child} options.done what to show
 */
export function uploadForm({ path, verb, file, fields, signal, done }) {
  const result = h("div", { "aria-live": "polite" });
  const button = allowed(h("button", { class: "primary" }, verb), "submit");
  const form = h("form", { onsubmit: sent }, file.element, h("div", { class: "fields" }, fields), button, result);
  return { form, result, values };

  /** What is set in the fields. @returns {Record<string, string>} */
  function values() {
    return Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, String(value)]).filter(([, value]) => value));
  }

  /** @param {SubmitEvent} event */
  async function sent(event) {
    event.preventDefault();
    const chosen = file.file();
    if (!chosen) return replace(result, h("p", "Choose a file first."));
    button.disabled = true;
    replace(result);
    try {
      const { sendFile } = await import("./sendfile.js");
      replace(result, done(await file.send((onprogress, until) => sendFile(path, chosen, { query: values(), onprogress, signal: until }), signal)));
    } catch (error) {
      if (!signal.aborted) replace(result, problem(error));
    }
    button.disabled = false;
  }
}

/** Delete a model or a version: it goes after some seconds in which a person can undo it. */

import { send } from "../../api.js";
import { h } from "../../parts/dom.js";
import { plain } from "../../parts/format.js";
import { toast } from "../../parts/toast.js";
import { dialog } from "../../shell.js";

/**
 * @param {{what: string, path: string, aliases: string[], gone: () => void, back: (error?: unknown) => void,
 *   after?: () => void}} options
 *   aliases: those that would be deleted too, which a dialog says first; gone: takes it off the page; back: puts it back;
 *   after: once it is deleted
 */
export function remove({ what, path, aliases, gone, back, after }) {
  const start = () => {
    gone();
    const target = aliases.length ? `${path}?force=true` : path;
    const commit = () => send("DELETE", target, null, { keepalive: true }).then(after, back);
    toast(`${what} is deleted`, { undo: back, commit });
  };
  if (!aliases.length) return start();
  const box = dialog(`Delete ${what}?`,
    h("p", `These aliases point to it and are deleted too: ${aliases.map(plain).join(", ")}. Requests that use them fail then.`),
    h("p", { class: "row" },
      h("button", { type: "button", onclick: () => (box.close(), start()) }, "Delete it and its aliases"),
      h("button", { type: "button", onclick: () => box.close() }, "Keep it")));
}

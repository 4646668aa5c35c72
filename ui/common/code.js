/** A panel's request as curl, Python and command: what a person copies runs as it stands, against this service. */

import { h } from "../parts/dom.js";
import { literal, plain } from "../parts/format.js";

/**
 * The same view or action by other means. save: the file for an answer that no terminal can show. file: that of the body.
 * @typedef {{method?: string, path: string, body?: unknown, file?: string, save?: string, python?: string, command?: string}} Recipe
 */
const DEFAULT = "127.0.0.1:8000"; // the command needs no URL for it

/** @param {Recipe} recipe */
export function written({ method = "GET", path, body, file, save, python: program, command }) {
  const origin = location.origin;
  const verb = method === "GET" ? "" : ` -X ${method}`;
  const json = body === undefined ? "" : ` --json ${quoted(literal(body))}`;
  const data = file === undefined ? "" : ` --data-binary @${quoted(file)}`;
  const output = save === undefined ? "" : ` -o ${quoted(save)}`;
  const server = location.protocol === "http:" && location.host === DEFAULT ? "" : ` --url ${quoted(origin)}`;
  /** @type {[string, string | undefined][]} */
  const ways = [
    ["curl", `curl${verb} -H "Authorization: Bearer $GLASSBOX_API_KEY" ${quoted(origin + path)}${json}${data}${output}`],
    ["Python", program && `from glassbox import Client\n\nclient = Client(${literal(origin)})\n${program}`],
    ["Command", command?.replace(/^glassbox/, `$&${server}`)],
  ];
  return ways.map(([name, text]) => text && h("div", { class: "recipe" },
    h("h3", name),
    h("pre", { tabindex: 0 }, text.split("\n").map(plain).join("\n")),
    navigator.clipboard && h("button", { type: "button", onclick: () => navigator.clipboard.writeText(text) }, "Copy")));
}

/** A value in Python. @param {any} value @returns {string} */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, inner]) => `${literal(name)}: ${python(inner)}`).join(", ")}}`;
  return literal(value);
}

/** The arguments of a call in Python, without those that have no value. @param {Record<string, any>} values */
export function keywords(values) {
  return given(values).map(([name, value]) => `${name}=${python(value)}`).join(", ");
}

/** The options of a command, each after a space. @param {Record<string, any>} values */
export function flags(values) {
  return given(values).map(([name, value]) => ` --${name.replaceAll("_", "-")} ${quoted(String(value))}`).join("");
}

/** @param {Record<string, any>} values */
function given(values) {
  return Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
}

/** A word of a shell's command. @param {string} text */
export function quoted(text) {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

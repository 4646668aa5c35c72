/** A page as one file: what it shows now, without scripts, with its pictures and styles inside. */

import { bytes, saveBlob } from "../api.js";
import { h } from "../parts/dom.js";

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
const NEEDS_SERVICE = ".unsaved, .recipes, form, .fields, select, input, button:not(:is(dl, ol, ul, table) button)";

/** @param {HTMLElement} main @param {string} title @param {string} filename */
export async function saveAsFile(main, title, filename) {
  const { theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } = document.documentElement.dataset;
  const sheet = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel="stylesheet"]'));
  const styles = new TextDecoder().decode((await bytes(sheet.href)).bytes);
  const copy = still(main);
  copy.append(h("p", { class: "soft" }, `Saved on ${new Date().toLocaleString()} from ${location.href}`));
  saveBlob(new Blob([
    `<!doctype html>\n<html lang="en" data-theme="${theme}"><head><meta charset="utf-8">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    `${text(h("title", title))}<style>${styles}</style></head><body>`,
    `${text(copy)}</body></html>\n`,
  ], { type: "text/html" }), filename);
}

/** A copy whose canvases are images, whose links have their hosts, and without what needs the service. @param {HTMLElement} main */
function still(main) {
  const copy = /** @type {HTMLElement} */ (main.cloneNode(true));
  const canvases = main.querySelectorAll("canvas");
  copy.querySelectorAll("canvas").forEach((canvas, i) => {
    const shown = canvases[i];
    const { width } = shown.getBoundingClientRect();
    if (!width || !shown.height) return canvas.remove();
    const image = h("img", { src: shown.toDataURL(), alt: shown.ariaLabel ?? "", class: shown.className });
    Object.assign(image.style, { width: `${width}px`, height: "auto", maxWidth: "100%", imageRendering: getComputedStyle(shown).imageRendering });
    canvas.replaceWith(image);
  });
  for (const each of copy.querySelectorAll(NEEDS_SERVICE)) each.remove();
  for (const link of copy.querySelectorAll("a")) if (link.href) link.setAttribute("href", link.href);
  return copy;
}

/** @param {Element} element */
function text(element) {
  return new XMLSerializer().serializeToString(element);
}

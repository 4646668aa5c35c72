/** Numbers, times and names as text. */

import { h } from "./dom.js";

const INTEGER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
// Control characters, and marks that change the direction of the text around a name (Unicode UAX 9). Joiners are part of
// emoji and of Persian and Indic words.
const JOINED = String.raw`[\p{Lo}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]`;
const HIDDEN = new RegExp([
  String.raw`[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]`,
  String.raw`(?<!${JOINED})[\u200c\u200d]`, String.raw`[\u200c\u200d](?!${JOINED})`,
].join("|"), "gu");

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** 1234567 → "1,234,567", 0.000123 → "0.000123", 12.3456 → "12.35"; null → "–". @param {number | null | undefined} value */
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return INTEGER.format(value);
  if (size >= 1) return String(Number(value.toFixed(size >= 100 ? 1 : 2)));
  return size < 1e-4 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

/** 0.9712 → "97.1 %". @param {number | null | undefined} share @param {number} [digits] */
export function percent(share, digits = 1) {
  return share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`;
}

/** 1536 → "1.5 kB", in powers of 1,000. @param {number | null | undefined} count */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const unit = count < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** unit;
  return `${value < 10 && unit ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** 75 → "1 min 15 s". @param {number | null | undefined} value */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 10) return `${Number(value.toFixed(1))} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Return the `<time>` of an RFC 3339 time: how long ago, the whole in its title. @param {string | null | undefined} time */
export function ago(time) {
  if (!time) return h("span", "–");
  const date = new Date(time);
  let value = (date.getTime() - Date.now()) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) {
      return h("time", { datetime: time, title: date.toLocaleString() }, AGO.format(Math.round(value), unit));
    }
    value /= size;
  }
  return h("time", { datetime: time }, time);
}

/** Return JSON, which is also Python, in which what hides in a text is escaped. @param {unknown} value */
export function literal(value) {
  return JSON.stringify(value).replace(HIDDEN, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Make what hides in a name from outside visible: control characters and direction marks become ⟨U+202E⟩. @param {string} text */
export function plain(text) {
  return text.replace(HIDDEN, (mark) => `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** Return a name from outside for a line with other texts: one written from right to left does not change their order. @param {string} text */
export function isolated(text) {
  return RIGHT_TO_LEFT.test(text) ? `\u2068${plain(text)}\u2069` : plain(text);
}

/** Return an element with a name from outside: never longer than its place, whole in its title. @param {string} text */
export function name(text) {
  return h("span", { class: "name", dir: "auto", title: plain(text) }, plain(text));
}

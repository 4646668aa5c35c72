/** Formulas as MathML, from plain text: `formula("dW2 = A1ᵀ dZ2")`. Symbols of arrays have the colour of their kind. */

const MATH = "http://www.w3.org/1998/Math/MathML";
const SYMBOL = /^(d?)([A-Z]|b)(\d*)('?)(ᵀ?)$/;

/** @typedef {string | Node} Part text, whose words are separated by spaces, or what `frac` and `sup` return */

/** A formula on a line of its own. @param {...Part} parts */
export function formula(...parts) {
  const element = m("math", ...tokens(parts));
  element.setAttribute("display", "block");
  return element;
}

/** A formula inside a text. @param {...Part} parts */
export function inline(...parts) {
  return m("math", ...tokens(parts));
}

/** @param {Part[]} above @param {Part[]} below */
export function frac(above, below) {
  return m("mfrac", m("mrow", ...tokens(above)), m("mrow", ...tokens(below)));
}

/** @param {Part} base @param {Part} power */
export function sup(base, power) {
  return m("msup", m("mrow", ...tokens([base])), m("mrow", ...tokens([power])));
}

/** @param {Part} base @param {Part} index */
export function sub(base, index) {
  return m("msub", m("mrow", ...tokens([base])), m("mrow", ...tokens([index])));
}

/** The kind of an array by its name: a derivative, weights before or after the step, or numbers of a layer. @param {string} name */
export function kind(name) {
  if (name.startsWith("d")) return "derivative";
  if (name.endsWith("'")) return "new";
  return /^[Wb]/.test(name) ? "weight" : "value";
}

/** @param {Part[]} parts @returns {Element[]} */
function tokens(parts) {
  return parts.flatMap((part) => (typeof part === "string" ? part.split(" ").filter(Boolean).map(token) : [/** @type {Element} */ (part)]));
}

/** @param {string} text */
function token(text) {
  const found = SYMBOL.exec(text);
  if (!found) return m(/^[\d.e-]*\d$/.test(text) ? "mn" : /^[\p{L}]+'?$/u.test(text) ? "mi" : "mo", text.replace("'", "′"));
  const [, d, letter, index, prime, transposed] = found;
  const base = m("mi", d + letter);
  const raised = [prime && m("mo", "′"), transposed && m("mi", "T")].filter(Boolean);
  const above = m("mrow", .../** @type {Element[]} */ (raised));
  const below = m("mn", index);
  const whole = index && raised.length ? m("msubsup", base, below, above) : index ? m("msub", base, below) : raised.length ? m("msup", base, above) : base;
  whole.setAttribute("class", `symbol ${kind(text.replace("ᵀ", ""))}`);
  return whole;
}

/** @param {string} tag @param {...(Element | string)} children */
function m(tag, ...children) {
  const element = document.createElementNS(MATH, tag);
  element.append(...children);
  return element;
}

/** Elements from plain calls. Text stays text: nothing here parses HTML. */

/** @typedef {Node | string | number | null | undefined | false} Leaf */
/** @typedef {Leaf | Leaf[] | (Leaf | Leaf[])[] | any[]} Child */
/** @typedef {Record<string, any>} Props */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element: `h("a", {href: "/ui/", class: "chip", onclick: f}, "text", node)`.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props | Child} [props] attributes; functions named `on…` are listeners; the first child if it is none of these
 * @param {...Child} children null and false are left out
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/**
 * Create an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Props | Child} [props]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * Replace all children of a node.
 * @param {Element} node
 * @param {...Child} children
 */
export function replace(node, ...children) {
  node.replaceChildren(...flat(children));
}

/**
 * Return a function that calls `draw` at most once a frame, however often it is called.
 * @param {() => void} draw
 */
export function eachFrame(draw) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      draw();
    });
  };
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Props | Child} props
 * @param {Child[]} children
 * @returns {E}
 */
function fill(element, props, children) {
  if (props && Object.getPrototypeOf(props) === Object.prototype) {
    for (const [name, value] of Object.entries(props)) set(element, name, value);
  } else {
    children.unshift(/** @type {Child} */ (props));
  }
  element.append(...flat(children));
  return element;
}

/** @param {Element} element @param {string} name @param {any} value */
function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "value" || name === "indeterminate") /** @type {any} */ (element)[name] = value;
  else if (name === "dataset") Object.assign(/** @type {HTMLElement} */ (element).dataset, value);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {Child[]} children @returns {(Node | string)[]} */
function flat(children) {
  return /** @type {any[]} */ (children)
    .flat(9)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

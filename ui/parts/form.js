/** A form made from a JSON schema: a field for each property, with its bounds, and errors at their fields. */

import { h, replace } from "./dom.js";

/** @typedef {any} Schema a JSON schema without references */
/** @typedef {Record<string, any>} Values */
/** @typedef {{pointer?: string, parameter?: string, detail: string}} FieldError */
/**
 * A field. read: its value, undefined if it is not set. hint: shows what holds if it is not set.
 * @typedef {{element: HTMLElement, read: () => any, write: (value: any) => void, hint: (value: any) => void}} Field
 */

/** How a value is written in a control, and what the control is. `unset` is the option of a choice that is not set. */
const KINDS = {
  text: {
    control: (/** @type {Schema} */ node) => h("input", { type: "text", maxlength: node.maxLength }),
    parse: (/** @type {string} */ text) => /** @type {any} */ (text),
    format: String,
  },
  number: {
    control: () => h("input", { type: "text", inputmode: "decimal" }),
    parse: (/** @type {string} */ text) => (Number.isNaN(Number(text)) ? text : Number(text)),
    format: String,
  },
  choice: {
    control: (/** @type {Schema} */ node) =>
      h("select", h("option", { value: "" }, "–"), (node.enum ?? [true, false]).map((/** @type {any} */ value) =>
        h("option", { value: JSON.stringify(value) }, said(value)))),
    parse: JSON.parse,
    format: JSON.stringify,
  },
  list: {
    control: () => h("input", { type: "text" }),
    how: "separated by commas; none",
    parse: (/** @type {string} */ text) => (text === "none" ? [] : text.split(/\s*,\s*/).map(KINDS.number.parse)),
    format: (/** @type {any[]} */ values) => values.join(", ") || "none",
  },
  pairs: {
    control: () => h("textarea", { rows: 2 }),
    how: "a line each: name=text",
    parse: (/** @type {string} */ text) =>
      Object.fromEntries(text.split("\n").map((line) => line.split(/\s*=\s*(.*)/))),
    format: (/** @type {Values} */ values) => Object.entries(values).map((pair) => pair.join("=")).join("\n"),
  },
};

let made = 0;

/**
 * Make a form. Properties that are not set are absent from its values.
 *
 * placeholders: what holds for properties that are not set, such as a preset's settings. suggestions: texts to choose
 * from, by property. first: the properties that are seen at once, in this order; the others are folded under `rest`.
 * The page appends the button that submits.
 * @param {{schema: Schema, values?: Values, placeholders?: Values, first?: string[], rest?: string,
 *   suggestions?: Record<string, string[]>, onchange?: (values: Values) => void,
 *   onsubmit?: (values: Values) => void}} options
 */
export function form(options) {
  const { schema, values, placeholders, first, rest = "More settings", suggestions = {}, onchange, onsubmit } = options;
  /** @type {Map<string, {control: HTMLElement, message: HTMLElement}>} */
  const places = new Map();
  const general = h("div", { role: "alert" });
  const seen = first ?? Object.keys(schema.properties);
  const groups = [group(part(schema, seen, true), "#"), group(part(schema, seen, false), "#")];
  const read = () => /** @type {Values} */ (Object.assign({}, ...groups.map((one) => one.read())));
  const changed = () => onchange?.(read());
  const listeners = { oninput: changed, onsubmit: submit };
  const element = h("form", { class: "form", novalidate: true, autocomplete: "off", ...listeners }, general,
     groups[0].element, first && h("details", { class: "more" }, h("summary", rest), groups[1].element));
  const write = (/** @type {Values} */ given) => groups.forEach((one) => one.write(given));
  const hint = (/** @type {Values} */ given) => groups.forEach((one) => one.hint(given));
  if (values) write(values);
  hint(placeholders ?? {});

  /** @param {Schema} node @param {string} path @param {string} name @returns {Field} */
  function field(node, path, name) {
    const inner = { ...node.anyOf?.find((/** @type {Schema} */ one) => one.type !== "null"), ...node };
    const isList = inner.type === "array" && inner.items.properties;
    const found = (inner.properties ? group : isList ? repeated : simple)(inner, path, name);
    return node.anyOf || isList ? optional(found, name, isList ? [] : null) : found;
  }

  /** Several fields; without a name, those of the form itself.
   *  @param {Schema} node @param {string} path @param {string} [name] */
  function group(node, path, name) {
    const keys = Object.keys(node.properties);
    const fields = keys.map((key) => field(node.properties[key], `${path}/${key}`, key));
    const content = fields.map((one) => one.element);
    return {
      element: name ? h("fieldset", h("legend", title(name)), content) : h("div", { class: "fields" }, content),
      read() {
        const found = fields.map((one, index) => [keys[index], one.read()]).filter(([, value]) => value !== undefined);
        return found.length ? Object.fromEntries(found) : undefined;
      },
      write: (/** @type {any} */ value) => fields.forEach((one, index) => one.write(value?.[keys[index]])),
      hint: (/** @type {any} */ value) => fields.forEach((one, index) => one.hint(value?.[keys[index]])),
    };
  }

  /** A label with one control, its description and place for an error.
   *  @param {Schema} node @param {string} path @param {string} name */
  function simple(node, path, name) {
    const id = `field-${++made}`;
    const kind = /** @type {typeof KINDS.list} */ (KINDS[kindOf(node)]);
    const control = /** @type {HTMLInputElement | HTMLSelectElement} */ (/** @type {any} */ (kind).control(node));
    const message = h("p", { class: "fault", id: `${id}-fault` });
    const choices = suggestions[name]?.map((value) => h("option", { value }));
    const known = choices && h("datalist", { id: `${id}-known` }, choices);
    if (known) control.setAttribute("list", known.id);
    control.id = id;
    control.setAttribute("aria-describedby", `${id}-hint ${id}-fault`);
    if (schema.required?.includes(path.slice(2))) control.setAttribute("aria-required", "true");
    control.addEventListener("input", () => tell(path, ""));
    places.set(path, { control, message });
    const description = h("small", { class: "hint", id: `${id}-hint` }, described(node, kind.how));
    return {
      element: h("div", { class: "field" }, h("label", { for: id }, title(name)), control, known, description, message),
      read: () => (control.value.trim() ? kind.parse(control.value.trim()) : undefined),
      write: (/** @type {any} */ value) => void (control.value = value === undefined ? "" : kind.format(value)),
      hint(/** @type {any} */ value) {
        const text = value ?? node.default;
        const held = text === undefined ? "" : kind.format(text);
        if (control instanceof HTMLInputElement) control.placeholder = held;
        else if (control instanceof HTMLSelectElement) control.options[0].text = held ? `– ${said(text)} –` : "–";
      },
    };
  }

  /** Any number of groups. Only the last is removed, so that the others keep their places in the errors' pointers.
   *  @param {Schema} node @param {string} path @param {string} name */
  function repeated(node, path, name) {
    /** @type {Field[]} */
    let items = [];
    const box = h("div");
    const more = h("button", { type: "button", onclick: () => draw(items.length + 1) }, `Add to ${title(name)}`);
    const less = h("button", { type: "button", onclick: () => draw(items.length - 1) }, "Remove the last");
    /** @param {number} count */
    function draw(count) {
      items = items.slice(0, count);
      for (let at = items.length; at < count; at++) items.push(group(node.items, `${path}/${at}`, `${name} ${at + 1}`));
      replace(box, items.map((item) => item.element));
      less.hidden = count === 0;
      changed();
    }
    less.hidden = true;
    return {
      element: h("fieldset", h("legend", title(name)), h("small", { class: "hint" }, described(node)), box, more, less),
      read: () => (items.length ? items.map((item) => item.read() ?? {}) : undefined),
      write(/** @type {any[] | undefined} */ value = []) {
        if (value.length || items.length) draw(value.length);
        items.forEach((item, index) => item.write(value[index]));
      },
      hint: () => {},
    };
  }

  /** A field that can be turned off, if it is on by default: its value is `none` then.
   *  @param {Field} inner @param {string} name @param {any} none */
  function optional(inner, name, none) {
    const isNone = (/** @type {any} */ value) => value !== undefined && JSON.stringify(value) === JSON.stringify(none);
    const off = h("input", { type: "checkbox", onchange: draw });
    const label = h("label", { class: "off" }, off, ` no ${title(name)}`);
    inner.element.append(label);
    function draw() {
      for (const control of inner.element.querySelectorAll("input, select, textarea, button")) {
        if (control !== off) control.toggleAttribute("disabled", off.checked);
      }
    }
    return {
      element: inner.element,
      read: () => (off.checked ? none : inner.read()),
      write(/** @type {any} */ value) {
        off.checked = isNone(value);
        inner.write(off.checked ? undefined : value);
        draw();
      },
      hint(/** @type {any} */ value) {
        label.hidden = !off.checked && (value === undefined || isNone(value));
        inner.hint(value ?? undefined);
      },
    };
  }

  /** @param {string} path @param {string} text */
  function tell(path, text) {
    const found = places.get(path);
    if (found) found.message.textContent = text;
    found?.control.setAttribute("aria-invalid", String(Boolean(text)));
  }

  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    problems([]);
    onsubmit?.(read());
  }

  /** Show errors at their fields, the others on top, and move the focus to the first. @param {FieldError[]} errors */
  function problems(errors) {
    const lost = [];
    /** @type {HTMLElement | undefined} */
    let focused;
    for (const path of places.keys()) tell(path, "");
    for (const { pointer, parameter, detail } of errors) {
      const whole = pointer ?? `#/${parameter ?? ""}`;
      let path = whole;
      while (path && !places.get(path)?.control.isConnected) path = path.slice(0, Math.max(0, path.lastIndexOf("/")));
      const found = places.get(path);
      if (found) tell(path, [found.message.textContent, detail].filter(Boolean).join("; "));
      else lost.push(h("p", { class: "fault" }, `${title(whole.slice(2))} ${detail}`));
      focused ??= found?.control;
    }
    replace(general, lost);
    for (let fold = focused?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
    focused?.focus();
  }

  return { element, values: read, set: write, hint, problems };
}

/** @param {Schema} node @returns {keyof typeof KINDS} */
function kindOf(node) {
  if (node.enum || node.type === "boolean") return "choice";
  if (node.type === "integer" || node.type === "number") return "number";
  return node.type === "array" ? "list" : node.type === "object" ? "pairs" : "text";
}

/** Return the schema with only these properties, or without them.
 *  @param {Schema} schema @param {string[]} names @param {boolean} keep */
function part(schema, names, keep) {
  const all = Object.keys(schema.properties);
  const kept = keep ? names.filter((name) => all.includes(name)) : all.filter((name) => !names.includes(name));
  return { ...schema, properties: Object.fromEntries(kept.map((name) => [name, schema.properties[name]])) };
}

/** @param {string} name */
function title(name) {
  return name.replaceAll("_", " ");
}

/** @param {any} value */
function said(value) {
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

/** What a field is, and its bounds. @param {Schema} node @param {string} [how] */
function described(node, how) {
  /** @type {[string, string][]} */
  const words = [
    ["minimum", "at least"], ["exclusiveMinimum", "above"], ["maximum", "at most"], ["exclusiveMaximum", "below"],
  ];
  const bounds = words.filter(([key]) => Math.abs(node[key]) < 1e9).map(([key, word]) => `${word} ${node[key]}`);
  return [node.description?.replace(/\x60/g, ""), [...bounds, how].filter(Boolean).join(", ")].filter(Boolean).join("; ");
}

/** What every page has around it: navigation, the live sign, theme, key, command palette, keyboard map. */

import { Problem, key, me, setKey } from "./api.js";
import { live } from "./live.js";
import { h, replace } from "./parts/dom.js";
import { again } from "./parts/router.js";

export const PLACES = [
  ["Jobs", "/ui/"],
  ["Data sets", "/ui/datasets"],
  ["Train", "/ui/train"],
  ["Models", "/ui/models"],
  ["Batches", "/ui/batches"],
  ["Predict", "/ui/predict"],
  ["The article", "/ui/article"],
  ["System", "/ui/system"],
];
const THEMES = ["system", "light", "dark"];
/** Build the header, and the keys that work on every page. @param {HTMLElement} header */
export function shell(header) {
  const links = PLACES.map(([text, href]) => h("a", { href }, text));
  const sign = h("span", { class: "live", role: "status" });
  const theme = h("button", { type: "button", onclick: () => nextTheme(theme) });
  const access = h("button", { type: "button", onclick: () => void askKey() }, "Key");
  replace(
    header,
    h("a", { href: "/ui/", class: "home" }, "Glassbox"),
    h("nav", { "aria-label": "Pages" }, links),
    h("span", { class: "grow" }),
    sign,
    h("button", { type: "button", onclick: () => void opens("palette"), title: "Go to … (Ctrl+K)" }, "Go to …"),
    access,
    theme,
  );
  const mark = () => {
    for (const link of links) {
      const path = link.pathname;
      const here = path === "/ui/" ? location.pathname === path || /^\/ui\/jobs\//.test(location.pathname) : location.pathname.startsWith(path);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
  const showLive = () => {
    const text = { live: "● live", waiting: "◐ connecting …", off: "" }[live.state];
    if (sign.textContent !== text) sign.textContent = text;
  };
  const showKey = () => {
    me().then(
      ({ key_required, key: name, scopes }) => {
        access.hidden = !key_required;
        access.textContent = name ? `Key: ${name}${scopes.includes("manage") ? "" : ` (${scopes.join(", ")})`}` : "Key";
      },
      () => (access.hidden = false),
    );
  };
  nextTheme(theme, localStorage.getItem("glassbox.theme") ?? "system");
  document.addEventListener("pagechange", mark);
  document.addEventListener("livechange", showLive);
  for (const type of ["keychange", "pagechange"]) document.addEventListener(type, showKey);
  document.addEventListener("keyneeded", (event) => void askKey(/** @type {CustomEvent} */ (event).detail));
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      void opens("palette");
    } else if (event.key === "?" && !isTyping(event)) void opens("keyboardMap");
  });
  mark();
}

/** Open a dialog that few visits need. @param {"palette" | "keyboardMap"} name */
async function opens(name) {
  (await import("./palette.js"))[name]();
}

/** Whether a key press is text for a field. @param {KeyboardEvent} event */
export function isTyping(event) {
  return /** @type {Element} */ (event.target).matches?.("input:not([type=checkbox]), textarea, select") ?? false;
}

/** @param {HTMLElement} button @param {string} [name] the next theme without it */
function nextTheme(button, name) {
  const root = document.documentElement;
  const theme = name ?? THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
  if (theme === "system") {
    delete root.dataset.theme;
    localStorage.removeItem("glassbox.theme");
  } else {
    root.dataset.theme = theme;
    localStorage.setItem("glassbox.theme", theme);
  }
  button.textContent = `Theme: ${theme}`;
  document.dispatchEvent(new Event("themechange"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));

/** Show a dialog, removed once it is closed. @param {string} title @param {...import("./parts/dom.js").Child} children */
export function dialog(title, ...children) {
  const box = h("dialog", { "aria-label": title, onclose: () => box.remove() }, h("h2", title), ...children);
  document.body.append(box);
  document.addEventListener("pagechange", () => box.close(), { once: true });
  box.showModal();
  return box;
}

/** @type {HTMLDialogElement | null} */
let keyDialog = null;

/** Ask for a key. @param {Problem} [reason] */
function askKey(reason) {
  if (keyDialog?.open) return;
  const field = h("input", { id: "key", type: "password", autocomplete: "off", required: true, value: key() ?? "" });
  const remember = h("input", { type: "checkbox", id: "remember" });
  const box = (keyDialog = dialog(
    "API key",
    h("p", reason?.code === "key_unknown" ? "The server does not know this key." : "The service needs a key. Its operator creates one with make keys."),
    h(
      "form",
      {
        method: "dialog",
        onsubmit: () => {
          setKey(field.value.trim(), { remember: remember.checked });
          again();
        },
      },
      h("label", { for: "key" }, "Key"),
      field,
      h("label", { class: "check" }, remember, " Remember it on this device; otherwise until this tab is closed"),
      h(
        "p",
        { class: "steps" },
        h("button", { class: "primary" }, "Use this key"),
        key() && h("button", { type: "button", onclick: () => (setKey(null), box.close(), again()) }, "Forget it"),
        h("button", { type: "button", onclick: () => box.close() }, "Close"),
      ),
    ),
  ));
}

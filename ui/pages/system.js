/** The state of the service: workers, queues, memory, space, the key, and where the rest is. */

import { get, me, setKey } from "../api.js";
import { live } from "../live.js";
import { load, panel, terms } from "../common/panel.js";
import { eachFrame, h } from "../parts/dom.js";
import { bytes, name, number, seconds } from "../parts/format.js";

/** @param {import("../parts/router.js").Page} page */
export function show({ root, title, signal }) {
  title("System");
  const place = h("div");
  root.append(h("h1", "System"), place);
  const read = () => Promise.all([get("/v1/system", { signal }), me()]);
  const draw = () => load(place, "the state of the service", read, ([system, access]) => view(system, access), signal);
  const redraw = eachFrame(() => void draw());
  live.on({ types: ["state"] }, redraw, signal); // an idle page asks for nothing
  document.addEventListener("livechange", redraw, { signal });
  root.append(h("button", { type: "button", onclick: redraw }, "Read it again"));
  return draw();
}

/** @param {any} system @param {import("../api.js").Access} access */
function view(system, access) {
  const { redis, volume, queues, workers, jobs } = system;
  const recipe = { path: "/v1/system", python: "print(client.system())", command: "glassbox doctor" };
  return [
    faults(system),
    h(
      "div",
      { class: "grid" },
      panel("Workers", recipe, workers ? table(
        ["Host", "Queue", "Processes", "Busy", "Free"],
        workers.map((/** @type {any} */ row) => [name(row.host), row.queue, row.processes, row.busy, row.free]),
        "No worker is online: jobs wait until one is.",
      ) : unknown()),
      panel("Queues", recipe, queues ? table(
        ["Queue", "Jobs waiting", "Oldest waits", "Processes", "Free"],
        queues.map((/** @type {any} */ row) => [row.queue, row.jobs, row.jobs ? seconds(row.oldest_seconds) : "–", row.processes, row.free]),
        "No queue.",
      ) : unknown()),
      panel("Storage", recipe, terms("facts", [
        ["Volume, free", space(volume.free, volume.total)],
        ["Inodes, free", space(volume.free_inodes, volume.inodes, number)],
        ["Redis, memory used", redis.memory_limit ? space(redis.memory_used, redis.memory_limit) : bytes(redis.memory_used)],
        ["Jobs kept", jobs ? number(Object.values(jobs).reduce((sum, count) => sum + Number(count), 0)) : "unknown"],
        ["Webhook dispatchers", number(system.webhook_dispatchers)],
      ])),
      panel("Your access", { path: "/v1/me", python: "print(client.access())" }, terms("facts", [
        ["Key", access.key ? name(access.key) : access.key_required ? "none" : "none is needed: only this machine reaches the service"],
        ["Scopes", access.scopes.join(", ")],
      ]), access.key && h("button", { type: "button", onclick: () => (setKey(null), location.reload()) }, "Forget the key")),
      panel("Version", recipe, terms("facts", [
        ["Glassbox", system.version],
        ["Revision", system.revision ?? "–"],
        ["Events", live.state],
      ]), h("p", link("/docs", "All operations"), " · ", link("/openapi.json", "OpenAPI"), " · ", link("/metrics", "Metrics"), " · ", link("/readyz", "Readiness"))),
    ),
  ];
}

/** @param {any} system */
function faults({ redis, volume }) {
  return [["Redis", redis.fault], ["The volume", volume.fault]].map(
    ([what, fault]) => fault && h("div", { class: "problem", role: "alert" }, h("strong", `${what} accepts no new job`), h("p", fault.detail), h("p", { class: "soft" }, "Code ", h("code", fault.code))),
  );
}

function unknown() {
  return h("p", { class: "soft" }, "Unknown, because Redis does not answer.");
}

/** @param {string} href @param {string} text */
function link(href, text) {
  return h("a", { href }, text);
}

/** @param {number | null} part @param {number | null} whole @param {(value: number | null) => string} [format] */
function space(part, whole, format = bytes) {
  if (part === null || !whole) return format(part);
  return [h("progress", { value: part / whole, "aria-label": `${format(part)} of ${format(whole)}` }), `${format(part)} of ${format(whole)}`];
}

/** @param {string[]} heads @param {import("../parts/dom.js").Child[][]} rows @param {string} none */
function table(heads, rows, none) {
  if (!rows.length) return h("p", { class: "soft" }, none);
  return h(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": heads[0] },
    h("table", h("thead", h("tr", heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", rows.map((row) => h("tr", row.map((cell) => h("td", { class: typeof cell === "number" ? "numeric" : null }, cell)))))),
  );
}

/**
 * The events of all jobs, over one connection for all tabs of the browser: HTTP/1.1 allows six to a host.
 *
 * The visible tab that holds a lock has the connection, and passes the events to the others. A hidden tab has none; when
 * it is visible again, it continues after the last event that it saw. Without a secure context there are no locks: then
 * each visible tab has its own connection.
 */

import { key, keyHeader } from "./api.js";
import { shownAt } from "./parts/router.js";
import { follow } from "./parts/stream.js";

/** @typedef {{id: string, type: string, time: string, job: string | null, kind: string | null, model: string | null, data: any}} LiveEvent */
/** @typedef {{job?: string, kind?: string, model?: string, types?: string[]}} Filter */
/** @typedef {{filter: Filter, callback: (event: LiveEvent) => void}} Subscription */

/** @type {Set<Subscription>} */
const subscriptions = new Set();
const channel = new BroadcastChannel("glassbox.live");
/** @type {AbortController | null} */
let connection = null;
let started = false;
let connected = false;
/** @type {string | null} */
let position = null;
const KEPT = 200;
/** The newest events, and when they came. @type {{event: LiveEvent, at: number}[]} */
const recent = [];

export const live = {
  /** @type {"live" | "waiting" | "off"} */
  state: "off",
  /**
   * Call `callback` for each event that passes the filter, until `signal` aborts. An event of the type `missed` passes
   * every filter: events were lost, or came between a page's first request and this call, so read again what is shown.
   * @param {Filter} filter
   * @param {(event: LiveEvent) => void} callback
   * @param {AbortSignal} signal
   */
  on(filter, callback, signal) {
    const subscription = { filter, callback };
    subscriptions.add(subscription);
    signal.addEventListener("abort", () => subscriptions.delete(subscription), { once: true });
    if (recent.some(({ event, at }) => at >= shownAt && passes(event, filter))) queueMicrotask(() => signal.aborted || callback(missed()));
    start();
  },
};

function start() {
  if (started) return;
  started = true;
  channel.onmessage = ({ data }) => {
    if (data.asks && live.state !== "off") channel.postMessage({ state: live.state });
    else if (data.state) changeState(data.state);
    else if (data.type) deliver(data);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  document.addEventListener("keychange", () => {
    disconnect();
    connect();
  });
  connect();
  channel.postMessage({ asks: true }); // whether there is a connection already
}

function connect() {
  if (connection || document.hidden) return;
  const { signal } = (connection = new AbortController());
  const hold = () => listen(signal);
  if (navigator.locks) navigator.locks.request("glassbox.live", { signal }, hold).catch(() => {});
  else void hold();
}

function disconnect() {
  connection?.abort();
  connection = null;
  connected = false;
}

/** @param {AbortSignal} signal */
function listen(signal) {
  return follow("/v1/events", {
    headers: keyHeader,
    lastId: position,
    signal,
    onevent({ id, type, data }) {
      const event = { id, type, ...JSON.parse(data) };
      channel.postMessage(event);
      deliver(event);
    },
    onstate(state, response) {
      if (signal.aborted) return;
      // The key was revoked while the page was open; a new one connects again.
      if (response?.status === 401) document.dispatchEvent(new CustomEvent("keyneeded", { detail: { code: key() && "key_unknown" } }));
      channel.postMessage({ state });
      changeState(state);
    },
  });
}

/** @param {LiveEvent} event */
function deliver(event) {
  if (event.id) {
    if (position && !newer(event.id, position)) return; // from the tab that had the connection before
    position = event.id;
    recent.push({ event, at: performance.now() });
    if (recent.length > KEPT) recent.shift();
  }
  for (const { filter, callback } of subscriptions) {
    if (event.type === "missed" || passes(event, filter)) callback(event);
  }
}

/** @param {LiveEvent} event @param {Filter} filter */
function passes(event, { job, kind, model, types }) {
  return (
    (!job || event.job === job) &&
    (!kind || event.kind === kind) &&
    (!model || event.model === model) &&
    (!types || types.includes(event.type))
  );
}

/** @returns {LiveEvent} */
function missed() {
  return { id: "", type: "missed", time: "", job: null, kind: null, model: null, data: {} };
}

/** Compare ids of a Redis stream, `milliseconds-number`. @param {string} one @param {string} other */
function newer(one, other) {
  const [time, count] = one.split("-").map(Number);
  const [time2, count2] = other.split("-").map(Number);
  return time > time2 || (time === time2 && count > count2);
}

/** @param {"live" | "waiting" | "off"} state */
function changeState(state) {
  // A page read its lists before the first connection of a tab, or while there was none.
  if (state === "live" && !connected && !position) deliver(missed());
  connected ||= state === "live";
  live.state = state;
  document.dispatchEvent(new Event("livechange"));
}

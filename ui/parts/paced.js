/** Work that follows quick changes: at once after a rest, then at most once in a while, and never twice at a time. */

/**
 * Return a function to call at each change. `act` runs for the newest state: a change during a run causes one more.
 * @param {() => Promise<void>} act must not throw
 * @param {number} pause milliseconds from start to start, at least
 * @param {AbortSignal} signal
 */
export function paced(act, pause, signal) {
  let last = -pause;
  let timer = 0;
  let busy = false;
  let changed = false;

  async function run() {
    clearTimeout(timer);
    if (busy || !changed || signal.aborted) return;
    const wait = last + pause - performance.now();
    if (wait > 0) return void (timer = setTimeout(run, wait));
    [last, busy, changed] = [performance.now(), true, false];
    await act();
    busy = false;
    void run();
  }

  return () => {
    changed = true;
    void run();
  };
}

/** Work that follows quick changes: at once, but not more often than once in a while, and never twice at a time. */

/**
 * Return a function to call at each change. `act` runs for the newest state. A change that comes too early waits for the
 * next one, which is newer, and runs by itself if none follows within the pause.
 * @param {() => Promise<void>} act must not throw
 * @param {number} pause milliseconds from start to start, on average; one start may come early
 * @param {AbortSignal} signal
 */
export function paced(act, pause, signal) {
  let next = 0; // when the next start is due at an even pace
  let timer = 0;
  let busy = false;
  let changed = false;
  const isEarly = () => performance.now() < next - pause;

  async function run() {
    clearTimeout(timer);
    if (busy || !changed || signal.aborted) return;
    next = Math.max(next, performance.now()) + pause;
    [busy, changed] = [true, false];
    await act();
    busy = false;
    if (!isEarly()) void run();
  }

  return () => {
    changed = true;
    clearTimeout(timer);
    if (isEarly()) timer = setTimeout(run, pause);
    else void run();
  };
}

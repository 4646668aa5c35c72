/** Parts of a page that are loaded when a person comes near them. */

const MARGIN = "400px"; // below and above what is seen

/**
 * Return a function that loads the part now, and returns the same promise each time.
 * @template T
 * @param {Element} place where the part will be
 * @param {() => Promise<T>} load called once, when the place is near what is seen
 * @returns {() => Promise<T>}
 */
export function near(place, load) {
  /** @type {Promise<T> | null} */
  let loaded = null;
  const observer = new IntersectionObserver((entries) => {
    if (entries.some(({ isIntersecting }) => isIntersecting)) now().catch(() => {}); // the part shows its error
  }, { rootMargin: MARGIN });
  observer.observe(place);

  function now() {
    observer.disconnect();
    return (loaded ??= load());
  }

  return now;
}

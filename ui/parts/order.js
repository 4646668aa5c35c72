/** A table's order in the page's address: `?order=-accuracy`. */

/** @param {Pick<import("./router.js").Page, "query" | "setQuery">} page */
export function ordered({ query, setQuery }) {
  const first = query.get("order");
  return {
    order: first ? { name: first.replace("-", ""), descending: first.startsWith("-") } : null,
    /** @param {import("./table.js").Order | null} order */
    onorder: (order) => setQuery({ order: order && (order.descending ? "-" : "") + order.name }),
  };
}

/** The routes of the dashboard; see `parts/router.js` for what a page module is. */

import { h, replace } from "./parts/dom.js";
import { start } from "./parts/router.js";
import { problem } from "./common/panel.js";
import { shell } from "./shell.js";
import { awaited } from "./waiting.js";

/** @type {import("./parts/router.js").Route[]} */
const ROUTES = [
  ["/ui/", () => import("./pages/jobs/jobs.js")],
  ["/ui/datasets", () => import("./pages/datasets/datasets.js")],
  ["/ui/datasets/:name", () => import("./pages/datasets/dataset.js")],
  ["/ui/batches", () => import("./pages/batches/batches.js")],
  ["/ui/batches/:job", () => import("./pages/batches/batch.js")],
  ["/ui/jobs/:id", () => import("./pages/jobs/job.js")],
  ["/ui/train", () => import("./pages/jobs/train.js")],
  ["/ui/predict", () => import("./pages/predict.js")],
  ["/ui/glass/:model/:version", () => import("./pages/glass/glass.js")],
  ["/ui/article", () => import("./pages/article/article.js")],
  ["/ui/models", () => import("./pages/models/models.js")],
  ["/ui/models/:name", () => import("./pages/models/models.js")],
  ["/ui/models/:name/compare", () => import("./pages/models/compare.js")],
  ["/ui/models/:name/:version", () => import("./pages/models/version.js")],
  ["/ui/system", () => import("./pages/system.js")],
];

const root = /** @type {HTMLElement} */ (document.getElementById("main"));
shell(/** @type {HTMLElement} */ (document.getElementById("header")));
// A module that was requested once is not requested again before a reload.
start(ROUTES.map(([path, load]) => [path, () => awaited("the modules of this page", load(), () => location.reload())]), {
  root,
  name: "Glassbox",
  failed(error, page) {
    if (error instanceof TypeError && /dynamically imported module/.test(error.message) && reloaded()) return;
    page.title("Error");
    root.append(h("h1", "This page failed"), problem(error, () => location.reload(), page.signal));
  },
  missing(page) {
    page.title("No such page");
    replace(root, h("h1", "No such page"), h("p", "The address has no page. ", h("a", { href: "/ui/" }, "All jobs")));
  },
});

/** After an upgrade of the service the old modules are gone: load the new ones, once. */
function reloaded() {
  const now = Date.now();
  if (now - Number(sessionStorage.getItem("glassbox.reloaded") ?? 0) < 30_000) return false;
  sessionStorage.setItem("glassbox.reloaded", String(now));
  location.reload();
  return true;
}

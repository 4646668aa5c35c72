/** Where models, versions and data sets are: in the API, and the pages that show them. */

/** @param {string} name */
export function modelPath(name) {
  return `/v1/models/${encodeURIComponent(name)}`;
}

/** @param {string} model @param {string | number} [reference] a version or an alias */
export function versionPath(model, reference = "latest") {
  return `${modelPath(model)}/versions/${encodeURIComponent(reference)}`;
}

/** @param {string} reference its name or its id */
export function datasetPath(reference) {
  return `/v1/datasets/${encodeURIComponent(reference)}`;
}

/** @param {string} name @param {string | number} [reference] a version or an alias */
export function modelHref(name, reference) {
  const version = reference === undefined ? "" : `/${encodeURIComponent(reference)}`;
  return `/ui/models/${encodeURIComponent(name)}${version}`;
}

/** @param {string} reference its name or its id */
export function datasetHref(reference) {
  return `/ui/datasets/${encodeURIComponent(reference)}`;
}

/** The glass box of a version. @param {string} model @param {string | number} version */
export function glassHref(model, version) {
  return `/ui/glass/${encodeURIComponent(model)}/${version}`;
}

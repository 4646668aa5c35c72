/** Requests about the image of the glass box, as code. */

import { address } from "../../api.js";
import { flags, keywords, python, quoted } from "../../common/code.js";

const FILE = "image.png"; // stands for a drawing, or for a person's own file

/**
 * @param {"explain" | "unit" | "neighbours"} call @param {string} route of the version @param {string} reference
 * @param {object | null} image the body @param {Record<string, any>} options @returns {import("../../common/panel.js").Recipe}
 */
export function asCode(call, route, reference, image, options) {
  const isPlace = image !== null && !(image instanceof Blob) && !("instances" in image);
  const { row, column, ...rest } = options;
  const values = { model: reference, ...rest, place: row === undefined ? null : [row, column] };
  return {
    method: "POST", path: address(`${route}/${call === "unit" ? "explain/unit" : call}`, options),
    ...(isPlace ? { body: image } : { file: FILE }),
    python: `print(client.${call}(${python(isPlace ? image : FILE)}, ${keywords(values)}))`,
    command: call === "explain" && !isPlace ? `glassbox explain ${quoted(FILE)}${flags(values)} -o why.png` : undefined,
  };
}

/** Single tensors of a safetensors file, read by ranges: its header, then the tensor's bytes. */

import { bytes } from "./api.js";

const BEGINNING = 65536; // holds most headers
const MOST_BYTES = 32 * 2 ** 20;

/** @typedef {import("./parts/tiles.js").Tensor} Tensor */

/**
 * Read a tensor of a version, by default the weights of its first layer; null if it is too large for a page.
 * @param {string} path of the version's weights: its `links.weights`
 * @param {AbortSignal} signal
 * @param {string} [name]
 * @returns {Promise<Tensor | null>}
 */
export async function tensor(path, signal, name = "layer1.weights") {
  const read = async (/** @type {number} */ from, /** @type {number} */ to) =>
    (await bytes(path, { query: { format: "safetensors" }, headers: { Range: `bytes=${from}-${to - 1}` }, signal })).bytes;
  let start = await read(0, BEGINNING);
  const length = Number(new DataView(start.buffer).getBigUint64(0, true));
  if (start.length < 8 + length) start = await read(0, 8 + length);
  const header = JSON.parse(new TextDecoder().decode(start.subarray(8, 8 + length)));
  const { dtype, shape, data_offsets: [from, to] } = header[name];
  if (to - from > MOST_BYTES) return null;
  const end = 8 + length + to;
  const data = start.length >= end ? start.slice(8 + length + from, end) : await read(8 + length + from, end);
  return { shape, values: dtype === "F64" ? new Float64Array(data.buffer) : new Float32Array(data.buffer) };
}

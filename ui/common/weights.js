/** Single tensors of a safetensors file, read by ranges: its header, then the tensor's bytes. */

import { bytes } from "../api.js";

const FIRST = "layer1.weights";
const BEGINNING = 65536; // holds most headers
const MOST_BYTES = 32 * 2 ** 20;

/** @typedef {import("../parts/pictures/tiles.js").Tensor} Tensor */

/**
 * Read a tensor of a version, by default the weights of its first layer; null if it is too large for a page.
 * @param {string} path of the version's weights: its `links.weights`
 * @param {AbortSignal} signal
 * @param {string} [name]
 * @returns {Promise<Tensor | null>}
 */
export async function tensor(path, signal, name = FIRST) {
  const read = async (/** @type {number} */ from, /** @type {number} */ to) =>
    (await bytes(path, { query: { format: "safetensors" }, headers: { Range: `bytes=${from}-${to - 1}` }, signal })).bytes;
  let start = await read(0, BEGINNING);
  if (start.length < beginning(start)) start = await read(0, beginning(start));
  const { dtype, shape, data_offsets: [from, to] } = header(start)[name];
  if (to - from > MOST_BYTES) return null;
  const [first, end] = [beginning(start) + from, beginning(start) + to];
  const data = start.length >= end ? start.slice(first, end) : await read(first, end);
  return { shape, values: numbers(data, dtype) };
}

/**
 * Read a tensor of a running training's newest checkpoint, and after how many epochs it was saved.
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {string} [name]
 * @returns {Promise<{epochs: number, tensor: Tensor}>}
 */
export async function checkpoint(path, signal, name = FIRST) {
  const file = (await bytes(path, { query: { tensor: name }, signal })).bytes;
  const found = header(file);
  const values = numbers(file.slice(beginning(file)), found[name].dtype);
  return { epochs: Number(found.__metadata__.epochs), tensor: { shape: found[name].shape, values } };
}

/** The weights of a version, as code. @param {any} version @returns {import("./panel.js").Recipe} */
export function asCode({ model, version, links }) {
  const [reference, file] = [`${model}@${version}`, "weights.safetensors"];
  return {
    path: `${links.weights}?format=safetensors`, save: file, python: `client.models.download("${reference}", "${file}")`,
    command: `glassbox models download ${reference} --format safetensors -o ${file}`,
  };
}

/** Read all tensors of a file. @param {Uint8Array} file @returns {{metadata: Record<string, string>, arrays: Record<string, Tensor>}} */
export function tensors(file) {
  const { __metadata__: metadata, ...found } = header(file);
  const start = beginning(file);
  const arrays = Object.fromEntries(Object.entries(found).map(([name, { dtype, shape, data_offsets: [from, to] }]) =>
    [name, { shape, values: numbers(file.slice(start + from, start + to), dtype) }]));
  return { metadata, arrays };
}

/** Where the numbers of a file begin. @param {Uint8Array} file */
function beginning(file) {
  return 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
}

/** @param {Uint8Array} file @returns {any} */
function header(file) {
  return JSON.parse(new TextDecoder().decode(file.subarray(8, beginning(file))));
}

/** @param {Uint8Array} data @param {string} dtype */
function numbers({ buffer }, dtype) {
  return dtype === "F64" ? new Float64Array(buffer) : new Float32Array(buffer);
}

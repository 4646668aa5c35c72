// A square to draw a digit on, or to drop, paste or choose an image. A drawing becomes gray levels, normalised as MNIST's
// digits were: scaled into a box of 20 x 20, with its centre of mass in the middle of 28 x 28.
import { h } from "../dom.js";
import { bytes, plain } from "../format.js";

const SIDE = 280;
const STROKES = 200; // kept for undo; older ones stay drawn
const MOST_BYTES = 20 * 2 ** 20;

/**
 * @param {{onchange: (picture: {gray: Uint8Array, size: number} | Blob | null) => void}} options
 *   called with a drawing as gray levels (size x size, 0 is the empty background), with an image's file, or with null
 */
export function pad({ onchange }) {
  const canvas = h("canvas", {
    width: SIDE, height: SIDE, class: "pad-canvas", role: "img", "aria-label": "Draw here with a pen, finger or mouse",
    onpointerdown: begin, onpointermove: draw, onpointerup: end, onpointercancel: end,
  });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const width = h("input", { type: "range", min: "8", max: "40", value: "22" });
  const normal = h("input", { type: "checkbox", checked: true, onchange: report });
  const file = h("input", { type: "file", accept: "image/*", onchange: () => take(file.files) });
  const note = h("p", { class: "pad-note", "aria-live": "polite" });
  const element = h("div", {
    class: "pad", ondragover: (/** @type {Event} */ event) => event.preventDefault(), ondrop: dropped,
  },
    canvas,
    h("div", { class: "pad-tools" },
      h("button", { type: "button", onclick: undo }, "Undo"),
      h("button", { type: "button", onclick: clear }, "Clear"),
      h("label", "Pen width", width),
      h("label", normal, "Scale and centre as MNIST did"),
      h("label", "Or drop, paste or choose an image", file)),
    note);

  /** @typedef {{width: number, points: number[][]}} Stroke */
  /** @type {Stroke[]} */
  let strokes = [];
  /** @type {Stroke | null} */
  let stroke = null;
  let frame = 0;
  document.addEventListener("paste", pasted);
  document.addEventListener("themechange", paint);

  /** @param {PointerEvent} event */
  function begin(event) {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    stroke = { width: Number(width.value), points: [] };
    strokes = [...strokes.slice(-STROKES), stroke];
    note.textContent = "";
    draw(event);
  }

  /** @param {PointerEvent} event */
  function draw(event) {
    if (!stroke) return;
    const box = canvas.getBoundingClientRect();
    const events = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of events.length ? events : [event]) {
      stroke.points.push([((clientX - box.left) * SIDE) / box.width, ((clientY - box.top) * SIDE) / box.height]);
    }
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      report();
    });
  }

  function end() {
    stroke = null;
  }

  function paint() {
    context.clearRect(0, 0, SIDE, SIDE);
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = getComputedStyle(element).getPropertyValue("--ink") || "black";
    for (const { width, points } of strokes) {
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(points[0][0], points[0][1]);
      for (const [x, y] of points) context.lineTo(x, y);
      context.stroke();
    }
  }

  /** Draw, and report what is drawn. */
  function report() {
    paint();
    if (!strokes.length) return onchange(null);
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    const ink = new Uint8Array(SIDE * SIDE);
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3];
    onchange({ gray: normal.checked ? normalised(ink, SIDE) : shrunk(ink, SIDE, [0, 0, SIDE, SIDE], 28), size: 28 });
  }

  function undo() {
    strokes = strokes.slice(0, -1);
    report();
  }

  function clear() {
    strokes = [];
    note.textContent = file.value = "";
    report();
  }

  /** @param {DragEvent} event */
  function dropped(event) {
    event.preventDefault();
    take(event.dataTransfer?.files);
  }

  /** @param {ClipboardEvent} event */
  function pasted(event) {
    if (event.clipboardData?.files.length) take(event.clipboardData.files);
  }

  /** @param {FileList | null | undefined} files */
  async function take(files) {
    const image = files?.[0];
    if (!image) return;
    if (image.size > MOST_BYTES) {
      note.textContent = "The image is larger than 20 MiB. Choose a smaller one.";
      return;
    }
    strokes = [];
    paint();
    note.textContent = `${plain(image.name)}, ${bytes(image.size)}`;
    onchange(image);
    try {
      const bitmap = await createImageBitmap(image);
      const scale = SIDE / Math.max(bitmap.width, bitmap.height);
      const [w, t] = [bitmap.width * scale, bitmap.height * scale];
      context.drawImage(bitmap, (SIDE - w) / 2, (SIDE - t) / 2, w, t);
      bitmap.close();
    } catch {
      note.textContent += ": this browser cannot show it, the service may read it";
    }
  }

  return {
    element,
    clear,
    undo,
    destroy() {
      document.removeEventListener("paste", pasted);
      document.removeEventListener("themechange", paint);
    },
  };
}

/** Return the drawing as MNIST's digits were made: (28 x 28), its longer side 20, its centre of mass in the middle.
 * @param {ArrayLike<number>} ink side x side, 0 is empty
 * @param {number} side */
export function normalised(ink, side) {
  let [left, top, right, bottom] = [side, side, -1, -1];
  for (let i = 0; i < side * side; i++) {
    if (!ink[i]) continue;
    left = Math.min(left, i % side);
    right = Math.max(right, i % side);
    top = Math.min(top, Math.floor(i / side));
    bottom = i / side;
  }
  const gray = new Uint8Array(28 * 28);
  if (right < 0) return gray;
  const [wide, high] = [right - left + 1, Math.floor(bottom) - top + 1];
  const longer = Math.max(wide, high);
  const box = shrunk(ink, side, [left - (longer - wide) / 2, top - (longer - high) / 2, longer, longer], 20);
  let [sum, x, y] = [0, 0, 0];
  box.forEach((value, i) => {
    sum += value;
    x += value * (i % 20);
    y += value * Math.floor(i / 20);
  });
  // Far from the middle the centre of mass would move the box out of the picture.
  const place = (/** @type {number} */ centre) => Math.max(0, Math.min(8, Math.round(13.5 - centre)));
  const [dx, dy] = [place(x / sum), place(y / sum)];
  box.forEach((value, i) => (gray[(Math.floor(i / 20) + dy) * 28 + (i % 20) + dx] = value));
  return gray;
}

/** Return a square of the drawing, which may reach beyond it, in size x size: each number is the mean of its area.
 * @param {ArrayLike<number>} ink @param {number} side
 * @param {number[]} square left, top, width, height @param {number} size */
function shrunk(ink, side, [left, top, width, height], size) {
  const small = new Uint8Array(size * size);
  const edges = (/** @type {number} */ from, /** @type {number} */ length, /** @type {number} */ i) => {
    const start = Math.floor(from + (i * length) / size);
    return [start, Math.max(start + 1, Math.floor(from + ((i + 1) * length) / size))];
  };
  for (let i = 0; i < size * size; i++) {
    const [x0, x1] = edges(left, width, i % size);
    const [y0, y1] = edges(top, height, Math.floor(i / size));
    let sum = 0;
    for (let y = Math.max(0, y0); y < Math.min(side, y1); y++) {
      for (let x = Math.max(0, x0); x < Math.min(side, x1); x++) sum += ink[y * side + x];
    }
    small[i] = Math.round(sum / ((x1 - x0) * (y1 - y0)));
  }
  return small;
}

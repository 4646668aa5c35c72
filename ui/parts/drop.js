// A place to drop a file on, or to choose one, with the progress of its upload.
import { h } from "./dom.js";
import { bytes, percent, plain } from "./format.js";

/** @typedef {(sent: number, total: number) => void} OnProgress */

/** @param {{text: string, ontake?: (file: File) => void}} options */
export function drop({ text, ontake }) {
  /** @type {File | null} */
  let chosen = null;
  const input = h("input", { type: "file", "aria-label": text, onchange: () => take(input.files?.[0]) });
  const says = h("p", { class: "drop-file", "aria-live": "polite" });
  const bar = h("progress", { max: 1, hidden: true, "aria-label": "Upload" });
  const cancel = h("button", { type: "button", hidden: true }, "Cancel the upload");
  const element = h("div", {
    class: "drop",
    ondragover: (/** @type {DragEvent} */ event) => over(event, true),
    ondragleave: (/** @type {DragEvent} */ event) => over(event, false),
    ondrop(/** @type {DragEvent} */ event) {
      over(event, false);
      if (event.dataTransfer?.items[0]?.webkitGetAsEntry?.()?.isDirectory) {
        says.textContent = "This is a folder. Pack it as a zip or tar, and drop that.";
      } else take(event.dataTransfer?.files[0]);
    },
  }, h("p", text), input, says, bar, cancel);

  /** @param {DragEvent} event @param {boolean} on */
  function over(event, on) {
    event.preventDefault();
    element.classList.toggle("over", on);
  }

  /** @param {File | undefined} file */
  function take(file) {
    if (!file) return;
    chosen = file;
    says.textContent = `${plain(file.name)}, ${bytes(file.size)}`;
    ontake?.(file);
  }

  return {
    element,
    file: () => chosen,
    /**
     * Show the progress of a request that sends the file, and let it be cancelled.
     * @template T
     * @param {(onprogress: OnProgress, signal: AbortSignal) => Promise<T>} request
     * @param {AbortSignal} signal
     */
    async send(request, signal) {
      const controller = new AbortController();
      const stop = () => controller.abort();
      signal.addEventListener("abort", stop);
      cancel.addEventListener("click", stop);
      bar.hidden = cancel.hidden = false;
      try {
        return await request((sent, total) => {
          bar.value = total ? sent / total : 0;
          says.textContent = sent < total ? `${percent(sent / total, 0)} of ${bytes(total)} sent` :
            "All is sent. The service reads the file.";
        }, controller.signal);
      } finally {
        signal.removeEventListener("abort", stop);
        cancel.removeEventListener("click", stop);
        bar.hidden = cancel.hidden = true;
        if (chosen) take(chosen);
      }
    },
  };
}

"""The dashboard in a real Chromium: bytes, time to the first curve, delay of events, tables, galleries, many viewers.

    PYTHONPATH=.:client python -m benchmarks.serving.dashboard

Runs an embedded stack on the built-in digits. Needs Chromium and the requirements of `dev.txt`. The exit status is 1 if
a target is missed. Writes `var/benchmarks/dashboard.json`.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from glassbox import Client
from playwright.sync_api import Browser, Page, sync_playwright

from api.resources.service.ui import FOLDER, Bundle
from benchmarks.figures import Figure, report
from services.embedded.running import running_stack

OUTPUT = Path("var/benchmarks/dashboard.json")
ROUNDS = 9
VIEWERS = 50
PICTURES = 10_000
SIDE = 28
ROWS = 1000
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

EVENT_DELAYS = """async (assets) => {
  const { live } = await import(`${assets}/live.js`);
  const delays = (window.delays = []);
  const { signal } = new AbortController();
  live.on({ types: ["epoch"] }, (event) => delays.push(Date.now() - Date.parse(event.time)), signal);
}"""
TABLE = """async ({ assets, rows }) => {
  const { table } = await import(`${assets}/parts/table.js`);
  const columns = ["id", "kind", "state", "model", "result", "submitted", "took"];
  const made = table({ label: "jobs", key: (row) => row.id,
    columns: columns.map((name) => ({ name, label: name, cell: (row) => `${name} ${row[name]}` })) });
  const row = (i) => ({ ...Object.fromEntries(columns.map((name) => [name, i])), id: `${i}` });
  const all = Array.from({ length: rows }, (_, i) => row(i));
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const main = document.querySelector("main");
  main.replaceChildren(made.element);
  await frame();
  const begun = performance.now();
  made.set(all);
  await frame();
  const painted = performance.now() - begun;
  const from = performance.now();
  for (let i = 0; i < 100; i++) made.update({ ...all[i], state: "changed" });
  return [painted, (performance.now() - from) / 100];
}"""
GALLERY = """async ({ assets, total, side }) => {
  const { gallery } = await import(`${assets}/parts/${location.hash.slice(1)}`);
  const pictures = new Uint8Array(512 * side * side).map((_, i) => i * 7);
  const made = gallery({ label: "pictures", caption: (item) => String(item),
    read: async (from, count) => ({
      pictures: pictures.subarray(0, count * side * side), height: side, width: side, channels: 1,
      items: Array.from({ length: count }, (_, i) => from + i) }) });
  document.querySelector("main").replaceChildren(made.element);
  made.set(total);
  const scroller = made.element.querySelector(".gallery-scroller");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const frames = [];
  let last = performance.now();
  for (let i = 0; i < 300; i++) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
    scroller.scrollTop += 150;
  }
  return frames.slice(10);
}"""


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("Chromium is not installed (Debian: apt install chromium)")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "volume", Path(folder) / "log") as client,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM)
        figures = [*sizes(), *first_curve(client, browser), *delays(client, browser), *parts(client, browser)]
        figures += viewers(client)
        browser.close()
    return report(figures, OUTPUT)


def sizes() -> list[Figure]:
    """Return what a first visit of the largest page transfers, and the size of all files."""
    bundle = Bundle(FOLDER)
    packed = {name: len(gzip.compress(content, 9)) for name, content in bundle.files.items()}
    shared = {name for name in bundle.files if name.endswith((".css", ".svg")) or name == "first.js"}
    pages = [name for name in bundle.files if name.startswith("pages/")]
    visits = [shared | set(bundle.needed_by("main.js")) | set(bundle.needed_by(page)) for page in pages]
    largest = max(sum(packed[name] for name in visit) for visit in visits) / 1000
    longest = max(sum(len(bundle.files[name]) for name in visit) for visit in visits) / 1000
    whole, raw = sum(packed.values()) / 1000, sum(map(len, bundle.files.values())) / 1000
    return [
        Figure("first visit of the largest page, gzipped", largest, "kB", "at most 60", largest <= 60),
        Figure("first visit of the largest page, raw", longest, "kB", "at most 150", longest <= 150),
        Figure("all files, gzipped one by one", whole, "kB", "at most 60", whole <= 60),
        Figure("all files, raw", raw, "kB", "at most 150", raw <= 150),
    ]


def first_curve(client: Client, browser: Browser) -> list[Figure]:
    """Return the time from the navigation to the first curve of a finished training, with an empty cache."""
    job = client.train("digits", model="curve", preset="fast", epochs=60).wait()
    times = []
    for _ in range(ROUNDS):
        page = opened(browser)
        begun = time.perf_counter()
        page.goto(f"{client.url}/ui/jobs/{job.id}", wait_until="commit")
        page.wait_for_selector("figure svg path")
        times.append(1000 * (time.perf_counter() - begun))
        page.context.close()
    median = statistics.median(times)
    return [Figure("first curve, cold", median, "ms", "at most 500", median <= 500)]


def delays(client: Client, browser: Browser) -> list[Figure]:
    """Return the time from an epoch in the worker to its event in the page."""
    page = opened(browser)
    page.goto(f"{client.url}/ui/")
    page.wait_for_function("() => document.querySelector('.live').textContent.includes('live')")
    page.evaluate(EVENT_DELAYS, assets(client))
    client.train("digits", model="delays", preset="accurate", epochs=40).wait()
    page.wait_for_function("() => window.delays.length >= 40")
    found: list[float] = page.evaluate("() => window.delays")
    page.context.close()
    median, worst = float(np.percentile(found, 50)), float(np.percentile(found, 99))
    return [
        Figure("epoch to browser, p50", median, "ms", "at most 20", median <= 20),
        Figure("epoch to browser, p99", worst, "ms", "at most 100", worst <= 100),
    ]


def parts(client: Client, browser: Browser) -> list[Figure]:
    """Return the times of the table and the gallery."""
    page = opened(browser)
    gallery = next(name for name in Bundle(FOLDER).files if name.endswith("gallery.js"))
    page.goto(f"{client.url}/ui/system#{gallery.removeprefix('parts/')}")
    page.wait_for_selector("h2")
    path = assets(client)
    times = [page.evaluate(TABLE, {"assets": path, "rows": ROWS}) for _ in range(ROUNDS)]
    painted, changed = (statistics.median(one[i] for one in times) for i in range(2))
    frames = page.evaluate(GALLERY, {"assets": path, "total": PICTURES, "side": SIDE})
    slow = float(np.percentile(frames, 95))
    page.context.close()
    return [
        Figure(f"{ROWS} rows painted", painted, "ms", "at most 300", painted <= 300),
        Figure("a changed row", changed, "ms", "at most 1", changed <= 1),
        Figure(f"a frame of {PICTURES} pictures that scroll, p95", slow, "ms", "at most 20", slow <= 20),
    ]


def viewers(client: Client) -> list[Figure]:
    """Return the CPU time of the API while many viewers follow a training, as a share of a core."""
    ends: list[int] = []

    def follow() -> None:
        with httpx.stream(
            "GET", f"{client.url}/v1/events", headers={"Accept": "text/event-stream"}, timeout=60
        ) as found:
            ends.append(found.status_code)
            for line in found.iter_lines():
                if '"succeeded"' in line:
                    return

    threads = [threading.Thread(target=follow, daemon=True) for _ in range(VIEWERS)]
    for thread in threads:
        thread.start()
    while len(ends) < VIEWERS:
        time.sleep(0.01)
    process = api_process(client)
    begun, used = time.perf_counter(), cpu_seconds(process)
    client.train("digits", model="viewers", preset="accurate", epochs=60).wait()
    share = 100 * (cpu_seconds(process) - used) / (time.perf_counter() - begun)
    for thread in threads:
        thread.join(10)
    refused = sum(status != 200 for status in ends)
    return [
        Figure(f"API's CPU with {VIEWERS} viewers of a training", share, "% core", "at most 10", share <= 10),
        Figure("refused viewers", refused, "", "none", refused == 0),
    ]


def opened(browser: Browser) -> Page:
    """Return a page of a new profile."""
    return browser.new_context(viewport={"width": 1280, "height": 800}).new_page()


def assets(client: Client) -> str:
    """Return the path of the modules."""
    return f"{client.url}{Bundle(FOLDER).assets}"


def api_process(client: Client) -> list[int]:
    """Return the processes of the API: gunicorn's, by the port in their environment."""
    port = f"GLASSBOX_PORT={client.url.rsplit(':', 1)[1]}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if b"gunicorn" in (folder / "cmdline").read_bytes() and port in (folder / "environ").read_bytes().split(
                b"\0"
            ):
                found.append(int(folder.name))
        except (OSError, ValueError):
            continue
    return found


def cpu_seconds(processes: list[int]) -> float:
    """Return the CPU time that the processes have used."""
    total = 0.0
    for process in processes:
        fields: list[Any] = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / 100
    return total


if __name__ == "__main__":
    sys.exit(main())

"""The command `glassbox`: the time of `--help`, and the rate of classifying a folder, compared with the API alone.

    PYTHONPATH=.:client python benchmarks/cli.py [--rounds 9]

For the API alone, a program of ten lines on httpx posts an existing zip of the same 10,000 PNG files, polls the job
until it ends, and writes the rows as CSV. Both are measured as processes, from their start to their end, in turns on
one stack: from the folder or the zip on the disk to the rows on the disk. The SDK in a running program is measured in
the same way. Needs `mnist.npz` and `mnist-test-png.zip` in the folder that `GLASSBOX_TEST_DATA` names. The exit status
is 1 if a target is missed. Writes `var/benchmarks/cli.json`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from glassbox import Client

from benchmarks.figures import Figure, report
from services.embedded.running import running_stack

DATA = Path(os.environ.get("GLASSBOX_TEST_DATA", "../shared/data"))
OUTPUT = Path("var/benchmarks/cli.json")
IMAGES = 10_000
HELPS = 21

BY_THE_API = """\
import sys, time, httpx
url, archive, rows = sys.argv[1:]
with httpx.Client(base_url=url, timeout=60.0) as http, open(archive, "rb") as file:
    job = http.post("/v1/batch-jobs?model=digits", content=file.read()).raise_for_status().json()
    while job["state"] not in ("succeeded", "failed"):
        time.sleep(0.02)
        job = http.get(job["links"]["self"]).json()
    with open(rows, "wb") as output:
        output.write(http.get(job["links"]["results"], params={"format": "csv"}).content)
"""


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description="Measure the command's start, and hold it against the API alone.")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    figures = [help_seconds(), *rates(options.rounds)]
    return report(figures, OUTPUT)


def help_seconds() -> Figure:
    """Measure the median of several starts."""
    milliseconds = 1000 * statistics.median(seconds(lambda: run("-m", "glassbox", "--help")) for _ in range(HELPS))
    return Figure("glassbox --help", milliseconds, "ms", "under 200", milliseconds < 200)


def rates(rounds: int) -> Iterator[Figure]:
    """Measure all ways in turns, round by round."""
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as name:
        folder = Path(name)
        archive, images = DATA / "mnist-test-png.zip", folder / "images"
        with zipfile.ZipFile(archive) as content:
            content.extractall(images)
        with running_stack(folder / "volume", folder / "stack.log", GLASSBOX_DATASETS=str(DATA.resolve())) as client:
            client.train("mnist", model="digits", epochs=1).wait()
            by_command = ("-m", "glassbox", "--url", client.url, "classify", images, "-m", "digits", "-o")
            ways: dict[str, Callable[[Path], object]] = {
                "api": lambda rows: run("-c", BY_THE_API, client.url, archive, rows),
                "command": lambda rows: run(*by_command, rows),
                "zip": lambda rows: classified(client, archive, rows),
                "folder": lambda rows: classified(client, images, rows),
            }
            taken: dict[str, list[float]] = {way: [] for way in ways}
            for number in range(rounds + 1):
                for way, classify in ways.items():
                    spent = seconds(lambda: classify(folder / f"{way}.csv"))  # noqa: B023 - called at once
                    if number:  # the first round warms up
                        taken[way].append(spent)
        assert len({(folder / f"{way}.csv").read_bytes() for way in ways}) == 1, "the rows differ"
    median = {way: IMAGES / statistics.median(spent) for way, spent in taken.items()}
    share = median["command"] / median["api"]
    yield Figure("a program that posts the zip by the API", median["api"], "images/s")
    yield Figure("glassbox classify FOLDER", median["command"], "images/s")
    yield Figure("the command's rate as a fraction of the API's", share, "×", "at least 0.8", share >= 0.8)
    yield Figure("the SDK in a running program, the zip", median["zip"], "images/s")
    yield Figure("the SDK in a running program, the folder", median["folder"], "images/s")


def classified(client: Client, source: Path, rows: Path) -> None:
    """Classify with the SDK, and download the rows."""
    client.classify(source, model="digits").wait().save(rows)


def run(*arguments: str | Path) -> None:
    """Run a Python program to its end."""
    subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True)


def seconds(what: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())

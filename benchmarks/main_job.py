"""The main job on the embedded stack with real MNIST: train, classify 10,000 PNG files, time to the start of a job.

Prints a table and writes `var/benchmarks/main_job.json`. Needs `mnist.npz` and `mnist-test-png.zip` in the folder that
`GLASSBOX_TEST_DATA` names.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from glassbox import Client, Row
from glassbox.options import Preset

from benchmarks.figures import Figure, report
from services.embedded.running import running_stack
from shared.registry import Registry
from shared.registry.classifier import Classifier
from shared.storage.volume import Volume

DATA = Path(os.environ.get("GLASSBOX_TEST_DATA", "../shared/data"))
OUTPUT = Path("var/benchmarks/main_job.json")
BATCHES = 7
STARTS = 30


def main() -> None:
    """Measure, print and write the figures."""
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as folder:
        volume = Path(folder) / "volume"
        with running_stack(volume, Path(folder) / "stack.log", GLASSBOX_DATASETS=str(DATA.resolve())) as client:
            figures = [*training(client), *batches(client, volume), *starts(client)]
    report(figures, OUTPUT)


def training(client: Client) -> list[Figure]:
    """Measure one training job for each preset."""
    figures = []
    expected: tuple[tuple[Preset, str, str], ...] = (
        ("article", "at least 0.955", ""),
        ("fast", "at least 0.975", "under 10"),
    )
    for preset, accuracy, seconds in expected:
        metrics = client.train("mnist", model=preset, preset=preset).wait().metrics
        figures += [
            Figure(f"{preset}: test accuracy on MNIST", metrics["test_accuracy"], "", accuracy),
            Figure(f"{preset}: training", metrics["training_seconds"], "s", seconds),
        ]
    return figures


def batches(client: Client, volume: Path) -> list[Figure]:
    """Measure from POST to the last row of 10,000 PNG files; count the rows that agree with the network."""
    seconds = []
    rows: list[Row] = []
    for _ in range(BATCHES):
        start = time.perf_counter()
        rows = list(client.classify(DATA / "mnist-test-png.zip", model="fast").wait().rows())
        seconds.append(time.perf_counter() - start)
    registry = Registry(Volume(volume))
    classifier = Classifier.load(registry, registry.resolve("fast"))
    with np.load(DATA / "mnist.npz") as arrays:
        predictions = classifier.classify(arrays["x_test"], top_k=1)
    agreeing = sum(
        row.label == classifier.version.classes[label]
        for row, label in zip(rows, predictions.labels[:, 0], strict=True)
    )
    return [
        Figure(f"10,000 PNG files, POST to last row, median of {BATCHES}", statistics.median(seconds), "s", "under 1"),
        Figure("rows that agree with the network run on the arrays", agreeing, "rows", "10000"),
    ]


def starts(client: Client) -> list[Figure]:
    """Measure from a job's POST to `running` on an idle stack, by the record that the worker's claim writes."""
    delays = []
    for _ in range(STARTS):
        posted = time.time()
        started = client.train("digits", model="start", epochs=1).wait().started_at
        assert started is not None
        delays.append(datetime.fromisoformat(started).timestamp() - posted)
    return [Figure(f"POST to running, median of {STARTS}", statistics.median(delays) * 1000, "ms", "under 100")]


if __name__ == "__main__":
    main()

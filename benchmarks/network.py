"""The time and the accuracy of trainings with the presets on MNIST.

    PYTHONPATH=. python benchmarks/network.py

The preset `accurate` is judged by the mean of three seeds. A convolutional network uses all cores with one BLAS thread,
as in a worker.

GLASSBOX_DATASETS names the folder that holds mnist.npz; without it, ../shared/data beside the project. The number
of BLAS threads is that of the environment (OPENBLAS_NUM_THREADS). Writes var/benchmarks/network.json.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from shared.network import Network, Training, preset
from shared.runtime.cores import usable_cores

ROOT = Path(__file__).resolve().parent.parent
TARGETS: dict[str, dict[str, float]] = {
    "fast": {"test_accuracy": 0.981, "seconds": 3.0},
    "accurate": {"test_accuracy": 0.996, "seconds": 100.0},
    "article": {"test_accuracy": 0.955},
}
SEEDS = {"accurate": (0, 1, 2)}
FLOOR_WIDTHS = [(784, 64, 32, 10), (784, 512, 256, 10)]
FLOOR_BATCH = 128


def main() -> int:
    """Run the benchmark; return the exit status: 1 if a target was missed."""
    folder = Path(os.environ.get("GLASSBOX_DATASETS", ROOT.parent / "shared" / "data"))
    with np.load(folder / "mnist.npz", allow_pickle=False) as mnist:
        data = dict(mnist)
    machine = describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")

    print(f"{'preset':<10}{'epochs':>7}{'seconds':>9}{'images/s':>10}{'accuracy':>10}   target")
    presets = []
    for name in TARGETS:
        presets.append(train(name, data))
        print_preset(presets[-1])

    print(f"\n{'layers':<18}{'batch':>6}{'µs/step':>9}{'bare products':>15}{'ratio':>7}")
    steps = [compare_with_bare_products(widths, data) for widths in FLOOR_WIDTHS]

    path = ROOT / "var" / "benchmarks" / "network.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "presets": presets, "steps": steps}, indent=2) + "\n")
    print(f"\nwritten to {path.relative_to(ROOT)}")
    return 0 if all(result["reached"] for result in presets) else 1


def describe_machine() -> dict[str, Any]:
    """Describe what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "unset"),
    }


def train(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """Train one preset on the 60,000 training images and measure it on the 10,000 test images: means over seeds."""
    configuration = preset(name)
    runs = []
    for seed in SEEDS.get(name, (0,)):
        network = Network(data["x_train"].shape[1:], 10, preset(name, seed=seed))
        threads = usable_cores() if network.architecture else 1
        started = perf_counter()
        with threadpool_limits(1, user_api="blas") if network.architecture else nullcontext():
            training = Training(network, data["x_train"], data["y_train"], threads=threads)
            for _ in training:
                pass
        seconds = perf_counter() - started
        evaluation = network.evaluate(training.parameters, data["x_test"], data["y_test"])
        runs.append({"seed": seed, "seconds": seconds, "accuracy": evaluation.accuracy, "loss": evaluation.loss})
    seconds, accuracy, loss = (statistics.mean(run[key] for run in runs) for key in ("seconds", "accuracy", "loss"))
    target = TARGETS[name]
    return {
        "preset": name,
        "epochs": configuration.epochs,
        "seconds": round(seconds, 3),
        "images_per_second": round(configuration.epochs * len(data["x_train"]) / seconds),
        "test_accuracy": accuracy,
        "test_loss": loss,
        "runs": runs,
        "target": target,
        "reached": accuracy >= target["test_accuracy"] and seconds < target.get("seconds", math.inf),
        "configuration": configuration.to_dict(),
    }


def print_preset(result: dict[str, Any]) -> None:
    """Print one line of the table."""
    target = result["target"]
    wanted = f"≥ {target['test_accuracy']:.1%}" + (f" in {target['seconds']:g} s" if "seconds" in target else "")
    verdict = "reached" if result["reached"] else "MISSED"
    print(
        f"{result['preset']:<10}{result['epochs']:>7}{result['seconds']:>9.2f}{result['images_per_second']:>10,}"
        f"{result['test_accuracy']:>10.2%}   {wanted}: {verdict}",
        flush=True,
    )


def compare_with_bare_products(widths: tuple[int, ...], data: dict[str, Any]) -> dict[str, Any]:
    """Compare a whole training step of plain SGD with only its matrix products, in turns, by medians."""
    overrides = {"hidden": list(widths[1:-1]), "batch_size": FLOOR_BATCH, "optimizer": {"name": "sgd"}}
    network = Network((28, 28), widths[-1], preset("fast", epochs=100, standardize=False, **overrides))
    training = Training(network, data["x_train"], data["y_train"])
    products = BareProducts(widths, FLOOR_BATCH)
    ours, bare = [], []
    for _ in range(15):
        ours.append(seconds_per_step(training.__next__))
        bare.append(seconds_per_step(products.run))
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    step, floor = statistics.median(ours) * 1e6, statistics.median(bare) * 1e6
    print(f"{'-'.join(map(str, widths)):<18}{FLOOR_BATCH:>6}{step:>9.0f}{floor:>15.0f}{ratio:>7.2f}", flush=True)
    return {
        "widths": widths,
        "batch_size": FLOOR_BATCH,
        "step_microseconds": round(step, 1),
        "bare_products_microseconds": round(floor, 1),
        "ratio": round(ratio, 3),
    }


def seconds_per_step(step: Any, steps: int = 60) -> float:
    """Time a step, averaged over a few."""
    started = perf_counter()
    for _ in range(steps):
        step()
    return (perf_counter() - started) / steps


class BareProducts:
    """Only the matrix products of a training step: three forward, three for the weights, two backward."""

    def __init__(self, widths: tuple[int, ...], batch: int) -> None:
        rng = np.random.default_rng(0)
        self.A = [rng.random((batch, width), dtype=np.float32) for width in widths]
        self.W = [rng.random(shape, dtype=np.float32) for shape in pairwise(widths)]
        self.out = [np.empty_like(A) for A in self.A]
        self.dW = [np.empty_like(W) for W in self.W]

    def run(self) -> None:
        """Compute the products once."""
        for layer, W in enumerate(self.W):
            np.matmul(self.A[layer], W, out=self.out[layer + 1])
        for layer in reversed(range(len(self.W))):
            np.matmul(self.A[layer].T, self.A[layer + 1], out=self.dW[layer])
            if layer:
                np.matmul(self.A[layer + 1], self.W[layer].T, out=self.out[layer])


if __name__ == "__main__":
    sys.exit(main())

"""Variants of a preset on MNIST, compared on a validation split: the test images are not used.

    PYTHONPATH=. python benchmarks/studies/experiments.py accurate '{"epochs": 10}' '{"epochs": 10, "dropout": 0.1}'

Each argument after the preset's name is one variant: the settings that differ, in JSON. 10,000 of the 60,000 training
images are kept for validation, with each digit in proportion. GLASSBOX_DATASETS names the folder that holds mnist.npz;
without it, ../shared/data beside the project.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from shared.network import Network, Training, preset

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = 1 / 6


def main() -> int:
    """Train every variant and print a line for each."""
    name, *variants = sys.argv[1:]
    folder = Path(os.environ.get("GLASSBOX_DATASETS", ROOT.parent / "shared" / "data"))
    with np.load(folder / "mnist.npz", allow_pickle=False) as mnist:
        images, labels = mnist["x_train"], mnist["y_train"]
    print(f"{'accuracy':>9}{'loss':>8}{'train':>8}{'seconds':>9}{'CPU':>6}   variant of {name}")
    for variant in variants:
        overrides = {"validation_fraction": HELD_OUT} | json.loads(variant)
        training = Training(Network(images.shape[1:], 10, preset(name, **overrides)), images, labels)
        started, computed = perf_counter(), process_time()
        for _ in training:
            pass
        seconds, cpu = perf_counter() - started, process_time() - computed
        last = training.history[-1]
        print(
            f"{last.validation_accuracy:>9.2%}{last.validation_loss:>8.4f}{last.train_accuracy:>8.2%}"
            f"{seconds:>9.1f}{cpu:>6.0f}   {variant}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

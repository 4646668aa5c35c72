"""The estimate of a training's memory, against the peak of a process that trains, evaluates and publishes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.datasets import DatasetStore, Manifest
from shared.datasets.content import Content, Split
from shared.images.shapes import Shape
from shared.jobs.capacity.training_memory import memory_of
from shared.jobs.specifications import TrainingSpecification
from shared.network import Facts, Network, candidates, preset
from shared.runtime.cores import usable_cores
from shared.storage.volume import Volume
from tests.support.objects.jobs import a_training
from tests.support.programs.processes import ROOT

THREADS = min(2, usable_cores())  # of a convolutional network in the measured process


def block(filters: int, **settings: Any) -> dict[str, Any]:
    return {"filters": filters, "pool_size": 2, **settings}


GRAY, COLOUR = (28, 28), (48, 48, 3)
TABLE: dict[str, tuple[Shape, int, int, dict[str, Any]]] = {  # image shape, classes, images, settings
    "small": ((8, 8), 10, 200, {"epochs": 2, "hidden": [16]}),
    "parameters": (GRAY, 10, 300, {"hidden": [1800, 1800], "dtype": "float64", "optimizer": {"name": "adam"}}),
    "mini-batch": (GRAY, 10, 9000, {"hidden": [1500], "batch_size": 7000, "activation": "gelu", "dropout": 0.2}),
    "augmented": (GRAY, 10, 6000, {"hidden": [256], "batch_size": 4000, "augmentation": {"shift": 2, "elastic": 4}}),
    "convolutions": (COLOUR, 10, 150, {"convolutions": [block(32, batch_norm=True), block(32)], "hidden": [64]}),
    "best": (COLOUR, 10, 300, {"hidden": [1500], "validation_fraction": 0.2, "early_stopping": {"patience": 1}}),
    "chunks": (
        COLOUR,
        10,
        600,
        {"convolutions": [block(16)], "hidden": [1000], "batch_size": 128, "weight_decay": 0.1},
    ),
    "classes": ((12, 12), 1000, 1200, {"convolutions": [block(8)], "hidden": []}),
    "pixels": ((300, 300, 3), 2, 60, {"hidden": [8], "batch_size": 32}),
    "image by image": (GRAY, 10, 150, {"hidden": [2000], "batch_size": 1, "optimizer": {"name": "sgd"}}),
    "history": ((2, 2), 2, 8, {"epochs": 3000, "hidden": [4], "batch_size": 8}),
}


def stored(datasets: DatasetStore, shape: Shape, classes: int, images: int) -> Manifest:
    """Store a data set of random images, half as many for testing."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        return Split(np.arange(count) % classes, [rng.integers(0, 256, (count, *shape), np.uint8)])

    content = Content(shape, tuple(map(str, range(classes))), split(images), split(images // 2))
    return datasets.add(content, "random", "test")[0]


def peak(volume: Volume, dataset: Manifest, networks: list[Network], folder: Path) -> int:
    """Return the peak memory of a process that runs the training, in bytes."""
    configurations = [network.configuration.to_dict() for network in networks]
    specification = TrainingSpecification(
        model="toy",
        dataset=dataset.id,
        configuration=configurations[0],
        candidates=tuple(configurations) if len(networks) > 1 else (),
    )
    job = folder / "job.json"
    job.write_text(a_training(specification=specification.pinned()).model_dump_json())
    command = [sys.executable, "-m", "tests.support.programs.training_peak", str(volume.root), str(job), str(THREADS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return int(run.stdout)


@pytest.mark.parametrize("name", TABLE)
def test_the_estimate_is_between_the_measured_peak_and_about_twice_as_much(
    name: str, datasets: DatasetStore, volume: Volume, tmp_path: Path
) -> None:
    shape, classes, images, settings = TABLE[name]
    networks = [Network(shape, classes, preset("fast", **{"epochs": 1, "batch_size": 64, **settings}))]
    dataset = stored(datasets, shape, classes, images)

    estimate = memory_of(networks, dataset, threads=THREADS)
    measured = peak(volume, dataset, networks, tmp_path)

    assert measured <= estimate.allocated + estimate.mapped <= 2.2 * measured


def test_the_estimate_of_a_race_is_between_the_measured_peak_and_about_twice_as_much(
    datasets: DatasetStore, volume: Volume, tmp_path: Path
) -> None:
    dataset = stored(datasets, GRAY, 10, 1000)
    networks = candidates(Facts(GRAY, 10, 1000), {"epochs": 1})

    estimate = memory_of(networks, dataset, threads=THREADS)
    measured = peak(volume, dataset, networks, tmp_path)

    assert len(networks) > 1
    assert measured <= estimate.allocated + estimate.mapped <= 2.2 * measured

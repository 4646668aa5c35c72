"""The work of a recorded deployment: a data set, trainings of every kind, archives of every format."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import npz

SIDE, CLASSES, TRAIN, TEST = 8, 4, 400, 24

TRAININGS: dict[str, dict[str, Any]] = {
    "article": {"preset": "article", "epochs": 60},
    "fast": {"preset": "fast", "batch_size": 4, "epochs": 40},
    "accurate": {"preset": "accurate", "batch_size": 8, "epochs": 50},
    "momentum": {
        "optimizer": {"name": "momentum"},
        "schedule": {"name": "step", "every": 4},
        "batch_size": 4,
        "epochs": 40,
        "dropout": 0.2,
        "weight_decay": 0.001,
        "gradient_clip": 1.0,
    },
    "rmsprop": {
        "optimizer": {"name": "rmsprop", "learning_rate": 0.002},
        "schedule": {"name": "exponential"},
        "activation": "tanh",
        "batch_size": 4,
        "epochs": 40,
        "validation_fraction": 0.1,
        "early_stopping": {"patience": 40},
    },
    "adamw": {
        "optimizer": {"name": "adamw", "learning_rate": 0.002},
        "schedule": {"name": "constant"},
        "activation": "gelu",
        "initializer": "glorot",
        "dtype": "float64",
        "batch_size": 4,
        "epochs": 40,
        "label_smoothing": 0.1,
    },
    "layerwise": {
        "preset": "article",
        "optimizer": {"name": "momentum", "learning_rate": 0.01},
        "activation": "leaky_relu",
        "batch_size": 2,
        "epochs": 25,
    },
}
"""Trainings that need different parts of a checkpoint: each optimizer's slots, random states, the best parameters."""


def training(kind: str, model: str, dataset: str, **more: Any) -> dict[str, Any]:
    """Return the request for a training of this kind."""
    return {"model": model, "dataset": dataset, "hidden": [6, 5], "seed": 7, **TRAININGS[kind], **more}


def dataset() -> bytes:
    """Return a data set as `.npz`: four noisy patterns in five shades of gray, so that it compresses well."""
    images, labels = _images(TRAIN + TEST)
    arrays: dict[str, NDArray[Any]] = {
        "x_train": images[:TRAIN],
        "y_train": labels[:TRAIN],
        "x_test": images[TRAIN:],
        "y_test": labels[TRAIN:],
    }
    return npz(arrays, compressed=True)


def files() -> dict[str, bytes]:
    """Return image files, a truncated one, a file that is not an image, and two that archivers add."""
    images, _ = _images(9)
    whole = {f"images/{number}.png": png(image) for number, image in enumerate(images)}
    skipped = {".DS_Store": b"", "__MACOSX/images/._0.png": b""}
    return {**whole, "images/broken.png": whole["images/0.png"][:60], "notes.txt": b"not an image", **skipped}


def zip_archive() -> bytes:
    """Return the files as a zip."""
    return zip_of(files())


def tar_archive() -> bytes:
    """Return the files as a compressed tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def array_archive() -> bytes:
    """Return images as an array in an `.npz`."""
    file = io.BytesIO()
    np.savez(file, images=_images(9)[0])
    return file.getvalue()


def slow_archive() -> bytes:
    """Return a small zip that takes a classifier about a second: large images, repeated, one of them broken."""
    images, _ = _images(4)
    large = [png(np.kron(image, np.ones((200, 200), np.uint8))) for image in images]
    entries = {f"{number:03d}.png": large[number % len(large)] for number in range(80)}
    return zip_of({**entries, "030.png": b"broken"})


def instances() -> list[Any]:
    """Return images as lists of numbers, for an online prediction."""
    return list(_images(3)[0].tolist())


def _images(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images (count, 8, 8) and their classes: the place of the bright quarter."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, count)
    images = rng.integers(0, 3, (count, SIDE, SIDE), dtype=np.uint8)
    half = SIDE // 2
    for image, label in zip(images, labels, strict=True):
        row, column = half * (int(label) // 2), half * (int(label) % 2)
        image[row : row + half, column : column + half] += 2
    return images * np.uint8(50), labels

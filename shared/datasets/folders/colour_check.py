"""Whether classes differ in colour: measured when an upload makes images in colour gray, which loses that."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.archives import ArchiveIndex, Contents
from shared.datasets.content import Labels
from shared.datasets.folders.decoding_time import DecodingTime
from shared.datasets.folders.layout import Indices, Layout
from shared.datasets.manifest import ColourCheck
from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.runtime.settings import Settings

CLASSES, IMAGES = 64, 8
"""The largest number of classes that are sampled, and of images of each: at most 512 are decoded a second time."""

SIDE = 4  # of the thumbnails whose mean colour is measured


def check_colour(
    path: Path, archive: ArchiveIndex, layout: Layout, limits: Settings, time: DecodingTime
) -> ColourCheck | None:
    """Classify training images by their mean colour without brightness; None if there are fewer than two classes.

    Of the sampled images of a class, every other one gives the mean of the class, and the rest are classified by the
    nearest mean. Unreadable images are skipped.
    """
    known: list[NDArray[np.float64]] = []
    asked: list[list[NDArray[np.float64]]] = []
    with Contents(path, archive, limits) as contents:
        for indices in _sample(layout.train, layout.train_labels, len(layout.classes)):
            colours = []
            for index in indices.tolist():
                with suppress(Malformed):
                    thumbnail = np.empty((SIDE, SIDE, 3), np.uint8)
                    content = contents.read(index)
                    decode_into(
                        thumbnail,
                        content,
                        limits.max_image_pixels,
                        seconds=limits.max_image_seconds,
                        spend=time.spend,
                    )
                    colours.append(_chroma(thumbnail))
            if len(colours) > 1:
                known.append(np.mean(colours[::2], axis=0))
                asked.append(colours[1::2])
    if len(known) < 2:
        return None
    means = np.array(known)  # (classes, 2)
    nearest = [[int(((means - colour) ** 2).sum(axis=1).argmin()) for colour in colours] for colours in asked]
    correct = sum(label == number for number, labels in enumerate(nearest) for label in labels)
    return ColourCheck(correct=correct, images=sum(map(len, nearest)), classes=len(known))


def _sample(indices: Indices, labels: Labels, classes: int) -> list[Indices]:
    """Return evenly spread entries of evenly spread classes."""
    chosen = np.arange(min(CLASSES, classes)) * classes // min(CLASSES, classes)
    found = (indices[labels == label] for label in chosen)
    return [each[np.arange(min(IMAGES, len(each))) * len(each) // max(1, min(IMAGES, len(each)))] for each in found]


def _chroma(thumbnail: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean of R - G and of B - G: (2,). Gray of any brightness has 0."""
    red, green, blue = thumbnail.reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return np.array([red - green, blue - green])

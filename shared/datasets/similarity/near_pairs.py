"""Near pairs of a data set: test and validation images whose nearest training image is almost the same.

The nearest one has the largest cosine of the pixels, from 0 to 1. It is found by products of matrices, block by block.
Of large data sets, images that are spread evenly are compared, so that the search takes seconds and little memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from shared.datasets.content import Images, Labels
from shared.datasets.summary import Copy
from shared.images.area import area_resize
from shared.images.shapes import Shape

FORMAT = 1
SIMILAR = 0.98
"""The least cosine of a near pair. MNIST has 161 for its 10,000 test images, of ones almost all."""

LARGEST = 32
"""The longest side of the images that are compared; larger ones are reduced."""

PRODUCTS = 5e11
"""The most products of pixels: MNIST's test images with its training images take 4.7e11, about 8 s of a core."""

READ_BYTES = 2**29
"""The most bytes of images that are read."""

SEARCHED_BYTES = 2**25
"""The most bytes of the images, as float32, whose nearest training images are searched; they are all in memory."""

BLOCK_BYTES = 2**23
"""The most bytes of a block of training images as float32, and of a block of cosines."""

MOST_PAIRS = 500

Vectors = npt.NDArray[np.float32]  # (n, pixels), each of length 1, or 0 for a black image
Indices = npt.NDArray[np.intp]
Splits = Mapping[str, tuple[Images, Labels]]


class Compared(BaseModel):
    """How many images of a split were compared."""

    model_config = ConfigDict(frozen=True)

    images: int
    compared: int


class NearPair(BaseModel):
    """An image and its nearest training image."""

    model_config = ConfigDict(frozen=True)

    cosine: float
    image: Copy
    nearest: Copy


class NearPairs(BaseModel):
    """The number of near pairs, and the first ones, the most similar first.

    compared: by split. compared_shape: that of the images, which are reduced if it is smaller than theirs.
    """

    model_config = ConfigDict(frozen=True)

    format: int
    threshold: float
    compared_shape: tuple[int, ...]
    compared: dict[str, Compared]
    pairs: int
    first: tuple[NearPair, ...]


def near_pairs(splits: Splits, image_shape: Shape) -> NearPairs:
    """Find the near pairs of a data set."""
    shape = _compared_shape(image_shape)
    train, y_train = splits["train"]
    searched = [name for name in splits if name != "train"]
    sizes = [len(splits[name][1]) for name in searched]
    chosen, library = _sampled(sum(sizes), len(train), math.prod(shape), math.prod(image_shape))
    starts = np.cumsum([0, *sizes])
    parts = {
        name: chosen[(chosen >= start) & (chosen < stop)] - start
        for name, start, stop in zip(searched, starts[:-1], starts[1:], strict=True)
    }
    wanted = np.concatenate(
        [block for name in searched for block in _vectors(splits[name][0], parts[name], shape)]
        or [np.empty((0, math.prod(shape)), np.float32)]
    )
    cosines, nearest = _nearest(wanted, train, library, shape)

    origin = [(name, index) for name in searched for index in parts[name].tolist()]
    near = np.flatnonzero(cosines > SIMILAR)
    order = near[np.argsort(-cosines[near], kind="stable")]
    first = []
    for position in order[:MOST_PAIRS].tolist():
        name, index = origin[position]
        match = int(nearest[position])
        first.append(
            NearPair(
                cosine=round(min(float(cosines[position]), 1.0), 6),
                image=Copy(split=name, index=index, label=int(splits[name][1][index])),
                nearest=Copy(split="train", index=match, label=int(y_train[match])),
            )
        )
    return NearPairs(
        format=FORMAT,
        threshold=SIMILAR,
        compared_shape=shape,
        compared={
            "train": Compared(images=len(train), compared=len(library)),
            **{
                name: Compared(images=size, compared=len(parts[name]))
                for name, size in zip(searched, sizes, strict=True)
            },
        },
        pairs=len(near),
        first=tuple(first),
    )


def _compared_shape(image_shape: Shape) -> tuple[int, ...]:
    height, width, *channels = image_shape
    shrink = max(1.0, max(height, width) / LARGEST)
    return max(1, round(height / shrink)), max(1, round(width / shrink)), *channels


def _sampled(searched: int, train: int, pixels: int, image_bytes: int) -> tuple[Indices, Indices]:
    """Return the indices of the images to compare, of all `searched` ones and of the training images."""
    readable = READ_BYTES // image_bytes
    chosen = _spread(searched, min(SEARCHED_BYTES // (4 * pixels), readable // 4))
    most = int(PRODUCTS / (pixels * max(1, len(chosen))))
    return chosen, _spread(train, min(most, readable - len(chosen)))


def _spread(count: int, most: int) -> Indices:
    """Return at most `most` indices below `count`, at least one, evenly spread."""
    most = min(max(most, 1), count)
    return np.arange(most) * count // max(most, 1)


def _vectors(images: Images, indices: Indices, shape: tuple[int, ...]) -> Iterator[Vectors]:
    """Yield the pixels of these images, in blocks."""
    step = max(1, BLOCK_BYTES // max(4 * math.prod(shape), math.prod(images.shape[1:])))
    for start in range(0, len(indices), step):
        block = np.asarray(images[indices[start : start + step]])
        reduced = block if block.shape[1:] == shape else area_resize(block, shape)
        rows = reduced.reshape(len(block), -1).astype(np.float32)
        rows /= np.maximum(np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, np.newaxis], 1e-6)
        yield rows


def _nearest(
    wanted: Vectors, train: Images, library: Indices, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32], Indices]:
    """Return the largest cosine of each wanted image with the training images in `library`, and whose it is: (n,)."""
    best = np.full(len(wanted), -1, np.float32)
    nearest = np.zeros(len(wanted), np.intp)
    position = 0
    for block in _vectors(train, library, shape):
        step = max(1, BLOCK_BYTES // (4 * len(block)))
        for start in range(0, len(wanted), step):
            cosines = wanted[start : start + step] @ block.T
            largest = cosines.max(axis=1)
            better = np.flatnonzero(largest > best[start : start + step])
            best[start + better] = largest[better]
            nearest[start + better] = library[position + cosines[better].argmax(axis=1)]
        position += len(block)
    return best, nearest

"""Attributions of a score F(x) to the pixels x of one image, and whether they add up.

gradient            A_i = ∂F/∂x_i                                            Simonyan, Vedaldi and Zisserman 2014
gradient × input    A_i = x_i ∂F/∂x_i                                        Shrikumar et al. 2016
integrated gradients                                                         Sundararajan, Taly and Yan 2017
                    A_i = (x_i - x'_i) ∫ ∂F/∂x_i (x' + α (x - x')) dα        α from 0 to 1, baseline x'
occlusion           A_i = mean of F(x) - F(x with a square set to x')        squares over i; Zeiler and Fergus 2014

Only integrated gradients are complete for every network: Σ A_i = F(x) - F(x'), the fundamental theorem of calculus on
the line from x' to x. The integral is computed by the midpoint rule, so the gap between both sides measures its error.
Gradient × input is complete if F is linear between black and x; the gap shows how far it is from that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from shared.network.arrays import Array
from shared.network.attribution.score import Score
from shared.network.layers.checks import Check, no_check

Method: TypeAlias = Literal["integrated_gradients", "gradient_x_input", "gradient", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)

STEPS = 64
"""Points of the midpoint rule; docs/mathematics.md has the gaps that remain."""

NOISE = 0.15
"""The standard deviation of SmoothGrad's noise, as a share of the range of the image's pixels."""

WINDOW = 1 / 7
"""The side of the squares of occlusion, as a share of the image's: 4 pixels of 28. They overlap by half."""


class Completeness(NamedTuple):
    """The sum of an attribution, and the difference of the scores F(x) - F(x') that it should be."""

    sum: float
    difference: float

    @property
    def gap(self) -> float:
        """The sum less the difference."""
        return self.sum - self.difference


@dataclass(frozen=True)
class Attribution:
    """An attribution `values`, in the image's shape. completeness: None for a method that does not claim a sum."""

    values: Array
    completeness: Completeness | None


@dataclass(frozen=True)
class Smoothing:
    """SmoothGrad: the mean of the attributions of `samples` copies of the image with noise (Smilkov et al. 2017).

    The noise of sample s is drawn from the generator for (seed, s).
    """

    samples: int
    seed: int = 0


def evaluations(method: Method, image_shape: tuple[int, ...], steps: int = STEPS, samples: int = 1) -> int:
    """Return for how many images a method computes the score, or its gradient. samples: those of a smoothing."""
    if method == "occlusion":
        return math.prod(len(_squares(side)) for side in image_shape[:2])
    return samples * (steps if method == "integrated_gradients" else 1)


def attribute(
    score: Score,
    image: Array,
    baseline: Array,
    method: Method = "integrated_gradients",
    *,
    steps: int = STEPS,
    smoothing: Smoothing | None = None,
    check: Check = no_check,
) -> Attribution:
    """Return the attribution of the score to the pixels of an image (H, W) or (H, W, C), numbers from 0 to 1.

    baseline: x' of integrated gradients and of occlusion, in the image's shape; the other methods do not use it.
    steps: points of integrated gradients. smoothing: is not applied to occlusion. check: called between passes.
    """
    x, x0 = image.reshape(-1), baseline.reshape(-1)
    if method == "occlusion":
        return Attribution(_occlusion(score, image, baseline, check), None)
    if method != "integrated_gradients":
        steps, x0 = 1, np.zeros_like(x)
    total = np.zeros(len(x))
    samples = smoothing.samples if smoothing else 1
    for alphas, images in _points(x, steps, samples, smoothing, score.size):
        points = x0 + alphas[:, np.newaxis] * (images - x0)
        gradients = score.gradients(points)
        if method != "gradient":
            gradients = gradients * (images - x0)
        total += gradients.sum(axis=0, dtype=np.float64)
        check()
    values = total / (samples * steps)
    completeness = None
    if method != "gradient":
        difference = [float(score.values(row[np.newaxis])[0]) for row in (x, x0)]
        completeness = Completeness(float(values.sum()), difference[0] - difference[1])
    return Attribution(values.reshape(image.shape), completeness)


def _points(
    x: Array, steps: int, samples: int, smoothing: Smoothing | None, size: int
) -> Iterator[tuple[Array, Array]]:
    """Yield, at most `size` at a time, the α of each point and the image (pixels,), with noise, at the end of its line.

    A single step has its point at the image itself, α = 1; more are the middles of as many equal parts of the line.
    """
    spread = NOISE * float(x.max() - x.min())
    for start in range(0, steps * samples, size):
        numbers = np.arange(start, min(start + size, steps * samples))
        alphas = (numbers % steps + 0.5) / steps if steps > 1 else np.ones(len(numbers))
        images = np.repeat(x[np.newaxis], len(numbers), axis=0)
        if smoothing is not None:
            for sample in np.unique(numbers // steps):
                noise = np.random.default_rng([smoothing.seed, sample]).normal(0, spread, len(x))
                images[numbers // steps == sample] += noise.astype(x.dtype)
        yield alphas.astype(x.dtype), images


def _occlusion(score: Score, image: Array, baseline: Array, check: Check) -> Array:
    """Return for each pixel the mean drop of the score over the squares that cover it."""
    squares = [(rows, columns) for rows in _squares(image.shape[0]) for columns in _squares(image.shape[1])]
    total, covering = np.zeros(image.shape), np.zeros(image.shape)
    whole = float(score.values(image.reshape(1, -1))[0])
    for start in range(0, len(squares), score.size):
        block = squares[start : start + score.size]
        occluded = np.repeat(image[np.newaxis], len(block), axis=0)
        for one, square in zip(occluded, block, strict=True):
            one[square] = baseline[square]
        drops = whole - score.values(occluded.reshape(len(block), -1))
        for drop, square in zip(drops.tolist(), block, strict=True):
            total[square] += drop
            covering[square] += 1
        check()
    means: Array = total / covering
    return means


def _squares(side: int) -> list[slice]:
    """Return the rows, or columns, of the squares along one side; the last one may be cut by the border."""
    window = max(1, round(WINDOW * side))
    stride = max(1, window // 2)
    count = -(-(side - window) // stride) + 1
    return [slice(first * stride, min(first * stride + window, side)) for first in range(count)]

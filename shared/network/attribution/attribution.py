"""Attributions of a score F(x) to the pixels x of one image, and whether they add up.

gradient            A_i = ∂F/∂x_i                                            Simonyan, Vedaldi and Zisserman 2014
gradient × input    A_i = x_i ∂F/∂x_i                                        Shrikumar et al. 2016
integrated gradients                                                         Sundararajan, Taly and Yan 2017
                    A_i = (x_i - x'_i) ∫ ∂F/∂x_i (x' + α (x - x')) dα        α from 0 to 1, baseline x'
occlusion           A_i = mean of F(x) - F(x with a square set to x')        squares over i; Zeiler and Fergus 2014

Only integrated gradients are complete for every network: Σ A_i = F(x) - F(x'), the fundamental theorem of calculus on
the line from x' to x. `integration` computes the integral; its error is the gap between both sides, less what a
correction by the difference itself has removed. Gradient × input is complete if F is linear between black and x; the
gap shows how far it is from that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from shared.network.arrays import Array
from shared.network.attribution.integration import PROBES, Rule, integrated
from shared.network.attribution.score import Score
from shared.network.layers.checks import Check, no_check

Method: TypeAlias = Literal["integrated_gradients", "gradient_x_input", "gradient", "occlusion"]
METHODS: tuple[Method, ...] = get_args(Method)

STEPS = 64
"""Gradients of the integral; docs/mathematics.md has the errors that remain."""

NOISE = 0.15
"""The standard deviation of SmoothGrad's noise, as a share of the range of the image's pixels."""

WINDOW = 1 / 7
"""The side of the squares of occlusion, as a share of the image's: 4 pixels of 28. They overlap by half."""


class Completeness(NamedTuple):
    """The sum of an attribution, and the difference of the scores F(x) - F(x') that it should be.

    correction: how much of the sum was added because of the difference. Without it, the sum would be `gap - correction`
    away: the error of the integral.
    """

    sum: float
    difference: float
    correction: float = 0.0

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


class Work(NamedTuple):
    """For how many images a method computes the score, and for how many its gradient."""

    values: int
    gradients: int

    @property
    def images(self) -> int:
        """The images that the method needs together, at most: the argument of `Score`."""
        return self.gradients or self.values


def work(
    method: Method, image_shape: tuple[int, ...], steps: int = STEPS, samples: int = 1, rule: Rule = "adaptive"
) -> Work:
    """Return the work of a method, apart from the scores of a completeness. samples: those of a smoothing."""
    if method == "occlusion":
        return Work(math.prod(len(_squares(side)) for side in image_shape[:2]), 0)
    if method != "integrated_gradients":
        return Work(0, samples)
    return Work(samples * (PROBES * steps + 1) if rule == "adaptive" else 0, samples * steps)


def attribute(
    score: Score,
    image: Array,
    baseline: Array,
    method: Method = "integrated_gradients",
    *,
    steps: int = STEPS,
    rule: Rule = "adaptive",
    smoothing: Smoothing | None = None,
    check: Check = no_check,
) -> Attribution:
    """Return the attribution of the score to the pixels of an image (H, W) or (H, W, C), numbers from 0 to 1.

    baseline: x' of integrated gradients and of occlusion, in the image's shape; the other methods do not use it.
    steps, rule: gradients of integrated gradients, and how their places and weights are chosen. smoothing: is not
    applied to occlusion. check: called between passes.
    """
    if method == "occlusion":
        return Attribution(_occlusion(score, image, baseline, check), None)
    x, x0 = image.reshape(-1), baseline.reshape(-1)
    samples = smoothing.samples if smoothing else 1
    total, correction = np.zeros(len(x)), 0.0
    if method == "integrated_gradients":
        for sample in range(samples):
            part = integrated(score, _copies(x, [sample], smoothing)[0], x0, steps, rule, check)
            total += part.values
            correction += part.correction / samples
    else:
        x0 = np.zeros_like(x)
        for start in range(0, samples, score.size):
            images = _copies(x, range(start, min(start + score.size, samples)), smoothing)
            gradients = score.gradients(images)
            total += (gradients if method == "gradient" else gradients * images).sum(axis=0, dtype=np.float64)
            check()
    values = total / samples
    completeness = None
    if method != "gradient":
        scores = [float(score.values(row[np.newaxis])[0]) for row in (x, x0)]
        completeness = Completeness(float(values.sum()), scores[0] - scores[1], correction)
    return Attribution(values.reshape(image.shape), completeness)


def _copies(x: Array, samples: Sequence[int], smoothing: Smoothing | None) -> Array:
    """Return a copy of the image (pixels,) for each sample, with the sample's noise: (n, pixels)."""
    images = np.repeat(x[np.newaxis], len(samples), axis=0)
    if smoothing is not None:
        spread = NOISE * float(x.max() - x.min())
        for row, sample in enumerate(samples):
            images[row] += np.random.default_rng([smoothing.seed, sample]).normal(0, spread, len(x)).astype(x.dtype)
    return images


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

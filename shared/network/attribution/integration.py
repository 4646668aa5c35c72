"""The integral of integrated gradients: ∫ ∂F/∂x_i (x' + α (x - x')) dα for α from 0 to 1, times x_i - x'_i.

`midpoint`: as many equal parts of the line as steps, with a gradient at the middle of each.

`adaptive`: the score alone is computed at `PROBES` times as many points of the line, which is cheap. Where it bends,
the parts are narrower: they have equal shares of √|ΔF'|, by the equidistribution principle (de Boor 1973). The gradient
is computed at the middle of each part. The integral of one function is known exactly, that of s = Σ_i (x_i - x'_i)
∂F/∂x_i, which is F(x) - F(x'): it is the control variate (Glasserman 2003, section 4.1) that corrects those of all
pixels, each by its slope in a regression on s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from shared.network.arrays import Array
from shared.network.attribution.score import Score
from shared.network.layers.checks import Check

Rule: TypeAlias = Literal["adaptive", "midpoint"]
RULES: tuple[Rule, ...] = get_args(Rule)

PROBES = 4
"""Parts of the line, for each step, at whose borders the rule `adaptive` computes the score."""

EVEN = 0.3
"""The share of the parts that the rule `adaptive` spreads evenly over the line, wherever the score bends."""


class Integral(NamedTuple):
    """The attribution `values` (pixels,) in double precision, and how much of their sum the control variate added."""

    values: Array
    correction: float


def integrated(score: Score, x: Array, x0: Array, steps: int, rule: Rule, check: Check) -> Integral:
    """Return the integral on the line from x0 to x, both (pixels,), from this number of gradients.

    check: called between passes.
    """
    difference = None
    edges: Array = np.linspace(0, 1, steps + 1)
    if rule == "adaptive":
        alphas = np.linspace(0, 1, PROBES * steps + 1)
        F = np.concatenate([score.values(points).astype(np.float64) for points in _points(score, x, x0, alphas, check)])
        difference = float(F[-1] - F[0])
        edges = _edges(F, steps)
    return _sum(score, x, x0, edges, difference, check)


def _edges(F: Array, steps: int) -> Array:
    """Return the borders (steps + 1,) of the parts, for the score F at the ends of equal cells of the line."""
    bends = np.abs(np.diff(F, 2))
    rounding = 8 * np.finfo(np.float32).eps * np.abs(F).max()
    bends[bends <= rounding] = 0  # a straight line has only these
    density = np.sqrt(np.append(bends, 0) + np.append(0, bends))  # of each cell, by the bends at both of its ends
    mean = density.mean()
    if not (np.isfinite(mean) and mean > 0):
        return np.linspace(0, 1, steps + 1)
    cumulative = np.concatenate([[0], np.cumsum(density / mean * (1 - EVEN) + EVEN)])
    share = np.linspace(0, cumulative[-1], steps + 1)
    edges: Array = np.interp(share, cumulative, np.linspace(0, 1, len(F)))
    return edges


def _sum(score: Score, x: Array, x0: Array, edges: Array, difference: float | None, check: Check) -> Integral:
    """Return the sum of the gradients at the parts' middles, corrected if the difference F(x) - F(x0) is given."""
    widths, middles = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    values, total = np.zeros(len(x)), 0.0
    regression = _Regression(len(x))
    start = 0
    for points in _points(score, x, x0, middles, check):
        w = widths[start : start + len(points)]
        start += len(points)
        g = score.gradients(points).astype(np.float64) * (x - x0)
        values += w @ g
        if difference is not None:
            s = g.sum(axis=1)
            total += float(w @ s)
            regression.add(w, g, s)
    if difference is None:
        return Integral(values, 0.0)
    shares = regression.shares()
    correction = difference - total if shares.any() else 0.0
    return Integral(values + correction * shares, correction)


class _Regression:
    """The regression of each pixel's g_i on their sum s, over the moves δ from each node to the next.

    Only what varies between neighbours is an error of the integral; it grows with the widths of their parts. With few
    moves the slope is uncertain, and it is shrunk to the one that it would have if the pixels varied independently,
    Σ δg_i² / Σ_j Σ δg_j². Both sum to 1 over the pixels.
    """

    def __init__(self, pixels: int) -> None:
        self._products, self._squares = np.zeros(pixels), np.zeros(pixels)
        self._last: tuple[Array, Array, Array] = (np.zeros(0), np.zeros((0, pixels)), np.zeros(0))

    def add(self, widths: Array, g: Array, s: Array) -> None:
        """Add the next nodes: the widths (n,) of their parts, their g (n, pixels) and s (n,)."""
        w, g, s = (np.concatenate(pair) for pair in zip(self._last, (widths, g, s), strict=True))
        weights = np.minimum(w[1:], w[:-1]) ** 2
        moves = np.diff(g, axis=0)
        self._products += (weights * np.diff(s)) @ moves
        self._squares += weights @ np.square(moves)
        self._last = w[-1:], g[-1:], s[-1:]

    def shares(self) -> Array:
        """Return the slopes (pixels,), which sum to 1; or zeros if the gradient is the same at all nodes."""
        slopes = self._products + self._squares
        scale = slopes.sum()
        return slopes / scale if scale > 0 else np.zeros_like(slopes)


def _points(score: Score, x: Array, x0: Array, alphas: Array, check: Check) -> Iterator[Array]:
    """Yield the images at these places of the line, at most `score.size` at a time: (n, pixels)."""
    for start in range(0, len(alphas), score.size):
        yield x0 + alphas[start : start + score.size, np.newaxis].astype(x.dtype) * (x - x0)
        check()

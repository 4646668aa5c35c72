"""How the weights of a training are distributed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorHistogram:
    """The distribution of a tensor's numbers: `counts` in equal bins from `minimum` to `maximum`.

    mean, deviation: of the finite numbers; None, as the limits, if there is none. not_finite: how many others.
    """

    tensor: str
    shape: tuple[int, ...]
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    not_finite: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class WeightHistograms:
    """The distributions of a training's weights after so many epochs."""

    epochs: int
    tensors: tuple[TensorHistogram, ...]

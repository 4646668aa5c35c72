"""Learning-rate schedules: a factor on the optimizer's learning rate for each step.

Every schedule can have a warm-up: over the first share of the training the factor rises linearly from 0; then the
schedule's own course starts. Times are in epochs, including fractions.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from shared.network.errors import ConfigurationError
from shared.network.settings.fields import Number
from shared.network.settings.groups import Settings

Decay = Annotated[float, Number("Factor on the learning rate at each drop or epoch", above=0)]
Final = Annotated[float, Number("Last learning rate, as a share of the optimizer's", minimum=0)]


@dataclass(frozen=True, kw_only=True)
class Schedule(Settings):
    """A learning-rate schedule with its settings."""

    part: ClassVar[str] = "schedule"

    warmup: Annotated[float, Number("Share of the training with a linear warm-up", minimum=0, below=1)] = 0.0

    def check(self, epochs: int) -> None:
        """Raise ConfigurationError if the schedule does not fit into this many epochs."""

    def factor(self, time: float, epochs: int) -> float:
        """Return the factor for a step at `time`, 0 ≤ time < epochs."""
        warmup = self.warmup * epochs
        if time < warmup:
            return time / warmup
        return self.course(time - warmup, epochs - warmup)

    @abstractmethod
    def course(self, time: float, length: float) -> float:
        """Return the factor at `time` of the `length` epochs after the warm-up."""


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The factor 1 at any time."""

    name = "constant"

    def course(self, time: float, length: float) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class StepDecay(Schedule):
    """decay^⌊time / every⌋: a drop after each `every` epochs."""

    name = "step"
    every: Annotated[float, Number("Epochs from one drop to the next", above=0)] = 1.0
    decay: Decay = 0.5

    def check(self, epochs: int) -> None:
        """Raise ConfigurationError if the first drop is after the end of the training."""
        if self.every >= epochs * (1 - self.warmup):
            raise ConfigurationError("schedule.every", "must be shorter than the training after its warm-up")

    def course(self, time: float, length: float) -> float:  # noqa: ARG002
        """Return the factor, which drops at each multiple of `every`."""
        return math.pow(self.decay, time // self.every)


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """decay^time: the rate falls by the same factor in every epoch."""

    name = "exponential"
    decay: Decay = 0.9

    def course(self, time: float, length: float) -> float:  # noqa: ARG002
        """Return the factor, which falls by the factor `decay` per epoch."""
        return math.pow(self.decay, time)


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """final + (1 - final) (1 + cos(π time / length)) / 2. Loshchilov and Hutter 2017, equation 5."""

    name = "cosine"
    final: Final = 0.0

    def course(self, time: float, length: float) -> float:
        """Return the factor, which falls from 1 to `final` along half a cosine."""
        return _half_cosine(1, self.final, time / length)


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Rise from `start` to 1 over the share `rise`, then fall to `final`, each along half a cosine.

    Smith and Topin 2019, in the form of fastai: without a third phase, and with constant momentum.
    """

    name = "one_cycle"
    rise: Annotated[float, Number("Share of the training in which the rate rises", above=0, below=1)] = 0.3
    start: Annotated[float, Number("First learning rate, as a share of the optimizer's", minimum=0)] = 0.04
    final: Final = 0.0

    def course(self, time: float, length: float) -> float:
        """Return the factor, which first rises, then falls."""
        peak = self.rise * length
        if time < peak:
            return _half_cosine(self.start, 1, time / peak)
        return _half_cosine(1, self.final, (time - peak) / (length - peak))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind for kind in (Constant, StepDecay, Exponential, Cosine, OneCycle)
}

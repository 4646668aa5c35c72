"""Optimizers: the update rules of the parameters, each an immutable value with its settings.

P, dP (g in the formulas) and the slots are flat arrays of the same length, changed in place. They hold all parameters
of the network or any block of them, as every rule works element by element. η is the learning rate; t counts the steps
from 1. An update overwrites dP.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from numpy import divide, multiply, sqrt, square

from shared.network.arrays import Array
from shared.network.settings.fields import Number
from shared.network.settings.groups import Settings

LearningRate = Annotated[float, Number("Learning rate", above=0)]
Epsilon = Annotated[float, Number("Term that keeps the denominator above 0", above=0)]


@dataclass(frozen=True, kw_only=True)
class Optimizer(Settings):
    """One rule with its settings."""

    part: ClassVar[str] = "optimizer"

    slots: ClassVar[tuple[str, ...]] = ()
    """The names of the state arrays that the rule keeps between steps; they are like P, and initially zero."""

    learning_rate: LearningRate

    @abstractmethod
    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:
        """Take step t with learning rate `rate`."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Gradient descent: P ← P - η g. Robbins and Monro 1951."""

    name = "sgd"
    learning_rate: LearningRate = 0.01

    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:  # noqa: ARG002
        """P ← P - η g."""
        dP *= rate
        P -= dP


@dataclass(frozen=True, kw_only=True)
class Momentum(Optimizer):
    """Heavy ball: v ← μ v + g, then P ← P - η v. Polyak 1964."""

    name = "momentum"
    slots = ("velocity",)
    learning_rate: LearningRate = 0.01
    momentum: Annotated[float, Number("Momentum", minimum=0, below=1)] = 0.9

    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:  # noqa: ARG002
        """Take one heavy-ball step."""
        (v,) = slots
        v *= self.momentum
        v += dP
        multiply(v, rate, out=dP)
        P -= dP


@dataclass(frozen=True, kw_only=True)
class Nesterov(Momentum):
    """Nesterov's gradient: v ← μ v + g, then P ← P - η (g + μ v).

    Sutskever et al. 2013, section 2. P is the look-ahead point, at which the gradient is computed.
    """

    name = "nesterov"

    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:  # noqa: ARG002
        """Take one step, with the look-ahead along the velocity."""
        (v,) = slots
        v *= self.momentum
        v += dP
        dP *= rate
        P -= dP
        multiply(v, rate * self.momentum, out=dP)
        P -= dP


@dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """Divide by a running root mean square: s ← ρ s + (1 - ρ) g², then P ← P - η g / (√s + ε).

    Tieleman and Hinton 2012, lecture 6e.
    """

    name = "rmsprop"
    slots = ("mean_square",)
    learning_rate: LearningRate = 0.001
    decay: Annotated[float, Number("Decay rate of the mean square", minimum=0, below=1)] = 0.99
    epsilon: Epsilon = 1e-8

    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:  # noqa: ARG002
        """Take one step, scaled by the mean square of each element's gradients."""
        (s,) = slots
        term = square(dP)
        term *= 1 - self.decay
        s *= self.decay
        s += term
        sqrt(s, out=term)
        term += self.epsilon
        dP *= rate
        dP /= term
        P -= dP


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adaptive moments, Kingma and Ba 2015, algorithm 1.

    m ← β₁ m + (1 - β₁) g and s ← β₂ s + (1 - β₂) g², then P ← P - η m̂ / (√ŝ + ε)
    with m̂ = m / (1 - β₁ᵗ) and ŝ = s / (1 - β₂ᵗ).

    The slots hold M = m / (1 - β₁) and S = s / (1 - β₂), so M ← β₁ M + g and S ← β₂ S + g²; the factors and
    the two corrections become part of the step size and of ε. This saves a third of the passes over the arrays.
    """

    name = "adam"
    slots = ("moment", "square_moment")
    learning_rate: LearningRate = 0.001
    beta1: Annotated[float, Number("Decay rate of the first moment", minimum=0, below=1)] = 0.9
    beta2: Annotated[float, Number("Decay rate of the second moment", minimum=0, below=1)] = 0.999
    epsilon: Epsilon = 1e-8

    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:
        """Take one step, scaled by each element's own moments."""
        M, S = slots
        m_scale = (1 - self.beta1) / (1 - self.beta1**t)  # m̂ = m_scale · M
        s_scale = math.sqrt((1 - self.beta2) / (1 - self.beta2**t))  # √ŝ = s_scale · √S
        M *= self.beta1
        M += dP
        S *= self.beta2
        square(dP, out=dP)
        S += dP
        sqrt(S, out=dP)
        dP += self.epsilon / s_scale
        divide(M, dP, out=dP)
        dP *= rate * m_scale / s_scale
        P -= dP


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: P ← P - η λ P before Adam's step. Biases decay too.

    Loshchilov and Hutter 2019, algorithm 2.
    """

    name = "adamw"
    weight_decay: Annotated[float, Number("Decoupled weight decay", minimum=0)] = 0.01

    def update(self, P: Array, dP: Array, slots: tuple[Array, ...], rate: float, t: int) -> None:
        """Shrink the parameters, then take Adam's step."""
        P *= 1 - rate * self.weight_decay
        super().update(P, dP, slots, rate, t)


OPTIMIZERS: dict[str, type[Optimizer]] = {rule.name: rule for rule in (SGD, Momentum, Nesterov, RMSProp, Adam, AdamW)}

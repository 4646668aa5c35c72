"""The update of a network's parameters by an optimizer: its state, and its sweep over the parameters in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from shared.network.arrays import Array
from shared.network.optimization.optimizers import Optimizer

BLOCK = 262_144
"""Elements updated at a time, in all of a rule's arrays together. A rule passes over them up to ten times, and 1 MiB of
float32 fits into the processor's cache. With smaller blocks, the calls take more time than the cache saves."""

Operands: TypeAlias = tuple[Array, Array, tuple[Array, ...]]


def norm(dP: Array) -> float:
    """Return the Euclidean norm of dP (size,)."""
    squared = float(np.dot(dP, dP))
    if not math.isfinite(squared):  # the squares may overflow float32 while the norm does not
        return float(np.linalg.norm(dP.astype(np.float64)))
    return math.sqrt(squared)


def norms(dP: Array, parts: Sequence[slice]) -> list[float]:
    """Return the Euclidean norm of each part of dP (size,)."""
    return [norm(dP[part]) for part in parts]


def clip(dP: Array, length: float, limit: float) -> None:
    """Scale dP, whose norm is `length`, down to the limit: dP ← dP · min(1, limit / ‖dP‖). Pascanu et al. 2013."""
    if length > limit:
        dP *= limit / length


def decay(weights: Iterable[tuple[Array, Array]], rate: float) -> None:
    """Add the derivative of the penalty λ/2 ‖W‖² to that of the loss: dW ← dW + λ W for each pair (W, dW)."""
    for W, dW in weights:
        np.add(dW, rate * W, out=dW)


class Update:
    """Applies an optimizer to the vector P, given the derivatives in the vector dP, both (size,).

    parts: the slices of P that `apply` updates by number.
    """

    def __init__(self, optimizer: Optimizer, P: Array, dP: Array, parts: Sequence[slice]) -> None:
        self.optimizer = optimizer
        self.slots = {name: np.zeros_like(P) for name in optimizer.slots}
        self.steps = 0
        self.rate = optimizer.learning_rate
        self._all = self._operands(P, dP, slice(0, len(P)))
        self._parts = [self._operands(P, dP, part) for part in parts]

    def begin_step(self, factor: float) -> None:
        """Count a step, at `factor` times the optimizer's learning rate.

        Each parameter is then updated once, by `apply_all` or part by part.
        """
        self.steps += 1
        self.rate = self.optimizer.learning_rate * factor

    def apply_all(self) -> None:
        """Update all parameters."""
        self._apply(self._all)

    def apply(self, part: int) -> None:
        """Update the parameters of one part."""
        self._apply(self._parts[part])

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the optimizer's state, as copies."""
        return {"steps": np.array(self.steps)} | {name: slot.copy() for name, slot in self.slots.items()}

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Restore the state that `state` returned."""
        self.steps = int(state["steps"])
        for name, slot in self.slots.items():
            slot[:] = state[name]

    def _apply(self, blocks: list[Operands]) -> None:
        for P, dP, slots in blocks:
            self.optimizer.update(P, dP, slots, self.rate, self.steps)

    def _operands(self, P: Array, dP: Array, part: slice) -> list[Operands]:
        """Return the views of the part's blocks, created once: a view takes as long as a small computation."""
        blocks = []
        length = max(1, BLOCK // (2 + len(self.slots)))
        for start in range(part.start, part.stop, length):
            block = slice(start, min(start + length, part.stop))
            blocks.append((P[block], dP[block], tuple(slot[block] for slot in self.slots.values())))
        return blocks

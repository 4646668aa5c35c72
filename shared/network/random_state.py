"""The random generator of a training, and its state as an array that a checkpoint can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SPLIT, AUGMENTATION = 1, 2
"""The streams of a training that are not drawn from its one running generator."""

_WORD = 2**64 - 1


def seeded(seed: int, *stream: int) -> np.random.Generator:
    """Give a generator: PCG64 by name, so that another default in another NumPy changes nothing.

    Each stream of numbers under a seed is independent of the others, and of the seed's own without one.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))


def state_of(rng: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Give its state as 6 words: two integers of 128 bits, high word first, and a kept half-word."""
    state: dict[str, Any] = dict(rng.bit_generator.state)  # NumPy types it as any mapping
    words = []
    for integer in (state["state"]["state"], state["state"]["inc"]):
        words += [integer >> 64, integer & _WORD]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def set_state(rng: np.random.Generator, words: npt.NDArray[np.uint64]) -> None:
    """Put a PCG64 generator back into a state that `state_of` gave."""
    state, state_low, inc, inc_low, has_uint32, uinteger = (int(word) for word in words)
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state << 64 | state_low, "inc": inc << 64 | inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }

"""The random generator of a training, and its state as an array for a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SPLIT, AUGMENTATION, SELECTION, DROPOUT = 1, 2, 3, 4
"""The streams of a training's seed that have their own generators: the validation split, the augmentation, the images
of the race between candidates, and the dropout of a convolutional network."""

_WORD = 2**64 - 1


def seeded(seed: int, *stream: int) -> np.random.Generator:
    """Return a PCG64 generator; it is named explicitly, so that another default in a later NumPy has no effect.

    Each stream of a seed is independent of the others, and of the seed's generator without a stream.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))


def state_of(rng: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Return the generator's state as 6 words: two 128-bit integers, high word first, and a buffered half-word."""
    state: dict[str, Any] = dict(rng.bit_generator.state)  # NumPy's type is a general mapping
    words = []
    for integer in (state["state"]["state"], state["state"]["inc"]):
        words += [integer >> 64, integer & _WORD]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def set_state(rng: np.random.Generator, words: npt.NDArray[np.uint64]) -> None:
    """Restore a PCG64 generator's state from the words of `state_of`."""
    state, state_low, inc, inc_low, has_uint32, uinteger = (int(word) for word in words)
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state << 64 | state_low, "inc": inc << 64 | inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }

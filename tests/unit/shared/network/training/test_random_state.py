from __future__ import annotations

import numpy as np

from shared.network.training import random_state


def test_the_seed_determines_the_random_numbers() -> None:
    assert random_state.seeded(7).random() == random_state.seeded(7).random() != random_state.seeded(8).random()


def test_the_streams_of_a_seed_are_different() -> None:
    draws = [random_state.seeded(7, *stream).random() for stream in ((), (1,), (2,), (1, 0), (1, 1))]
    assert len(set(draws)) == len(draws)
    assert random_state.seeded(7, 1, 0).random() == draws[3]


def test_a_generator_without_a_stream_uses_the_seed_alone() -> None:
    assert random_state.seeded(7).random() == np.random.Generator(np.random.PCG64(7)).random()


def test_a_restored_state_draws_the_same_numbers() -> None:
    rng, other = random_state.seeded(7), random_state.seeded(8)
    rng.integers(0, 9, 3, dtype=np.uint8)  # leaves a buffered half-word
    words = random_state.state_of(rng)
    random_state.set_state(other, words)
    assert rng.integers(0, 2**32, dtype=np.uint32) == other.integers(0, 2**32, dtype=np.uint32)
    assert rng.permutation(99).tolist() == other.permutation(99).tolist()


def test_the_state_is_an_array_of_words() -> None:
    words = random_state.state_of(random_state.seeded(2**63 - 1))
    assert words.shape == (6,)
    assert words.dtype == np.uint64

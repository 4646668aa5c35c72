from __future__ import annotations

import numpy as np

from shared.network import generator


def test_the_seed_decides_what_is_drawn() -> None:
    assert generator.seeded(7).random() == generator.seeded(7).random() != generator.seeded(8).random()


def test_the_streams_of_a_seed_are_different() -> None:
    draws = [generator.seeded(7, *stream).random() for stream in ((), (1,), (2,), (1, 0), (1, 1))]
    assert len(set(draws)) == len(draws)
    assert generator.seeded(7, 1, 0).random() == draws[3]


def test_without_a_stream_the_seed_is_the_generators_own() -> None:
    assert generator.seeded(7).random() == np.random.Generator(np.random.PCG64(7)).random()


def test_a_state_put_back_draws_the_same_again() -> None:
    rng, other = generator.seeded(7), generator.seeded(8)
    rng.integers(0, 9, 3, dtype=np.uint8)  # leaves a half-word behind
    words = generator.state_of(rng)
    generator.set_state(other, words)
    assert rng.integers(0, 2**32, dtype=np.uint32) == other.integers(0, 2**32, dtype=np.uint32)
    assert rng.permutation(99).tolist() == other.permutation(99).tolist()


def test_the_state_is_an_array_of_words() -> None:
    words = generator.state_of(generator.seeded(2**63 - 1))
    assert words.shape == (6,)
    assert words.dtype == np.uint64

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shared.network.training.per_image_first_layer import SIZE, Block

PIXELS, OUT, SAMPLES = 12, 5, SIZE + 20

Array = npt.NDArray[np.float64]


class Layer:
    """A reference layer, whose weights are updated after every image."""

    def __init__(self, W: Array, rows: npt.NDArray[np.uint8]) -> None:
        self.W = W.copy()
        self.X = np.hstack([rows / 255, np.ones((len(rows), 1))])

    def forward(self, image: int) -> Array:
        return np.asarray(self.X[image] @ self.W)

    def update(self, image: int, step: Array) -> None:
        self.W -= np.outer(self.X[image], step)


@pytest.fixture
def rows(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    return rng.integers(0, 256, (SAMPLES, PIXELS), dtype=np.uint8)


@pytest.fixture
def W(rng: np.random.Generator) -> Array:  # noqa: N802
    return rng.normal(size=(PIXELS + 1, OUT))


@pytest.fixture
def steps(rng: np.random.Generator) -> Array:
    return rng.normal(scale=0.1, size=(SAMPLES, OUT))


def pass_one(block: Block, image: int, following: npt.NDArray[np.int64] | None, step: Array) -> Array:
    Z = np.empty(OUT)
    block.forward(image, following, Z)[:] = step
    return Z


@pytest.mark.parametrize("known", ["all", "none", "wrong"])
def test_every_image_uses_the_weights_after_the_previous_image(
    known: str, W: Array, rows: npt.NDArray[np.uint8], steps: Array, rng: np.random.Generator
) -> None:
    order = rng.permutation(SAMPLES)
    block, layer = Block(W, rows), Layer(W, rows)
    for place, image in enumerate(order.tolist()):
        following = {"all": order[place + 1 :], "none": None, "wrong": order[place + 2 :]}[known]
        Z = pass_one(block, image, following, steps[place])
        np.testing.assert_allclose(Z, layer.forward(image), rtol=0, atol=1e-12)
        layer.update(image, steps[place])
    block.settle()
    np.testing.assert_allclose(W, layer.W, rtol=0, atol=1e-12)


def test_a_block_may_contain_an_image_twice(W: Array, rows: npt.NDArray[np.uint8], steps: Array) -> None:
    order = np.array([3, 4, 3, 3])
    block, layer = Block(W, rows), Layer(W, rows)
    for place, image in enumerate(order.tolist()):
        Z = pass_one(block, image, order[place + 1 :], steps[place])
        np.testing.assert_allclose(Z, layer.forward(image), rtol=0, atol=1e-12)
        layer.update(image, steps[place])


def test_settling_updates_the_weights_and_does_not_change_later_bits(
    W: Array, rows: npt.NDArray[np.uint8], steps: Array
) -> None:
    order = np.arange(SAMPLES)
    layer = Layer(W, rows)
    often, never = Block(W.copy(), rows), Block(W.copy(), rows)
    for place in range(SAMPLES):
        Z, expected = (pass_one(block, place, order[place + 1 :], steps[place]) for block in (often, never))
        np.testing.assert_array_equal(Z, expected)
        layer.update(place, steps[place])
        often.settle()
        np.testing.assert_allclose(often.W, layer.W, rtol=0, atol=1e-12)
    never.settle()
    np.testing.assert_array_equal(never.W, often.W)


def test_weights_are_not_updated_before_the_block_is_complete(
    W: Array, rows: npt.NDArray[np.uint8], steps: Array
) -> None:
    before = W.copy()
    block = Block(W, rows)
    for place in range(SIZE):
        assert not block.complete or place == 0
        pass_one(block, place, np.arange(place + 1, SAMPLES), steps[place])
    assert block.complete
    np.testing.assert_array_equal(W, before)


@pytest.mark.parametrize("stop", [0, 1, 30, SIZE, SIZE + 7])
def test_a_restored_block_continues_with_the_same_bits(
    stop: int, W: Array, rows: npt.NDArray[np.uint8], steps: Array
) -> None:
    order = np.arange(SAMPLES)
    block = Block(W, rows)
    for place in range(stop):
        pass_one(block, place, order[place + 1 :], steps[place])
    block.settle()
    later = Block(W.copy(), rows)
    later.restore(block.state())
    for place in range(stop, SAMPLES):
        expected, Z = (pass_one(each, place, order[place + 1 :], steps[place]) for each in (block, later))
        np.testing.assert_array_equal(Z, expected)
    for each in (block, later):
        each.settle()
    np.testing.assert_array_equal(later.W, block.W)


def test_a_state_is_a_copy(W: Array, rows: npt.NDArray[np.uint8], steps: Array) -> None:
    block = Block(W, rows)
    state = block.state()
    kept = {name: array.copy() for name, array in state.items()}
    for place in range(SIZE + 1):
        pass_one(block, place, np.arange(place + 1, SAMPLES), steps[place])
    for name, array in kept.items():
        np.testing.assert_array_equal(state[name], array)

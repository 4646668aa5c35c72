from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.network.layers.inputs import stratified


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 9), data=st.data())
def test_each_class_is_chosen_in_proportion(labels: list[int], seed: int, data: st.DataObject) -> None:
    y = np.array(labels)
    count = data.draw(st.integers(0, len(y)))
    others, chosen = stratified(y, count, np.random.default_rng(seed))
    assert sorted([*others, *chosen]) == list(range(len(y)))
    assert len(chosen) == count
    for label in set(labels):
        share = count * np.count_nonzero(y == label) / len(y)
        assert abs(np.count_nonzero(y[chosen] == label) - share) < 1


def test_both_parts_keep_the_order_of_the_data(rng: np.random.Generator) -> None:
    for part in stratified(rng.integers(0, 3, 100), 30, rng):
        assert (np.diff(part) > 0).all()


def test_the_generator_determines_the_chosen_images() -> None:
    y = np.arange(100) % 10
    first, again, other = (stratified(y, 20, np.random.default_rng(seed))[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_every_image_can_be_chosen() -> None:
    y = np.repeat([0, 1], [30, 7])
    seen = {index for seed in range(200) for index in stratified(y, 5, np.random.default_rng(seed))[1].tolist()}
    assert seen == set(range(37))

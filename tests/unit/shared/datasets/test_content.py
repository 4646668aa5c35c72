"""The content of a data set: its classes, the stratified split, and its digest."""

from __future__ import annotations

import numpy as np
import pytest

from shared.datasets.content import Content, Split, classes_of, stratified_test_mask
from tests.support.data.npz import Labels

LABELS: Labels = np.repeat(np.arange(4), [100, 50, 10, 2])


def test_the_classes_are_the_distinct_labels_of_all_parts_sorted() -> None:
    assert classes_of(np.array([7, 3, 7]), np.array([5, 3])).tolist() == [3, 5, 7]


def test_the_split_takes_the_fraction_of_each_class_for_testing() -> None:
    mask = stratified_test_mask(LABELS, fraction=0.2, seed=0)

    assert np.bincount(LABELS[mask]).tolist() == [20, 10, 2, 1]


def test_the_split_keeps_a_single_sample_of_a_class_for_training() -> None:
    mask = stratified_test_mask(np.array([0, 1, 1]), fraction=0.9, seed=0)

    assert mask.sum() == 1
    assert not mask[0]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_each_class_of_two_or_more_samples_is_in_both_parts(fraction: float) -> None:
    mask = stratified_test_mask(LABELS, fraction, seed=0)

    assert set(LABELS[mask]) == set(LABELS[~mask]) == {0, 1, 2, 3}


def test_the_same_seed_gives_the_same_split() -> None:
    assert np.array_equal(stratified_test_mask(LABELS, 0.2, seed=1), stratified_test_mask(LABELS, 0.2, seed=1))


def test_another_seed_gives_another_split() -> None:
    assert not np.array_equal(stratified_test_mask(LABELS, 0.2, seed=1), stratified_test_mask(LABELS, 0.2, seed=2))


def a_content(**changes: object) -> Content:
    fields: dict[str, object] = {
        "image_shape": (2, 3),
        "classes": ("a", "b"),
        "train": Split(np.array([0, 1]), []),
        "test": Split(np.array([1]), []),
    }
    return Content(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_digest_does_not_depend_on_the_type_of_the_labels() -> None:
    wide, narrow = (Split(np.array([0, 1], dtype), []) for dtype in (np.int64, ">i2"))

    assert a_content(train=wide).start_digest().digest() == a_content(train=narrow).start_digest().digest()


@pytest.mark.parametrize(
    "change",
    [
        {"image_shape": (3, 2)},
        {"classes": ("a", "c")},
        {"train": Split(np.array([1, 0]), [])},
        {"train": Split(np.array([0]), []), "test": Split(np.array([1, 1]), [])},
    ],
    ids=["shape", "classes", "labels", "split"],
)
def test_the_digest_depends_on_every_part_of_the_content(change: dict[str, object]) -> None:
    assert a_content().start_digest().digest() != a_content(**change).start_digest().digest()

from __future__ import annotations

import numpy as np
import pytest

from shared.network.layers.inputs import as_labels, as_rows, scale


def test_images_become_rows_without_a_copy() -> None:
    images = np.zeros((5, 4, 3), np.uint8)
    rows = as_rows(images, (4, 3))
    assert rows.shape == (5, 12)
    assert np.shares_memory(rows, images)
    assert as_rows(rows, (4, 3)).shape == (5, 12)


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 11), (12,), (), (5, 4, 3, 1)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="4 × 3 pixels"):
        as_rows(np.zeros(shape, np.uint8), (4, 3))


@pytest.mark.parametrize("dtype", ["int64", "uint16", "bool", "complex64", "U1"])
def test_images_of_another_type_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="uint8 or floating point"):
        as_rows(np.zeros((5, 12), dtype), (4, 3))


def test_labels_become_indices() -> None:
    labels = as_labels(np.array([0, 2, 1], np.uint8), samples=3, classes=3)
    assert labels.dtype == np.intp
    assert labels.tolist() == [0, 2, 1]


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_labels_outside_the_classes_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="between 0 and 2"):
        as_labels(np.array(labels), samples=2, classes=3)


def test_a_wrong_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must have shape \(3,\)"):
        as_labels(np.array([0, 1]), samples=3, classes=3)


def test_labels_that_are_not_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="integers; got float64"):
        as_labels(np.array([0.0, 1.0]), samples=2, classes=3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_are_scaled_to_the_unit_interval(dtype: type[np.floating]) -> None:
    X = np.empty((1, 3), dtype)
    scale(np.array([[0, 51, 255]], np.uint8), X)
    np.testing.assert_allclose(X, [[0, 0.2, 1]], rtol=1e-6)
    assert X.max() <= 1


def test_floating_point_values_are_not_scaled() -> None:
    X = np.empty((1, 3), np.float32)
    scale(np.array([[0, 0.25, 1]], np.float64), X)
    assert X.tolist() == [[0, 0.25, 1]]

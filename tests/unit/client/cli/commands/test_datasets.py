"""What `glassbox datasets` and `glassbox train` print about a data set."""

from __future__ import annotations

from typing import Any

import pytest
from glassbox.cli.commands.datasets import content, copies, print_dataset, say_content
from glassbox.datasets import Dataset, Duplicates


def dataset(**values: Any) -> Dataset:
    """Return a data set with a validation split."""
    fields: dict[str, Any] = {
        "id": "sha256:0",
        "name": "pets",
        "source": "upload",
        "image_shape": (8, 8),
        "classes": ("ant", "bee"),
        "splits": {"train": 1800, "validation": 25, "test": 200},
        "class_counts": {"train": (900, 900), "validation": (5, 20), "test": (100, 100)},
        "bytes": 129_600,
        "created_at": "2026-01-31T12:00:00.000Z",
        "_datasets": None,
    }
    return Dataset(**(fields | values))


def test_images_of_a_validation_split_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert content(dataset()) == (
        "2 classes, 1,800 train images (900 a class), 25 validation images (5 to 20 a class), 200 test images (100 a"
        " class)"
    )
    say_content(dataset())
    print_dataset(dataset(), as_json=False)
    printed = capsys.readouterr()
    assert "pets: 2 classes, 1,800 train images (900 a class), 25 validation images" in printed.err
    assert "1,800 train, 25 validation, 200 test" in printed.out


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, ""),
        (Duplicates(0, 0, 0), ""),
        (Duplicates(7, 0, 0), "7 of 2,025 images are exact duplicates of others"),
        (
            Duplicates(7, 1, 0, validation_in_train=2, test_in_validation=3),
            (
                "7 of 2,025 images are exact duplicates of others, 1 test images of training images,"
                " 2 validation images of training images, 3 test images of validation images"
            ),
        ),
    ],
)
def test_copies_across_the_splits_are_counted(found: Duplicates | None, expected: str) -> None:
    assert copies(dataset(duplicates=found)) == expected

"""Warnings of a data set: what makes the results of a training on it doubtful."""

from __future__ import annotations

from collections.abc import Mapping

from shared.datasets.manifest import Duplicates
from shared.images.number_range import almost_black_warning

FEW_VALIDATION_IMAGES = 20
"""With fewer, the validation loss changes at random from epoch to epoch."""

FEW_TEST_IMAGES = 30
"""With fewer, the 95 % confidence interval of a test accuracy is wider than 30 points at its widest."""

LEAST_WHITE = 64
"""If no gray level of a data set is as large, its white is probably not 255, as in digits of 0 to 16 or in masks."""


def warnings_of(
    splits: Mapping[str, int], duplicates: Duplicates, unsupported: int = 0, brightest: int = 255, dark: int = 0
) -> tuple[str, ...]:
    """Return the warnings as sentences.

    unsupported: images that were skipped because of their format. brightest: the largest gray level of all images.
    dark: images whose largest gray level is 1.
    """
    images = sum(splits.values())
    found = []
    if splits["test"] < FEW_TEST_IMAGES:
        found.append(
            f"the data set has {images:,} images, {splits['test']:,} of them for testing: fewer than"
            f" {FEW_TEST_IMAGES} give a test accuracy that means little. Add images"
        )
    if 0 < splits.get("validation", 0) < FEW_VALIDATION_IMAGES:
        found.append(
            f"the data set has {splits['validation']:,} images for validation: fewer than {FEW_VALIDATION_IMAGES} say"
            " little about an epoch, so the preset auto neither stops a training early nor compares candidates by them."
            " Add images"
        )
    if duplicates.images:
        found.append(
            f"{duplicates.images:,} of {images:,} images are exact duplicates of others: they teach nothing new."
            " Remove them"
        )
    if duplicates.test_in_train:
        found.append(
            f"{duplicates.test_in_train:,} of {splits['test']:,} test images are also training images, so the test"
            " accuracy will be too high. Remove them from one of the splits"
        )
    if duplicates.validation_in_train:
        found.append(
            f"{duplicates.validation_in_train:,} of {splits['validation']:,} validation images are also training"
            " images, so the validation accuracy will be too high, and early stopping too late. Remove them from one of"
            " the splits"
        )
    if duplicates.test_in_validation:
        found.append(
            f"{duplicates.test_in_validation:,} of {splits['test']:,} test images are also validation images, by which"
            " a training is stopped and chosen, so the test accuracy will be too high. Remove them from one of the"
            " splits"
        )
    if duplicates.in_several_classes:
        found.append(
            f"{duplicates.in_several_classes:,} images are in several classes with the same pixels, so no network can"
            " classify them all correctly. Correct their classes"
        )
    if brightest == 0:
        found.append("all images are black: the gray level of every pixel is 0. Check how they were saved")
    elif brightest < LEAST_WHITE:
        found.append(
            f"the largest gray level of all images is {brightest} of 255, so they are almost black to a network. If"
            f" {brightest} is white, multiply the images' gray levels by {255 // brightest} and upload them again"
        )
    elif dark:
        found.append(f"{almost_black_warning(dark, images)} and upload them again")
    if unsupported:
        images_are = (
            "1 image has an unsupported format and was"
            if unsupported == 1
            else (f"{unsupported:,} images have unsupported formats and were")
        )
        found.append(f"{images_are} skipped. Convert to PNG or JPEG")
    return tuple(found)

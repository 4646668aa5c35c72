from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from shared.datasets.builtin.digits import load_digits
from shared.network.assessment import copies as module
from shared.network.assessment.copies import Bytes, Copies, copies


def photographs(count: int, rng: np.random.Generator, channels: int = 3) -> Bytes:
    """Return smooth random images (count, 32, 32, 3), or (count, 32, 32) for one channel."""
    small = rng.integers(0, 256, (count, 4, 4, channels), dtype=np.uint8)
    return np.array(
        [np.asarray(Image.fromarray(image.squeeze()).resize((32, 32), Image.Resampling.BICUBIC)) for image in small]
    )


def as_jpeg(image: Bytes, quality: int = 75) -> Bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("channels", [1, 3])
def test_exact_copies_are_counted(channels: int, rng: np.random.Generator) -> None:
    train, test = photographs(50, rng, channels), photographs(30, rng, channels)
    test[[3, 17]] = train[[40, 5]]
    assert copies(train, test) == Copies(test=30, exact=2, near=0, compared=28)


def test_near_copies_are_counted(rng: np.random.Generator) -> None:
    train, test = photographs(50, rng), photographs(30, rng)
    test[0] = as_jpeg(train[7])
    test[1] = np.clip(train[8].astype(float) * 0.8 + 20, 0, 255).astype(np.uint8)  # less contrast
    test[2] = np.clip(train[9] + rng.normal(0, 4, train[9].shape), 0, 255).astype(np.uint8)  # noise of a camera
    assert copies(train, test) == Copies(test=30, exact=0, near=3, compared=30)


def test_the_same_drawing_in_another_colour_is_not_a_copy(rng: np.random.Generator) -> None:
    train = photographs(20, rng)
    test = train[:5] // 2
    test[..., 0] += 100
    assert copies(train, test).near == 0


def test_plain_surfaces_are_not_near_copies(rng: np.random.Generator) -> None:
    train = np.repeat(rng.integers(20, 30, (20, 1, 1), dtype=np.uint8), 64, axis=1).repeat(64, axis=2)
    noise = rng.integers(0, 3, (10, 64, 64), dtype=np.uint8)
    assert copies(train, train[:10] + 1 + noise).near == 0


def test_different_images_of_the_same_digit_are_not_copies() -> None:
    images, _ = load_digits()
    pixels = images * np.uint8(15)
    assert copies(pixels[:1400], pixels[1400:]) == Copies(test=397, exact=0, near=0, compared=397)


@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (9, 9), (40, 5, 3)])
def test_images_of_any_shape_are_compared(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    train = rng.integers(0, 256, (20, *shape), dtype=np.uint8)
    test = rng.integers(0, 256, (10, *shape), dtype=np.uint8)
    test[4] = train[11]
    counted = copies(train, test)
    assert counted.exact >= 1
    assert counted.test == 10


def test_the_comparison_is_bounded_and_the_share_is_estimated(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TESTED", 10)
    train = photographs(40, rng)
    test = np.clip(train + rng.normal(0, 3, train.shape), 0, 255).astype(np.uint8)  # all are near copies
    test[:20] = train[:20]  # half of them exact
    counted = copies(train, test)
    assert counted == Copies(test=40, exact=20, near=10, compared=10)
    assert counted.share == 1.0


def test_a_test_set_without_copies_has_a_share_of_zero() -> None:
    assert Copies(test=10, exact=0, near=0, compared=10).share == 0
    assert Copies(test=10, exact=10, near=0, compared=0).share == 1

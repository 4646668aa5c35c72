"""Decoding in a process with limited memory: an image that needs more fails, and the process continues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.runtime.settings import MiB
from tests.support.data.images import encoded, png, smooth

SIDE = 4000
GOOD = np.full((28, 28), 9, np.uint8)
FORMATS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png": ("PNG", "RGBA", {}),
    "jpeg": ("JPEG", "RGB", {}),
    "progressive.jpeg": ("JPEG", "RGB", {"progressive": True}),
    "bmp": ("BMP", "RGB", {}),
    "gif": ("GIF", "P", {}),
    "tiff": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "webp": ("WEBP", "RGB", {"quality": 1, "method": 0}),
    "avif": ("AVIF", "RGB", {"quality": 30, "speed": 10, "max_threads": 1}),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with an image of 16 megapixels in each format, and small images."""
    folder = tmp_path_factory.mktemp("large")
    image = smooth(SIDE, SIDE)
    for name, (file_format, mode, options) in FORMATS.items():
        (folder / name).write_bytes(encoded(image.convert(mode), file_format, **options))
    (folder / "small.png").write_bytes(encoded(smooth(1000, 1000).convert("RGBA")))
    (folder / "good.png").write_bytes(png(GOOD))
    (folder / "good.jpeg").write_bytes(encoded(Image.fromarray(GOOD.repeat(2, 0).repeat(2, 1)), "JPEG"))
    return folder


def decode_under_limit(room: int, *paths: Path, shape: str = "28x28") -> list[str]:
    """Decode the files in a process that can allocate `room` more bytes; returns each file's outcome."""
    command = [sys.executable, "-m", "tests.support.data.decoding", str(room), shape, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("shape", ["28x28", "28x28x3"])
@pytest.mark.parametrize("room", [8 * MiB, 40 * MiB])
@pytest.mark.parametrize("name", FORMATS)
def test_an_image_that_needs_more_memory_fails_alone(name: str, room: int, shape: str, large: Path) -> None:
    files = [large / name, large / "good.png", large / name, large / "good.jpeg"]

    outcomes = decode_under_limit(room, *files, shape=shape)

    assert [outcome.split(" ", 1)[0] for outcome in outcomes] == ["image_too_large", "decoded"] * 2


@pytest.mark.parametrize("shape", ["28x28", "28x28x3"])
def test_images_of_16_megapixels_are_decoded_in_256_mib(shape: str, large: Path) -> None:
    outcomes = decode_under_limit(256 * MiB, *(large / name for name in FORMATS), shape=shape)

    assert [outcome.split()[0] for outcome in outcomes] == ["decoded"] * len(FORMATS)


def test_the_error_contains_the_size_of_the_image(large: Path) -> None:
    [outcome] = decode_under_limit(8 * MiB, large / "bmp")

    assert "4000 × 4000 pixels needs more memory than a worker may use" in outcome


def test_a_lack_of_memory_for_a_small_image_raises_memory_error(large: Path) -> None:
    assert decode_under_limit(0, large / "small.png", large / "good.png") == ["MemoryError", "decoded 9"]

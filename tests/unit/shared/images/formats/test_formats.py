"""The supported formats, and the limits that their headers are checked for."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.errors import Malformed
from shared.images.area import MAX_SIDE
from shared.images.decoding import decode_into
from tests.support.data.images import chunk, encoded, png, png_of, smooth, tiff

FORMATS = ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "AVIF"]
BOMB = zlib.compress(bytes(50_000_000))
SUPPORTED = "PNG, JPEG, BMP, GIF, TIFF, WebP, AVIF, HEIC"


def error_of(content: bytes, max_pixels: int = 16_000_000) -> Malformed:
    """Return the error of an image file."""
    with pytest.raises(Malformed) as caught:
        decode_into(np.zeros((4, 4), np.uint8), content, max_pixels)
    return caught.value


def file_with_stated_size(file_format: str, width: int, height: int) -> bytes:
    """Return a small file whose header states these sides."""
    if file_format == "PNG":
        return png_of(
            [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
        )
    if file_format == "TIFF":
        return tiff(np.zeros((1, 1), np.uint8), fields={256: (width,), 257: (height,)})
    content = bytearray(encoded(Image.new("RGB", (7, 9)), file_format))
    if file_format == "JPEG":
        struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, height, width)
    elif file_format == "BMP":
        struct.pack_into("<II", content, 18, width, height)
    elif file_format == "GIF":
        struct.pack_into("<HH", content, 6, width, height)
    elif file_format == "WEBP":
        struct.pack_into("<HH", content, 26, width, height)
    elif file_format == "AVIF":
        struct.pack_into(">II", content, content.index(b"ispe") + 8, width, height)
    return bytes(content)


def two_frames(file_format: str) -> bytes:
    frames = [Image.new("RGB", (4, 4), (value, value, value)) for value in (0, 255)]
    return encoded(frames[0], file_format, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_image_of_each_supported_format_is_decoded(file_format: str) -> None:
    row = np.zeros((1, 1), np.uint8)

    decode_into(row, encoded(Image.new("L", (16, 16), 100), file_format), 1000)

    assert abs(int(row[0, 0]) - 100) <= 1


@pytest.mark.parametrize("file_format", ["TGA", "PCX", "PDF", "SGI"])
def test_the_error_for_another_format_names_the_supported_formats(file_format: str) -> None:
    error = error_of(encoded(Image.new("L", (4, 4)), file_format))

    assert error.code == "not_an_image"
    assert SUPPORTED in error.detail


@pytest.mark.parametrize(
    "content", [b"text", b"%PDF-1.7", b"\xff\xd8", b"BM" + bytes(100), b"BMW is a make of cars, and so on"]
)
def test_other_content_is_refused_as_not_an_image(content: bytes) -> None:
    assert error_of(content).code == "not_an_image"


def test_the_error_for_an_empty_file_says_that_it_is_empty() -> None:
    assert error_of(b"").code == "not_an_image"
    assert "is empty" in error_of(b"").detail


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "TIFF", "WEBP", "AVIF"])
def test_an_image_with_several_frames_is_refused(file_format: str) -> None:
    error = error_of(two_frames(file_format))

    assert error.code == "image_animated"
    assert "several frames" in error.detail


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "WEBP"])
def test_an_animation_of_one_frame_is_decoded(file_format: str) -> None:
    row = np.zeros((1, 1), np.uint8)
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}

    decode_into(row, encoded(Image.new("L", (4, 4), 100), file_format, save_all=True, **options), 1000)

    assert row.tolist() == [[100]]


@pytest.mark.parametrize("file_format", FORMATS)
def test_too_many_pixels_are_refused_by_the_header_alone(file_format: str) -> None:
    size = {"JPEG": (60_000, 60_000), "GIF": (60_000, 60_000), "WEBP": (16_000, 16_000), "AVIF": (16_000, 16_000)}.get(
        file_format, (100_000, 10_000)
    )
    content = file_with_stated_size(file_format, *size)
    tracemalloc.start()

    error = error_of(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert error.code == "image_too_large"
    assert "at most 16000000 are allowed" in error.detail
    assert peak < 1_000_000


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_limit_of_pixels_is_inclusive(file_format: str) -> None:
    image = encoded(smooth(9, 7), file_format)

    decode_into(np.zeros((4, 4), np.uint8), image, 63)
    assert error_of(image, 62).code == "image_too_large"


def test_the_limit_applies_to_plain_pngs() -> None:
    assert error_of(png(np.zeros((4, 4), np.uint8)), 15).code == "image_too_large"


def test_the_limit_applies_to_the_canvas_of_an_extended_webp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    content = bytearray(encoded(Image.new("RGB", (7, 9)), "WEBP", exif=exif))
    assert content[12:16] == b"VP8X"
    content[24:30] = b"\xff\xff\xff\xff\xff\xff"

    assert error_of(bytes(content)).code == "image_too_large"


def test_the_limit_applies_to_the_size_of_a_lossless_webp() -> None:
    content = bytearray(encoded(Image.new("RGB", (7, 9)), "WEBP", lossless=True))
    assert content[12:16] == b"VP8L"
    content[21:25] = b"\xff\xff\xff\x0f"

    assert error_of(bytes(content)).code == "image_too_large"


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)])
def test_a_side_has_at_most_65535_pixels(size: tuple[int, int]) -> None:
    assert "65535" in error_of(encoded(Image.new("1", size))).detail
    decode_into(np.zeros((4, 4), np.uint8), encoded(Image.new("1", (1, MAX_SIDE))), MAX_SIDE)


def test_tiles_beyond_the_limit_are_refused_in_a_small_image() -> None:
    pixels = np.zeros((4, 4), np.uint8)
    tiles = {324: (8,), 325: (16,)}
    as_text = tiff(pixels, fields={322: (4,), 323: (4,)} | tiles)
    as_text = as_text.replace(struct.pack("<HH", 322, 3), struct.pack("<HH", 322, 2))

    assert error_of(tiff(pixels, fields={322: (60_000,), 323: (60_000,)} | tiles)).code == "image_too_large"
    assert error_of(as_text).code == "image_damaged"


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"zzZz"])
@pytest.mark.parametrize("at_end", [False, True])
def test_compressed_metadata_of_a_png_are_not_unpacked(kind: bytes, at_end: bool) -> None:
    contents = {b"iTXt": b"k\0\1\0\0\0" + BOMB, b"tEXt": b"k\0" + bytes(100_000)}
    extra = chunk(kind, contents.get(kind, b"k\0\0" + BOMB))
    image = png(np.full((4, 4), 9, np.uint8))
    place = len(image) - 12 if at_end else 33
    row = np.zeros((4, 4), np.uint8)
    tracemalloc.start()

    decode_into(row, image[:place] + extra * 3 + image[place:], 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (row == 9).all()
    assert peak < 5_000_000


@pytest.mark.parametrize("shape", [(4, 4), (5, 5)])
def test_pixel_data_beyond_the_image_are_not_unpacked(shape: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    bomb = png_of([(b"IHDR", header), (b"IDAT", BOMB), (b"IEND", b"")])
    row = np.ones(shape, np.uint8)
    tracemalloc.start()

    decode_into(row, bomb, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (row == 0).all()
    assert peak < 5_000_000


def test_a_png_of_too_many_chunks_is_refused() -> None:
    image = png(np.zeros((4, 4), np.uint8))

    assert error_of(image[:33] + chunk(b"tEXt", b"") * 100_000 + image[33:]).code == "image_too_costly"

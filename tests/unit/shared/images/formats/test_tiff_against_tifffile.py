"""TIFFs that tifffile and imagecodecs write, if they are installed: each kind is decoded to its pixels."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.decoding import decode_into

tifffile: Any = pytest.importorskip("tifffile", reason="tifffile, which writes these files, is not installed")
pytest.importorskip("imagecodecs", reason="imagecodecs, which compresses these files, is not installed")

HEIGHT, WIDTH = 19, 21
TYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
COMPRESSIONS = [None, "lzw", "adobe_deflate", "deflate", "packbits", "zstd", "lzma"]
WITH_PREDICTOR = {"lzw", "adobe_deflate", "deflate", "zstd", "lzma"}
CHUNKS: list[dict[str, Any]] = [{}, {"rowsperstrip": 5}, {"rowsperstrip": 1}, {"tile": (16, 16)}]


@dataclass(frozen=True)
class Colours:
    """Kinds of colours: the options for tifffile, the number of channels, and what they are."""

    photometric: str
    channels: int
    alpha: str = ""
    planar: str = "contig"
    extra: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        extra = self.extra or ((self.alpha,) if self.alpha else ())
        planar = {"planarconfig": self.planar} if self.channels > 1 else {}
        return {"photometric": self.photometric, **planar, **({"extrasamples": extra} if extra else {})}


COLOURS = [
    Colours("minisblack", 1),
    Colours("miniswhite", 1),
    *(
        kind
        for planar in ("contig", "separate")
        for kind in (
            Colours("minisblack", 2, "unassalpha", planar),
            Colours("minisblack", 2, "assocalpha", planar),
            Colours("minisblack", 2, "", planar, ("unspecified",)),
            Colours("rgb", 3, "", planar),
            Colours("rgb", 4, "unassalpha", planar),
            Colours("rgb", 4, "assocalpha", planar),
            Colours("rgb", 5, "", planar, ("unspecified", "unspecified")),
            Colours("rgb", 5, "unassalpha", planar, ("unspecified", "unassalpha")),
            Colours("separated", 4, "", planar),
        )
    ),
]


def samples(dtype: str, channels: int, seed: int = 0) -> NDArray[Any]:
    """Return random samples (H, W, channels) of all of a type's values that are supported."""
    rng = np.random.default_rng(seed)
    shape = (HEIGHT, WIDTH, channels)
    if dtype.startswith("f"):
        values = rng.random(shape).astype(dtype)
        values[0, 0], values[0, 1] = 0, 1
        return values
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the levels from 0 to 255 that docs/data/images.md states for these samples."""
    if values.dtype.kind == "f":
        return np.floor(values.astype(float) * 255 + 0.5).astype(np.uint8)
    size = values.dtype.itemsize * 8
    if values.dtype.kind == "u":
        positive, size = values, size + 1
    else:
        positive = np.where(values < 0, 0, values)
    upper: NDArray[np.uint8] = (np.rint(positive * (255 / 127)) if size == 8 else positive // 2 ** (size - 9)).astype(
        np.uint8
    )
    return upper


def expected(values: NDArray[Any], colours: Colours) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the RGB levels over black, as real numbers, and the luma of the levels."""
    found = levels(values).astype(float)
    if colours.photometric == "miniswhite":
        found = 255 - found
    if colours.photometric == "separated":
        rgb = (255 - found[:, :, :3]) * (255 - found[:, :, 3:]) / 255
    elif colours.photometric == "rgb":
        rgb = found[:, :, :3]
    else:
        rgb = np.repeat(found[:, :, :1], 3, axis=2)
    if colours.alpha == "unassalpha":
        place = colours.extra.index("unassalpha") - len(colours.extra) if colours.extra else -1
        rgb = rgb * found[:, :, place, np.newaxis] / 255
    return rgb, rgb @ np.array([0.299, 0.587, 0.114])


def decoded(content: bytes, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> tuple[NDArray[Any], NDArray[Any]]:
    gray, rgb = np.zeros(shape, np.uint8), np.zeros((*shape, 3), np.uint8)
    decode_into(gray, content, 1_000_000)
    decode_into(rgb, content, 1_000_000)
    return rgb.astype(float), gray.astype(float)


def file_of(values: NDArray[Any], order: str = "<", **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, byteorder=order, metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", TYPES)
def test_each_combination_is_decoded_to_its_pixels(dtype: str, compression: str | None) -> None:
    predictors = [1, 3 if dtype.startswith("f") else 2] if compression in WITH_PREDICTOR else [1]
    by_colours = {
        colours: (values, expected(values, colours))
        for colours in COLOURS
        for values in [samples(dtype, colours.channels)]
    }
    number = 0
    for order, predictor in itertools.product("<>", predictors):
        for colours, (values, (rgb, luma)) in by_colours.items():
            number += 1
            chunks = CHUNKS[(number + number // 20) % len(CHUNKS)]
            shaped = values[:, :, 0] if colours.channels == 1 else values
            stored = shaped.transpose(2, 0, 1) if colours.planar == "separate" else shaped
            options = {**colours.options, **chunks, "compression": compression, "bigtiff": number % 3 == 0}
            content = file_of(stored, order, **options, **({"predictor": predictor} if predictor > 1 else {}))

            found_rgb, found_gray = decoded(content)

            exact = 0.5001 if colours.alpha != "unassalpha" and colours.photometric != "separated" else 1
            assert np.abs(found_rgb - rgb).max() <= exact, (order, options)
            assert np.abs(found_gray - luma).max() <= exact + 0.5, (order, options)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_samples_of_any_number_of_bits_are_decoded(bits: int, photometric: str) -> None:
    channels = 3 if photometric == "rgb" else 1
    dtype = np.uint8 if bits <= 8 else np.uint16
    values = np.random.default_rng(0).integers(0, 1 << bits, (HEIGHT, WIDTH, channels), dtype)
    most = (1 << bits) - 1
    found = values >> (bits - 8) if bits >= 8 else (values.astype(int) * 255 + most // 2) // most
    found = 255 - found if photometric == "miniswhite" else found
    for order, chunks in itertools.product("<>" if bits < 8 else "<", CHUNKS):  # tifffile swaps bytes of packed bits
        content = file_of(values.squeeze(), order, bitspersample=bits, photometric=photometric, **chunks)

        rgb, gray = decoded(content)

        assert (rgb == found).all(), (order, chunks)
        if channels == 1:
            assert (gray == found[:, :, 0]).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "lzw", "packbits"])
def test_palettes_of_any_size_are_looked_up(bits: int, order: str, compression: str | None) -> None:
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 1 << 16, (3, 1 << bits), np.uint16)
    values = rng.integers(0, 1 << bits, (HEIGHT, WIDTH), np.dtype(f"u{bits // 8}"))
    content = file_of(values, order, photometric="palette", colormap=palette, compression=compression)

    rgb, _ = decoded(content)

    assert (rgb == (palette >> 8).T[values]).all()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", ["lzw", "zstd"])
def test_floats_from_0_to_255_are_levels(dtype: str, order: str, compression: str) -> None:
    values = (np.random.default_rng(0).random((HEIGHT, WIDTH)) * 255).astype(dtype)

    rgb, gray = decoded(file_of(values, order, compression=compression, predictor=3, photometric="minisblack"))

    assert (gray == np.floor(values.astype(float) + 0.5)).all()
    assert (rgb == gray[:, :, np.newaxis]).all()


@pytest.mark.parametrize("photometric", ["minisblack", "rgb", "ycbcr"])
@pytest.mark.parametrize("chunks", CHUNKS[:1] + CHUNKS[3:] + [{"rowsperstrip": 16}])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_jpeg_compression_is_decoded_or_refused(
    photometric: str, chunks: dict[str, Any], order: str, big: bool
) -> None:
    y, x = np.mgrid[:64, :96]
    values = np.stack([2 * x + 20, 3 * y + 10, x + y + 30], axis=-1).astype(np.uint8)
    values = values[:, :, 0] if photometric == "minisblack" else values
    content = file_of(
        values, order, photometric=photometric, compression="jpeg", bigtiff=big, compressionargs={"level": 98}, **chunks
    )
    reference = tifffile.imread(io.BytesIO(content)).astype(float)
    if photometric != "ycbcr":  # of which tifffile reads RGB
        assert np.abs(reference - values).max() <= 12

    if big and order == ">":
        with pytest.raises(Malformed) as caught:
            decoded(content, (64, 96))
        assert caught.value.code == "image_unsupported"
        return
    rgb, gray = decoded(content, (64, 96))

    repeated = reference[:, :, np.newaxis] if reference.ndim == 2 else reference
    assert np.abs(rgb - repeated).max() <= 3
    assert np.abs(gray - (repeated + np.zeros(3)) @ np.array([0.299, 0.587, 0.114])).max() <= 3

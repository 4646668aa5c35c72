"""PNGs of each kind of colour and depth: missing rows are damage, and marks of transparency are exact."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from shared.errors import Malformed
from shared.images.decoding import decode_into
from tests.support.data.images import chunk, png_by_hand

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
KINDS = [
    *((GRAY, bits) for bits in (1, 2, 4, 8, 16)),
    *((PALETTE, bits) for bits in (1, 2, 4, 8)),
    *((colour, bits) for colour in (RGB, GRAY_ALPHA, RGB_ALPHA) for bits in (8, 16)),
]
SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
HEIGHT, WIDTH = 5, 9


def packed(row: np.ndarray[Any, Any], bits: int) -> bytes:
    """Return a row of samples (width, samples) as bytes."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    singles = [row.ravel() >> (bits - 1 - bit) & 1 for bit in range(bits)]
    return np.packbits(np.stack(singles, axis=-1).astype(np.uint8)).tobytes()


def file_of(
    samples: Any, colour: int, bits: int, *more: tuple[bytes, bytes], interlaced: bool, rows: int = -1
) -> bytes:
    """Return samples (H, W, samples) as a PNG, with only the first `rows` rows."""
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    parts = [samples[top::down, left::across] for left, top, across, down in passes]
    written = [b"\0" + packed(row, bits) for part in parts if part.size for row in part]
    palette = [(b"PLTE", bytes(range(80, 128)) * 16)] if colour == PALETTE else []
    palette = [(kind, content[: 3 << bits]) for kind, content in palette]
    whole = png_by_hand(
        samples.shape[1],
        samples.shape[0],
        bits,
        colour,
        b"".join(written[: rows if rows >= 0 else None]),
        *palette,
        *more,
    )
    plain, adam7 = (
        chunk(b"IHDR", struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour, 0, 0, last))
        for last in (0, 1)
    )
    return whole.replace(plain, adam7) if interlaced else whole


def decoded(content: bytes, channels: int, height: int = HEIGHT, width: int = WIDTH) -> Any:
    row = np.full((height, width, 3)[: 2 + channels // 3], 77, np.uint8)
    decode_into(row, content, 10_000)
    return row


def samples_of(colour: int, bits: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 1 << bits, (HEIGHT, WIDTH, SAMPLES[colour]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), KINDS)
def test_each_missing_row_is_damage(colour: int, bits: int, interlaced: bool, channels: int) -> None:
    samples = samples_of(colour, bits)
    count = sum(len(samples[top::down]) for left, top, across, down in ADAM7) if interlaced else HEIGHT

    decoded(file_of(samples, colour, bits, interlaced=interlaced), channels)
    for rows in range(count):
        with pytest.raises(Malformed) as caught:
            decoded(file_of(samples, colour, bits, interlaced=interlaced, rows=rows), channels)
        assert caught.value.code == "image_damaged"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value", range(256))
def test_the_last_pixel_may_have_any_value(value: int, channels: int) -> None:
    samples = np.full((HEIGHT, WIDTH, channels), value)

    assert (decoded(file_of(samples, RGB if channels == 3 else GRAY, 8, interlaced=False), channels) == value).all()
    assert (decoded(file_of(samples, RGB if channels == 3 else GRAY, 8, interlaced=True), channels) == value).all()


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), [kind for kind in KINDS if kind[0] in {GRAY, RGB}])
def test_the_pixels_of_a_marked_colour_are_transparent_and_no_others(colour: int, bits: int, interlaced: bool) -> None:
    """Half of the pixels have the marked colour, others differ from it in the lowest bit of one channel."""
    samples = samples_of(colour, bits)
    marked = samples[0, 0].copy()
    samples[::2] = marked
    samples[1::2, ::3] = marked
    samples[1::2, ::3, -1] ^= 1
    levels = samples >> (bits - 8) if bits > 8 else samples * 255 // ((1 << bits) - 1)
    is_marked = (samples == marked).all(axis=2, keepdims=True)

    content = file_of(
        samples, colour, bits, (b"tRNS", struct.pack(f">{len(marked)}H", *marked.tolist())), interlaced=interlaced
    )

    rgb, gray = decoded(content, 3), decoded(content, 1)
    expected = np.where(is_marked, 0 if levels[~is_marked[:, :, 0]].any() else 255, levels)
    assert (rgb == expected).all()
    lumas = expected[:, :, 0] if colour == GRAY else np.rint(expected @ np.array([0.299, 0.587, 0.114]))
    assert np.abs(gray - lumas).max() <= (0 if colour == GRAY else 1)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palettes_transparencies_belong_to_its_colours(bits: int, interlaced: bool) -> None:
    samples = samples_of(PALETTE, bits)
    palette = np.frombuffer(bytes(range(80, 128)) * 16, np.uint8)[: 3 << bits].reshape(-1, 3)
    alphas = np.full(1 << bits, 255)
    alphas[:2] = 0, 255

    rgb = decoded(file_of(samples, PALETTE, bits, (b"tRNS", b"\0\xff"), interlaced=interlaced), 3)

    assert (rgb == palette[samples[:, :, 0]] * (alphas[samples] // 255)).all()


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), [(GRAY_ALPHA, 8), (GRAY_ALPHA, 16), (RGB_ALPHA, 8), (RGB_ALPHA, 16)])
def test_a_channel_of_transparency_is_applied(colour: int, bits: int, interlaced: bool) -> None:
    samples = samples_of(colour, bits)
    samples[0, :, -1], samples[1, :, -1] = 0, (1 << bits) - 1
    levels = samples >> (bits - 8)

    rgb = decoded(file_of(samples, colour, bits, interlaced=interlaced), 3)

    assert np.abs(rgb - levels[:, :, :-1] * (levels[:, :, -1:] / 255)).max() <= 0.51

"""Conversion of unpacked rows of bytes to samples, and of samples to gray levels from 0 to 255."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.tiff.layout import DIFFERENCES, FLOAT_DIFFERENCES, Layout

CLIPPED = 0.1  # how far floats may lie outside of black and white, as a part of white: sharpened images do
DARKEST = 16  # floats whose largest lies between 1.1 and this may be dark, or from 0 to 1 with bright lights


def samples_of(rows: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """Return the samples (rows, pixels, samples of a pixel) of a chunk's rows, in their own type."""
    count, stride, bits = layout.chunk_width * layout.stride, layout.stride, layout.bits
    if bits < 16 and bits != 8:
        return _of_packed(rows, count, bits).reshape(len(rows), -1, stride)
    if layout.predictor == FLOAT_DIFFERENCES:
        size = bits // 8
        differences = rows.reshape(len(rows), -1, stride)
        planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(len(rows), size, count)
        values = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")
        return values.reshape(len(rows), -1, stride)
    dtype = np.dtype(f"{layout.order}{layout.kind}{bits // 8}")
    if layout.predictor == DIFFERENCES:
        unsigned = np.dtype(f"u{bits // 8}")
        steps = rows.view(unsigned.newbyteorder(layout.order)).reshape(len(rows), -1, stride)
        return np.cumsum(steps, axis=1, dtype=unsigned).view(dtype.newbyteorder("="))
    return rows.view(dtype).reshape(len(rows), -1, stride)


def _of_packed(rows: NDArray[np.uint8], count: int, bits: int) -> NDArray[Any]:
    """Return samples that are not whole bytes; their bits follow each other, the highest first."""
    singles = np.unpackbits(rows, axis=1)[:, : count * bits].reshape(len(rows), count, bits)
    values = np.zeros((len(rows), count), np.uint16)
    for bit in range(bits):
        values = (values << 1 | singles[:, :, bit]).astype(np.uint16)
    return values


def levels_of(samples: NDArray[Any], bits: int, kind: str, white: float) -> NDArray[np.uint8]:
    """Return samples as levels from 0 to 255; `white` is the float that is white."""
    if samples.dtype == np.uint8 and bits == 8:
        return samples
    if kind == "f":
        values = np.clip(np.nan_to_num(samples.astype(np.float64), nan=0.0), 0, white)
        return (values * (255 / white) + 0.5).astype(np.uint8)
    if kind == "i":
        samples, bits = np.maximum(samples, 0), bits - 1  # without the sign
    if bits >= 8:
        return (samples >> (bits - 8)).astype(np.uint8)
    most = (1 << bits) - 1
    return ((samples.astype(np.uint16) * 255 + most // 2) // most).astype(np.uint8)


def range_of(samples: NDArray[Any], least: float, most: float) -> tuple[float, float]:
    """Return the least and the largest of these numbers and of the finite samples."""
    finite = samples[np.isfinite(samples)]
    if finite.size:
        least, most = min(least, float(finite.min())), max(most, float(finite.max()))
    return least, most


def white_of(least: float, most: float) -> float:
    """Return the float that is white, 1 or 255, for an image in this range; raises `Malformed` if it is not certain."""
    if least >= -CLIPPED and most <= 1 + CLIPPED:
        return 1
    if least >= -255 * CLIPPED and DARKEST <= most <= 255 * (1 + CLIPPED):
        return 255
    raise Malformed(
        "image_unsupported",
        f"the TIFF has floats from {least:.6g} to {most:.6g}, so that it is not certain which of them is white;"
        " scale them to 0 (black) to 1 (white), or to 0 to 255",
    )

"""Images in an array of a data set: the shapes, types and orders in which people save them, as 8-bit images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import Header, check_images
from shared.datasets.content import Images
from shared.errors import Invalid
from shared.images.number_range import ONLY_0_AND_1, REMEDY, WHITE, OutOfRange, gray_levels, number_range
from shared.images.shapes import RGB, Shape, shape_with

BLOCK_BYTES = 4 * 1024 * 1024
FORTRAN_BYTES = 512 * 1024 * 1024  # an array in Fortran order is read into memory as a whole


@dataclass(frozen=True)
class ImageArray:
    """An array of N images: its header, the shape of an image, and a function that opens its data.

    transposed: each image is stored column by column.
    """

    header: Header
    image_shape: Shape
    opened: Callable[[], AbstractContextManager[IO[bytes]]]
    transposed: bool = False

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield blocks of a few MiB, (n, H, W) or (n, H, W, 3), in the array's type."""
        header = self.header
        count = int(header.shape[0])
        nbytes = prod(self.image_shape) * header.dtype.itemsize
        rows = max(1, BLOCK_BYTES // nbytes)
        with self.opened() as file:
            if header.fortran_order and len(header.shape) > 1:
                whole = np.frombuffer(read_exactly(file, count * nbytes), header.dtype)
                images = whole.reshape(header.shape, order="F").reshape(count, *self.image_shape)
                yield from (images[start : start + rows] for start in range(0, count, rows))
                return
            for start in range(0, count, rows):
                n = min(rows, count - start)
                block = np.frombuffer(read_exactly(file, n * nbytes), header.dtype)
                if self.transposed:
                    yield block.reshape(n, *self.image_shape[::-1]).swapaxes(1, 2)
                else:
                    yield block.reshape(n, *self.image_shape)

    def range(self) -> tuple[float, float]:
        """Return the smallest and the largest number. Raises `Invalid` for NaN and infinite numbers.

        Of bytes, the rest is not read after a number above 1: it cannot change their range.
        """
        low, high = np.inf, -np.inf
        done = 0
        for block in self.blocks():
            bad = ~np.isfinite(block)
            if bad.any():
                index = int(np.argwhere(bad)[0][0])
                raise Invalid(
                    "npz_images",
                    f"{self.header.name} has NaN or infinite numbers, first in image {done + index}: they are no pixel"
                    " values",
                )
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            if block.dtype == np.uint8 and high > 1:
                break
            done += len(block)
        return low, high


def image_shape_of(header: Header, given: tuple[int, int] | None) -> Shape:
    """Return the shape of an image, by the array's header alone.

    given: the height and width of images that are saved flat, (N, H·W). Raises `Invalid`.
    """
    shape = tuple(map(int, header.shape))
    if header.dtype.kind not in "buif":
        raise Invalid("npz_images", f"{header.name} must hold numbers; got {header}")
    if len(shape) == 2:
        if 0 in shape:
            raise Invalid("npz_empty", f"{header.name} is empty; got {header}")
        if given is None:
            side = int(np.sqrt(shape[1]))
            example = f"{side}x{side}" if side * side == shape[1] else "28x28"
            raise Invalid(
                "npz_images",
                f"{header.name} holds flat images of {shape[1]} pixels; got {header}: set image_shape=HEIGHTxWIDTH,"
                f" such as {example}",
            )
        if given[0] * given[1] != shape[1]:
            in_colour = f"; if they are in colour, save {header.variable}.reshape(-1, {given[0]}, {given[1]}, 3)"
            colours = in_colour if RGB * given[0] * given[1] == shape[1] else ""
            raise Invalid(
                "npz_images",
                f"{header.name} holds flat images of {shape[1]} pixels, but image_shape={given[0]}x{given[1]} has"
                f" {given[0] * given[1]}; got {header}{colours}",
            )
        return given
    if header.dtype == np.uint8 and not header.fortran_order:
        return check_images(header)
    if len(shape) not in {3, 4} or shape[3:] not in {(), (1,), (RGB,)}:
        raise Invalid("npz_images", f"{header.name} must be of shape (N, H, W) or (N, H, W, 3); got {header}")
    if 0 in shape:
        raise Invalid("npz_empty", f"{header.name} is empty; got {header}")
    if header.fortran_order and header.nbytes > FORTRAN_BYTES:
        raise Invalid(
            "npz_images",
            f"{header.name} is stored in Fortran order and has more than {FORTRAN_BYTES} bytes: save"
            f" numpy.ascontiguousarray({header.variable})",
        )
    return shape_with(shape[1], shape[2], RGB if shape[3:] == (RGB,) else 1)


def scale_of(arrays: Sequence[ImageArray]) -> tuple[int, str | None]:
    """Return the factor from the arrays' numbers to gray levels, and what was chosen, as a sentence.

    Raises `Invalid` for numbers that are in no range or in a doubtful one (`shared.images.number_range`), and for
    arrays of different types or ranges.
    """
    types = {array.header.dtype.newbyteorder("=") for array in arrays}
    if len(types) > 1:
        listed = " and ".join(f"{array.header.name} is {array.header}" for array in arrays[:2])
        raise Invalid("npz_images", f"the images must have one type: {listed}; save them as uint8 from 0 to 255")
    (dtype,) = types
    if dtype.kind == "b":
        return WHITE, "true became 255"
    ranges = [array.range() for array in arrays]
    factors = {
        array.header.name: _factor(array, *ends) for array, ends in zip(arrays, ranges, strict=True) if any(ends)
    }
    if len(set(factors.values())) > 1:
        listed = " and ".join(f"{name} from 0 to {1 if factor == WHITE else 255}" for name, factor in factors.items())
        raise Invalid("npz_images", f"the numbers of the images must have one range: {listed}; rescale them")
    factor = next(iter(factors.values()), 1)  # without numbers above 0 all images are black
    if dtype == np.uint8:
        return factor, None
    if factor == WHITE:
        return factor, "floats from 0 to 1 were multiplied by 255"
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return factor, f"numbers from {low:g} to {high:g} are gray levels of 0 to 255"


def _factor(array: ImageArray, low: float, high: float) -> int:
    """Return the factor of one array's numbers. Raises `Invalid`."""
    name = array.header.name
    try:
        found = number_range(array.header.dtype.kind, low, high)
    except OutOfRange as error:
        raise Invalid(
            "npz_images",
            f"the numbers of {name} {error}; got {array.header}. Rescale them to uint8 from 0 to 255, or to floats from"
            " 0 to 1",
        ) from error
    if found.doubtful:
        raise Invalid("npz_images", f"{name}: {ONLY_0_AND_1}; {REMEDY}, or send them as floats from 0 to 1")
    return found.factor


@dataclass(frozen=True)
class ImageBlocks:
    """The images of an array, or those that `mask` (N,) selects, as 8 bits."""

    array: ImageArray
    scale: int
    mask: NDArray[np.bool_] | None = None

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB, (n, H, W) or (n, H, W, 3)."""
        start = 0
        for block in self.array.blocks():
            images = block if self.mask is None else block[self.mask[start : start + len(block)]]
            start += len(block)
            yield images if images.dtype == np.uint8 else gray_levels(images, self.scale)


def read_exactly(file: IO[bytes], size: int) -> bytes:
    """Return the next bytes. Raises `EOFError` if the file ends before."""
    content = file.read(size)
    if len(content) != size:
        raise EOFError(f"{size - len(content)} bytes are missing")
    return content

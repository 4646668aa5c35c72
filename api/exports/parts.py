"""A file's content as a list of parts, so that arrays are not copied into one buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Part = bytes | memoryview


def little_endian(array: NDArray[Any]) -> memoryview:
    """Return an array's bytes in C order, little-endian, as both formats store them."""
    ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return ordered.reshape(-1).view(np.uint8).data

"""A file's content as a list of parts, so that arrays that go into it are not copied together first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Part = bytes | memoryview


def little_endian(array: NDArray[Any]) -> memoryview:
    """An array's numbers as both formats keep them: row by row, each with its lowest byte first."""
    ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return ordered.reshape(-1).view(np.uint8).data

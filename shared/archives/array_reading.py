"""Reading images out of an array of them, which lie one behind the other."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from shared.archives.plan import ImageArray
from shared.errors import Malformed


class ArrayImages:
    """The images of an open array."""

    def __init__(self, descriptor: int, array: ImageArray) -> None:
        self._descriptor = descriptor
        self._array = array

    def read(self, index: int) -> bytes:
        """One image's bytes, row by row; raises `Malformed`."""
        if not 0 <= index < self._array.count:
            raise IndexError(index)
        return self.images(index, index + 1).tobytes()

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """The images from `start` to before `stop`, (n, H, W); raises `Malformed`."""
        array = self._array
        images = np.empty((max(0, min(stop, array.count) - start), array.height, array.width), np.uint8)
        content = images.reshape(-1).data
        place, done = array.offset + start * array.height * array.width, 0
        while done < len(content):
            count = os.preadv(self._descriptor, [content[done:]], place + done)
            if count == 0:
                raise Malformed("entry_damaged", "the images cannot be read: the file ends before them")
            done += count
        return images

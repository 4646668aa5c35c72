"""Images whose pixels this package decodes itself, as images of Pillow's type."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile


class ArrayImage(ImageFile):
    """An image file that is decoded to an array with 8 bits a channel.

    `read_header` sets `_size` and `_mode`, and allocates nothing of the size of the pixels. `decode` returns the pixels
    (h, w, channels of the mode); `orientation` is EXIF's, which is not applied to them.
    """

    content: bytes
    orientation = 1

    def _open(self) -> None:
        assert isinstance(self.fp, io.BytesIO)
        self.content = self.fp.getvalue()
        self.read_header()

    @abstractmethod
    def read_header(self) -> None:
        """Set the size and the mode; raises `Malformed` if the file is damaged or not supported."""

    @abstractmethod
    def decode(self) -> NDArray[np.uint8]:
        """Return the pixels; raises `Malformed` if they are damaged."""

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._im is None:
            pixels = np.ascontiguousarray(self.decode())
            self.im = Image.frombuffer(self.mode, self.size, pixels, "raw", self.mode, 0, 1).im
        return Image.Image.load(self)

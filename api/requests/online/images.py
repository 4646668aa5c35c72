"""Decoding of the image files of one request for predictions, within a limit on their CPU time together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from api.requests.online.memory import WAIT_SECONDS, memory_busy
from shared.errors import TooLarge
from shared.images.decoding import decode_into
from shared.images.turns import NoTurn
from shared.runtime.settings import Settings


class RequestImages:
    """The decoder of one request's images.

    A file of a few kilobytes can take seconds. When the images have taken `GLASSBOX_MAX_IMAGE_SECONDS` together, the
    request is refused; so it takes at most twice as long, the last image included.
    """

    def __init__(self, limits: Settings) -> None:
        self._limits = limits
        self._spent = 0.0

    def decode_into(self, row: NDArray[np.uint8], content: bytes) -> None:
        """Decode the next image into `row`. Raises `Malformed` for it, `TooLarge` or `Unavailable` for the request."""
        most = self._limits.max_image_seconds
        if self._spent >= most:
            raise TooLarge(
                "too_many_operations",
                f"decoding the images of this request takes more than {most:g} s of CPU time, the limit"
                " (GLASSBOX_MAX_IMAGE_SECONDS); send fewer or smaller images, or submit a batch job",
            )
        try:
            decode_into(
                row, content, self._limits.max_image_pixels, seconds=most, patience=WAIT_SECONDS, spend=self._spend
            )
        except NoTurn:
            raise memory_busy("other large images are decoded in this process, one at a time") from None

    def _spend(self, seconds: float) -> None:
        self._spent += seconds

"""The CPU time that decoding all images of an upload may take, however many there are."""

from __future__ import annotations

from shared.errors import TooLarge


class DecodingTime:
    """The CPU time that the images of one upload have taken so far, and its limit in seconds."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._spent = 0.0

    def spend(self, seconds: float) -> None:
        """Add the CPU time of an image. Raises `TooLarge` if the images have taken more than the limit."""
        self._spent += seconds
        if self._spent > self._most:
            raise TooLarge(
                "dataset_too_costly",
                f"decoding the images of this request takes more than {self._most:g} s of CPU time, the limit"
                " (GLASSBOX_MAX_DATASET_SECONDS); send fewer or smaller images, or JPEG or PNG files",
            )

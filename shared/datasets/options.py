"""The options of an upload of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OnUnreadable(StrEnum):
    """What to do about images that cannot be read."""

    REFUSE = "refuse"
    SKIP = "skip"


@dataclass(frozen=True)
class UploadOptions:
    """The options of an upload.

    test_fraction, seed: of the split that the server makes; a fraction of 0 makes none, for images that are added to a
    data set. image_shape, channels: the height and width, and the number of channels, of the images; None chooses them
    from the images. on_unreadable: for archives of images; None refuses the upload if more than 1 % of the images
    cannot be read, and skips them otherwise.
    """

    test_fraction: float = 0.1
    seed: int = 0
    image_shape: tuple[int, int] | None = None
    channels: int | None = None
    on_unreadable: OnUnreadable | None = None

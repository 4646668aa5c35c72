"""The options of an upload of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.runtime.settings import Settings


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


def archive_limits(limits: Settings) -> Settings:
    """Return the limits with those of data sets for their archives, whose names are kept in memory."""
    entries = min(limits.max_archive_entries, limits.max_dataset_files)
    nbytes = min(limits.max_expanded_bytes, limits.max_dataset_bytes)
    return limits.model_copy(update={"max_archive_entries": entries, "max_expanded_bytes": nbytes})

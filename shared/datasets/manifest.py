"""The content of a data set's `manifest.json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from shared.images.shapes import ImageShape
from shared.json_types import Skipped


class ColourCheck(BaseModel):
    """How well the mean colour alone gives the class: `correct` of `images` from `classes` classes."""

    model_config = ConfigDict(frozen=True)

    correct: int
    images: int
    classes: int


class Duplicates(BaseModel):
    """The exact duplicates in a data set, in numbers of images.

    images: that equal another one and could be removed. test_in_train: of the test images, those that equal a training
    image. validation_in_train, test_in_validation: likewise. in_several_classes: that equal an image of another class.
    """

    model_config = ConfigDict(frozen=True)

    images: int
    test_in_train: int
    in_several_classes: int
    validation_in_train: int = 0
    test_in_validation: int = 0


class Provenance(BaseModel):
    """How a data set was derived from another one: the id of that one, and what was changed, in numbers of images.

    new_classes: those that were appended. jobs, datasets: the numbers of added images by the id of the batch or the
    data set that they come from; `uploaded` is the number of the others. by: the name of the API key, if one was used.
    """

    model_config = ConfigDict(frozen=True)

    derived_from: str
    added: int
    relabelled: int
    removed: int
    new_classes: tuple[str, ...] = ()
    jobs: dict[str, int] = Field(default_factory=dict)
    datasets: dict[str, int] = Field(default_factory=dict)
    uploaded: int = 0
    by: str | None = None


class Manifest(BaseModel):
    """The description of a data set.

    `digest` is the SHA-256 of its content, that is, of classes, shapes, pixels and labels; the format of the upload
    does not change it. `sha256` is that of the file `data.npz`, which detects damage.

    `chosen` says, as a sentence for each option that the upload did not set, what the images decided. `colour_dropped`:
    images in colour became grayscale, as the upload demanded; `colour_check` says then how well the colour gives the
    class. `skipped`: files of the upload that are not in the data set, by the reason's code. `duplicates` is None for
    data sets of versions that did not count them. `warnings`: what makes results of the data set doubtful.
    `provenance`: how it was derived from another data set; None for uploads and built-in ones.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    name: str
    source: str
    image_shape: ImageShape
    classes: tuple[str, ...]
    splits: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]
    bytes: int
    sha256: str
    created_at: str
    chosen: dict[str, str] = Field(default_factory=dict)
    colour_dropped: bool = False
    colour_check: ColourCheck | None = None
    skipped: Skipped = Field(default_factory=dict)
    duplicates: Duplicates | None = None
    warnings: tuple[str, ...] = ()
    provenance: Provenance | None = None

    @property
    def id(self) -> str:
        """The data set's id in the API."""
        return f"sha256:{self.digest}"

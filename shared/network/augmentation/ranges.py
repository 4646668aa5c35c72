"""The ranges of the random distortions of training images: small changes that keep an image's class."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from shared.network.errors import ConfigurationError
from shared.network.settings.fields import Choice, Flag, JsonObject, Number
from shared.network.settings.groups import Options

BORDERS = ("black", "edge")

ADDED = ("border", "flip", "brightness", "contrast", "saturation", "hue", "cutout")
"""Settings that the first release does not have."""


@dataclass(frozen=True, kw_only=True)
class Augmentation(Options):
    """The ranges from which each image's changes are drawn uniformly; 0 turns a change off."""

    part: ClassVar[str] = "augmentation"

    # The upper bounds only keep coordinates finite; useful values are far below them.

    shift: Annotated[float, Number("Largest shift in pixels", minimum=0, below=1000)] = 0.0

    rotation: Annotated[float, Number("Largest rotation in degrees", minimum=0, below=360)] = 0.0

    scale: Annotated[float, Number("Largest change of width and of height, as a share", minimum=0, below=1)] = 0.0
    """Width and height are scaled independently by factors from 1 - scale to 1 + scale."""

    shear: Annotated[float, Number("Largest shear in pixels per row", minimum=0, below=10)] = 0.0
    """A row is shifted by at most this many pixels for each row of distance from the middle."""

    elastic: Annotated[float, Number("Strength of elastic deformations", minimum=0, below=100_000)] = 0.0
    """The α of Simard, Steinkraus and Platt 2003, in their units; they use 34."""

    smoothness: Annotated[float, Number("Smoothness of elastic deformations in pixels", above=0, below=1000)] = 4.0
    """Their σ: the distance over which neighbouring pixels have similar displacements."""

    border: Annotated[str, Choice("Pixels from outside an image: black, or those at its edge", BORDERS)] = "black"
    """"edge" continues bright backgrounds, which black corners interrupt; docs/experiments.md has the difference."""

    flip: Annotated[bool, Flag("Horizontal flip of every second image on average")] = False
    """Unsuitable for letters, digits and other classes that differ from their mirror images."""

    brightness: Annotated[float, Number("Largest change of the brightness, as a share", minimum=0, below=1)] = 0.0
    """Colours are multiplied by a factor from 1 - brightness to 1 + brightness."""

    contrast: Annotated[float, Number("Largest change of the contrast, as a share", minimum=0, below=1)] = 0.0
    """Differences from the mean luma of the image are multiplied by a factor from 1 - contrast to 1 + contrast."""

    saturation: Annotated[
        float, Number("Largest change of the saturation, as a share (colour images)", minimum=0, below=1)
    ] = 0.0
    """Differences from the luma of the pixel are multiplied by a factor from 1 - saturation to 1 + saturation."""

    hue: Annotated[
        float, Number("Largest change of the hue, as a share of the colour circle (colour images)", minimum=0, below=1)
    ] = 0.0
    """0.5 reaches every hue. Unsuitable for classes that differ in colour."""

    cutout: Annotated[
        float, Number("Side of a square that is hidden, as a share of the image's shorter side", minimum=0, below=1)
    ] = 0.0
    """At a random place, filled with the image's mean colour (DeVries and Taylor 2017)."""

    def to_dict(self) -> JsonObject:
        """Return the settings as plain values, without added ones that are off: older releases reject unknown ones."""
        off = {field.name: field.default for field in fields(self) if field.name in ADDED}
        return {name: value for name, value in super().to_dict().items() if name not in off or value != off[name]}

    @property
    def moves(self) -> bool:
        """Whether pixels are sampled at other coordinates than their own or their mirror image's."""
        return bool(self.shift or self.rotation or self.scale or self.shear or self.elastic)

    def check(self, image_shape: tuple[int, ...]) -> None:
        """Raise ConfigurationError if it cannot apply to images of this shape, (H, W) or (H, W, 3)."""
        if len(image_shape) == 3 and image_shape[2] == 3:
            return
        if len(image_shape) != 2:
            raise ConfigurationError(self.part, "needs images with a height and a width")
        for name in ("saturation", "hue"):
            if getattr(self, name):
                raise ConfigurationError(f"{self.part}.{name}", "must be 0 for grayscale images, which have no colours")

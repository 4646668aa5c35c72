"""The ranges of the random distortions of training images: small changes that keep an image's class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from shared.network.settings.fields import Number
from shared.network.settings.groups import Options


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

"""What may happen to an image before the training sees it, each time anew: small changes that leave its class alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shared.network.settings import Options


@dataclass(frozen=True, kw_only=True)
class Augmentation(Options):
    """The ranges from which each image's own changes are drawn evenly; at 0 a change is off."""

    part: ClassVar[str] = "augmentation"

    shift: float = 0.0
    """At most so many pixels to any side."""

    rotation: float = 0.0
    """At most so many degrees either way."""

    scale: float = 0.0
    """Width and height, each on its own, become 1 - scale to 1 + scale times as large."""

    shear: float = 0.0
    """Each row moves by at most so many pixels per row of its distance from the middle."""

    elastic: float = 0.0
    """The strength α of elastic deformations, in the units of Simard, Steinkraus and Platt 2003, who used 34."""

    smoothness: float = 4.0
    """Their σ in pixels: over what distance neighbouring pixels of an elastic deformation move alike."""

    def __post_init__(self) -> None:
        # The upper bounds only keep coordinates finite; no image of any use stays one far below them.
        self._normalize("shift", minimum=0, below=1000)
        self._normalize("rotation", minimum=0, below=360)
        self._normalize("scale", minimum=0, below=1)
        self._normalize("shear", minimum=0, below=10)
        self._normalize("elastic", minimum=0, below=100_000)
        self._normalize("smoothness", above=0, below=1000)

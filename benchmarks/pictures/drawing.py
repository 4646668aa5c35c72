"""What the makers of pictures share: their types, and how a picture gets its noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Part = Literal["train", "test"]
Pixels = npt.NDArray[np.uint8]
Picture = tuple[str, Pixels]
"""A class and a picture of it, (H, W, 3)."""

Size = Callable[[np.random.Generator], tuple[int, int]]
"""Chooses the height and width of the next picture."""


@dataclass(frozen=True)
class Counts:
    """The pictures of each class in each part."""

    train: int
    test: int

    def of(self, part: Part) -> int:
        """Return the number of pictures of a class in this part."""
        return self.train if part == "train" else self.test


def package_file(package: str, path: str) -> Path:
    """Return a file that an installed package carries, without an import of the package."""
    specification = find_spec(package)
    if specification is None or not specification.submodule_search_locations:
        raise FileNotFoundError(f"the package {package} is not installed; requirements/bench.in names it")
    file = Path(specification.submodule_search_locations[0]) / path
    if not file.is_file():
        raise FileNotFoundError(f"the installed version of {package} has no file {path}")
    return file


def noisy(values: npt.NDArray[np.float64], rng: np.random.Generator, deviation: float) -> Pixels:
    """Add normally distributed noise to each channel of each pixel, and round to bytes."""
    return np.clip(np.rint(values + rng.normal(0, deviation, values.shape)), 0, 255).astype(np.uint8)

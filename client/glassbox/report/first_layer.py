"""The report's section on the first layer: the weights of its units as images."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glassbox.report.markup import Html, element
from glassbox.report.png import diverging
from glassbox.report.tensors import Tensor

SHOWN = 64
FULL_COLOUR = 0.98  # the share of an image's weights that are not clipped to the full colour


@dataclass(frozen=True)
class Unit:
    """One unit of the layer. number: from 0. weights: one for each pixel, row by row."""

    number: int
    weights: list[float]

    @property
    def norm(self) -> float:
        """The Euclidean norm of the weights."""
        return math.hypot(*self.weights)


def strongest(weights: Tensor, count: int = SHOWN) -> list[Unit]:
    """Return the units with the largest norms, largest first. weights: (pixels, units)."""
    _, width = weights.shape
    units = (Unit(number, weights.values[number::width].tolist()) for number in range(width))
    return sorted(units, key=lambda unit: -unit.norm)[:count]


def first_layer(weights: Tensor, image_shape: tuple[int, ...], *, is_last: bool, classes: tuple[str, ...]) -> Html:
    """Return the section. is_last: whether the layer is the output layer, with a unit for each class."""
    units = strongest(weights)
    _, side = image_shape
    images = [_figure(unit, side, classes[unit.number] if is_last else f"unit {unit.number}") for unit in units]
    total = weights.shape[1]
    which = f"{len(units)} of {total:,} units" if total > len(units) else f"All {total} units"
    return element(
        "section",
        element("h2", "First-layer weights", id="first-layer"),
        element(
            "p",
            f"{which}, largest norm first. An image shows a unit's weight of each pixel: ",
            element("b", "red", class_="above"),
            " is positive, ",
            element("b", "blue", class_="below"),
            " is negative. A unit whose image is noise has learned little.",
        ),
        element("div", images, class_="images weights"),
        aria_labelledby="first-layer",
    )


def _figure(unit: Unit, width: int, name: str) -> Html:
    sizes = sorted(map(abs, unit.weights))
    largest = sizes[int(FULL_COLOUR * (len(sizes) - 1))] or sizes[-1]
    source = diverging(unit.weights, width, largest)
    described = f"weights of {name} as an image; their norm is {unit.norm:.3g}"
    return element(
        "figure",
        element("img", src=source, alt=described, title=described),
        element("figcaption", name),
    )

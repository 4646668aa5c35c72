"""The first layer's weights as pictures: what in an image makes a unit answer, and what keeps it from that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glassbox.report.markup import Html, element
from glassbox.report.png import diverging
from glassbox.report.tensors import Tensor

SHOWN = 64
FULL_COLOUR = 0.98  # the share of a picture's numbers that are not cut off at the full colour


@dataclass(frozen=True)
class Unit:
    """One unit of the layer: its number from 0, and its weight of each pixel, row by row."""

    number: int
    weights: list[float]

    @property
    def norm(self) -> float:
        """The length of its weights, taken together: how much it matters at all."""
        return math.hypot(*self.weights)


def strongest(weights: Tensor, count: int = SHOWN) -> list[Unit]:
    """The units with the longest weights, the longest first. weights: (pixels, units)."""
    _, width = weights.shape
    units = (Unit(number, weights.values[number::width].tolist()) for number in range(width))
    return sorted(units, key=lambda unit: -unit.norm)[:count]


def first_layer(weights: Tensor, image_shape: tuple[int, ...], *, is_last: bool, classes: tuple[str, ...]) -> Html:
    """The section of the report. is_last: whether the layer's units are the classes themselves."""
    units = strongest(weights)
    _, side = image_shape
    pictures = [_figure(unit, side, classes[unit.number] if is_last else f"unit {unit.number}") for unit in units]
    total = weights.shape[1]
    which = f"The {len(units)} of {total:,} units" if total > len(units) else f"All {total} units"
    return element(
        "section",
        element("h2", "What the first layer looks for", id="first-layer"),
        element(
            "p",
            f"{which}, those with the largest weights first. Each picture has a unit's weight of every pixel: "
            "light at a ",
            element("b", "red", class_="above"),
            " pixel excites the unit, light at a ",
            element("b", "blue", class_="below"),
            " one calms it. Noise alone says that a unit has learnt little.",
        ),
        element("div", pictures, class_="pictures weights"),
        aria_labelledby="first-layer",
    )


def _figure(unit: Unit, width: int, name: str) -> Html:
    sizes = sorted(map(abs, unit.weights))
    largest = sizes[int(FULL_COLOUR * (len(sizes) - 1))] or sizes[-1]
    source = diverging(unit.weights, width, largest)
    described = f"weights of {name} as a picture; their norm is {unit.norm:.3g}"
    return element(
        "figure",
        element("img", src=source, alt=described, title=described),
        element("figcaption", name),
    )

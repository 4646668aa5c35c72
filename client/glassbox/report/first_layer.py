"""The report's section on the first layer: the weights of its units, or its convolution's filters, as images."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glassbox.report.markup import Html, element
from glassbox.report.png import diverging, rgb
from glassbox.report.tensors import Tensor

SHOWN = 64
FULL_COLOUR = 0.98  # the share of an image's weights that are not clipped to the full colour


@dataclass(frozen=True)
class Unit:
    """One unit or filter of the layer. number: from 0. weights: row by row; in colour three for each pixel."""

    number: int
    weights: list[float]

    @property
    def norm(self) -> float:
        """The Euclidean norm of the weights."""
        return math.hypot(*self.weights)


def strongest(weights: Tensor, count: int = SHOWN) -> list[Unit]:
    """Return the units with the largest norms, largest first. weights: the units are the last axis."""
    total = weights.shape[-1]
    units = (Unit(number, weights.values[number::total].tolist()) for number in range(total))
    return sorted(units, key=lambda unit: -unit.norm)[:count]


def matches(weights: Tensor, image_shape: tuple[int, ...]) -> bool:
    """Return whether the shape is that of a first layer: (pixels, units), or (kh, kw, channels, filters)."""
    *inputs, _ = weights.shape
    return inputs == [math.prod(image_shape)] or (len(inputs) == 3 and inputs[2] == _channels(image_shape))


def first_layer(weights: Tensor, image_shape: tuple[int, ...], *, is_last: bool, classes: tuple[str, ...]) -> Html:
    """Return the section.

    weights: (pixels, units), or (kh, kw, channels, filters). is_last: whether the layer is the output layer, with a
    unit for each class.
    """
    units = strongest(weights)
    total = weights.shape[-1]
    is_convolution = len(weights.shape) == 4
    kind = "filter" if is_convolution else "unit"
    width = weights.shape[1] if is_convolution else image_shape[1]
    in_colour = _channels(image_shape) == 3
    images = [
        _figure(unit, width, classes[unit.number] if is_last else f"{kind} {unit.number}", in_colour=in_colour)
        for unit in units
    ]
    which = f"{len(units)} of {total:,} {kind}s" if total > len(units) else f"All {total} {kind}s"
    return element(
        "section",
        element("h2", "First-layer weights", id="first-layer"),
        element(
            "p",
            f"{which}, largest norm first. An image shows a {kind}'s weight of each pixel: ",
            _legend_in_colour() if in_colour else _legend(),
            f" A {kind} whose image is noise has learned little.",
        ),
        element("div", images, class_="images weights"),
        aria_labelledby="first-layer",
    )


def _legend() -> list[Html | str]:
    red, blue = element("b", "red", class_="above"), element("b", "blue", class_="below")
    return [red, " is positive, ", blue, " is negative."]


def _legend_in_colour() -> str:
    return "red, green and blue for the three channels. Gray is zero, brighter is positive, darker is negative."


def _channels(image_shape: tuple[int, ...]) -> int:
    return image_shape[2] if len(image_shape) == 3 else 1


def _figure(unit: Unit, width: int, name: str, *, in_colour: bool) -> Html:
    sizes = sorted(map(abs, unit.weights))
    largest = sizes[int(FULL_COLOUR * (len(sizes) - 1))] or sizes[-1]
    source = (rgb if in_colour else diverging)(unit.weights, width, largest)
    described = f"weights of {name} as an image; their norm is {unit.norm:.3g}"
    return element(
        "figure",
        element("img", src=source, alt=described, title=described),
        element("figcaption", name),
    )

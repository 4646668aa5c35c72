"""Axes, line charts and bars."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from glassbox.report.charts import Bin, Curve, line_chart, reliability, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (74.2, 98.6, [70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 100.0]),
        (1.0, 8.0, [0.0, 2.0, 4.0, 6.0, 8.0]),
        (0.003, 0.0031, None),
        (5.0, 5.0, None),
        (0.0, 0.0, None),
        (-3.0, 4e9, None),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, expected: list[float] | None) -> None:
    found = ticks(low, high)

    assert found[0] <= low <= high <= found[-1]
    assert 2 <= len(found) <= 9
    if expected is not None:
        assert found == pytest.approx(expected)


def svg_of(chart: str) -> ET.Element:
    """The SVG in a figure, parsed as XML, which raises an error if it is not well-formed."""
    match = re.search(r"<svg.*</svg>", chart)
    assert match is not None
    return ET.fromstring(match[0])  # noqa: S314 - our own


@pytest.mark.parametrize("epochs", [1, 2, 25, 300])
def test_a_curve_stays_within_its_frame(epochs: int) -> None:
    points = [(float(epoch), 3.0 / epoch) for epoch in range(1, epochs + 1)]

    svg = svg_of(line_chart("Loss", "the loss <falls>", [Curve("train", "train", points)], "epoch", "{:.3g}".format))

    assert svg.attrib["aria-label"] == "the loss <falls>"
    (path,) = svg.iterfind(".//{*}path")
    places = [tuple(map(float, place.split(","))) for place in path.attrib["d"][1:].split("L")]
    assert len(places) == epochs
    assert all(0 <= x <= 460 and 0 <= y <= 250 for x, y in places)


def test_bars_have_the_height_of_their_accuracy_and_are_pale_for_few_predictions() -> None:
    bins = [Bin(0.0, 0.5, 0, None), Bin(0.5, 0.75, 3, 1.0), Bin(0.75, 1.0, 500, 0.5)]

    few, many = svg_of(reliability(bins, "calibration")).iterfind(".//{*}rect")

    assert few.attrib["class"] == "bar few"
    assert many.attrib["class"] == "bar"
    assert float(few.attrib["height"]) == pytest.approx(2 * float(many.attrib["height"]), rel=1e-3)

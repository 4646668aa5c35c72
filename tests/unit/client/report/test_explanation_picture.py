"""The picture of an explanation."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from glassbox.records.explanations import Attribution, Control, ExplainedInput, ExplainedPrediction, Explanation
from glassbox.report.explanation import ABOVE, BELOW, GAP, WHITE, picture
from numpy.typing import NDArray
from PIL import Image

VALUES = [[0.0, 0.5, 1.0], [-1.0, -9.0, 0.0]]
ATTRIBUTION = Attribution("gradient", "7", None, None, None, 0, VALUES, None, Control(0, VALUES, 1.0))
FOUND = Explanation(
    "digits",
    1,
    ExplainedInput([[0, 128, 255], [1, 2, 3]], inverted=False, label=None),
    ExplainedPrediction("7", 0.9),
    ("7",),
    (1.0,),
    (0.9,),
    (),
    ATTRIBUTION,
)
SCALE = 140
SECOND = 3 * SCALE + GAP


def pixels_of(explanation: Explanation) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture(explanation))))


def test_input_map_and_control_are_side_by_side() -> None:
    pixels = pixels_of(FOUND)

    assert pixels.shape == (2 * SCALE, 3 * 3 * SCALE + 2 * GAP, 3)
    assert pixels[0, SCALE].tolist() == [128, 128, 128]
    assert pixels[-1, 3 * SCALE - 1].tolist() == [3, 3, 3]
    assert pixels[0, SECOND].tolist() == list(WHITE)
    assert pixels[0, SECOND + 2 * SCALE].tolist() == list(ABOVE)
    assert pixels[-1, SECOND].tolist() == pixels[-1, SECOND + SCALE].tolist() == list(BELOW)  # the largest is clipped
    half = [round((white + above) / 2) for white, above in zip(WHITE, ABOVE, strict=True)]
    assert pixels[0, SECOND + SCALE].tolist() == pytest.approx(half, abs=1)
    assert np.array_equal(pixels[:, SECOND : SECOND + 3 * SCALE], pixels[:, 2 * SECOND :])


def test_the_channels_of_a_colour_image_are_added_up_in_the_map() -> None:
    values = [[[0.0, 0.0, 0.0], [3.0, -1.0, -1.0], [1.0, -1.0, -1.0]]]
    attribution = replace(ATTRIBUTION, values=values, control=None)
    image = replace(FOUND.input, pixels=[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])

    pixels = pixels_of(replace(FOUND, input=image, attribution=attribution))

    assert pixels[0, 0].tolist() == [1, 2, 3]
    at = 3 * 280 + GAP
    assert [pixels[0, at + 280 * n].tolist() for n in range(3)] == [list(WHITE), list(ABOVE), list(BELOW)]


def test_a_map_of_zeros_is_white() -> None:
    zeros = replace(ATTRIBUTION, values=[[0.0] * 3] * 2, control=None)
    assert (pixels_of(replace(FOUND, attribution=zeros))[:, SECOND:] == 255).all()

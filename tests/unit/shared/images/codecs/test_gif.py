"""What of a GIF is decoded: its first image, its palette and its transparent colour."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from shared.errors import Malformed
from shared.images.codecs.gif import essentials
from tests.support.data.images import encoded

IMAGE = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3)
PLAIN = encoded(IMAGE, "GIF")
TRANSPARENT = encoded(IMAGE.convert("P"), "GIF", transparency=3)


def test_comments_and_applications_are_left_out() -> None:
    content = encoded(IMAGE, "GIF", comment=b"x" * 1000)
    image_at = content.index(b",")

    assert len(essentials(content)) < len(content) - 1000
    assert essentials(content).endswith(content[image_at:])
    assert essentials(PLAIN) == essentials(content).replace(b"GIF89a", PLAIN[:6])


def test_the_transparent_colour_is_kept() -> None:
    control = TRANSPARENT[TRANSPARENT.index(b"!\xf9") :][:8]

    assert control in essentials(TRANSPARENT)


def test_a_second_image_is_refused_wherever_it_is() -> None:
    second = PLAIN[PLAIN.index(b",") :]

    with pytest.raises(Malformed) as caught:
        essentials(PLAIN[:-1] + b"!\xfe\1a\0" + second)

    assert caught.value.code == "image_animated"


@pytest.mark.parametrize("size", [0, 6, 10, 13, 20])
def test_a_gif_without_an_image_is_damaged(size: int) -> None:
    with pytest.raises(Malformed) as caught:
        essentials(PLAIN[:size])

    assert caught.value.code == "image_damaged"


def test_what_follows_the_end_is_ignored() -> None:
    assert essentials(PLAIN + PLAIN) == essentials(PLAIN)

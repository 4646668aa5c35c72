"""The image files of one request: their CPU time together, and the turns of large ones."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from api.requests.online import images as online_images
from api.requests.online.images import RequestImages
from shared.errors import Malformed, TooLarge, Unavailable
from shared.images.turns import turns
from shared.runtime.settings import Settings
from tests.support.data.costly_images import jpeg_of_scans
from tests.support.data.images import encoded, smooth

LIMITS = Settings(max_image_seconds=0.05)
SLOW = jpeg_of_scans(60, 1000)
ROW = np.empty((8, 8), np.uint8)


def decode(decoder: RequestImages, content: bytes, times: int) -> None:
    """Decode an image several times, also if it is invalid."""
    for _ in range(times):
        with suppress(Malformed):
            decoder.decode_into(ROW, content)


def test_a_request_whose_images_take_too_long_together_is_refused() -> None:
    decoder = RequestImages(LIMITS)

    with pytest.raises(TooLarge, match="GLASSBOX_MAX_IMAGE_SECONDS") as caught:
        decode(decoder, SLOW, 64)

    assert caught.value.code == "too_many_operations"


def test_the_time_of_damaged_images_counts() -> None:
    decoder = RequestImages(LIMITS)
    damaged = encoded(smooth(1500, 1500), "PNG")[:-40]

    with pytest.raises(Malformed):
        decoder.decode_into(ROW, damaged)
    with pytest.raises(TooLarge):
        decode(decoder, damaged, 2000)


def test_many_usual_images_are_decoded() -> None:
    decoder = RequestImages(Settings())

    for _ in range(64):
        decoder.decode_into(ROW, encoded(smooth(60, 60), "JPEG"))


def test_an_image_that_gets_no_turn_is_refused_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_images, "WAIT_SECONDS", 0.01)

    with turns.turn(lambda: None), pytest.raises(Unavailable) as caught:
        RequestImages(LIMITS).decode_into(ROW, SLOW)

    assert caught.value.code == "memory_busy"

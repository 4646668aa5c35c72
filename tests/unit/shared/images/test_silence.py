"""Damaged images cause no log messages."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image

from shared.errors import Malformed
from shared.images.decoding import decode_into
from tests.support.data.images import encoded, tiff


@pytest.mark.parametrize("compression", ["group4", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_damaged_pixels_write_nothing_to_the_output(compression: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The file descriptors are captured, as the messages would come from a C library."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    content = bytearray(
        encoded(
            Image.fromarray(noise).convert("1" if compression == "group4" else "L"), "TIFF", compression=compression
        )
    )
    damaged = content[:8] + bytes(200) + content[208:]

    with pytest.raises(Malformed):
        decode_into(np.zeros((4, 4), np.uint8), bytes(damaged), 10_000)

    assert capfd.readouterr() == ("", "")


def test_damaged_headers_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.NOTSET), pytest.raises(Malformed):
        decode_into(np.zeros((4, 4), np.uint8), tiff(np.zeros((4, 4), np.uint8), fields={277: (2000,)}), 10_000)

    assert not caplog.records

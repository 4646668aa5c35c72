"""The orientation in EXIF data, compared with Pillow's reading of it."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from shared.images.codecs.exif import orientation_in


def exif(orientation: object, order: str = "<") -> bytes:
    """Return EXIF data with other fields around the orientation."""
    data = Image.Exif()
    data.endian = order
    data[0x010F] = "maker"
    data[0x0112] = orientation
    data[0x0131] = "software"
    return data.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_in_both_byte_orders(orientation: int, order: str) -> None:
    assert orientation_in(exif(orientation, order)) == orientation


def test_the_prefix_may_be_missing() -> None:
    assert orientation_in(exif(6).removeprefix(b"Exif\0\0")) == 6


@pytest.mark.parametrize(
    "content", [b"", b"Exif\0\0", b"II*\0", b"MM\0*\xff\xff\xff\xff", exif(6)[:20], exif(0), exif(9)]
)
def test_an_orientation_that_cannot_be_read_is_upright(content: bytes) -> None:
    assert orientation_in(content) == 1


def test_a_directory_that_states_too_many_fields_is_read_to_its_end() -> None:
    field = struct.pack("<HHII", 0x0112, 3, 1, 8)

    assert orientation_in(b"II*\0" + struct.pack("<IH", 8, 65_535) + field) == 8
    assert orientation_in(b"II*\0" + struct.pack("<IH", 8, 65_535) + bytes(24)) == 1

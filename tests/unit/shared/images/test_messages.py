"""What a person reads about an image that cannot be decoded: its format, and no message of Python's or a decoder's."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.images.examination import shape_and_colour
from tests.support.data.images import encoded, smooth

WHOLE = {name: encoded(smooth(24, 20), name) for name in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "AVIF")}
OF_OTHERS = re.compile(
    r"buffer|index|range|object|None|unpack|tuple|struct|argument|NoneType|attribute|Error|bytes not processed|decoder"
)


def errors_of(content: bytes) -> list[Malformed]:
    """Return the errors of an image: decoded in grayscale and in RGB, and examined."""
    errors = []
    for decode in (
        lambda: decode_into(np.zeros((4, 4), np.uint8), content, 100_000),
        lambda: decode_into(np.zeros((4, 4, 3), np.uint8), content, 100_000),
        lambda: shape_and_colour(content, 100_000),
    ):
        try:
            decode()
        except Malformed as error:
            errors.append(error)
    return errors


@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1))))
def test_an_error_has_no_message_of_a_decoder(name: str, end: float, changes: list[tuple[float, bytes]]) -> None:
    content = bytearray(WHOLE[name])
    for place, written in changes[:3]:
        start = int(place * len(content))
        content[start : start + len(written)] = written

    for error in errors_of(bytes(content[: int(end * len(content))])):
        assert not OF_OTHERS.search(error.detail), error.detail


def with_frame(marker: int, bits: int, channels: int) -> bytes:
    """Return a JPEG with another frame's header."""
    content = bytearray(WHOLE["JPEG"])
    place = content.index(b"\xff\xc0")
    content[place + 1], content[place + 4], content[place + 9] = marker, bits, channels
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (with_frame(0xC3, 8, 3), "lossless JPEG"),
        (with_frame(0xCB, 8, 3), "lossless JPEG"),
        (with_frame(0xC5, 8, 3), "hierarchical JPEG"),
        (with_frame(0xF7, 8, 1), "JPEG-LS"),
        (with_frame(0xC1, 12, 3), "12 bits"),
        (with_frame(0xC0, 8, 2), "2 channels"),
    ],
)
def test_a_jpeg_of_a_kind_that_is_not_decoded_is_refused_by_its_name(content: bytes, name: str) -> None:
    for error in errors_of(content):
        assert error.code == "image_unsupported"
        assert name in error.detail
    assert len(errors_of(content)) == 3


def box(brand: bytes, *more: bytes) -> bytes:
    content = b"ftyp" + brand + bytes(4) + b"".join(more)
    return struct.pack(">I", 4 + len(content)) + content + bytes(40)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (box(b"hevc"), "HEIC sequence"),
        (box(b"msf1"), "HEIC sequence"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20), "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(20), "JPEG 2000"),
        (b"8BPS\0\1" + bytes(20), "Photoshop"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG"),
        (b"<!-- Inkscape -->\n<svg:svg>", "SVG"),
        (encoded(Image.new("L", (16, 16)), "ICO"), "ICO"),
        (encoded(Image.new("L", (4, 4)), "PPM"), "PNM"),
        (b"P2\n# made by hand\n4 4\n255\n", "PNM"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(20), "raw data of a camera"),
    ],
)
def test_a_format_that_is_not_read_is_refused_by_its_name(content: bytes, name: str) -> None:
    for error in errors_of(content):
        assert error.code == "image_unsupported"
        assert name in error.detail
        assert "convert it to JPEG or PNG" in error.detail
    assert len(errors_of(content)) == 3


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "download it again"),
        (b"<HTML>", "download it again"),
    ],
)
def test_a_file_in_place_of_an_image_is_named_with_the_remedy(content: bytes, remedy: str) -> None:
    for error in errors_of(content):
        assert error.code == "not_an_image"
        assert remedy in error.detail


@pytest.mark.parametrize("brand", [b"isom", b"mp42", b"qt  ", b"M4A "])
def test_a_video_is_not_an_image(brand: bytes) -> None:
    assert {error.code for error in errors_of(box(brand))} == {"not_an_image"}

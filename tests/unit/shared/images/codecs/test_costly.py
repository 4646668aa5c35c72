"""Files that cost far more than their pixels: refused by their headers, before anything is decoded."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
from PIL import Image

from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.images.examination import shape_and_colour
from tests.support.data.costly_images import (
    PROGRESSIVE,
    jpeg_of_scans,
    segment,
    tiff_of_equal_strips,
    tiff_of_equal_tiles,
)
from tests.support.data.images import encoded

MAX_PIXELS = 16_000_000
SMALL_JPEG = encoded(Image.new("L", (8, 8), 77), "JPEG")
SMALL_GIF = encoded(Image.new("L", (8, 8), 77), "GIF")
FLOATS = {"_258": (64,), "_339": (3,)}
COMMENT = segment(0xFE, b"")


def outcome(content: bytes, max_pixels: int = MAX_PIXELS) -> str:
    """Return the code of the image's error, or `decoded`."""
    try:
        decode_into(np.zeros((4, 4), np.uint8), content, max_pixels)
    except Malformed as error:
        return error.code
    return "decoded"


COSTLY = {
    "scans": jpeg_of_scans(65, 4000),
    "scans, between restart markers": jpeg_of_scans(65, 4000, between=b"\xff\xd0"),
    "scans, between markers without length": jpeg_of_scans(65, 4000, between=b"\xff\x01"),
    "scans, between comments": jpeg_of_scans(65, 4000, between=segment(0xFE, b"\xff\xd9")),
    "tiny scans": jpeg_of_scans(10_000, 8),
    "segments before the image": SMALL_JPEG[:2] + COMMENT * 10_000 + SMALL_JPEG[2:],
    "segments after a scan": jpeg_of_scans(2, 8, between=COMMENT * 10_000),
    "extensions of a GIF": SMALL_GIF[:-1] + b"!\xf0\0" * 10_000 + b";",
    "strips at one place, with channels without meaning": tiff_of_equal_strips(
        4000, 4000, _277=(64,), _258=(64,) * 64, _338=(0,) * 63
    ),
    "floats, which are unpacked twice": tiff_of_equal_strips(
        4000, 4000, _277=(5,), _338=(0,) * 4, _258=(64,) * 5, _339=(3,) * 5
    ),
    "packed bits": tiff_of_equal_strips(4000, 4000, 1, _277=(9,), _258=(12,) * 9, _338=(0,) * 8),
    "small tiles": tiff_of_equal_tiles(4000, 4000, (8, 8)),
    "tiles outside of the image": tiff_of_equal_tiles(3, 65_000, (65_000, 1)),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_file_that_costs_too_much_is_refused_by_its_headers(name: str) -> None:
    assert outcome(COSTLY[name]) == "image_too_costly"


@pytest.mark.parametrize("name", COSTLY)
def test_an_examined_file_that_costs_too_much_is_refused(name: str) -> None:
    with pytest.raises(Malformed) as caught:
        shape_and_colour(COSTLY[name], MAX_PIXELS)

    assert caught.value.code == "image_too_costly"


def test_the_error_names_the_limit_the_setting_and_the_remedy() -> None:
    with pytest.raises(Malformed) as caught:
        decode_into(np.zeros((4, 4), np.uint8), COSTLY["scans"], MAX_PIXELS)

    assert caught.value.detail == (
        "decoding the JPEG's 65 scans of 4000 × 4000 pixels means processing 1,040,000,000 pixels, but at most"
        " 1,024,000,000 are allowed: 64 times GLASSBOX_MAX_IMAGE_PIXELS (16,000,000), or 1,048,576 if that is less;"
        " save it again as a usual JPEG"
    )


@pytest.mark.parametrize(
    "content",
    [
        jpeg_of_scans(64, 500),
        SMALL_JPEG[:2] + COMMENT * 9_000 + SMALL_JPEG[2:],
        SMALL_GIF[:-1] + b"!\xf0\0" * 9_000 + b";",
        tiff_of_equal_strips(64, 64, _277=(8,), _258=(8,) * 8, _338=(0,) * 7),
        tiff_of_equal_tiles(64, 64, (256, 256)),
    ],
)
def test_a_file_within_the_limits_is_decoded(content: bytes) -> None:
    assert outcome(content) == "decoded"


def test_a_progressive_jpeg_in_usual_scans_has_no_lower_limit_than_its_pixels() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8))
    content = encoded(image, "JPEG", progressive=True, subsampling=0)

    assert content.count(b"\xff\xda") == 10
    assert outcome(content, 1_000_000) == "decoded"


@pytest.mark.parametrize("marker", [0xC0, 0xC1])
def test_the_scans_of_single_channels_are_counted(marker: int) -> None:
    frame = segment(marker, struct.pack(">BHHB", 8, 4000, 4000, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]))
    scan = segment(0xDA, bytes([1, 1, 0, 0, 63, 0]))

    assert outcome(b"\xff\xd8" + frame + scan * 65 + b"\xff\xd9") == "image_too_costly"


def test_more_scans_than_one_of_all_channels_are_not_decoded() -> None:
    """libjpeg ends a JPEG that is not progressive after a scan of all channels."""
    scan = SMALL_JPEG[SMALL_JPEG.index(b"\xff\xda") : -2]

    assert outcome(SMALL_JPEG[:-2] + scan * 20_000) in {"decoded", "image_damaged"}


def test_the_pixels_of_a_scan_are_those_of_its_channels() -> None:
    """Three channels, of which two are halved in each direction: half of the pixels more."""
    frame = segment(PROGRESSIVE, struct.pack(">BHHB", 8, 4000, 4000, 3) + bytes([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]))
    start = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + frame
    full = segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 0, 0]))
    half = segment(0xDA, bytes([1, 2, 0, 1, 63, 0]))

    assert outcome(start + full * 43 + b"\xff\xd9") == "image_too_costly"
    assert outcome(start + full + half * 251 + b"\xff\xd9") == "image_too_costly"
    assert outcome(start + full * 2 + half * 8 + b"\xff\xd9") != "image_too_costly"


class TestTimeToSkip:
    """What is not part of the image is skipped fast."""

    SIZE = 20 << 20

    @pytest.mark.parametrize(
        "content",
        [
            SMALL_JPEG[:2] + b"\xff" * SIZE + SMALL_JPEG[2:],
            SMALL_JPEG[:2] + b"\xff\x01" * (SIZE // 2) + SMALL_JPEG[2:],
            SMALL_JPEG + b"\xff\xd0" * (SIZE // 2),
            SMALL_GIF[:-1] + b"!\xfe" + b"\x01a" * (SIZE // 2) + b"\0;",
            SMALL_GIF[:-1] + b"x" * SIZE + b";",
        ],
        ids=[
            "padding of a JPEG",
            "markers without a segment",
            "restart markers",
            "a comment in parts",
            "bytes between blocks",
        ],
    )
    def test_20_mib_are_skipped(self, content: bytes) -> None:
        began = time.process_time()

        assert outcome(content) == "decoded"
        assert time.process_time() - began < 5  # Pillow's reader takes about 10 s for the first, and longer for others

    def test_exif_of_many_fields_is_not_unpacked(self) -> None:
        """Pillow copies the data of each field: 60,000 times those of the whole file."""
        fields = b"".join(struct.pack("<HHII", tag, 7, 1 << 20, 100) for tag in range(2000, 40_000))
        exif = (b"Exif\0\0II*\0" + struct.pack("<IH", 8, 38_000) + fields).ljust(2 << 20, b"\0")

        assert outcome(encoded(Image.new("L", (8, 8)), "PNG", exif=exif)) == "decoded"

"""Decoding of valid, damaged and random bytes to the network's input."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.errors import Malformed
from shared.images import decoding
from shared.images.decoding import decode_into, resize_into
from tests.support.data.images import chunk, chunks_of, encoded, png, png_of, smooth, tiff

MAX_PIXELS = 1_000_000
NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
FORMATS = ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "AVIF"]
CODES = {"decoded", "not_an_image", "image_damaged", "image_too_large", "image_animated", "image_unsupported"}
MAGICS = [
    b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\xff\xd8\xff\xe1\0\x20Exif\0\0II\x2a\0\x08\0\0\0",
    b"\xff\xd8\xff\xc0\0\x0b\x08\0\x04\0\x04\1",
    b"BM" + bytes(12) + b"\x28\0\0\0",
    b"BM" + bytes(12) + b"\x0c\0\0\0\4\0\4\0\1\0",
    b"GIF89a",
    b"GIF89a\4\0\4\0\x80\0\0",
    b"II\x2a\0\x08\0\0\0",
    b"MM\0\x2a\0\0\0\x08\0\x0a",
    b"II\x2b\0",
    b"RIFF\x40\0\0\0WEBP",
    b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B",
    b"RIFF\x40\0\0\0WEBPVP8X",
    b"RIFF\x40\0\0\0WEBPVP8L\x10\0\0\0\x2f\3\xc0",
    b"RIFF\x40\0\0\0WEBPVP8 \x10\0\0\0\x30\1\0\x9d\1\x2a\4\0\4\0",
]


def decoded(content: bytes, shape: tuple[int, ...] = (1, 1)) -> list[Any]:
    """Return the decoded pixels of an image file."""
    row = np.full(shape, 77, np.uint8)
    decode_into(row, content, MAX_PIXELS)
    pixels: list[Any] = row.tolist()
    return pixels


def code_of(content: bytes) -> str:
    """Return the error code of an image file, or `decoded`; it must be the same for grayscale and colour."""
    code = code_for(content, (4, 4))
    assert code_for(content, (4, 4, 3)) == code
    return code


def code_for(content: bytes, shape: tuple[int, ...]) -> str:
    """Return the error code of an image file that is decoded into a row of this shape, or `decoded`."""
    try:
        decoded(content, shape)
    except Malformed as error:
        return error.code
    return "decoded"


class TestSize:
    def test_an_image_of_the_right_size_keeps_its_pixels(self) -> None:
        assert decoded(png(NOISE[:, :, 0]), shape=(9, 7)) == NOISE[:, :, 0].tolist()

    def test_a_larger_image_shrinks_to_the_means_of_its_areas(self) -> None:
        assert decoded(png(np.array([[30, 60, 240]], np.uint8)), shape=(1, 2)) == [[40, 180]]

    def test_a_mask_of_0_and_1_is_not_rounded_to_black(self) -> None:
        """Otherwise no warning would say that the image is almost black."""
        mask = np.zeros((64, 64), np.uint8)
        mask[:, 20] = 1

        assert decoded(png(mask), shape=(4, 4)) == [[0, 1, 0, 0]] * 4
        assert decoded(png(np.repeat(mask[:, :, np.newaxis], 3, 2)), shape=(4, 4)) == [[0, 1, 0, 0]] * 4
        assert decoded(png(2 * mask), shape=(4, 4)) == [[0] * 4] * 4

    def test_a_smaller_image_grows_by_repeating_pixels(self) -> None:
        assert decoded(png(np.array([[10, 20]], np.uint8)), shape=(2, 4)) == [[10, 10, 20, 20]] * 2

    def test_height_and_width_are_not_mixed_up(self) -> None:
        tall = np.repeat(np.arange(4, dtype=np.uint8)[:, np.newaxis], 2, axis=1)

        assert decoded(png(tall), shape=(4, 2)) == tall.tolist()

    def test_arrays_of_images_are_resized_like_images_in_files(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (5, 31, 17), dtype=np.uint8)
        rows = np.zeros((5, 28, 28), np.uint8)

        resize_into(rows, images)

        assert [row.tolist() for row in rows] == [decoded(png(image), shape=(28, 28)) for image in images]

    def test_arrays_of_colour_images_are_resized_like_images_in_files(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (5, 31, 17, 3), dtype=np.uint8)
        rows = np.zeros((5, 28, 24, 3), np.uint8)

        resize_into(rows, images)

        assert [row.tolist() for row in rows] == [decoded(png(image), shape=(28, 24, 3)) for image in images]

    @pytest.mark.parametrize(("old", "new"), [((2, 5, 5, 3), (2, 5, 5)), ((2, 5, 5), (2, 5, 5, 3))])
    def test_arrays_with_another_number_of_channels_are_refused(
        self, old: tuple[int, ...], new: tuple[int, ...]
    ) -> None:
        with pytest.raises(Malformed) as caught:
            resize_into(np.zeros(new, np.uint8), np.zeros(old, np.uint8))

        assert caught.value.code == "image_channels"
        assert str(old[1:]) in caught.value.detail
        assert str(new[1:]) in caught.value.detail

    def test_arrays_of_images_of_the_right_size_are_copied(self) -> None:
        rows = np.zeros((2, 9, 7), np.uint8)

        resize_into(rows, NOISE.transpose(2, 0, 1)[:2])

        assert (rows == NOISE.transpose(2, 0, 1)[:2]).all()

    def test_many_large_images_are_resized_block_by_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        images = np.random.default_rng(0).integers(0, 256, (7, 8, 8), dtype=np.uint8)
        whole, blocks = np.zeros((2, 7, 3, 3), np.uint8)
        resize_into(whole, images)

        monkeypatch.setattr(decoding, "BLOCK", 3 * 64)
        resize_into(blocks, images)

        assert (whole == blocks).all()

    def test_resizing_accepts_an_empty_array(self) -> None:
        resize_into(np.zeros((0, 3, 3), np.uint8), np.zeros((0, 5, 5), np.uint8))


class TestDamage:
    @pytest.mark.parametrize("content", [b"\x89PNG", b"\x89PNG\r\n\x1a\n" + bytes(20), b"\xff\xd8\xff\xe0"])
    def test_an_image_with_a_broken_header_is_damaged(self, content: bytes) -> None:
        assert code_of(content) == "image_damaged"

    @pytest.mark.parametrize("file_format", FORMATS)
    def test_a_truncated_image_is_damaged(self, file_format: str) -> None:
        whole = encoded(Image.fromarray(np.tile(NOISE, (9, 9, 1))), file_format)

        for length in range(len(whole) // 20, len(whole) - 300, len(whole) // 20):
            assert code_of(whole[:length]) == "image_damaged"

    @pytest.mark.parametrize("file_format", FORMATS)
    def test_the_error_names_the_format_and_the_reason(self, file_format: str) -> None:
        whole = encoded(smooth(40, 40), file_format)

        with pytest.raises(Malformed, match=rf"(?i)the {file_format} is damaged.*[:,] ?\w"):
            decoded(whole[: len(whole) // 2])

    @pytest.mark.parametrize("codes", [[4, 1, 1, 4, 1, 1, 5], [4, 1, 1, 4, 1, 1]])
    def test_a_gif_with_missing_rows_is_damaged(self, codes: list[int]) -> None:
        """The codes have 3 bits: 4 clears the table, 5 ends the image; four of 16 pixels are there."""
        packed = sum(code << 3 * place for place, code in enumerate(codes)).to_bytes(-(-3 * len(codes) // 8), "little")
        screen = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0xA1, 0, 0) + bytes([9, 9, 9, 200, 200, 200, *[0] * 6])
        frame = b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + bytes([2, len(packed)]) + packed + b"\0;"

        assert code_of(screen + frame) == "image_damaged"

    @pytest.mark.parametrize("mode", ["P", "L", "RGB"])
    def test_an_invalid_transparency_raises_malformed_or_is_ignored(self, mode: str) -> None:
        content = encoded(Image.fromarray(NOISE).convert(mode))
        start = content.index(b"IDAT") - 4

        assert code_of(content[:start] + chunk(b"tRNS", b"\0") + content[start:]) in {"decoded", "image_damaged"}

    def test_a_missing_palette_raises_malformed_or_is_ignored(self) -> None:
        content = encoded(Image.fromarray(NOISE).convert("P"))
        start, end = content.index(b"PLTE") - 4, content.index(b"IDAT") - 4

        assert code_of(content[:start] + content[end:]) in {"decoded", "image_damaged"}

    @given(st.sampled_from(MAGICS), st.binary(max_size=80))
    def test_random_bytes_after_a_magic_raise_only_malformed(self, magic: bytes, rest: bytes) -> None:
        assert code_of(magic + rest) in CODES

    @given(data=st.data())
    def test_random_damage_raises_only_malformed(self, data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(["L", "P", "RGB", "RGBA", "1", "CMYK"]), "mode")
        supported = {"RGBA": ["PNG", "TIFF", "WEBP"], "CMYK": ["JPEG", "TIFF"]}.get(mode, ["PNG", "BMP", "GIF", "TIFF"])
        file_format = data.draw(st.sampled_from(supported), "format")
        options = {"compression": data.draw(st.sampled_from(["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]))}
        content = bytearray(
            encoded(Image.fromarray(NOISE).convert(mode), file_format, **options if file_format == "TIFF" else {})
        )
        for _ in range(data.draw(st.integers(1, 4), "changes")):
            content[data.draw(st.integers(0, len(content) - 1), "place")] = data.draw(st.integers(0, 255), "byte")

        assert code_of(bytes(content)) in CODES

    @given(data=st.data())
    def test_damage_within_valid_checksums_raises_only_malformed(self, data: st.DataObject) -> None:
        image = Image.fromarray(NOISE).convert(data.draw(st.sampled_from(["L", "P", "RGB", "RGBA", "I;16", "1"])))
        parts = chunks_of(encoded(image))
        kind = data.draw(st.sampled_from([b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"IDAT", b"IEND"]), "kind")
        place = data.draw(st.integers(0, len(parts)), "place")
        if data.draw(st.booleans(), "in the place of another"):
            parts[place : place + 1] = []
        parts.insert(place, (kind, data.draw(st.binary(max_size=20), "content")))

        assert code_of(png_of(parts)) in CODES

    @given(
        st.sampled_from(
            [256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 338, 339]
        ),
        st.lists(st.integers(0, 40) | st.integers(0, (1 << 32) - 1), min_size=1, max_size=5),
    )
    def test_any_wrong_field_of_a_tiff_raises_only_malformed(self, tag: int, values: list[int]) -> None:
        assert code_of(tiff(NOISE[:, :, 0], fields={tag: tuple(values)})) in CODES

    @given(st.binary(max_size=60), st.booleans())
    def test_a_photograph_with_damaged_metadata_is_decoded(self, data: bytes, whole: bool) -> None:
        exif = Image.Exif()
        exif[0x0112] = 1
        data = b"Exif\0\0" + (exif.tobytes()[6:16] if whole else b"") + data
        content = encoded(Image.new("L", (8, 8), 100), "JPEG")
        segment = struct.pack(">HH", 0xFFE1, len(data) + 2) + data

        assert decoded(content[:2] + segment + content[2:]) == [[100]]

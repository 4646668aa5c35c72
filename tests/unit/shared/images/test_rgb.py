"""Conversion of each kind of pixel to RGB; the expected values are computed by hand."""

from __future__ import annotations

import struct
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from shared.errors import Malformed
from shared.images.decoding import decode_into
from tests.support.data.images import chunk, encoded, png, png_by_hand, tiff
from tests.unit.shared.images.test_channels import BT_601, LETTER, ROTATED

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 200, 30), (1, 2, 3), (255, 255, 255), (0, 0, 0)]
TINTS = np.array([1, 3, 5], np.uint8)  # a coloured LETTER is LETTER // 5 times these


def decoded(content: bytes, height: int = 1, width: int = 1) -> list[Any]:
    """Return the decoded RGB pixels of an image file."""
    row = np.full((height, width, 3), 77, np.uint8)
    decode_into(row, content, max_pixels=1000)
    pixels: list[Any] = row.tolist()
    return pixels


def pixel(content: bytes) -> list[int]:
    """Return the only pixel of an image file that is decoded to one pixel."""
    [[values]] = decoded(content)
    result: list[int] = values
    return result


def differences(content: bytes, expected: tuple[float, ...]) -> float:
    return max(abs(value - wanted) for value, wanted in zip(pixel(content), expected, strict=True))


class TestColours:
    @pytest.mark.parametrize("colour", COLOURS)
    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP"])
    def test_channels_keep_their_values(self, file_format: str, colour: tuple[int, int, int]) -> None:
        options = {"lossless": True} if file_format == "WEBP" else {}

        assert pixel(encoded(Image.new("RGB", (1, 1), colour), file_format, **options)) == list(colour)

    @pytest.mark.parametrize("colour", COLOURS)
    @pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF"])
    def test_palette_indices_are_converted_to_the_palettes_colours(
        self, file_format: str, colour: tuple[int, int, int]
    ) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([*colour, 0, 40, 255])
        image.putdata([0, 1])

        assert decoded(encoded(image, file_format), 1, 2) == [[list(colour), [0, 40, 255]]]

    @pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "GIF"])
    @pytest.mark.parametrize("value", [0, 1, 127, 255])
    def test_a_gray_value_is_repeated_in_the_three_channels(self, value: int, file_format: str) -> None:
        assert pixel(encoded(Image.new("L", (1, 1), value), file_format)) == [value] * 3

    @pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF"])
    def test_black_and_white_become_0_and_255(self, file_format: str) -> None:
        image = Image.new("1", (2, 1))
        image.putpixel((1, 0), 1)

        assert decoded(encoded(image, file_format), 1, 2) == [[[0, 0, 0], [255, 255, 255]]]

    def test_pixels_of_few_bits_are_scaled_to_0_to_255(self) -> None:
        assert decoded(png_by_hand(4, 1, 2, 0, b"\0\x1b"), 1, 4) == [[[value] * 3 for value in (0, 85, 170, 255)]]

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_palettes_of_few_bits_are_looked_up(self, bits: int) -> None:
        rows = {1: b"\0\x40", 2: b"\0\x10", 4: b"\0\x01"}[bits]

        content = png_by_hand(2, 1, bits, 3, rows, (b"PLTE", bytes([9, 8, 7, 60, 50, 40])))

        assert decoded(content, 1, 2) == [[[9, 8, 7], [60, 50, 40]]]

    def test_an_interlaced_image_is_decoded(self) -> None:
        """Adam7 sends the two pixels of the first row in the passes 1 and 6, the second row in pass 7."""
        rows = b"\0\x01\x02\x03" + b"\0\x04\x05\x06" + b"\0\x07\x08\x09\x0a\x0b\x0c"
        plain, interlaced = (struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, last) for last in (0, 1))
        content = png_by_hand(2, 2, 8, 2, rows).replace(chunk(b"IHDR", plain), chunk(b"IHDR", interlaced))

        assert decoded(content, 2, 2) == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]


class TestTransparency:
    @pytest.mark.parametrize(
        ("alpha", "values"), [(0, [0, 0, 0]), (51, [40, 20, 2]), (128, [100, 50, 5]), (255, [200, 100, 10])]
    )
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
    def test_each_channel_is_composed_over_black(self, file_format: str, alpha: int, values: list[int]) -> None:
        options = {"lossless": True} if file_format == "WEBP" else {}
        image = Image.new("RGBA", (1, 1), (200, 100, 10, alpha))

        assert pixel(encoded(image, file_format, **options)) == values

    @pytest.mark.parametrize(("alpha", "value"), [(0, 0), (51, 40), (128, 100), (255, 200)])
    def test_a_gray_pixel_with_alpha_is_composed_over_black(self, alpha: int, value: int) -> None:
        assert pixel(encoded(Image.new("LA", (1, 1), (200, alpha)))) == [value] * 3

    @pytest.mark.parametrize("file_format", ["PNG", "GIF"])
    def test_a_palettes_transparent_colour_becomes_black(self, file_format: str) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([255, 255, 255, 200, 100, 10])
        image.putdata([0, 1])

        assert decoded(encoded(image, file_format, transparency=0), 1, 2) == [[[0, 0, 0], [200, 100, 10]]]

    def test_a_palette_with_an_alpha_of_each_colour_is_composed_over_black(self) -> None:
        palette = (b"PLTE", bytes([200, 100, 10, 200, 100, 10, 1, 2, 3]))

        content = png_by_hand(3, 1, 8, 3, b"\0\0\1\2", palette, (b"tRNS", bytes([51, 128])))

        assert decoded(content, 1, 3) == [[[40, 20, 2], [100, 50, 5], [1, 2, 3]]]

    def test_a_colour_marked_as_transparent_becomes_black(self) -> None:
        image = Image.new("RGB", (2, 1), (110, 120, 130))
        image.putpixel((1, 0), (255, 255, 255))

        assert decoded(encoded(image, transparency=(255, 255, 255)), 1, 2) == [[[110, 120, 130], [0, 0, 0]]]

    @pytest.mark.parametrize("interlaced", [False, True])
    def test_a_colour_of_16_bits_marked_as_transparent_is_compared_in_all_its_bits(self, interlaced: bool) -> None:
        rows = b"\0" + struct.pack(">6H", 0x92FF, 0x3400, 0x5678, 0x92FE, 0x3400, 0x5678)
        if interlaced:  # the passes 1 and 6 have a pixel each
            rows = rows[:7] + b"\0" + rows[7:]
        content = png_by_hand(2, 1, 16, 2, rows, (b"tRNS", struct.pack(">3H", 0x92FF, 0x3400, 0x5678)))
        plain, adam7 = (struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, last) for last in (0, 1))
        if interlaced:
            content = content.replace(chunk(b"IHDR", plain), chunk(b"IHDR", adam7))

        assert decoded(content, 1, 2) == [[[0, 0, 0], [0x92, 0x34, 0x56]]]

    @pytest.mark.parametrize("bits", [1, 8, 16])
    def test_a_gray_value_marked_as_transparent_is_the_ground(self, bits: int) -> None:
        """The ground is black, or white if only black pixels are visible."""
        white = (1 << bits) - 1
        rows = {1: b"\0\x80", 8: b"\0\xff\0", 16: b"\0\xff\xff\0\0"}[bits]

        marked = [png_by_hand(2, 1, bits, 0, rows, (b"tRNS", struct.pack(">H", level))) for level in (0, white)]

        assert decoded(png_by_hand(2, 1, bits, 0, rows), 1, 2) == [[[255] * 3, [0] * 3]]
        assert [decoded(content, 1, 2) for content in marked] == [[[[255] * 3, [0] * 3]]] * 2

    @pytest.mark.parametrize("alpha", [0, 51, 128])
    def test_dark_ink_is_composed_over_white(self, alpha: int) -> None:
        image = Image.new("RGBA", (2, 1), (0, 0, 60, 255))
        image.putpixel((1, 0), (0, 0, 60, alpha))
        blue = 255 - alpha + round(60 * alpha / 255)

        for file_format in ("PNG", "TIFF"):
            [[first, second]] = decoded(encoded(image, file_format), 1, 2)
            assert (first, second) == ([0, 0, 60], [255 - alpha, 255 - alpha, blue])

    def test_premultiplied_colours_are_not_multiplied_again(self) -> None:
        content = tiff(np.array([[[100, 50, 10, 128]]], np.uint8), photometric=2, fields={338: (1,)})

        assert differences(content, (100, 50, 10)) <= 1


class TestDepth:
    SIXTEEN = np.array([[0, 255, 256, 0x12FF, 0xFFFF]], np.uint16)

    def test_gray_pixels_of_16_bits_are_reduced_to_the_upper_8_and_repeated(self) -> None:
        for content in (png(self.SIXTEEN), tiff(self.SIXTEEN), tiff(self.SIXTEEN, order=">")):
            assert decoded(content, 1, 5) == [[[value] * 3 for value in (0, 0, 1, 0x12, 255)]]

    def test_colour_channels_of_16_bits_are_reduced_to_the_upper_8(self) -> None:
        values = b"\0" + b"\xff\xff\x80\xff\0\xff"

        assert pixel(png_by_hand(1, 1, 16, 2, values)) == [255, 128, 0]
        assert pixel(png_by_hand(1, 1, 16, 6, values + b"\x80\0")) == [128, 64, 0]
        assert pixel(tiff(np.array([[[0xFFFF, 0x80FF, 0xFF]]], np.uint16), photometric=2)) == [255, 128, 0]

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_floats_from_0_to_1_become_black_to_white(self, order: Literal["<", ">"]) -> None:
        content = tiff(np.array([[0, 0.2, 1, -0.05, 1.05, np.nan]], np.float32), order=order)

        assert decoded(content, 1, 6) == [[[value] * 3 for value in (0, 51, 255, 0, 255, 0)]]

    def test_a_tiff_that_stores_white_as_0_is_inverted(self) -> None:
        assert decoded(tiff(np.array([[0, 55, 255]], np.uint8), photometric=0), 1, 3) == [
            [[255] * 3, [200] * 3, [0] * 3]
        ]
        assert pixel(tiff(np.array([[0x12FF]], np.uint16), photometric=0)) == [255 - 0x12] * 3
        assert pixel(tiff(np.array([[0]], np.float32), photometric=0)) == [255] * 3

    def test_lab_colours_are_refused(self) -> None:
        with pytest.raises(Malformed, match="send it as RGB or grayscale") as caught:
            decoded(tiff(np.zeros((1, 1, 3), np.uint8), photometric=8))

        assert caught.value.code == "image_unsupported"


class TestJpeg:
    def test_a_grayscale_jpeg_is_repeated_in_the_three_channels(self) -> None:
        assert pixel(encoded(Image.new("L", (16, 16), 100), "JPEG", quality=95)) == [100] * 3

    @pytest.mark.parametrize("keep_rgb", [False, True])
    @pytest.mark.parametrize("colour", COLOURS)
    def test_a_jpeg_in_colour_is_decoded(self, colour: tuple[int, int, int], keep_rgb: bool) -> None:
        content = encoded(Image.new("RGB", (8, 8), colour), "JPEG", quality=100, keep_rgb=keep_rgb)

        assert differences(content, colour) <= 2

    def test_a_cmyk_jpeg_is_converted_by_subtracting_its_inks(self) -> None:
        """Each channel is (255 - ink) (255 - black) / 255."""
        content = encoded(Image.new("CMYK", (8, 8), (100, 50, 0, 51)), "JPEG", quality=100)

        assert differences(content, (155 * 204 / 255, 205 * 204 / 255, 255 * 204 / 255)) <= 2

    def test_a_ycck_jpeg_is_converted_by_subtracting_its_inks(self) -> None:
        """Adobe's transform 2, inverted: luminance 100 and Cr 150 are inks of 131, 84 and 100; black 204 is 51."""
        as_cmyk = encoded(Image.new("CMYK", (8, 8), (155, 127, 105, 51)), "JPEG", quality=100)
        place = as_cmyk.index(b"Adobe") + 11
        assert as_cmyk[place] == 0

        content = as_cmyk[:place] + b"\2" + as_cmyk[place + 1 :]

        inks = (100 + 1.402 * (150 - 128), 100 - 0.714 * (150 - 128), 100)
        assert differences(content, tuple((255 - ink) * 204 / 255 for ink in inks)) <= 2


class TestOrientation:
    @pytest.mark.parametrize("orientation", ROTATED)
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
    def test_an_image_is_rotated_by_its_exif_orientation(self, file_format: str, orientation: int) -> None:
        options = {"lossless": True} if file_format == "WEBP" else {}
        exif = Image.Exif()
        exif[0x0112] = orientation
        shown = np.array(ROTATED[orientation], np.uint8)[:, :, np.newaxis] * 4 * TINTS

        content = encoded(Image.fromarray(LETTER[:, :, np.newaxis] // 5 * TINTS), file_format, exif=exif, **options)

        assert decoded(content, *shown.shape[:2]) == shown.tolist()

    @pytest.mark.parametrize("orientation", ROTATED)
    def test_a_rotated_image_is_resized_to_the_models_height_and_width(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        shown = np.array(ROTATED[orientation], np.uint8)[:, :, np.newaxis] * 4 * TINTS
        large = (LETTER[:, :, np.newaxis] // 5 * TINTS).repeat(4, 0).repeat(4, 1)

        assert decoded(encoded(Image.fromarray(large), exif=exif), *shown.shape[:2]) == shown.tolist()


class TestAgreement:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
    def test_a_gray_image_has_the_same_pixels_in_grayscale_and_in_rgb(self, mode: str) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (40, 31), dtype=np.uint8)
        content = encoded(Image.fromarray(noise.astype(np.uint16) * 257 if mode == "I;16" else noise).convert(mode))
        gray, colour = np.zeros((9, 7), np.uint8), np.zeros((9, 7, 3), np.uint8)

        decode_into(gray, content, 10_000)
        decode_into(colour, content, 10_000)

        assert (colour == gray[:, :, np.newaxis]).all()

    @pytest.mark.parametrize("shape", [(32, 32), (64, 50), (7, 90)])
    def test_each_channel_is_resized_as_a_grayscale_image_of_its_values(self, shape: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (41, 53, 3), dtype=np.uint8)
        colour = np.zeros((*shape, 3), np.uint8)

        decode_into(colour, png(noise), 10_000)

        for channel in range(3):
            gray = np.zeros(shape, np.uint8)
            decode_into(gray, png(noise[:, :, channel].copy()), 10_000)
            assert (colour[:, :, channel] == gray).all()

    @pytest.mark.parametrize(("colour", "value"), BT_601)
    def test_the_luma_of_the_decoded_colour_is_the_grayscale_value(
        self, colour: tuple[int, int, int], value: int
    ) -> None:
        red, green, blue = pixel(encoded(Image.new("RGB", (1, 1), colour)))

        assert round(0.299 * red + 0.587 * green + 0.114 * blue) == value

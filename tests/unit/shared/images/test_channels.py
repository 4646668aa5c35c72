"""Conversion of each kind of pixel to grayscale; the expected values are computed by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from shared.errors import Malformed
from shared.images.channels import upright
from shared.images.decoding import decode_into
from tests.support.data.images import chunk, encoded, png, png_by_hand, tiff

Order = Literal["<", ">"]
BT_601 = [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255), ((10, 200, 30), 124)]
LETTER = np.array([[9, 1, 2], [3, 4, 5]], np.uint8) * 20  # no two of its rotations are equal
# LETTER as a viewer shows it, by EXIF 2.32, 4.6.4 A: the places of the first row and the first column.
ROTATED = {
    1: [[9, 1, 2], [3, 4, 5]],  # top, left
    2: [[2, 1, 9], [5, 4, 3]],  # top, right
    3: [[5, 4, 3], [2, 1, 9]],  # bottom, right
    4: [[3, 4, 5], [9, 1, 2]],  # bottom, left
    5: [[9, 3], [1, 4], [2, 5]],  # left, top
    6: [[3, 9], [4, 1], [5, 2]],  # right, top
    7: [[5, 2], [4, 1], [3, 9]],  # right, bottom
    8: [[2, 5], [1, 4], [9, 3]],  # left, bottom
}


def decoded(content: bytes, height: int = 1, width: int = 1) -> list[Any]:
    """Return the decoded grayscale pixels of an image file."""
    row = np.full((height, width), 77, np.uint8)
    decode_into(row, content, max_pixels=1000)
    pixels: list[Any] = row.tolist()
    return pixels


def of_colour(*channels: int, mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, (1, 1), channels))


def grays_of(levels: Iterable[int], bits: int, marked: int) -> list[int]:
    """Return the decoded pixels of a grayscale PNG of these levels, one of which is marked as transparent."""
    count = len(list(levels))
    row = "".join(f"{level:0{bits}b}" for level in levels)
    row = row.ljust(-(-len(row) // 8) * 8, "0")
    content = int(row, 2).to_bytes(len(row) // 8, "big")
    [pixels] = decoded(png_by_hand(count, 1, bits, 0, b"\0" + content, (b"tRNS", struct.pack(">H", marked))), 1, count)
    result: list[int] = pixels
    return result


class TestColours:
    @pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
    def test_gray_pixels_keep_their_value(self, value: int) -> None:
        assert decoded(png(np.array([[value]], np.uint8))) == [[value]]
        assert decoded(of_colour(value, value, value)) == [[value]]

    @pytest.mark.parametrize(("colour", "value"), BT_601)
    def test_colours_are_converted_with_the_weights_of_bt_601(self, colour: tuple[int, int, int], value: int) -> None:
        """The value is 0.299 R + 0.587 G + 0.114 B, rounded."""
        assert decoded(of_colour(*colour)) == [[value]]

    @pytest.mark.parametrize(("colour", "value"), BT_601)
    @pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF"])
    def test_palette_indices_are_converted_to_the_palettes_colours(
        self, file_format: str, colour: tuple[int, int, int], value: int
    ) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([*colour, 0, 0, 255])
        image.putdata([0, 1])

        assert decoded(encoded(image, file_format), 1, 2) == [[value, 29]]

    @pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
    def test_black_and_white_become_0_and_255(self, file_format: str) -> None:
        image = Image.new("1", (2, 1))
        image.putpixel((1, 0), 1)
        options = {"lossless": True} if file_format == "WEBP" else {}

        assert decoded(encoded(image, file_format, **options), 1, 2) == [[0, 255]]

    def test_pixels_of_few_bits_are_scaled_to_0_to_255(self) -> None:
        assert decoded(png_by_hand(4, 1, 2, 0, b"\0\x1b"), 1, 4) == [[0, 85, 170, 255]]
        assert decoded(png_by_hand(2, 1, 4, 0, b"\0\x1f"), 1, 2) == [[17, 255]]

    def test_an_interlaced_image_is_decoded(self) -> None:
        """Adam7 sends the two pixels of the first row in the passes 1 and 6, the second row in pass 7."""
        header = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)
        content = png_by_hand(2, 2, 8, 0, b"\0\x0a" + b"\0\x14" + b"\0\x1e\x28")
        plain_header = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)

        assert decoded(content.replace(chunk(b"IHDR", plain_header), chunk(b"IHDR", header)), 2, 2) == [
            [10, 20],
            [30, 40],
        ]


class TestTransparency:
    @pytest.mark.parametrize(("alpha", "value"), [(0, 0), (51, 40), (128, 100), (255, 200)])
    def test_transparent_pixels_are_blended_with_black(self, alpha: int, value: int) -> None:
        assert decoded(of_colour(200, 200, 200, alpha, mode="RGBA")) == [[value]]
        assert decoded(of_colour(200, alpha, mode="LA")) == [[value]]
        assert decoded(encoded(Image.new("RGBA", (1, 1), (200, 200, 200, alpha)), "WEBP", lossless=True)) == [[value]]
        assert decoded(encoded(Image.new("RGBA", (1, 1), (200, 200, 200, alpha)), "TIFF")) == [[value]]

    @pytest.mark.parametrize("file_format", ["PNG", "GIF"])
    def test_a_palettes_transparent_colour_becomes_black(self, file_format: str) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([255, 255, 255, 200, 200, 200])
        image.putdata([0, 1])

        assert decoded(encoded(image, file_format, transparency=0), 1, 2) == [[0, 200]]

    def test_a_colour_marked_as_transparent_becomes_black(self) -> None:
        image = Image.new("RGB", (2, 1), (110, 120, 130))
        image.putpixel((1, 0), (255, 255, 255))

        assert decoded(encoded(image, transparency=(255, 255, 255)), 1, 2) == [[118, 0]]

    @pytest.mark.parametrize("bits", [1, 8, 16])
    def test_a_gray_value_marked_as_transparent_becomes_black(self, bits: int) -> None:
        white = (1 << bits) - 1
        rows = {1: b"\0\xc0", 8: b"\0\xff\xff", 16: b"\0\xff\xff\xff\xff"}[bits]
        marked = png_by_hand(2, 1, bits, 0, rows, (b"tRNS", struct.pack(">H", white)))

        assert decoded(png_by_hand(2, 1, bits, 0, rows), 1, 2) == [[255, 255]]
        assert decoded(marked, 1, 2) == [[0, 0]]

    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    def test_each_gray_level_marked_as_transparent_becomes_the_ground_alone(self, bits: int) -> None:
        most = (1 << bits) - 1
        levels = range(most + 1) if bits < 8 else (0, 1, 77, most - 1, most)
        grays = [level >> 8 if bits == 16 else level * 255 // most for level in levels]
        for marked in levels:
            ground = 255 if (bits, marked) == (1, 1) else 0  # only black is visible
            assert grays_of(levels, bits, marked) == [
                ground if level == marked else gray for level, gray in zip(levels, grays, strict=True)
            ]

    def test_only_the_bits_of_a_level_count_in_its_mark(self) -> None:
        """PNG, 11.3.2.1: the other bits are 0, and are ignored."""
        assert grays_of(range(4), 2, 0xFF00 + 2) == [0, 85, 0, 255]
        assert grays_of((95, 96), 8, 0xFF00 + 96) == [95, 0]

    @pytest.mark.parametrize("marked", [(0x12FF, 0x3400, 0x5678), (0x12FE, 0x3400, 0x5678), (0x00FF, 0, 0x78)])
    def test_a_colour_of_16_bits_marked_as_transparent_is_compared_in_all_its_bits(
        self, marked: tuple[int, int, int]
    ) -> None:
        pixels = [(0x12FF, 0x3400, 0x5678), (0x12FE, 0x3400, 0x5678), (0xFFFF, 0xFFFF, 0xFFFF), (0x00FF, 0, 0x78)]
        rows = b"\0" + b"".join(struct.pack(">3H", *pixel) for pixel in pixels)

        content = png_by_hand(4, 1, 16, 2, rows, (b"tRNS", struct.pack(">3H", *marked)))

        lumas = [46, 46, 255, 0]  # of the upper 8 bits
        assert decoded(content, 1, 4) == [
            [0 if pixel == marked else luma for pixel, luma in zip(pixels, lumas, strict=True)]
        ]

    def test_premultiplied_colours_are_not_multiplied_again(self) -> None:
        content = tiff(np.array([[[100, 100, 100, 128]]], np.uint8), photometric=2, fields={338: (1,)})

        [[value]] = decoded(content)

        assert abs(value - 100) <= 1


INK = np.zeros((6, 8), np.uint8)
INK[1:5, 3:5] = 255
INK[1:5, 2] = 128
SHAPE = 255 - INK  # as on paper


def written(image: Image.Image, file_format: str) -> bytes:
    return encoded(image, file_format, **({"lossless": True, "exact": True} if file_format == "WEBP" else {}))


class TestDarkInk:
    """A picture whose shape is in its transparency alone."""

    @pytest.mark.parametrize("ink", [0, 20, 63])
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
    def test_dark_ink_on_a_transparent_ground_is_composed_over_white(self, file_format: str, ink: int) -> None:
        image = Image.merge("RGBA", [Image.new("L", (8, 6), ink)] * 3 + [Image.fromarray(INK)])

        pixels = np.array(decoded(written(image, file_format), 6, 8))

        assert np.abs(pixels - (SHAPE + ink * (INK / 255))).max() <= 1

    def test_dark_ink_of_other_kinds_of_transparency_is_composed_over_white(self) -> None:
        mask = (INK > 128).astype(np.uint8)
        gray = Image.merge("LA", [Image.new("L", (8, 6)), Image.fromarray(INK)])
        palette = Image.fromarray(mask).convert("P")
        palette.putpalette([255, 0, 0, 0, 0, 0])
        premultiplied = tiff(np.dstack([0 * INK, 0 * INK, 0 * INK, INK]), photometric=2, fields={338: (1,)})
        gray_premultiplied = tiff(np.dstack([0 * INK, INK]), photometric=1, fields={338: (1,)})
        deep = np.where(mask, 0, 40_000).astype(np.uint16)
        marked = encoded(Image.fromarray(deep), transparency=40_000)

        assert decoded(encoded(gray), 6, 8) == SHAPE.tolist()
        assert decoded(encoded(palette, transparency=0), 6, 8) == (255 - 255 * mask).tolist()
        assert decoded(encoded(palette, "GIF", transparency=0), 6, 8) == (255 - 255 * mask).tolist()
        assert decoded(premultiplied, 6, 8) == SHAPE.tolist()
        assert decoded(gray_premultiplied, 6, 8) == SHAPE.tolist()
        assert decoded(marked, 6, 8) == (255 - 255 * mask).tolist()

    @pytest.mark.parametrize("ink", [(255, 255, 255), (64, 64, 64), (255, 0, 0)])
    def test_brighter_ink_stays_on_black(self, ink: tuple[int, int, int]) -> None:
        image = Image.merge("RGBA", [Image.new("L", (8, 6), level) for level in ink] + [Image.fromarray(INK)])

        assert decoded(encoded(image), 6, 8)[0] == [0] * 8

    @pytest.mark.parametrize(("bright", "ground"), [(0.05, 255), (0.15, 0)])
    def test_a_few_bright_pixels_do_not_change_the_ground(self, bright: float, ground: int) -> None:
        levels = np.zeros((10, 10), np.uint8)
        levels[0, : round(100 * bright)] = 255
        levels[1, : max(0, round(100 * bright) - 10)] = 255
        alpha = np.full((11, 10), 255, np.uint8)
        alpha[10] = 0
        image = Image.merge("LA", [Image.fromarray(np.vstack([levels, levels[:1]])), Image.fromarray(alpha)])

        assert decoded(encoded(image), 11, 10)[10] == [ground] * 10

    def test_a_transparent_picture_is_black_and_an_opaque_one_is_kept(self) -> None:
        assert decoded(of_colour(0, 0, 0, 0, mode="RGBA")) == [[0]]
        assert decoded(of_colour(9, 9, 9, 255, mode="RGBA")) == [[9]]


class TestDepth:
    SIXTEEN = np.array([[0, 255, 256, 0x12FF, 0xFFFF]], np.uint16)

    def test_pixels_of_16_bits_are_reduced_to_the_upper_8(self) -> None:
        for content in (png(self.SIXTEEN), tiff(self.SIXTEEN), tiff(self.SIXTEEN, order=">")):
            assert decoded(content, 1, 5) == [[0, 0, 1, 0x12, 255]]

    def test_colour_channels_of_16_bits_are_reduced_to_the_upper_8(self) -> None:
        red = b"\0" + b"\xff\xff\0\xff\0\xff"

        assert decoded(png_by_hand(1, 1, 16, 2, red)) == [[76]]
        assert decoded(png_by_hand(1, 1, 16, 6, red + b"\x80\0")) == [[38]]
        assert decoded(tiff(np.array([[[0xFFFF, 0xFF, 0xFF]]], np.uint16), photometric=2)) == [[76]]

    def test_pixels_of_32_bits_are_reduced_to_the_upper_8(self) -> None:
        pixels = np.array([[0, 0x00FFFFFF, 0x01000000, 0x7FFFFFFF, 0xFFFFFFFF]], np.uint32)

        assert decoded(tiff(pixels), 1, 5) == [[0, 0, 1, 127, 255]]

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_negative_integers_are_black_and_the_largest_is_white(self, order: Order) -> None:
        assert decoded(tiff(np.array([[-5, 0, 127, 128, 0x7FFF]], np.int16), order=order), 1, 5) == [[0, 0, 0, 1, 255]]
        assert decoded(tiff(np.array([[-5, 0, 1 << 23, 0x7FFFFFFF]], np.int32), order=order), 1, 4) == [[0, 0, 1, 255]]

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_floats_from_0_to_1_become_black_to_white(self, order: Order) -> None:
        pixels = np.array([[0, 0.2, 1, -0.05, 1.05, np.nan, np.inf]], np.float32)

        assert decoded(tiff(pixels, order=order), 1, 7) == [[0, 51, 255, 0, 255, 0, 255]]

    def test_a_tiff_that_stores_white_as_0_is_inverted(self) -> None:
        assert decoded(tiff(np.array([[0, 55, 255]], np.uint8), photometric=0), 1, 3) == [[255, 200, 0]]
        assert decoded(tiff(self.SIXTEEN, photometric=0), 1, 5) == [[255, 255, 254, 255 - 0x12, 0]]
        assert decoded(tiff(np.array([[0, 1]], np.float32), photometric=0), 1, 2) == [[255, 0]]

    def test_lab_colours_are_refused(self) -> None:
        with pytest.raises(Malformed, match="send it as RGB or grayscale") as caught:
            decoded(tiff(np.zeros((1, 1, 3), np.uint8), photometric=8))

        assert caught.value.code == "image_unsupported"


class TestJpeg:
    """A JPEG in colour stores BT.601's luma, and two colour differences that are not needed."""

    def test_a_grayscale_jpeg_is_decoded(self) -> None:
        assert decoded(encoded(Image.new("L", (16, 16), 100), "JPEG", quality=95), 16, 16) == [[100] * 16] * 16

    @pytest.mark.parametrize("keep_rgb", [False, True])
    @pytest.mark.parametrize(("colour", "value"), BT_601)
    def test_a_jpeg_in_colour_is_decoded(self, colour: tuple[int, int, int], value: int, keep_rgb: bool) -> None:
        content = encoded(Image.new("RGB", (8, 8), colour), "JPEG", quality=100, keep_rgb=keep_rgb)

        [[mean]] = decoded(content)

        assert abs(mean - value) <= 1

    def test_a_cmyk_jpeg_is_converted_by_subtracting_its_inks(self) -> None:
        """Each channel is (255 - ink) (255 - black) / 255; the luma of 155, 205 and 255 is 195.7."""
        content = encoded(Image.new("CMYK", (8, 8), (100, 50, 0, 51)), "JPEG", quality=100)

        [[value]] = decoded(content)

        assert abs(value - round((0.299 * 155 + 0.587 * 205 + 0.114 * 255) * 204 / 255)) <= 1

    def test_a_ycck_jpeg_is_converted_by_subtracting_its_inks(self) -> None:
        """Adobe's transform 2, inverted: luminance 100 is 100 of each ink, black 204 is an ink of 51."""
        as_cmyk = encoded(Image.new("CMYK", (8, 8), (155, 127, 127, 51)), "JPEG", quality=100)
        place = as_cmyk.index(b"Adobe") + 11
        assert as_cmyk[place] == 0

        [[value]] = decoded(as_cmyk[:place] + b"\2" + as_cmyk[place + 1 :])

        assert abs(value - 155 * 204 / 255) <= 1

    def test_the_first_image_of_a_multi_picture_file_is_decoded(self) -> None:
        """Cameras append previews and depth maps to the image that every viewer shows."""
        first, second = (Image.new("L", (8, 8), value) for value in (100, 200))

        assert decoded(encoded(first, "MPO", save_all=True, append_images=[second])) == [[100]]


class TestOrientation:
    @pytest.mark.parametrize("orientation", ROTATED)
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
    def test_an_image_is_rotated_by_its_exif_orientation(self, file_format: str, orientation: int) -> None:
        options = {"lossless": True} if file_format == "WEBP" else {}
        exif = Image.Exif()
        exif[0x0112] = orientation
        shown = np.array(ROTATED[orientation], np.uint8) * 20

        content = encoded(Image.fromarray(LETTER), file_format, exif=exif, **options)

        assert decoded(content, *shown.shape) == shown.tolist()

    @pytest.mark.parametrize("orientation", ROTATED)
    @pytest.mark.parametrize("file_format", ["JPEG", "AVIF"])
    def test_a_photograph_is_rotated_by_its_exif_orientation(self, file_format: str, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        shown = np.array(ROTATED[orientation], np.int16) * 20
        content = encoded(Image.fromarray(LETTER.repeat(8, 0).repeat(8, 1)), file_format, quality=95, exif=exif)

        assert np.abs(np.array(decoded(content, *shown.shape), np.int16) - shown).max() <= 1

    def test_an_orientation_after_the_pixels_of_a_png_is_applied(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3
        *parts, end = png(LETTER), b""
        content = parts[0][:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + parts[0][-12:] + end

        assert decoded(content, 2, 3) == upright(LETTER, 3).tolist()

    @pytest.mark.parametrize("orientation", [0, 9, 300])
    def test_an_invalid_orientation_is_ignored(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation

        assert decoded(encoded(Image.fromarray(LETTER), exif=exif), 2, 3) == LETTER.tolist()

    @pytest.mark.parametrize("data", [b"", b"MM", b"MM\0\x2a\0\0\0\x08\0\x01", b"II\x2a\0\xff\xff\xff\xff", bytes(40)])
    def test_an_image_with_damaged_metadata_is_decoded(self, data: bytes) -> None:
        content = png(LETTER)

        assert decoded(content[:33] + chunk(b"eXIf", data) + content[33:], 2, 3) == LETTER.tolist()

    def test_a_rotated_image_is_resized_to_the_models_height_and_width(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        content = encoded(Image.fromarray(LETTER.repeat(4, 0).repeat(4, 1)), exif=exif)

        assert decoded(content, 3, 2) == upright(LETTER, 6).tolist()

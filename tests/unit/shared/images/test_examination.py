"""Examination of images: size, and colour or not."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shared.errors import Malformed
from shared.images.examination import GRAY_SPREAD, shape_and_colour
from tests.support.data.images import encoded, png, png_by_hand, smooth, tiff

MAX_PIXELS = 20_000_000


def is_coloured(content: bytes) -> bool:
    return shape_and_colour(content, MAX_PIXELS)[1]


def gray_photograph(height: int = 150, width: int = 200) -> Image.Image:
    """Return a gray image with smooth areas, edges and noise, saved as RGB by the tests."""
    pixels = np.asarray(smooth(height, width).convert("L")).astype(np.int16)
    pixels[height // 3 :, width // 2 :] += 60
    pixels += np.random.default_rng(0).integers(-12, 12, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def letter(colour: tuple[int, int, int], ground: tuple[int, int, int], side: int, height: int) -> Image.Image:
    image = Image.new("RGB", (side, side), ground)
    ImageDraw.Draw(image).text((side // 3, side // 3), "A", fill=colour, font=ImageFont.load_default(height))
    return image


class TestGray:
    @pytest.mark.parametrize("quality", [1, 5, 10, 30, 75, 95])
    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    def test_a_gray_photograph_saved_as_a_jpeg_in_colour_is_gray(self, quality: int, subsampling: int) -> None:
        image = gray_photograph().convert("RGB")

        assert not is_coloured(encoded(image, "JPEG", quality=quality, subsampling=subsampling))

    @pytest.mark.parametrize("quality", [1, 30, 75])
    def test_a_gray_photograph_in_other_lossy_formats_is_gray(self, quality: int) -> None:
        image = gray_photograph().convert("RGB")

        assert not is_coloured(encoded(image, "WEBP", quality=quality))
        assert not is_coloured(encoded(image.convert("CMYK"), "JPEG", quality=quality))

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
    def test_a_gray_image_of_any_mode_is_gray(self, mode: str) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
        image = Image.fromarray(noise.astype(np.uint16) * 257 if mode == "I;16" else noise).convert(mode)

        assert not is_coloured(encoded(image))

    def test_floats_are_gray(self) -> None:
        assert not is_coloured(tiff(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)))

    @pytest.mark.parametrize("quality", [10, 75, 95])
    def test_a_faint_noise_of_colour_is_gray(self, quality: int) -> None:
        pixels = np.asarray(gray_photograph().convert("RGB")).astype(np.int16)
        noisy = pixels + np.random.default_rng(0).integers(-1, 2, pixels.shape)
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))

        assert not is_coloured(encoded(image))
        assert not is_coloured(encoded(image, "JPEG", quality=quality))

    def test_a_colour_that_is_fully_transparent_is_gray(self) -> None:
        """It is composed over black, as the network sees it."""
        assert not is_coloured(encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 0))))
        assert is_coloured(encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 128))))

    def test_a_colour_of_the_palette_that_no_pixel_has_is_ignored(self) -> None:
        image = Image.new("P", (9, 9), 0)
        image.putpalette([100, 100, 100, 255, 0, 0])

        assert not is_coloured(encoded(image))


class TestColour:
    @pytest.mark.parametrize("hue", np.linspace(0, 1, 9)[:-1])
    @pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
    def test_images_that_differ_in_hue_alone_are_in_colour(self, file_format: str, hue: float) -> None:
        red, green, blue = (round(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.25, 0.6))

        assert is_coloured(encoded(Image.new("RGB", (24, 24), (red, green, blue)), file_format))

    @pytest.mark.parametrize(
        ("colour", "ground"),
        [
            ((200, 0, 0), (255, 255, 255)),
            ((0, 0, 120), (0, 0, 0)),
            ((0, 90, 0), (0, 0, 0)),
            ((150, 100, 100), (128,) * 3),
        ],
    )
    @pytest.mark.parametrize(("side", "height"), [(28, 20), (64, 12), (200, 12), (500, 20)])
    def test_small_letters_in_colour_are_in_colour(
        self, colour: tuple[int, int, int], ground: tuple[int, int, int], side: int, height: int
    ) -> None:
        assert is_coloured(encoded(letter(colour, ground, side, height)))

    @pytest.mark.parametrize("quality", [30, 75])
    @pytest.mark.parametrize("side", [64, 200, 2000])
    def test_letters_in_colour_are_in_colour_in_a_jpeg(self, side: int, quality: int) -> None:
        image = letter((200, 0, 0), (255, 255, 255), side, side // 4)

        assert is_coloured(encoded(image, "JPEG", quality=quality))

    @pytest.mark.parametrize(("spread", "coloured"), [(GRAY_SPREAD, False), (GRAY_SPREAD + 1, True)])
    @pytest.mark.parametrize("channel", [0, 1, 2])
    def test_one_pixel_whose_channels_differ_by_more_than_the_limit_decides(
        self, channel: int, spread: int, coloured: bool
    ) -> None:
        pixels = np.full((30, 40, 3), 100, np.uint8)
        pixels[7, 9, channel] += spread

        assert is_coloured(png(pixels)) == coloured

    def test_an_image_of_16_bits_a_channel_is_in_colour(self) -> None:
        assert is_coloured(png_by_hand(1, 1, 16, 2, b"\0" + b"\xff\xff\x80\xff\0\xff"))
        assert is_coloured(tiff(np.array([[[0xFFFF, 0x80FF, 0xFF]]], np.uint16), photometric=2))

    def test_cmyk_inks_are_in_colour(self) -> None:
        assert is_coloured(encoded(Image.new("CMYK", (8, 8), (100, 50, 0, 51)), "JPEG"))

    def test_without_a_search_for_colour_no_pixel_is_decoded(self) -> None:
        whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)), "JPEG")

        assert shape_and_colour(whole[: len(whole) // 2], MAX_PIXELS, find_colour=False) == ((40, 30), False)
        with pytest.raises(Malformed):
            shape_and_colour(whole[: len(whole) // 2], MAX_PIXELS)


class TestShape:
    @pytest.mark.parametrize("find_colour", [True, False])
    @pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_the_shape_is_the_height_and_width(self, mode: str, file_format: str, find_colour: bool) -> None:
        image = smooth(30, 20).convert(mode)

        assert shape_and_colour(encoded(image, file_format), MAX_PIXELS, find_colour=find_colour)[0] == (30, 20)

    @pytest.mark.parametrize("find_colour", [True, False])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    @pytest.mark.parametrize(("orientation", "shape"), [(1, (30, 20)), (3, (30, 20)), (6, (20, 30)), (8, (20, 30))])
    def test_the_shape_of_a_rotated_image_is_that_of_the_upright_image(
        self, orientation: int, shape: tuple[int, int], mode: str, find_colour: bool
    ) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        for file_format in ("PNG", "JPEG", "TIFF"):
            content = encoded(smooth(30, 20).convert(mode), file_format, exif=exif)

            assert shape_and_colour(content, MAX_PIXELS, find_colour=find_colour)[0] == shape

    @pytest.mark.parametrize(
        "content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(40), png(np.zeros((9, 9), np.uint8))[:30]]
    )
    def test_a_file_that_is_no_image_is_malformed(self, content: bytes) -> None:
        with pytest.raises(Malformed):
            shape_and_colour(content, MAX_PIXELS)

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_an_image_of_too_many_pixels_is_refused(self, mode: str) -> None:
        with pytest.raises(Malformed) as caught:
            shape_and_colour(encoded(smooth(30, 20).convert(mode)), 599)

        assert caught.value.code == "image_too_large"

    def test_random_pixels_of_each_mode_are_examined(self) -> None:
        pixels: NDArray[Any] = np.random.default_rng(0).integers(0, 256, (12, 9, 4), dtype=np.uint8)
        for mode in ("RGB", "RGBA", "P"):
            assert shape_and_colour(encoded(Image.fromarray(pixels).convert(mode)), MAX_PIXELS) == ((12, 9), True)

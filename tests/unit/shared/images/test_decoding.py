"""From an image file's bytes to the network's input."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from shared.errors import Malformed
from shared.images.decoding import decode_into, invert
from tests.support.images import encoded, png

MAX_PIXELS = 16_000_000
NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def decoded(content: bytes, shape: tuple[int, int] = (1, 1), max_pixels: int = MAX_PIXELS) -> list[Any]:
    """The pixels that an image file gives."""
    row = np.full(shape, 77, np.uint8)
    decode_into(row, content, max_pixels)
    pixels: list[Any] = row.tolist()
    return pixels


def code_of(content: bytes, **options: Any) -> str:
    """The code of the error that an image file gives."""
    with pytest.raises(Malformed) as caught:
        decoded(content, **options)
    return caught.value.code


def of_colour(*channels: int, mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, (1, 1), channels))


class TestColours:
    @pytest.mark.parametrize("grey", [0, 1, 127, 254, 255])
    def test_grey_stays_as_it_is(self, grey: int) -> None:
        assert decoded(png(np.array([[grey]], np.uint8))) == [[grey]]
        assert decoded(of_colour(grey, grey, grey)) == [[grey]]

    @pytest.mark.parametrize(
        ("colour", "grey"),
        [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255), ((10, 200, 30), 124)],
    )
    def test_colours_turn_grey_by_the_weights_of_bt_601(self, colour: tuple[int, int, int], grey: int) -> None:
        """0.299 R + 0.587 G + 0.114 B, rounded."""
        assert decoded(of_colour(*colour)) == [[grey]]

    @pytest.mark.parametrize(("alpha", "grey"), [(0, 0), (51, 40), (128, 100), (255, 200)])
    def test_what_is_transparent_lies_over_black(self, alpha: int, grey: int) -> None:
        assert decoded(of_colour(200, 200, 200, alpha, mode="RGBA")) == [[grey]]
        assert decoded(of_colour(200, alpha, mode="LA")) == [[grey]]

    def test_a_palettes_colours_are_looked_up(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putdata([0, 1])

        assert decoded(encoded(image), shape=(1, 2)) == [[76, 29]]

    def test_a_palettes_transparent_colour_is_black(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([255, 255, 255, 200, 200, 200])
        image.putdata([0, 1])

        assert decoded(encoded(image, transparency=0), shape=(1, 2)) == [[0, 200]]

    def test_a_colour_that_is_marked_as_transparent_is_black(self) -> None:
        image = Image.new("RGB", (2, 1), (10, 20, 30))
        image.putpixel((1, 0), (255, 255, 255))

        assert decoded(encoded(image, transparency=(255, 255, 255)), shape=(1, 2)) == [[18, 0]]

    def test_black_and_white_become_0_and_255(self) -> None:
        image = Image.new("1", (2, 1))
        image.putpixel((1, 0), 1)

        assert decoded(encoded(image), shape=(1, 2)) == [[0, 255]]

    def test_of_sixteen_bits_the_upper_eight_count(self) -> None:
        pixels = np.array([[0, 255, 256, 0x12FF, 0xFFFF]], np.uint16)

        assert decoded(png(pixels), shape=(1, 5)) == [[0, 0, 1, 0x12, 255]]

    def test_a_jpeg_is_decoded(self) -> None:
        image = Image.new("L", (16, 16), 100)

        assert decoded(encoded(image, "JPEG", quality=95), shape=(16, 16)) == [[100] * 16] * 16

    def test_a_jpeg_in_cmyk_is_decoded(self) -> None:
        [[grey]] = decoded(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"))

        assert grey > 250


class TestSize:
    def test_an_image_of_the_right_size_is_not_touched(self) -> None:
        assert decoded(png(NOISE[:, :, 0]), shape=(9, 7)) == NOISE[:, :, 0].tolist()

    def test_a_larger_image_shrinks_to_the_means_of_its_areas(self) -> None:
        pixels = np.array([[0, 100, 50, 50], [100, 200, 50, 50]], np.uint8)

        assert decoded(png(pixels), shape=(1, 2)) == [[100, 50]]

    def test_a_smaller_image_grows_by_repeating_pixels(self) -> None:
        assert decoded(png(np.array([[10, 20]], np.uint8)), shape=(2, 4)) == [[10, 10, 20, 20]] * 2

    def test_height_and_width_are_not_mixed_up(self) -> None:
        tall = np.repeat(np.arange(4, dtype=np.uint8)[:, np.newaxis], 2, axis=1)

        assert decoded(png(tall), shape=(4, 2)) == tall.tolist()

    def test_the_limit_of_pixels_is_inclusive(self) -> None:
        image = png(NOISE)

        assert decoded(image, max_pixels=63)
        assert code_of(image, max_pixels=62) == "image_too_large"

    def test_too_many_pixels_are_known_from_the_header_alone(self) -> None:
        header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
        without_pixels = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")

        assert code_of(without_pixels) == "image_too_large"


class TestRefusing:
    @pytest.mark.parametrize("content", [b"", b"text", b"<svg/>", b"%PDF-1.7", b"\xff\xd8", b"BM" + bytes(100)])
    def test_what_is_no_image_is_told_as_such(self, content: bytes) -> None:
        assert code_of(content) == "not_an_image"

    @pytest.mark.parametrize("content", [b"\x89PNG", b"\x89PNG\r\n\x1a\n" + bytes(20), b"\xff\xd8\xff\xe0"])
    def test_what_begins_as_an_image_and_goes_wrong_in_its_header_is_damaged(self, content: bytes) -> None:
        assert code_of(content) == "image_damaged"

    @pytest.mark.parametrize("file_format", ["PPM", "ICO", "TGA", "PDF"])
    def test_other_formats_are_not_taken(self, file_format: str) -> None:
        assert code_of(encoded(Image.new("L", (4, 4)), file_format)) == "not_an_image"

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
    def test_an_image_that_was_cut_short_is_damaged(self, file_format: str) -> None:
        whole = encoded(Image.fromarray(np.tile(NOISE, (9, 9, 1))), file_format)

        for length in range(len(whole) // 3, len(whole) - 20, len(whole) // 10):
            assert code_of(whole[:length]) == "image_damaged"

    def test_a_changed_byte_is_found(self) -> None:
        content = bytearray(png(NOISE))
        content[60] ^= 1

        assert code_of(bytes(content)) == "image_damaged"

    def test_an_animation_is_not_taken(self) -> None:
        frames = [Image.new("L", (4, 4), grey) for grey in (0, 255)]

        assert code_of(encoded(frames[0], save_all=True, append_images=frames[1:])) == "image_animated"

    @pytest.mark.parametrize("mode", ["P", "L", "RGB"])
    def test_a_transparency_that_does_not_fit_is_that_images_error(self, mode: str) -> None:
        content = encoded(Image.fromarray(NOISE).convert(mode))
        start = content.index(b"IDAT") - 4

        assert outcome(content[:start] + chunk(b"tRNS", b"\0") + content[start:]) in {"decoded", "image_damaged"}

    def test_a_palette_that_is_missing_is_that_images_error(self) -> None:
        content = encoded(Image.fromarray(NOISE).convert("P"))
        start, end = content.index(b"PLTE") - 4, content.index(b"IDAT") - 4

        assert outcome(content[:start] + content[end:]) in {"decoded", "image_damaged"}

    def test_an_empty_colour_profile_behind_the_pixels_is_that_images_error(self) -> None:
        *parts, end = chunks_of(png(NOISE))

        assert outcome(png_of([*parts, (b"iCCP", b""), end])) in {"decoded", "image_damaged"}

    @given(data=st.data())
    def test_damage_anywhere_is_that_images_error_or_none(self, data: st.DataObject) -> None:
        image = Image.fromarray(NOISE).convert(data.draw(st.sampled_from(["L", "P", "RGB", "RGBA", "I;16", "1"])))
        content = bytearray(encoded(image))
        for _ in range(data.draw(st.integers(1, 4), "changes")):
            content[data.draw(st.integers(0, len(content) - 1), "place")] = data.draw(st.integers(0, 255), "byte")

        assert outcome(bytes(content)) in {"decoded", "not_an_image", "image_damaged", "image_too_large"}

    @given(data=st.data())
    def test_damage_within_valid_checksums_is_that_images_error_or_none(self, data: st.DataObject) -> None:
        image = Image.fromarray(NOISE).convert(data.draw(st.sampled_from(["L", "P", "RGB", "RGBA", "I;16", "1"])))
        parts = chunks_of(encoded(image))
        kind = data.draw(
            st.sampled_from([b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"gAMA", b"eXIf", b"IDAT", b"IEND"]), "kind"
        )
        place = data.draw(st.integers(0, len(parts)), "place")
        if data.draw(st.booleans(), "in the place of another"):
            parts[place : place + 1] = []
        parts.insert(place, (kind, data.draw(st.binary(max_size=20), "content")))

        assert outcome(png_of(parts)) in {"decoded", "not_an_image", "image_damaged", "image_too_large"}


class TestInverting:
    BRIGHT: NDArray[np.uint8] = np.array([[250, 250, 250], [250, 10, 250], [250, 250, 250]], np.uint8)
    DARK: NDArray[np.uint8] = 255 - BRIGHT

    def test_never_leaves_images_as_they_are(self) -> None:
        assert inverted([self.BRIGHT, self.DARK], "never") == [self.BRIGHT.tolist(), self.DARK.tolist()]

    def test_always_turns_each(self) -> None:
        assert inverted([self.BRIGHT, self.DARK], "always") == [self.DARK.tolist(), self.BRIGHT.tolist()]

    def test_auto_turns_those_with_a_bright_border(self) -> None:
        assert inverted([self.BRIGHT, self.DARK], "auto") == [self.DARK.tolist(), self.DARK.tolist()]

    def test_auto_goes_by_the_border_and_not_by_the_whole(self) -> None:
        image = np.full((12, 12), 255, np.uint8)
        image[[0, -1]] = image[:, [0, -1]] = 0

        assert inverted([image], "auto") == [image.tolist()]

    def test_every_side_of_the_border_counts_the_same(self) -> None:
        for turn in range(4):
            image = np.zeros((9, 9), np.uint8)
            image[0] = 255

            assert inverted([np.rot90(image, turn)], "auto") == [np.rot90(image, turn).tolist()]

    @pytest.mark.parametrize("mode", ["never", "always", "auto"])
    def test_no_images_are_no_trouble(self, mode: str) -> None:
        invert(np.empty((0, 3, 3), np.uint8), mode)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
    def test_the_smallest_images_have_a_border_too(self, shape: tuple[int, int]) -> None:
        assert inverted([np.full(shape, 255, np.uint8)], "auto") == [np.zeros(shape).tolist()]


def inverted(images: list[NDArray[np.uint8]], mode: str) -> list[Any]:
    stack = np.stack(images)
    invert(stack, mode)
    return list(stack.tolist())


def outcome(content: bytes) -> str:
    try:
        decoded(content, shape=(4, 4))
    except Malformed as error:
        return error.code
    return "decoded"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    parts = []
    place = 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        parts.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return parts


def png_of(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)

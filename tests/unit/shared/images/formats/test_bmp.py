"""BMPs of each kind, written byte by byte: gray levels and colours, or a refusal that names the kind."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

import numpy as np
import pytest

from shared.errors import Malformed
from shared.images.decoding import decode_into

RED, GREEN, BLUE, WHITE, BLACK = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3
PALETTE = [(10, 20, 30), (200, 100, 50), (0, 0, 255), (255, 255, 255)]


def bmp(
    pixels: bytes,
    width: int,
    height: int,
    bits: int,
    compression: int = 0,
    header: int = 40,
    palette: list[tuple[int, int, int]] | None = None,
    masks: tuple[int, ...] = (),
    colours: int = 0,
    place: int | None = None,
) -> bytes:
    """Return a BMP; `pixels` are its rows, as they are written."""
    if header == 12:
        core = struct.pack("<IHHHH", 12, width, height, 1, bits)
        entries = b"".join(bytes(colour[::-1]) for colour in palette or [])
    else:
        core = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(pixels), 0, 0, colours, 0)
        entries = b"".join(bytes(colour[::-1]) + b"\0" for colour in palette or [])
    packed = struct.pack(f"<{len(masks)}I", *masks)
    core = (core + packed).ljust(header, b"\0") if header > 40 else core[:header] + packed
    start = 14 + len(core) + len(entries)
    begin = struct.pack("<2sIII", b"BM", start + len(pixels), 0, start if place is None else place)
    return begin + core + entries + pixels


def decoded(content: bytes, shape: tuple[int, ...]) -> Any:
    row = np.full(shape, 77, np.uint8)
    decode_into(row, content, max_pixels=10_000)
    return row.tolist()


def both(content: bytes, height: int, width: int) -> Any:
    """Return the pixels of an image in RGB; in grayscale they are the lumas of these, plus or minus the rounding."""
    colour = decoded(content, (height, width, 3))
    gray = decoded(content, (height, width))
    assert np.abs(np.array(colour) @ [0.299, 0.587, 0.114] - gray).max() < 1.01
    return colour


def error_of(content: bytes) -> Malformed:
    with pytest.raises(Malformed) as gray:
        decoded(content, (2, 2))
    with pytest.raises(Malformed) as colour:
        decoded(content, (2, 2, 3))
    assert (gray.value.code, gray.value.detail) == (colour.value.code, colour.value.detail)
    return gray.value


class TestMasks:
    @pytest.mark.parametrize("header", [40, 52, 56, 108, 124])
    @pytest.mark.parametrize(
        ("bits", "masks"),
        [
            (16, (0x7C00, 0x3E0, 0x1F)),  # 5-5-5
            (16, (0xF800, 0x7E0, 0x1F)),  # 5-6-5
            (16, (0xF00, 0xF0, 0xF)),  # 4-4-4
            (16, (0x1F, 0x3E0, 0x7C00)),
            (16, (0xE0, 0x1C, 0x3)),  # 3-3-2
            (32, (0xFF0000, 0xFF00, 0xFF)),
            (32, (0xFF, 0xFF00, 0xFF0000)),
            (32, (0xFF000000, 0xFF0000, 0xFF00)),
            (32, (0x3FF00000, 0xFFC00, 0x3FF)),  # 10-10-10
            (32, (0x7FF, 0x1FF800, 0xFFE00000)),  # 11-10-11
        ],
    )
    def test_channels_of_any_masks_are_scaled_to_0_to_255(self, bits: int, masks: tuple[int, ...], header: int) -> None:
        lows = [mask & -mask for mask in masks]
        halves = [low * (mask // low // 2) for mask, low in zip(masks, lows, strict=True)]
        values = [*masks, 0, sum(masks), sum(halves)]
        row = struct.pack(f"<6{'H' if bits == 16 else 'I'}", *values)

        [pixels] = both(bmp(row, 6, 1, bits, 3, header, masks=masks), 1, 6)

        def level(value: int, most: int) -> int:
            return value >> (most.bit_length() - 8) if most > 255 else int(value * 255 / most + 0.5)

        half = [level(mask // low // 2, mask // low) for mask, low in zip(masks, lows, strict=True)]
        assert pixels == [RED, GREEN, BLUE, BLACK, WHITE, half]

    @pytest.mark.parametrize("header", [56, 108, 124])
    @pytest.mark.parametrize(
        ("bits", "masks", "clear", "half"),
        [
            (16, (0x7C00, 0x3E0, 0x1F, 0x8000), 0x7FFF, None),  # 5-5-5-1
            (16, (0xF00, 0xF0, 0xF, 0xF000), 0x0FFF, 0x7FFF),  # 4-4-4-4
            (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 0x00FFFFFF, 0x77FFFFFF),
            (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF), 0xFFFFFF00, 0xFFFFFF77),
            (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 0x3FFFFFFF, None),  # 10-10-10-2
        ],
    )
    def test_transparent_pixels_are_blended_with_black(
        self, bits: int, masks: tuple[int, ...], clear: int, half: int | None, header: int
    ) -> None:
        full = (1 << bits) - 1
        values = [full, clear, masks[3] | masks[0], clear if half is None else half]
        row = struct.pack(f"<4{'H' if bits == 16 else 'I'}", *values)

        [pixels] = both(bmp(row, 4, 1, bits, 3, header, masks=masks), 1, 4)

        assert pixels == [WHITE, BLACK, RED, BLACK if half is None else [0x77] * 3]

    def test_a_mask_of_the_transparency_after_the_header_is_applied(self) -> None:
        row = struct.pack("<2I", 0xFFFFFFFF, 0x00FFFFFF)

        content = bmp(row, 2, 1, 32, 6, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000))

        assert both(content, 1, 2) == [[WHITE, BLACK]]

    @pytest.mark.parametrize("bits", [16, 32])
    def test_a_transparency_that_is_0_everywhere_is_ignored(self, bits: int) -> None:
        """Programs that do not support it leave it 0."""
        masks = (0x7C00, 0x3E0, 0x1F, 0x8000) if bits == 16 else (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        row = struct.pack("<2H" if bits == 16 else "<2I", masks[0], sum(masks[:3]))

        assert both(bmp(row, 2, 1, bits, 3, 124, masks=masks), 1, 2) == [[RED, WHITE]]

    def test_the_fourth_byte_of_an_image_without_masks_is_ignored(self) -> None:
        row = struct.pack("<2I", 0x00FF0000, 0x8000FF00)

        for header in (40, 124):
            assert both(bmp(row, 2, 1, 32, 0, header), 1, 2) == [[RED, GREEN]]

    def test_an_image_of_16_bits_without_masks_has_5_bits_a_channel(self) -> None:
        assert both(bmp(struct.pack("<2H", 0x7C00, 0x801F), 2, 1, 16), 1, 2) == [[RED, BLUE]]

    @pytest.mark.parametrize("masks", [(0xF0F0, 0xF00, 0xF), (0xFF, 0xFF, 0xFF00), (0, 0xFF00, 0xFF), (0x1F0000, 1, 2)])
    def test_masks_that_are_divided_shared_or_missing_are_refused(self, masks: tuple[int, ...]) -> None:
        error = error_of(bmp(bytes(4), 1, 1, 16, 3, masks=masks))

        assert error.code == "image_unsupported"
        assert "bits" in error.detail


class TestRows:
    def test_rows_are_written_from_the_last_to_the_first_unless_the_height_is_negative(self) -> None:
        rows = b"\0\0\xff\0" + b"\xff\0\0\0"

        assert both(bmp(rows, 1, 2, 24), 2, 1) == [[BLUE], [RED]]
        assert both(bmp(rows, 1, -2, 24), 2, 1) == [[RED], [BLUE]]

    @pytest.mark.parametrize("header", [12, 40, 64, 124])
    @pytest.mark.parametrize(
        ("bits", "row"), [(1, b"\x40\0\0\0"), (2, b"\x1b\0\0\0"), (4, b"\x01\x23\0\0"), (8, b"\0\1\2\3")]
    )
    def test_palettes_are_looked_up(self, bits: int, row: bytes, header: int) -> None:
        palette = PALETTE[: 1 << bits]
        width = min(4, 1 << bits)

        content = bmp(row, width, 1, bits, header=header, palette=palette, colours=len(palette))

        assert both(content, 1, width) == [[list(colour) for colour in palette]]

    def test_a_gray_palette_in_any_order_is_looked_up(self) -> None:
        palette = [(level,) * 3 for level in (200, 0, 7)]

        assert both(bmp(b"\0\1\2\0", 3, 1, 8, palette=palette, colours=3), 1, 3) == [[[200] * 3, BLACK, [7] * 3]]

    @pytest.mark.parametrize("place", [0, 54])
    def test_a_wrong_place_of_the_pixels_is_ignored_if_it_is_before_the_palettes_end(self, place: int) -> None:
        content = bmp(b"\1\0\0\0", 1, 1, 8, palette=PALETTE, colours=4, place=place)

        assert both(content, 1, 1) == [[list(PALETTE[1])]]

    def test_a_last_row_without_padding_is_decoded(self) -> None:
        assert both(bmp(b"\0\0\xff", 1, 1, 24), 1, 1) == [[RED]]

    @pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
    def test_missing_rows_are_damage(self, bits: int) -> None:
        palette = [(0, 0, 0)] * (1 << bits if bits <= 8 else 0)
        row = bytes((9 * bits + 31) // 32 * 4)

        assert both(bmp(row * 3, 9, 3, bits, palette=palette), 3, 9) == [[BLACK] * 9] * 3
        for length in (0, 1, 2 * len(row), 3 * len(row) - 4):
            error = error_of(bmp((row * 3)[:length], 9, 3, bits, palette=palette))
            assert error.code == "image_damaged"

    def test_an_index_beyond_the_palette_is_damage(self) -> None:
        assert error_of(bmp(b"\0\4\0\0", 2, 1, 8, palette=PALETTE, colours=4)).code == "image_damaged"


class TestRunLengths:
    BLACK_FIRST: ClassVar = [(0, 0, 0), *PALETTE]

    def of(self, code: bytes, width: int, height: int, bits: int = 8, palette: Any = None) -> bytes:
        palette = palette or self.BLACK_FIRST
        return bmp(code, width, height, bits, 1 if bits == 8 else 2, palette=palette, colours=len(palette))

    def test_runs_and_single_pixels_are_decoded(self) -> None:
        """The last row has a run of 3 and a single pixel, the first one four pixels as they are."""
        code = b"\3\1\1\2\0\0" + b"\0\4\1\2\3\4" + b"\0\1"

        pixels = both(self.of(code, 4, 2), 2, 4)

        colours = [list(colour) for colour in self.BLACK_FIRST]
        assert pixels == [colours[1:], [colours[1]] * 3 + [colours[2]]]

    def test_runs_of_4_bits_alternate(self) -> None:
        code = b"\5\x12\0\0" + b"\0\5\x12\x34\x10\0" + b"\0\1"

        pixels = both(self.of(code, 5, 2, bits=4), 2, 5)

        colours = [list(colour) for colour in self.BLACK_FIRST]
        assert pixels == [
            [colours[index] for index in (1, 2, 3, 4, 1)],
            [colours[index] for index in (1, 2, 1, 2, 1)],
        ]

    def test_a_run_ends_with_its_row(self) -> None:
        assert both(self.of(b"\6\1\0\1", 4, 1), 1, 4) == [[list(PALETTE[0])] * 4]

    @pytest.mark.parametrize("code", [b"\2\1\0\0\0\1", b"\2\1\0\1", b"\0\2\0\1\2\1\0\1"])
    def test_pixels_that_are_skipped_are_black_if_the_first_colour_is(self, code: bytes) -> None:
        assert BLACK in both(self.of(code, 4, 2), 2, 4)[0]

    def test_pixels_that_are_skipped_are_refused_if_the_first_colour_is_not_black(self) -> None:
        error = error_of(self.of(b"\2\1\0\1", 4, 2, palette=PALETTE))

        assert error.code == "image_unsupported"
        assert "skip" in error.detail

    @pytest.mark.parametrize("code", [b"", b"\4\1", b"\4\1\0\0\4\1", b"\0\4\1\2", b"\0\2\1", b"\0\0\0\0\1\1"])
    def test_runs_that_end_early_or_exceed_their_row_are_damage(self, code: bytes) -> None:
        assert error_of(self.of(code, 4, 2)).code == "image_damaged"


class TestRefusals:
    @pytest.mark.parametrize(
        ("compression", "bits", "header", "name"),
        [
            (4, 24, 40, "JPEG"),
            (5, 24, 40, "PNG"),
            (11, 32, 40, "inks"),
            (3, 1, 64, "OS/2"),
            (4, 24, 64, "OS/2"),
            (9, 8, 40, "9"),
        ],
    )
    def test_a_compression_that_is_not_supported_is_refused_by_its_name(
        self, compression: int, bits: int, header: int, name: str
    ) -> None:
        error = error_of(bmp(bytes(64), 1, 1, bits, compression, header))

        assert error.code == "image_unsupported"
        assert name in error.detail

    @pytest.mark.parametrize("bits", [0, 3, 48, 64])
    def test_a_number_of_bits_that_is_not_supported_is_refused(self, bits: int) -> None:
        assert error_of(bmp(bytes(64), 1, 1, bits)).code == "image_unsupported"

    @pytest.mark.parametrize("header", [12, 40, 124])
    def test_an_image_cut_short_anywhere_is_damaged(self, header: int) -> None:
        whole = bmp(b"\0\1\2\3", 4, 1, 8, header=header, palette=PALETTE, colours=4)

        for length in range(18, len(whole)):
            assert error_of(whole[:length]).code == "image_damaged", length

"""TIFFs of each kind, written byte by byte: gray levels and colours, or a refusal that names the kind."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.decoding import decode_into
from shared.images.examination import shape_and_colour
from tests.support.data.tiffs import DEFLATE, LZW, OLD_DEFLATE, PACKBITS, Tiff

UNSIGNED = [0, 1, 0x12, 0x7F, 0x80, 0xFF]
CHUNKS: list[dict[str, Any]] = [{}, {"rows": 1}, {"rows": 2}, {"tile": (16, 16)}]
COMPRESSIONS = [1, LZW, DEFLATE, OLD_DEFLATE, PACKBITS]
RGB, PALETTE, CMYK = 2, 3, 5


def decoded(content: bytes, shape: tuple[int, ...]) -> Any:
    row = np.full(shape, 77, np.uint8)
    decode_into(row, content, max_pixels=100_000)
    return row.tolist()


def both(content: bytes, height: int = 1, width: int = 1) -> tuple[Any, Any]:
    """Return the pixels of an image in grayscale and in RGB."""
    return decoded(content, (height, width)), decoded(content, (height, width, 3))


def repeated(gray: Any) -> Any:
    return np.repeat(np.array(gray)[:, :, np.newaxis], 3, axis=2).tolist()


def error_of(content: bytes) -> Malformed:
    """Return the error of an image; it is the same in grayscale and in RGB."""
    with pytest.raises(Malformed) as gray:
        decoded(content, (2, 2))
    with pytest.raises(Malformed) as colour:
        decoded(content, (2, 2, 3))
    assert (gray.value.code, gray.value.detail) == (colour.value.code, colour.value.detail)
    return gray.value


def gray_samples(dtype: str) -> tuple[NDArray[Any], list[list[int]]]:
    """Return samples (2, 6) of a type, and their gray levels by the rules of docs/data/images.md."""
    kind, size = dtype[0], int(dtype[1:])
    if kind == "f":
        return np.array([[0, 0.2, 1, 0.5, -0.05, 1.05], [1, 0, 0.6, np.nan, 0.2, np.inf]], dtype), [
            [0, 51, 255, 128, 0, 255],
            [255, 0, 153, 0, 51, 255],
        ]
    if kind == "u":
        low = (1 << (8 * size - 8)) - 1
        upper = np.array([UNSIGNED, UNSIGNED[::-1]], np.uint64)
        return ((upper << np.uint64(8 * size - 8)) + np.uint64(low)).astype(dtype), upper.tolist()
    least, most = -(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1
    half = 1 << (8 * size - 2)
    return np.array([[0, most, least, -1, half, 1], [most, 0, half, half, -2, least]], dtype), [
        [0, 255, 0, 0, 129 if size == 1 else 128, 2 if size == 1 else 0],
        [255, 0, 129 if size == 1 else 128, 129 if size == 1 else 128, 0, 0],
    ]


class TestTypes:
    @pytest.mark.parametrize("compression", COMPRESSIONS)
    @pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
    def test_gray_samples_of_each_type_are_decoded(self, dtype: str, compression: int) -> None:
        values, levels = gray_samples(dtype)
        predictors = [1] if compression == 1 else [1, 2, 3] if dtype[0] == "f" else [1, 2]
        for order, big, chunks, predictor in itertools.product("<>", [False, True], CHUNKS, predictors):
            content = Tiff(order, big, compression=compression, predictor=predictor, **chunks).file(values)

            gray, colour = both(content, 2, 6)

            assert gray == levels, (order, big, chunks, predictor)
            assert colour == repeated(levels)

    @pytest.mark.parametrize("planar", [1, 2])
    @pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "f2", "f4", "f8"])
    def test_colours_of_each_type_are_decoded(self, dtype: str, planar: int) -> None:
        values, levels = gray_samples(dtype)
        colours, rgb = values.reshape(2, 2, 3), np.array(levels).reshape(2, 2, 3)
        lumas = np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(int)
        for order, chunks, compression in itertools.product("<>", CHUNKS, COMPRESSIONS):
            predictor = 2 if compression == LZW else 1
            content = Tiff(
                order, photometric=RGB, planar=planar, compression=compression, predictor=predictor, **chunks
            ).file(colours)

            gray, colour = both(content, 2, 2)

            assert colour == rgb.tolist(), (order, chunks, compression)
            assert gray == lumas.tolist()

    @pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 15])
    @pytest.mark.parametrize("fill_order", [1, 2])
    def test_samples_of_any_number_of_bits_are_decoded(self, bits: int, fill_order: int) -> None:
        most = (1 << bits) - 1
        values = np.array([[0, most, most // 2, 1, most - 1], [most, 0, 1, 1, most]], np.uint16)
        levels = values >> (bits - 8) if bits > 8 else (values.astype(int) * 255 + most // 2) // most
        for order, compression, chunks in itertools.product("<>", [1, LZW, DEFLATE], CHUNKS):
            content = Tiff(order, compression=compression, bits=bits, fill_order=fill_order, **chunks).file(values)

            gray, colour = both(content, 2, 5)

            assert gray == levels.tolist(), (order, compression, chunks)
            assert colour == repeated(levels)

    @pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 0xFFFF), ("u4", 0xFFFFFFFF), ("f4", 1)])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_white_stored_as_0_is_inverted(self, dtype: str, white: int, order: Any) -> None:
        content = Tiff(order, photometric=0, compression=LZW).file(np.array([[0, white]], dtype))

        assert both(content, 1, 2) == ([[255, 0]], [[[255] * 3, [0] * 3]])

    @pytest.mark.parametrize("fields", [{254: (1,)}, {330: (8,)}, {254: (0,), 330: (8, 8)}, {254: (2,), 330: (8,)}])
    def test_an_image_may_have_smaller_copies_or_be_one(self, fields: dict[int, tuple[int, ...]]) -> None:
        assert decoded(Tiff(fields=fields).file(np.array([[9, 200]], np.uint8)), (1, 2)) == [[9, 200]]

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_floats_from_0_to_255_are_levels(self, order: Any, dtype: str) -> None:
        values = np.array([[0, 16, 254.6, 127.4, -3, 260]], dtype)

        gray, colour = both(Tiff(order, compression=DEFLATE, predictor=3).file(values), 1, 6)

        assert gray == [[0, 16, 255, 127, 0, 255]]
        assert colour == repeated(gray)

    @pytest.mark.parametrize("values", [[-1, 1], [0, 1.5], [0, 12], [-100, 255], [0, 65535], [-3, 300], [1e300, 1]])
    def test_floats_whose_white_is_not_certain_are_refused(self, values: list[float]) -> None:
        error = error_of(Tiff().file(np.array([values], "f8")))

        assert error.code == "image_unsupported"
        assert f"{values[-1] if values[-1] != 1 or values[0] < 0 else values[0]:.6g}" in error.detail
        assert "0 to 255" in error.detail

    def test_floats_without_a_finite_value_are_black_or_white(self) -> None:
        assert decoded(Tiff().file(np.array([[np.nan, np.inf, -np.inf]], "f4")), (1, 3)) == [[0, 255, 0]]


class TestColours:
    @pytest.mark.parametrize("planar", [1, 2])
    @pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 0xFFFF), ("u4", 0xFFFFFFFF), ("f4", 1)])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_transparent_pixels_are_blended_with_black(self, order: Any, dtype: str, white: int, planar: int) -> None:
        parts = np.array([[[1, 0.6, 0.2, 0.4], [1, 1, 1, 0]]]) * white
        tiff = Tiff(order, photometric=RGB, planar=planar, compression=LZW, extra=(2,))

        _, colour = both(tiff.file(parts.round(6).astype(dtype)), 1, 2)

        assert np.abs(np.array(colour) - [[[102, 61, 20], [0, 0, 0]]]).max() <= 1

    @pytest.mark.parametrize("planar", [1, 2])
    @pytest.mark.parametrize(("dtype", "white"), [("u1", 255), ("u2", 0xFFFF), ("u4", 0xFFFFFFFF), ("f8", 1)])
    def test_gray_with_transparency_is_blended_with_black(self, dtype: str, white: int, planar: int) -> None:
        values = (np.array([[[1, 0.4], [0.6, 1], [1, 0]]]) * white).astype(dtype)

        gray, colour = both(Tiff(">", planar=planar, extra=(2,)).file(values), 1, 3)

        assert np.abs(np.array(gray) - [[102, 153, 0]]).max() <= 1
        assert colour == repeated(gray)

    def test_colours_that_are_multiplied_by_the_transparency_are_kept(self) -> None:
        values = np.array([[[100, 50, 10, 128]]], np.uint8)

        assert both(Tiff(photometric=RGB, extra=(1,)).file(values)) == ([[60]], [[[100, 50, 10]]])

    @pytest.mark.parametrize("extra", [(0,), (0, 0), (0, 2)])
    @pytest.mark.parametrize("planar", [1, 2])
    def test_channels_without_a_meaning_are_ignored(self, extra: tuple[int, ...], planar: int) -> None:
        values = np.array([[[100, 50, 10, 7, 255][: 3 + len(extra)]]], np.uint8)

        assert both(Tiff(photometric=RGB, planar=planar, extra=extra).file(values))[1] == [[[100, 50, 10]]]

    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("depth", [8, 16])
    def test_palettes_are_looked_up(self, bits: int, depth: int) -> None:
        """Some programs write a palette with 8 bits a channel, and not with 16."""
        palette = np.zeros((3, 1 << bits), int)
        palette[:, 0], palette[:, 1] = (9, 8, 7), (200, 100, 10)
        palette *= 257 if depth == 16 else 1
        values = np.array([[1, 0, 1]], "u2" if bits == 16 else "u1")
        fields = {320: tuple(palette.ravel().tolist())}
        orders: list[Literal["<", ">"]] = ["<", ">"]
        for order, compression in itertools.product(orders, [1, LZW]):
            tiff = Tiff(
                order,
                photometric=PALETTE,
                compression=compression,
                bits=bits if bits < 8 else 0,
                fields=fields,
            )

            gray, colour = both(tiff.file(values), 1, 3)

            assert colour == [[[200, 100, 10], [9, 8, 7], [200, 100, 10]]]
            assert gray == [[120, 8, 120]]

    @pytest.mark.parametrize(("dtype", "most"), [("u1", 255), ("u2", 0xFFFF)])
    def test_inks_are_subtracted(self, dtype: str, most: int) -> None:
        values = (np.array([[[0, 0.4, 1, 0.2]]]) * most).round().astype(dtype)

        _, colour = both(Tiff(">", photometric=CMYK, compression=LZW).file(values))

        assert np.abs(np.array(colour) - [[[204, 122, 0]]]).max() <= 1

    def test_the_examination_finds_colour_and_size(self) -> None:
        gray, colour = Tiff(">").file(np.ones((3, 5), "u4")), np.zeros((3, 5, 3), "u2")
        colour[0, 0, 0] = 0xFFFF

        assert shape_and_colour(gray, 100) == ((3, 5), False)
        assert shape_and_colour(Tiff(photometric=RGB, fields={274: (6,)}).file(colour), 100) == ((5, 3), True)

    def test_an_orientation_is_applied(self) -> None:
        values = np.array([[9, 1, 2], [3, 4, 5]], np.uint16) << 8

        assert decoded(Tiff(fields={274: (6,)}).file(values), (3, 2)) == [[3, 9], [4, 1], [5, 2]]


class TestRefusals:
    RGB_PIXELS = np.zeros((2, 2, 3), np.uint8)
    GRAY_PIXELS = np.zeros((2, 2), np.uint8)

    @pytest.mark.parametrize(
        ("tiff", "channels", "name"),
        [
            (Tiff(photometric=8), 3, r"L\*a\*b\*"),
            (Tiff(photometric=6), 3, "YCbCr"),
            (Tiff(photometric=4), 1, "mask"),
            (Tiff(photometric=32803), 1, "raw data"),
            (Tiff(photometric=77), 1, "unknown kind"),
            (Tiff(fields={262: ()}), 1, "PhotometricInterpretation"),
            (Tiff(photometric=RGB), 4, "ExtraSamples"),
            (Tiff(photometric=5, fields={332: (2,)}), 4, "inks"),
            (Tiff(photometric=3, extra=(1,)), 2, "transparency"),
            (Tiff(photometric=RGB, fields={258: (5, 6, 5)}), 3, "different types"),
            (Tiff(fields={258: (24,)}), 1, "24 bits"),
            (Tiff(fields={258: (128,)}), 1, "128 bits"),
            (Tiff(fields={339: (6,)}), 1, "complex"),
            (Tiff(fields={339: (3,)}), 1, "floats of 8 bits"),
            (Tiff(compression=LZW, fields={317: (3,)}), 1, "predictor 3"),
            (Tiff(compression=LZW, bits=4, fields={317: (2,)}), 1, "predictor 2"),
            *(
                (Tiff(fields={259: (code,)}), 1, name)
                for code, name in {34712: "JPEG 2000", 50001: "WebP", 34887: "LERC", 34661: "JBIG", 9: "9"}.items()
            ),
            (Tiff(fields={259: (7,), 258: (12,)}), 1, "JPEG compression"),
            (Tiff(fields={259: (4,)}), 1, "fax compression"),
            (Tiff(fields={254: (1,), 330: (8,)}), 1, "only a preview"),
            (Tiff(fields={254: (1,), 330: (8, 8), 259: (7,)}), 1, "only a preview"),
        ],
    )
    def test_a_kind_that_is_not_converted_is_refused_by_its_name(self, tiff: Tiff, channels: int, name: str) -> None:
        error = error_of(tiff.file(np.zeros((2, 2, channels), np.uint8)))

        assert error.code == "image_unsupported"
        assert name.replace("\\", "") in error.detail
        assert "RGB or grayscale" in error.detail

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    @pytest.mark.parametrize("chunks", CHUNKS)
    def test_missing_rows_are_damage(self, compression: int, chunks: dict[str, Any]) -> None:
        """The file states one row, or tile, more than it has, or ends early."""
        tiff = Tiff(compression=compression, **chunks)
        whole = tiff.file(np.arange(64, dtype=np.uint8).reshape(16, 4))
        place = whole.index(b"\x01\x01\x03\x00\x01\x00\x00\x00\x10\x00")

        taller = whole[:place] + whole[place : place + 8] + b"\x28\x00" + whole[place + 10 :]
        if "tile" not in chunks and not chunks:
            rows = taller.index(b"\x16\x01\x03\x00\x01\x00\x00\x00\x10\x00")
            taller = taller[: rows + 8] + b"\x28\x00" + taller[rows + 10 :]

        assert error_of(taller).code == "image_damaged"
        assert error_of(whole[: len(whole) // 2]).code == "image_damaged"

    @pytest.mark.parametrize("tag", [256, 257])
    def test_an_image_without_height_or_width_is_damaged(self, tag: int) -> None:
        assert error_of(Tiff(fields={tag: ()}).file(self.GRAY_PIXELS)).code == "image_damaged"

    @pytest.mark.parametrize("big", [False, True])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_an_image_cut_short_anywhere_is_damaged(self, order: Any, big: bool) -> None:
        whole = Tiff(order, big, photometric=RGB, rows=1).file(self.RGB_PIXELS)

        for length in range(4, len(whole) - 8):  # a BigTIFF ends with the place of the next image: none
            assert error_of(whole[:length]).code == "image_damaged", length

    @pytest.mark.parametrize("big", [False, True])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_several_pages_are_refused(self, order: Any, big: bool) -> None:
        whole = Tiff(order, big, extra=(0,)).file(np.zeros((2, 2, 2), np.uint8))
        tail = 8 if big else 4
        assert whole.endswith(bytes(tail))

        error = error_of(whole[:-tail] + (8).to_bytes(tail, "little" if order == "<" else "big"))

        assert error.code == "image_animated"

    def test_a_strip_of_too_many_bytes_is_refused_before_it_is_unpacked(self) -> None:
        tiff = Tiff(compression=DEFLATE, fields={256: (9000,), 257: (9000,), 278: (9000,)})
        row = np.zeros((2, 2), np.uint8)
        content = tiff.file(np.zeros((1, 1), np.uint32))

        with pytest.raises(Malformed) as caught:
            decode_into(row, content, 100_000_000)

        assert caught.value.code == "image_too_large"

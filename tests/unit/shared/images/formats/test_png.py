"""PNG files: the fast decoder of plain ones must give the same result as the general decoder."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.errors import Malformed
from shared.images import decoding
from shared.images.codecs import png
from shared.images.decoding import decode_into
from tests.support.data import images
from tests.support.data.images import chunk, chunks_of, encoded, png_by_hand, png_of

SHAPE = (5, 4)
NOISE = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
PLAIN = images.png(NOISE)
KINDS = [b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"gAMA", b"eXIf", b"acTL", b"fdAT", b"IDAT", b"IEND", b"zTXt", b"ABCD"]

filters = st.lists(st.integers(0, 5), min_size=SHAPE[0], max_size=SHAPE[0])
levels = st.integers(0, 9)


@st.composite
def plain_files(draw: st.DrawFn) -> bytes:
    """PNGs of the right size, gray or RGB, of any filter and compression, some with too few or too many pixels."""
    colour = draw(st.sampled_from([0, 2]), "colour")
    width = SHAPE[1] * (1 + colour)
    row = st.binary(min_size=width, max_size=width)
    rows = b"".join(bytes([number]) + draw(row) for number in draw(filters))
    rows = rows[: draw(st.sampled_from([len(rows), len(rows), len(rows) - 6, 0]))] + draw(st.binary(max_size=3))
    packer = zlib.compressobj(draw(levels), wbits=draw(st.sampled_from([9, 15])))
    content = png_by_hand(SHAPE[1], SHAPE[0], 8, colour, b"")
    parts = chunks_of(content)
    parts[1] = (b"IDAT", packer.compress(rows) + packer.flush())
    return png_of(parts)


@st.composite
def variants(draw: st.DrawFn) -> bytes:
    """Any PNG that Pillow writes."""
    pixels = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (*SHAPE, 4), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(draw(st.sampled_from(["L", "P", "RGB", "RGBA", "LA", "I;16", "1"])))
    image = image.resize(draw(st.sampled_from([SHAPE[::-1], SHAPE, (9, 7)])), Image.Resampling.NEAREST)
    return encoded(image, compress_level=draw(levels), optimize=draw(st.booleans()))


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A file with a few changed bytes, cut short, or followed by other bytes."""
    content = bytearray(draw(plain_files() | variants()))
    for _ in range(draw(st.integers(0, 3), "changes")):
        content[draw(st.integers(0, len(content) - 1), "place")] = draw(st.integers(0, 255), "byte")
    end = draw(st.sampled_from([0, 0, 1, 12, 16, 20]), "cut")
    return bytes(content[: len(content) - end]) + draw(st.binary(max_size=3), "appended")


@st.composite
def rearranged(draw: st.DrawFn) -> bytes:
    """A file with added, replaced and split chunks, all with valid checksums."""
    parts = chunks_of(draw(plain_files() | variants()))
    place = draw(st.integers(0, len(parts)), "place")
    if draw(st.booleans(), "in the place of another"):
        parts[place : place + 1] = []
    parts.insert(place, (draw(st.sampled_from(KINDS), "kind"), draw(st.binary(max_size=20), "content")))
    if draw(st.booleans(), "pixels in two pieces"):
        kind, content = parts[number := next((n for n, part in enumerate(parts) if part[0] == b"IDAT"), 0)]
        cut = draw(st.integers(0, len(content)), "cut")
        parts[number : number + 1] = [(kind, content[:cut]), (kind, content[cut:])]
    return png_of(parts)


def pixels_or_error(content: bytes, plain: bool, shape: tuple[int, ...] = SHAPE) -> Any:
    """Return the pixels or the error of a file, from `decode_into` or, if not `plain`, from the general decoder."""
    row = np.full(shape, 77, np.uint8)
    try:
        if plain:
            decode_into(row, content, 1000)
        else:
            decoding.decode_here_into(row, content, 1000)
    except Malformed as error:
        return error.code, error.detail
    return row.tolist()


@given(plain_files() | variants() | changed() | rearranged(), st.sampled_from([SHAPE, (*SHAPE, 3)]))
def test_decode_into_gives_the_pixels_and_errors_of_the_general_decoder(content: bytes, shape: tuple[int, ...]) -> None:
    assert pixels_or_error(content, plain=True, shape=shape) == pixels_or_error(content, plain=False, shape=shape)


@given(plain_files(), st.sampled_from([SHAPE, (*SHAPE, 3)]))
def test_the_fast_decoder_gives_the_pixels_of_pillow(content: bytes, shape: tuple[int, ...]) -> None:
    row = np.full(shape, 77, np.uint8)

    if png.decode_plain_into(row, content):
        image = Image.open(io.BytesIO(content))
        assert row.tolist() == np.asarray(image if len(shape) == len(SHAPE) else image.convert("RGB")).tolist()


def test_the_fast_decoder_accepts_a_plain_image() -> None:
    row = np.zeros(SHAPE, np.uint8)

    assert png.decode_plain_into(row, PLAIN)
    assert (row == NOISE).all()


def test_the_fast_decoder_accepts_plain_images_in_rgb_and_gray_for_a_row_in_colour() -> None:
    colours = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    row = np.zeros((*SHAPE, 3), np.uint8)

    assert png.decode_plain_into(row, images.png(colours))
    assert (row == colours).all()
    assert png.decode_plain_into(row, PLAIN)
    assert (row == NOISE[:, :, np.newaxis]).all()


def other_than_plain() -> dict[str, bytes]:
    header, pixels, end = (chunk(kind, content) for kind, content in chunks_of(PLAIN))
    signature = PLAIN[:8]
    wrong = bytearray(PLAIN)
    wrong[-13] ^= 1
    return {
        "a wrong checksum": bytes(wrong),
        "bytes after the end": PLAIN + b"\0",
        "no end": PLAIN[:-12],
        "a text": signature + header + chunk(b"tEXt", b"k\0v") + pixels + end,
        "a transparent value": signature + header + chunk(b"tRNS", b"\0\1") + pixels + end,
        "another shape": images.png(NOISE.T),
        "colours": images.png(np.stack([NOISE] * 3, axis=-1)),
        "sixteen bits": images.png(NOISE.astype(np.uint16)),
        "nothing": b"",
    }


@pytest.mark.parametrize("name", other_than_plain())
def test_the_fast_decoder_rejects_files_that_are_not_plain(name: str) -> None:
    assert not png.decode_plain_into(np.zeros(SHAPE, np.uint8), other_than_plain()[name])


def test_a_row_that_is_not_contiguous_is_filled() -> None:
    row = np.zeros((SHAPE[0], 2 * SHAPE[1]), np.uint8)[:, ::2]

    decode_into(row, PLAIN, 1000)

    assert (row == NOISE).all()


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT", b"IEND"])
def test_a_wrong_checksum_is_damage_even_if_the_pixels_can_be_decoded(kind: bytes) -> None:
    content = bytearray(encoded(Image.fromarray(NOISE).convert("P")))
    content[content.index(kind) - 4 + 8 + struct.unpack_from(">I", content, content.index(kind) - 4)[0]] ^= 1

    code, detail = pixels_or_error(bytes(content), plain=True)

    assert code == "image_damaged"
    assert f"{kind.decode()} has a wrong checksum" in detail


@pytest.mark.parametrize("image", ["L", "P", "RGBA"])
def test_a_file_truncated_at_any_byte_is_damaged(image: str) -> None:
    content = encoded(Image.fromarray(NOISE).convert(image))

    for length in range(4, len(content)):
        assert pixels_or_error(content[:length], plain=True)[0] == "image_damaged"


def test_bytes_after_the_end_are_ignored() -> None:
    assert pixels_or_error(PLAIN + b"more", plain=True) == NOISE.tolist()


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_an_animation_is_decoded_only_if_it_has_one_frame(frames: int) -> None:
    content = PLAIN[:33] + chunk(b"acTL", struct.pack(">II", frames, 0)) + PLAIN[33:]

    outcome = pixels_or_error(content, plain=True)

    assert outcome == NOISE.tolist() if frames == 1 else outcome[0] == "image_animated"


def test_a_frame_without_an_animation_header_is_an_animation() -> None:
    content = PLAIN[:-12] + chunk(b"fdAT", b"\0\0\0\0more") + PLAIN[-12:]

    assert pixels_or_error(content, plain=True)[0] == "image_animated"

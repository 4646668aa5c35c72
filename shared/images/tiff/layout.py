"""What a TIFF's fields say about its pixels; a combination that is not converted is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Malformed
from shared.images.tiff import directory as tags
from shared.images.tiff.directory import Directory, Order, damaged

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4}
"""The photometric interpretations that are converted, with their numbers of channels."""

OTHER_COLOURS = {
    4: "a transparency mask",
    YCBCR: "YCbCr colours without JPEG compression",
    8: "L*a*b* colours",
    9: "L*a*b* colours",
    10: "L*a*b* colours",
    32803: "a camera's raw data",
    32844: "LogLuv colours",
    32845: "LogLuv colours",
    34892: "a camera's raw data",
}
UNCOMPRESSED, LZW, OLD_JPEG, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD = (
    *(1, 5, 6, 7, 8, 32946, 32773, 34925, 50000),
)
FAX = frozenset({2, 3, 4})
WITH_PREDICTOR = frozenset({LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD})
OF_BYTES = WITH_PREDICTOR | {UNCOMPRESSED}
"""The compressions of bytes, whatever they mean."""

OTHER_COMPRESSIONS = {
    32766: "NeXT",
    32771: "CCITT RLE with words",
    32809: "ThunderScan",
    32909: "PixarLog",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
KINDS = {1: "u", 2: "i", 3: "f"}  # of the field SampleFormat
NAMES = {"u": "integers", "i": "signed integers", "f": "floats"}
NO_PREDICTOR, DIFFERENCES, FLOAT_DIFFERENCES = 1, 2, 3
ASSOCIATED, SEPARATE_ALPHA, COREL_ALPHA = 1, 2, 999  # of the field ExtraSamples; CorelDRAW 10 writes 999
WHOLE = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
MAX_SAMPLES = 64
MAX_CHUNKS = 1 << 18


@dataclass(frozen=True)
class Layout:
    """The places and the meaning of the pixels. A chunk is a strip or a tile.

    kind: u, i or f, as in NumPy; `bits` a sample. alpha: the channel with the transparency. associated: whether the
    colours are multiplied by it. planes: whether each channel has chunks of its own.
    """

    width: int
    height: int
    order: Order
    bits: int
    kind: str
    samples: int
    photometric: int
    alpha: int | None
    associated: bool
    planes: bool
    compression: int
    predictor: int
    bits_reversed: bool
    chunk_height: int
    chunk_width: int
    tiled: bool
    places: NDArray[Any]
    sizes: NDArray[Any] | None
    palette: NDArray[np.uint8] | None

    @property
    def colours(self) -> int:
        """The number of channels without transparency and others."""
        return COLOURS[self.photometric]

    @property
    def stride(self) -> int:
        """The number of samples of a pixel within a chunk."""
        return 1 if self.planes else self.samples

    @property
    def row_bytes(self) -> int:
        """The number of bytes of a chunk's row."""
        return -(-self.chunk_width * self.stride * self.bits // 8)

    @property
    def across(self) -> int:
        """The number of chunks beside each other."""
        return -(-self.width // self.chunk_width)

    @property
    def down(self) -> int:
        """The number of chunks below each other."""
        return -(-self.height // self.chunk_height)

    @property
    def mode(self) -> str:
        """Pillow's mode of the converted pixels."""
        if self.photometric == CMYK:
            return "CMYK"
        alpha = "" if self.alpha is None else "a" if self.associated else "A"  # as Pillow names the two kinds
        return ("RGB" if self.photometric in {RGB, PALETTE} else "L") + alpha


def is_decoded_by_pillow(fields: Directory) -> bool:
    """Return whether the pixels are JPEG or fax, which Pillow decodes; raises `Malformed` for a kind that it does not.

    Of these, each kind that Pillow converts as `docs/data/images.md` says is listed here.
    """
    if fields.nested and fields.first(tags.SUBFILE_TYPE, 0) & tags.REDUCED:
        raise unsupported("only a preview of its image, as of a camera's raw data")
    compression, samples = fields.first(tags.COMPRESSION, UNCOMPRESSED), fields.first(tags.SAMPLES, 1)
    photometric, bits = fields.first(tags.PHOTOMETRIC, -1), set(fields.values(tags.BITS))
    if compression == OLD_JPEG:
        return True
    if compression in FAX:
        if photometric not in {WHITE_IS_ZERO, BLACK_IS_ZERO} or samples != 1 or bits - {1}:
            raise unsupported("fax compression of an image that is not black and white")
    elif compression == JPEG:
        if bits != {8} or (photometric, samples) not in {(BLACK_IS_ZERO, 1), (RGB, 3), (YCBCR, 3)}:
            raise unsupported("JPEG compression of an image that is neither grayscale nor RGB of 8 bits")
        if samples > 1 and fields.first(tags.PLANAR, 1) != 1:
            raise unsupported("JPEG compression of separate planes")
    else:
        return False
    if fields.big and fields.order == ">":
        raise unsupported("JPEG or fax compression in a big-endian BigTIFF")
    return True


def layout_of(fields: Directory) -> Layout:
    """Return the layout of an image with a compression of bytes; raises `Malformed` if it is damaged or unsupported."""
    width, height = fields.first(tags.WIDTH, 0), fields.first(tags.LENGTH, 0)
    if not (width and height):
        raise damaged("it has no height or no width")
    compression = fields.first(tags.COMPRESSION, UNCOMPRESSED)
    if compression not in OF_BYTES:
        raise unsupported(f"the compression {OTHER_COMPRESSIONS.get(compression, compression)}")
    photometric = fields.first(tags.PHOTOMETRIC, -1)
    if photometric == -1:
        raise unsupported("no field that says whether 0 is black or white (PhotometricInterpretation)")
    if photometric not in COLOURS:
        raise unsupported(OTHER_COLOURS.get(photometric, f"colours of an unknown kind ({photometric})"))
    if photometric == CMYK and fields.first(tags.INK_SET, 1) != 1:
        raise unsupported("inks that are not cyan, magenta, yellow and black")
    samples = fields.first(tags.SAMPLES, 1)
    alpha, associated = _alpha(fields, photometric, samples)
    bits, kind = _type(fields, photometric, samples)
    predictor = fields.first(tags.PREDICTOR, NO_PREDICTOR) if compression in WITH_PREDICTOR else NO_PREDICTOR
    if (
        predictor not in {NO_PREDICTOR, DIFFERENCES, FLOAT_DIFFERENCES}
        or (predictor == DIFFERENCES and bits not in WHOLE["u"])
        or (predictor == FLOAT_DIFFERENCES and kind != "f")
    ):
        raise unsupported(f"the predictor {predictor} for {NAMES[kind]} of {bits} bits")
    planar, fill_order = fields.first(tags.PLANAR, 1), fields.first(tags.FILL_ORDER, 1)
    if planar not in {1, 2} or fill_order not in {1, 2}:
        raise damaged("its planes or the order of its bits are invalid")
    tiled = tags.TILE_OFFSETS in fields.fields
    if tiled:
        chunk_width, chunk_height = fields.first(tags.TILE_WIDTH, 0), fields.first(tags.TILE_LENGTH, 0)
    else:
        chunk_width, chunk_height = width, min(fields.first(tags.ROWS_PER_STRIP, height), height)
    if not (chunk_width and chunk_height):
        raise damaged("its tiles or strips have no size")
    planes = planar == 2 and samples > 1
    chunks = -(-width // chunk_width) * -(-height // chunk_height) * (samples if planes else 1)
    if chunks > MAX_CHUNKS:
        raise unsupported(f"{chunks:,} strips or tiles, of at most {MAX_CHUNKS:,},")
    places = fields.fields.get(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS, np.empty(0, "u4"))[:chunks]
    sizes = fields.fields.get(tags.TILE_COUNTS if tiled else tags.STRIP_COUNTS)
    if len(places) < chunks or (len(sizes) < chunks if sizes is not None else compression != UNCOMPRESSED):
        raise damaged("strips or tiles are missing")
    return Layout(
        width=width,
        height=height,
        order=fields.order,
        bits=bits,
        kind=kind,
        samples=samples,
        photometric=photometric,
        alpha=alpha,
        associated=associated,
        planes=planes,
        compression=compression,
        predictor=predictor,
        bits_reversed=fill_order == 2,
        chunk_height=chunk_height,
        chunk_width=chunk_width,
        tiled=tiled,
        places=places,
        sizes=sizes,
        palette=_palette(fields, bits) if photometric == PALETTE else None,
    )


def _alpha(fields: Directory, photometric: int, samples: int) -> tuple[int | None, bool]:
    """Return the channel with the transparency, if there is one, and whether the colours are multiplied by it."""
    extra = samples - COLOURS[photometric]
    if extra < 0:
        raise damaged("it has too few channels for its colours")
    if samples > MAX_SAMPLES:
        raise unsupported(f"{samples} channels")
    kinds = fields.values(tags.EXTRA_SAMPLES)[:extra]
    if len(kinds) < extra:
        raise unsupported("an additional channel without a description of its content (ExtraSamples)")
    for index, kind in enumerate(kinds):
        if kind in {ASSOCIATED, SEPARATE_ALPHA, COREL_ALPHA}:
            if photometric == CMYK or (kind == ASSOCIATED and photometric in {WHITE_IS_ZERO, PALETTE}):
                raise unsupported("colours of this kind with transparency")
            return COLOURS[photometric] + index, kind == ASSOCIATED
        if kind != 0:
            raise unsupported(f"a channel of an unknown kind ({kind})")
    return None, False


def _type(fields: Directory, photometric: int, samples: int) -> tuple[int, str]:
    """Return the number of bits of each sample, and their kind."""
    all_bits = fields.values(tags.BITS)[:samples] or [1]
    forms = fields.values(tags.SAMPLE_FORMAT)[:samples] or [1]
    if len(set(all_bits)) > 1 or len(set(forms)) > 1:
        raise unsupported("channels of different types")
    [bits], [kind] = set(all_bits), {KINDS.get(form, "") for form in forms}
    if not kind:
        raise unsupported("complex or undefined numbers")
    if bits not in WHOLE[kind] and not (kind == "u" and 1 <= bits < 16):
        raise unsupported(f"{NAMES[kind]} of {bits} bits")
    if photometric == PALETTE and (kind != "u" or bits not in {1, 2, 4, 8, 16}):
        raise unsupported(f"a palette with {NAMES[kind]} of {bits} bits")
    return bits, kind


def _palette(fields: Directory, bits: int) -> NDArray[np.uint8]:
    """Return the colours (2^bits, 3); some programs write 8 bits a channel, and not 16."""
    values = fields.fields.get(tags.COLOUR_MAP, np.empty(0, "u2"))
    if len(values) < 3 << bits:
        raise damaged("its palette is missing or too short")
    colours = values[: 3 << bits].reshape(3, -1).T
    return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)


def unsupported(what: str) -> Malformed:
    """Return the error for a kind of file that is not converted."""
    return Malformed(
        "image_unsupported",
        f"the TIFF has {what}, which is not supported; send it as RGB or grayscale of 8 or 16 bits, or as PNG",
    )

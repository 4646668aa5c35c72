"""A corpus of hostile archives, each generated on demand, with its expected response.

The bombs of overlapping entries are D. Fifield's ("A better zip bomb", 2019).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.support.data.archives import special_file, with_central, with_end, with_local, zip_of
from tests.support.data.images import png
from tests.support.data.npz import npy, npy_header, npz
from tests.support.data.tars import BLOCK, END, gzip_of, member, pax, tar_of, zstd_of

MiB = 1024 * 1024
IMAGE = png(np.zeros((4, 4), np.uint8))
ZIP = zip_of({"a.png": IMAGE, "b.png": IMAGE})
TAR = tar_of({"a.png": IMAGE, "b.png": IMAGE})


@dataclass(frozen=True)
class Hostile:
    """An archive, and the status and code of its error response."""

    name: str
    build: Callable[[], bytes]
    status: int
    code: str


def quoted_overlap(count: int, kernel: bytes) -> bytes:
    """Return a zip in which each entry's data contains the header and data of the next entry."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole, data, content = b"", packer.compress(kernel) + packer.flush(), kernel
    entries = list[tuple[bytes, bytes, int]]()
    for number in reversed(range(count)):
        if whole:  # a stored block of deflate, not the last: the header that follows
            header = whole[: len(whole) - len(data)]
            data, content = b"\0" + struct.pack("<HH", len(header), len(header) ^ 0xFFFF) + whole, header + content
        name = b"%06d.png" % number
        entries.append((name, content, len(data)))
        whole = _local_header(name, content, len(data)) + data
    offset, central = 0, b""
    for name, body, packed in reversed(entries):
        central += _central_header(name, body, packed, offset)
        offset += 30 + len(name) + 5
    return whole + central + _end(count, len(central), len(whole))


def full_overlap(count: int, kernel: bytes) -> bytes:
    """Return a zip whose entries all point to the same data."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = packer.compress(kernel) + packer.flush()
    first = _local_header(b"a.png", kernel, len(data)) + data
    central = b"".join(_central_header(b"%06d.png" % number, kernel, len(data), 0) for number in range(count))
    return first + central + _end(count, len(central), len(first))


def _local_header(name: bytes, content: bytes, packed: int) -> bytes:
    crc = zlib.crc32(content)
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, packed, len(content), len(name), 0) + name


def _central_header(name: bytes, content: bytes, packed: int, offset: int) -> bytes:
    sizes = (zlib.crc32(content), packed, len(content))
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, *sizes, len(name), 0, 0, 0, 0, 0, offset) + name


def _end(count: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


def zip_bomb(mebibytes: int, ending: str = ".png") -> bytes:
    """Return a zip of entries of a mebibyte of zeros each, deflated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    content = bytes(MiB)
    data = packer.compress(content) + packer.flush()
    whole, central = b"", b""
    for number in range(mebibytes):
        name = b"%d%s" % (number, ending.encode())
        central += _central_header(name, content, len(data), len(whole))
        whole += _local_header(name, content, len(data)) + data
    return whole + central + _end(mebibytes, len(central), len(whole))


def tar_bomb(pack: Callable[[bytes], bytes], mebibytes: int) -> bytes:
    """Return a compressed tar of one entry of zeros."""
    return pack(member("a.png", size=b"%011o\0" % (mebibytes * MiB))) + pack(bytes(MiB)) * mebibytes


def empties(count: int) -> bytes:
    """Return a zip of `count` empty entries."""
    return zip_of((f"{number:06d}.png", b"") for number in range(count))


def zip64_of(entries: dict[str, bytes]) -> bytes:
    """Return a zip with zip64 fields for every size and a zip64 end record, although none is needed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
    archive_bytes = file.getvalue()
    end = archive_bytes.rindex(b"PK\5\6")
    _, _, _, count, _, _, offset, _ = struct.unpack_from("<4s4H2LH", archive_bytes, end)
    central = b""
    place = offset
    while place < end:
        fields = list(struct.unpack_from("<4s6H3L5H2L", archive_bytes, place))
        raw = archive_bytes[place + 46 : place + 46 + fields[10]]
        place += 46 + fields[10] + fields[11] + fields[12]
        extra = struct.pack("<2H3Q", 1, 24, fields[9], fields[8], fields[16])
        fields[8] = fields[9] = fields[16] = 0xFFFF_FFFF
        fields[11] = len(extra)
        central += struct.pack("<4s6H3L5H2L", *fields) + raw + extra
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(central), offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + len(central), 1)
    plain = struct.pack("<4s4H2LH", b"PK\5\6", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0)
    return archive_bytes[:offset] + central + end64 + locator + plain


def lying_zip64(old: bytes, new: bytes) -> bytes:
    """Return a valid zip64 archive in which a field was changed."""
    honest = zip64_of({"a.png": IMAGE})
    assert old in honest
    return honest.replace(old, new)


def _eight(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _sized(size: int) -> bytes:
    """Return a zip64 archive whose only entry claims this size."""
    honest = zip64_of({"a.png": IMAGE})
    field = struct.pack("<2HQ", 1, 24, len(IMAGE))
    return honest.replace(field, struct.pack("<2HQ", 1, 24, size))


def _image_header(shape: str, descr: str = "|u1") -> bytes:
    return npy_header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}") + bytes(18)


def _zip_link() -> bytes:
    return zip_of([(special_file("a.png", 0o120777), b"/etc/passwd")])


ZIP64_REMAINS = b"PK\6\7" + bytes(12) + b"\2\0\0\0" + b"PK\5\6" + bytes(18)
"""The end of a zip64 archive of two disks, and nothing else."""

CORPUS = [
    # unsupported formats
    Hostile("text", lambda: b"text", 415, "archive_expected"),
    Hostile("rar", lambda: b"Rar!\x1a\7\0" + bytes(99), 415, "archive_expected"),
    Hostile("7z", lambda: b"7z\xbc\xaf\x27\x1c" + bytes(99), 415, "archive_expected"),
    Hostile("xz, damaged", lambda: b"\xfd7zXZ\0" + bytes(99), 422, "archive_damaged"),
    Hostile("gzip of text", lambda: gzip_of(b"text"), 415, "archive_expected"),
    Hostile("gzip of a zip", lambda: gzip_of(ZIP), 415, "archive_expected"),
    Hostile("gzip of a gzip of a tar", lambda: gzip_of(gzip_of(TAR)), 415, "archive_expected"),
    # truncated ends
    Hostile("zip, cut short", lambda: ZIP[:-1], 415, "archive_expected"),
    Hostile("zip, comment cut short", lambda: with_end(ZIP, comment=9), 422, "archive_damaged"),
    Hostile("zip, its middle cut out", lambda: ZIP[:40] + ZIP[-140:], 422, "archive_damaged"),
    Hostile("tar, cut in a file", lambda: TAR[: BLOCK + 20], 422, "archive_damaged"),
    Hostile("tar, cut in a header", lambda: TAR[: 2 * BLOCK + 99], 422, "archive_damaged"),
    Hostile("gz, cut short", lambda: gzip_of(TAR)[:-1], 422, "archive_damaged"),
    Hostile("zst, cut short", lambda: zstd_of(TAR)[:-1], 422, "archive_damaged"),
    Hostile("npy, cut short", lambda: npy(np.zeros((9, 9, 9), np.uint8))[:-1], 422, "npz_header"),
    # bombs
    Hostile("quoted overlap", lambda: quoted_overlap(300, bytes(900_000)), 422, "archive_overlap"),
    Hostile("full overlap", lambda: full_overlap(300, bytes(900_000)), 422, "archive_overlap"),
    Hostile("zip bomb", lambda: zip_bomb(300), 422, "archive_ratio"),
    Hostile("gzip bomb", lambda: tar_bomb(gzip_of, 300), 422, "archive_ratio"),
    Hostile("zstd bomb", lambda: tar_bomb(zstd_of, 300), 422, "archive_ratio"),
    Hostile("zstd window", lambda: zstd_of(TAR, window_log=27), 413, "archive_window_too_large"),
    Hostile("gzip of nothing, often", lambda: gzip_of(b"") * 5000, 422, "archive_damaged"),
    Hostile("npz bomb", lambda: zip_bomb(300, ".npy"), 422, "archive_ratio"),
    Hostile(
        "large zip entry", lambda: with_central(zip_of({"a.png": IMAGE}), entry=0, size=30 * MiB),
        413, "archive_entry_too_large",
    ),
    Hostile("large tar entry", lambda: tar_of({"a.png": bytes(21 * MiB)}), 413, "archive_entry_too_large"),
    Hostile("large image of an array", lambda: npy(np.zeros((1, 4001, 4000), np.uint8)), 413, "npz_too_large"),
    # archives in archives
    Hostile("zip in a zip", lambda: zip_of({"inner.zip": ZIP}), 422, "archive_nested"),
    Hostile("tar.gz in a zip", lambda: zip_of({"inner.tar.gz": gzip_of(TAR)}), 422, "archive_nested"),
    Hostile("zip in a tar", lambda: tar_of({"inner.zip": ZIP}), 422, "archive_nested"),
    # names
    *(
        Hostile(f"{kind} with the name {name!r:.20}", partial(build, {name: b""}), 422, "archive_path")
        for name in ("../a.png", "a/../../b", "/a.png", "C:/a.png", "..\\a.png", "a" * 256)
        for kind, build in (("zip", zip_of), ("tar", tar_of))
    ),
    Hostile("zip with a NUL", lambda: zip_of({"a.png_b": b""}).replace(b"png_b", b"png\0b"), 422, "archive_path"),
    Hostile("tar with a name by pax", lambda: pax({"path": "/a.png"}) + member("a") + END, 422, "archive_path"),
    Hostile("zip with a name twice", lambda: zip_of([("a", b""), ("a", b"")]), 422, "archive_duplicate"),
    Hostile("tar with a name twice", lambda: tar_of([("a", b""), ("a", b"")]), 422, "archive_duplicate"),
    # entries that are not regular files
    Hostile("zip with a link", _zip_link, 422, "archive_empty"),
    Hostile("tar with a symlink", lambda: member("a", kind=b"2") + END, 422, "archive_empty"),
    Hostile("tar with a hard link", lambda: member("a", kind=b"1") + END, 422, "archive_empty"),
    Hostile("tar with a device", lambda: member("a", kind=b"3") + END, 422, "archive_empty"),
    Hostile("tar with the rest of a file", lambda: member("a", kind=b"M") + END, 422, "archive_damaged"),
    Hostile(
        "tar with a sparse map after its end", lambda: member("a", kind=b"S", prefix=bytes(137) + b"\1"), 422,
        "archive_damaged",
    ),
    # false fields
    Hostile("encrypted", lambda: with_central(ZIP, entry=0, flags=1), 422, "archive_encrypted"),
    Hostile("lzma", lambda: zip_of({"a.png": b""}, zipfile.ZIP_LZMA), 422, "archive_method"),
    Hostile("entry after the end", lambda: with_central(ZIP, entry=1, compressed_size=MiB), 422, "archive_damaged"),
    Hostile("entry in another", lambda: with_central(ZIP, entry=1, header_offset=0), 422, "archive_overlap"),
    Hostile("too many entries claimed", lambda: with_end(ZIP, count=3, here=3), 422, "archive_damaged"),
    Hostile("too few entries claimed", lambda: with_end(ZIP, count=1, here=1), 422, "archive_damaged"),
    Hostile("a part of several", lambda: with_end(ZIP, disk=1), 422, "archive_damaged"),
    Hostile("directory after the end", lambda: with_end(ZIP, offset=MiB), 422, "archive_damaged"),
    Hostile("zip64 without its record", lambda: with_end(ZIP, offset=0xFFFF_FFFF), 422, "archive_damaged"),
    Hostile("zip64, huge entry", lambda: _sized(2**64 - 1), 413, "archive_too_large"),
    Hostile("zip64, negative entry", lambda: _sized(2**63), 413, "archive_too_large"),
    Hostile("zip64, large entry", lambda: _sized(30 * MiB), 413, "archive_entry_too_large"),
    Hostile(
        "zip64, two counts",
        lambda: lying_zip64(struct.pack("<2Q", 1, 1), struct.pack("<2Q", 1, 2)), 422, "archive_damaged",
    ),
    Hostile(
        "zip64, another count",
        lambda: lying_zip64(struct.pack("<2Q", 1, 1), struct.pack("<2Q", 2, 2)), 422, "archive_damaged",
    ),
    Hostile(
        "zip64, fields missing",
        lambda: lying_zip64(struct.pack("<2HQ", 1, 24, len(IMAGE)), struct.pack("<2HQ", 2, 24, len(IMAGE))),
        422, "archive_damaged",
    ),
    Hostile("tar, size after the end", lambda: member("a", size=b"%011o\0" % MiB) + END, 422, "archive_damaged"),
    Hostile("tar, huge size", lambda: member("a", size=b"\x80" + b"\xff" * 11) + END, 422, "archive_damaged"),
    Hostile("tar, negative size", lambda: member("a", size=b"\xff" * 12) + END, 422, "archive_damaged"),
    Hostile("tar, wrong checksum", lambda: member("a", checksum=b"000000\0 ") + END, 422, "archive_damaged"),
    Hostile("zip64 record without a directory", lambda: ZIP64_REMAINS, 422, "archive_empty"),
    Hostile("tars joined", lambda: TAR + TAR, 422, "archive_damaged"),
    Hostile("npy, shape too large", lambda: _image_header("(999, 3, 3)"), 422, "npz_header"),
    Hostile("npy, shape absurd", lambda: _image_header(f"({2**62}, 3, 3)"), 422, "npz_header"),
    Hostile("npy, shape negative", lambda: _image_header("(-2, -3, 3)"), 422, "npz_header"),
    Hostile("npy, pickled", lambda: _image_header("(2, 3, 3)", "|O"), 422, "npz_pickled"),
    Hostile("npy, header endless", lambda: b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(99), 422, "npz_header"),
    Hostile("npz, pickled", lambda: zip_of({"x.npy": _image_header("(2, 3, 3)", "|O")}), 422, "npz_pickled"),
    Hostile("npz, no array", lambda: zip_of({"x.npy": b"text"}), 422, "npz_header"),
    Hostile("npz, floats", lambda: npz({"x": np.zeros((2, 3, 3))}), 422, "npz_images"),
    Hostile("npz, labels alone", lambda: npz({"y": np.zeros(3, int), "z": np.zeros(3)}), 422, "npz_array_missing"),
    # empty archives
    Hostile("zip of nothing", lambda: zip_of({}), 422, "archive_empty"),
    Hostile("tar of folders", lambda: member("a/", kind=b"5") + END, 422, "archive_empty"),
    Hostile("npy of nothing", lambda: npy(np.zeros((0, 3, 3), np.uint8)), 422, "npz_empty"),
]  # fmt: skip


@dataclass(frozen=True)
class Lying:
    """An archive that is accepted, and whose first entry alone is refused when it is read."""

    name: str
    build: Callable[[], bytes]


LYING = [
    Lying("content changed", lambda: ZIP.replace(IMAGE, IMAGE[:-1] + b"?", 1)),
    Lying("CRC", lambda: with_central(ZIP, entry=0, crc=1)),
    Lying("CRC, in both headers", lambda: with_local(with_central(ZIP, entry=0, crc=1), entry=0, crc=1)),
    Lying("local CRC", lambda: with_local(ZIP, entry=0, crc=1)),
    Lying("size", lambda: with_central(ZIP, entry=0, size=len(IMAGE) + 1)),
    Lying("local size", lambda: with_local(ZIP, entry=0, size=len(IMAGE) + 1)),
    Lying("packed size", lambda: with_central(ZIP, entry=0, compressed_size=len(IMAGE) - 1)),
    Lying("local packed size", lambda: with_local(ZIP, entry=0, compressed_size=1)),
    Lying("local method", lambda: with_local(ZIP, entry=0, method=8)),
    Lying("method", lambda: with_central(ZIP, entry=0, method=8)),
    Lying("local encryption", lambda: with_local(ZIP, entry=0, flags=1)),
    Lying("patched data", lambda: with_central(ZIP, entry=0, flags=0x20)),
    Lying("local name", lambda: ZIP.replace(b"a.png", b"c.png", 1)),
    Lying("local name's length", lambda: with_local(ZIP, entry=0, name_length=4)),
    Lying("local extra fields over the next entry", lambda: with_local(ZIP, entry=0, extra_length=50)),
    Lying("no local header", lambda: ZIP.replace(b"PK\3\4", b"PK\3\5", 1)),
    Lying("header in the data", lambda: with_central(ZIP, entry=0, header_offset=1, compressed_size=0)),
]

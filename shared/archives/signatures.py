"""What a file is that is not a supported archive, by its first bytes, for error messages."""

from __future__ import annotations

from pathlib import Path

LENGTH = 16

SIGNATURES = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"BZh", "compressed by bzip2"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"PK\x03\x04", "a zip without its end, probably because it was not copied or downloaded completely"),
    (b"\x93NUMPY", "an array (.npy)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"%PDF", "a PDF"),
    (b"MATLAB 5", "a MATLAB file (.mat)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"MSCF", "a CAB archive"),
    (b"MSWIM", "a WIM archive"),
    (b"xar!", "a xar archive"),
    (b"!<arch>", "an ar archive"),
    (b"0707", "a cpio archive"),
    (b"\x1f\x9d", "compressed by compress (.Z)"),
    (b"LZIP", "compressed by lzip"),
    (b"\x5d\0\0", "compressed by lzma (not xz)"),
    (b"\x04\x22\x4d\x18", "compressed by lz4"),
    (b"\xff\xfe", "a text in UTF-16 (save it in UTF-8)"),
    (b"PAR1", "a Parquet file"),
    (b"\0\0\x08\3", "an IDX file of images, without its labels"),
    (b"\0\0\x08\1", "an IDX file of labels, without its images"),
    (b"\x89PNG", "a single image"),
    (b"\xff\xd8\xff", "a single image"),
    (b"GIF8", "a single image"),
    (b"II*\x00", "a single image"),
    (b"MM\x00*", "a single image"),
    (b"BM", "a single image"),
    (b"{", "a JSON text"),
    (b"[", "a JSON text"),
    (b"<", "a text, such as a web page in place of a download"),
)


def refused(path: Path, supported: str) -> str:
    """Return the start of a message: `the file is a RAR archive, not a supported data set`."""
    with path.open("rb") as file:
        start = file.read(LENGTH)
    if not start:
        return f"the file is empty, not {supported}"
    found = next((what for signature, what in SIGNATURES if start.lstrip().startswith(signature)), None)
    return f"the file is not {supported}" if found is None else f"the file is {found}, not {supported}"

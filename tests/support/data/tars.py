"""Tar archives, valid and hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping

from backports import zstd

Entries = Mapping[str, bytes] | Iterable[tuple[str | tarfile.TarInfo, bytes]]

BLOCK = 512
END = bytes(2 * BLOCK)


def tar_of(entries: Entries, form: int = tarfile.GNU_FORMAT, **options: dict[str, str]) -> bytes:
    """Return an archive of these entries, in this order; names may repeat."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, pax_headers=options.get("pax_headers")) as archive:
        for name, content in entries.items() if isinstance(entries, Mapping) else entries:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            if info.isfile():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def member(name: str | bytes, content: bytes = b"", kind: bytes = b"0", **changes: bytes) -> bytes:
    """Return one header with its content, with changed fields `size`, `magic`, `prefix` or `checksum`."""
    header = bytearray(BLOCK)
    raw = name if isinstance(name, bytes) else name.encode()
    fields = {
        "name": (0, raw[:100]),
        "mode": (100, b"0000644\0"),
        "size": (124, b"%011o\0" % len(content)),
        "mtime": (136, b"00000000000\0"),
        "checksum": (148, b" " * 8),
        "kind": (156, kind),
        "magic": (257, b"ustar\00000"),
        "prefix": (345, b""),
    }
    checksum = changes.pop("checksum", None)
    for field, (start, usual) in fields.items():
        value = changes.get(field, usual)
        header[start : start + len(value)] = value
    header[148:156] = b"%06o\0 " % sum(header) if checksum is None else checksum
    return bytes(header) + content + bytes(-len(content) % BLOCK)


def pax(records: Mapping[str, str | bytes], kind: bytes = b"x") -> bytes:
    """Return a pax header with these records for the next entry."""
    return member("PaxHeader", b"".join(pax_record(key, value) for key, value in records.items()), kind)


def pax_record(key: str, value: str | bytes) -> bytes:
    """Return one record, which starts with its own length."""
    rest = b" %s=%s\n" % (key.encode(), value if isinstance(value, bytes) else value.encode())
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return b"%d%s" % (length, rest)


def gzip_of(content: bytes) -> bytes:
    """Return the content, compressed by gzip."""
    return gzip.compress(content, mtime=0)


def zstd_of(content: bytes, window_log: int = 0) -> bytes:
    """Return the content, compressed by Zstandard with its checksum; `window_log` overrides the level's window."""
    options: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
    if window_log:
        options |= {zstd.CompressionParameter.window_log: window_log, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=options)
    return packer.compress(content) + packer.flush()

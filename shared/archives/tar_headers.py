"""The headers of a tar (POSIX pax, GNU and the old form): blocks of 512 bytes, each with a checksum of its own.

Nothing here follows a link, makes a file or believes a number before it has looked at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from shared.errors import Invalid

BLOCK = 512
END = bytes(BLOCK)
FILES, FOLDER = frozenset(b"0\x007"), ord("5")  # kinds; 7 is a file that lies in one piece, as all do here
PAX, PAX_OF_ALL, LONG_NAME, LONG_LINK = b"xgLK"
POSIX_MAGIC = b"ustar\x00"
MAX_RECORDS = 64  # of a pax header
MEANT = (b"path=", b"size=", b"sparse", b"SCHILY.realsize")  # without one of these, a pax header tells nothing of use
REDEFINES = frozenset({b"path", b"size", b"linkpath"})


def damaged(what: str) -> Invalid:
    """The error for a tar whose structure is wrong."""
    return Invalid("archive_damaged", f"the tar archive cannot be read: {what}")


def is_tar(start: bytes) -> bool:
    """Whether a file that starts like this is a tar."""
    return len(start) >= BLOCK and (start[257:262] == b"ustar" or (start[0] != 0 and checksums_agree([start[:BLOCK]])))


def checksums_agree(headers: Sequence[bytes]) -> bool:
    """Whether each header has the sum that it tells; some old writers have summed signed bytes."""
    try:
        told = np.array([number(header[148:156]) for header in headers])
    except Invalid:
        return False
    content = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, BLOCK)
    counted = np.concatenate([content[:, :148], content[:, 156:]], axis=1)
    sums = counted.sum(axis=1, dtype=np.int64) + 8 * ord(" ")
    signed = sums - 256 * (counted > 127).sum(axis=1)
    return bool(((told == sums) | (told == signed)).all())


def number(field: bytes) -> int:
    """A number in octal digits, or where it would be too long for that, in binary (GNU, star)."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    try:
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        pass
    raise damaged("a number in a header is none")


def header_name(header: bytes) -> bytes:
    """The name in the header itself."""
    name = header[:100].partition(b"\0")[0]
    if header.startswith(POSIX_MAGIC, 257) and header[345]:
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def pax_values(content: bytes) -> dict[bytes, bytes]:
    """What a pax header tells of the entry behind it; empty where it tells nothing that matters here."""
    if not any(word in content for word in MEANT):
        return {}
    records = dict(_pax_records(content))
    if any(b"sparse" in key or key == b"SCHILY.realsize" for key in records):
        raise Invalid("archive_special_file", "a sparse file is in the archive; pack it without --sparse")
    return records


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each record is its own length, a space, a key, `=`, a value and a line feed."""
    start = count = 0
    while start < len(content):
        space = content.find(b" ", start, start + 10)
        digits = content[start:space]
        end = start + int(digits) if space > 0 and digits.isdigit() else 0
        equals = content.find(b"=", space, end)
        count += 1
        if equals < 0 or end > len(content) or content[end - 1] != ord("\n") or count > MAX_RECORDS:
            raise damaged("a pax header is wrong")
        yield content[space + 1 : equals], content[equals + 1 : end - 1]
        start = end


def pax_size(values: dict[bytes, bytes], size: int) -> int:
    """An entry's size, which a pax header may tell instead of the entry's own, where it has room for more digits."""
    digits = values.get(b"size")
    if digits is None:
        return size
    if not digits.isdigit() or len(digits) > 20:
        raise damaged("a pax header tells a size that is none")
    return int(digits)

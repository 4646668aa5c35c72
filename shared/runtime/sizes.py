"""Sizes in words."""

from __future__ import annotations


def in_words(nbytes: int) -> str:
    """A size for people: `1.0 GiB`, `512 MiB`, `0 bytes`."""
    size, unit = float(nbytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1023.95:
            break
        size, unit = size / 1024, larger
    return f"{nbytes} bytes" if unit == "bytes" else f"{size:.1f} {unit}"

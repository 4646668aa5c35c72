"""Sizes in bytes as text for people."""

from __future__ import annotations


def in_words(nbytes: int) -> str:
    """Format a size in bytes, for example as `1.0 GiB`, `512.0 MiB` or `0 bytes`."""
    size, unit = float(nbytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1023.95:
            break
        size, unit = size / 1024, larger
    return f"{nbytes} bytes" if unit == "bytes" else f"{size:.1f} {unit}"

"""GIF files (GIF89a): what is decoded of them is the first image, with its palette and transparency."""

from __future__ import annotations

import re

from shared.errors import Malformed
from shared.images.codecs.cost import too_many

HEADER = 13  # bytes before the global palette
EXTENSION, IMAGE, END = b"!"[0], b","[0], b";"[0]
CONTROL = 0xF9  # the label of the extension that marks a colour as transparent
MAX_BLOCKS = 10_000
BLOCK = re.compile(rb"[!,;]")  # what is between two blocks is skipped


def essentials(content: bytes, _max_pixels: int = 0) -> bytes:
    """Return the GIF with its header, its only image and the extension that concerns it.

    Pillow's reader takes a step for each part of comments and others. Raises `Malformed` if the file is cut short or
    has several images.
    """
    place = HEADER + _palette_size(content, 10)
    screen, control, image = (0, place), (0, 0), (0, 0)  # the places of what is kept
    for _ in range(MAX_BLOCKS):
        found = BLOCK.search(content, place)
        if found is None or content[found.start()] == END:
            break
        start = found.start()
        if content[start] == IMAGE:
            if any(image):
                raise Malformed(
                    "image_animated", "the GIF has several frames or pages; send one of them as a separate image"
                )
            data = start + 10 + _palette_size(content, start + 9) + 1
            place = after_parts(content, data)
            image = (start, place)
        else:
            place = after_parts(content, start + 2)
            label, size, flags = content[start + 1 : start + 4].ljust(3, b"\0")
            if label == CONTROL and size >= 4 and flags & 1:  # of several, the last that marks a colour decides
                control = (start, place)
    else:
        raise too_many("extensions", MAX_BLOCKS, "save it again as GIF or PNG")
    if not any(image):
        raise Malformed("image_damaged", "the GIF is damaged or cut short: it has no image")
    parts = [memoryview(content)[start:end] for start, end in (screen, control, image)]
    return b"".join([*parts, bytes((END,))])


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height of the screen; 0 × 0 if the file is cut short."""
    return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")


def after_parts(content: bytes, place: int) -> int:
    """Return the place after a series of parts, each with its size before it; the file's end if it is cut short."""
    size = len(content)
    while place < size and (part := content[place]):
        place += part + 1
    return min(place + 1, size)


def _palette_size(content: bytes, place: int) -> int:
    """Return the number of bytes of the palette that the flags at `place` announce."""
    if place >= len(content):
        raise Malformed("image_damaged", "the GIF is damaged or cut short: it ends within its header")
    flags = content[place]
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0

"""JPEG files (ITU-T T.81): the kind, what its decoder needs of the header, and the cost of its scans."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import Malformed
from shared.images.codecs.cost import refuse_costly, too_many

FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
KINDS = {
    **dict.fromkeys([0xC3, 0xC7, 0xCB, 0xCF], "a lossless JPEG"),
    **dict.fromkeys([0xC5, 0xC6, 0xCD, 0xCE], "a hierarchical JPEG"),
    0xF7: "JPEG-LS",
}
"""The frames that are not decoded."""

START, SCAN, END = b"\xff\xd8", 0xDA, 0xD9
BASELINE = frozenset({0xC0, 0xC1})  # frames with Huffman codes and no passes of refinement
ARITHMETIC = frozenset({0xC9, 0xCA})  # frames with arithmetic coding
TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD})  # Huffman codes, arithmetic coding, quantization, restart interval
JFIF, EXIF, ADOBE = 0xE0, 0xE1, 0xEE
SIGNATURES = {JFIF: b"JFIF", EXIF: b"Exif\0\0", ADOBE: b"Adobe"}
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""A marker that is a segment. The others have no length, and are skipped by the search: a file may have millions."""
NEXT = frozenset(range(0xC0, 0xFF)) - frozenset(range(0xD0, 0xD8))  # markers that are segments
MAX_SEGMENTS = 10_000
BLOCK = 64  # pixels
REMEDY = "save it again as a usual JPEG"


def is_arithmetic(content: bytes) -> bool:
    """Return whether the JPEG has arithmetic coding, whose scans can take many times longer."""
    place = 2
    for _ in range(MAX_SEGMENTS):
        place = _segment_from(content, place)
        if place < 0 or content[place + 1] in FRAMES:
            return place > 0 and content[place + 1] in ARITHMETIC
        place = _after(content, place)
    return False


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height that the first frame states; 0 × 0 if there is none."""
    place = 2
    for _ in range(MAX_SEGMENTS):
        place = _segment_from(content, place)
        if place < 0:
            break
        if content[place + 1] in FRAMES:
            return int.from_bytes(content[place + 7 : place + 9], "big"), int.from_bytes(
                content[place + 5 : place + 7], "big"
            )
        place = _after(content, place)
    return 0, 0


def essentials(content: bytes, max_pixels: int) -> bytes:
    """Return the JPEG with only the segments that determine its image.

    Raises `Malformed` for a whole kind of JPEG that is not decoded, if its segments or its scans are too costly, or if
    it has none.
    """
    kept: list[bytes | memoryview] = [START]
    view = memoryview(content)
    frame = b""
    seen: set[int] = set()
    place = 2
    is_whole = True
    for _ in range(MAX_SEGMENTS):
        start = _segment_from(content, place)
        if start < 0 or content[start + 1] == END:
            raise Malformed("image_damaged", "the JPEG is damaged or cut short: it has no image data")
        is_whole = is_whole and start == place
        marker = content[start + 1]
        if marker == SCAN:
            _refuse_costly_scans(content, start, frame, max_pixels)
            return content if is_whole else b"".join([*kept, view[start:]])
        place = _after(content, start)
        if marker in FRAMES:
            if not frame:
                frame = content[start:place]
                _refuse_unsupported(frame)
        elif marker not in TABLES and not (
            marker in SIGNATURES and content.startswith(SIGNATURES[marker], start + 4) and marker not in seen
        ):
            is_whole = False
            continue
        seen.add(marker)
        kept.append(view[start:place])
    raise too_many("segments", MAX_SEGMENTS, REMEDY)


def _refuse_unsupported(frame: bytes) -> None:
    """Raise `Malformed` for a whole kind of JPEG that is not decoded; `frame` is the segment of its frame."""
    marker, (bits, channels) = frame[1], (frame[4:5] + frame[9:10]).ljust(2, b"\0")
    kind = KINDS.get(marker)
    if kind is None and bits not in {0, 8}:
        kind = f"a JPEG of {bits} bits a channel"
    if kind is None and channels == 2:
        kind = "a JPEG of 2 channels"
    if kind is not None:
        raise Malformed(
            "image_unsupported", f"the file is {kind}, which is not supported; send it as a usual JPEG or as PNG"
        )


def _refuse_costly_scans(content: bytes, place: int, segment: bytes, max_pixels: int) -> None:
    """Raise `Malformed` if the scans from `place` on pass over too many pixels; `segment` is that of the frame.

    libjpeg skips what is not a marker, and reads the segments between two scans by their lengths. If the first scan has
    all channels, and the frame is no progressive one, it reads no other.
    """
    if len(segment) < 10 or (segment[1] in BASELINE and content[place + 4 : place + 5] == segment[9:10]):
        return
    frame = Frame.of(segment)
    scans = pixels = 0
    for _ in range(MAX_SEGMENTS):
        marker = content[place + 1]
        if marker == END:
            break
        if marker == SCAN:
            scans += 1
            count = content[place + 4] if place + 4 < len(content) else 0
            pixels += frame.pixels(content[place + 5 : place + 5 + 2 * count : 2])
        place = _segment_from(content, _after(content, place))
        if place < 0:
            break
    else:
        raise too_many("segments", MAX_SEGMENTS, REMEDY)
    size = f"{frame.width} × {frame.height} pixels"
    refuse_costly(f"the JPEG's {scans:,} scans of {size}", pixels, max_pixels, REMEDY)


@dataclass(frozen=True)
class Frame:
    """The size of a frame, and the sampling of its channels by their numbers."""

    width: int
    height: int
    sampling: dict[int, tuple[int, int]]

    @classmethod
    def of(cls, segment: bytes) -> Frame:
        """Return what the segment of a frame says."""
        height, width = int.from_bytes(segment[5:7], "big"), int.from_bytes(segment[7:9], "big")
        described = (segment[place : place + 2] for place in range(10, len(segment) - 2, 3))
        return cls(width, height, {channel: (factors >> 4, factors & 15) for channel, factors in described})

    def pixels(self, channels: bytes) -> int:
        """Return how many pixels a scan with these channels passes over, padded to whole blocks."""
        across = max((h for h, _ in self.sampling.values()), default=1)
        down = max((v for _, v in self.sampling.values()), default=1)
        units = -(-self.width // (8 * max(1, across))) * -(-self.height // (8 * max(1, down)))
        sampled = (self.sampling.get(channel, (across, down)) for channel in channels)
        return sum(BLOCK * units * h * v for h, v in sampled)


def _segment_from(content: bytes, place: int) -> int:
    """Return the place of the next marker with a segment; -1 if there is none."""
    if content[place : place + 1] == b"\xff" and content[place + 1 : place + 2] and content[place + 1] in NEXT:
        return place
    found = MARKER.search(content, place)
    return -1 if found is None else found.start()


def _after(content: bytes, place: int) -> int:
    """Return the place after the segment whose marker is at `place`."""
    return place + 2 + max(2, int.from_bytes(content[place + 2 : place + 4], "big"))

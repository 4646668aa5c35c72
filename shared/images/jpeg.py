"""The kind of a JPEG, read from its frame's header (ITU-T T.81, B.2.2)."""

from __future__ import annotations

from shared.errors import Malformed

FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
KINDS = {
    **dict.fromkeys([0xC3, 0xC7, 0xCB, 0xCF], "a lossless JPEG"),
    **dict.fromkeys([0xC5, 0xC6, 0xCD, 0xCE], "a hierarchical JPEG"),
    0xF7: "JPEG-LS",
}
"""The frames that are not decoded."""

ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
SCAN, END = 0xDA, 0xD9


def refuse_unsupported(content: bytes) -> bytes:
    """Return the content; raises `Malformed` for a whole kind of JPEG that is not decoded. Finds no damage."""
    place = 2
    while place + 10 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in FRAMES:
            bits, channels = content[place + 4], content[place + 9]
            kind = KINDS.get(marker)
            if kind is None and bits not in {0, 8}:
                kind = f"a JPEG of {bits} bits a channel"
            if kind is None and channels == 2:
                kind = "a JPEG of 2 channels"
            if kind is not None:
                raise Malformed(
                    "image_unsupported",
                    f"the file is {kind}, which is not supported; send it as a usual JPEG or as PNG",
                )
            return content
        if marker in {SCAN, END}:
            return content
        if marker == 0xFF:
            place += 1
        else:
            place += 2 if marker in ALONE else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return content

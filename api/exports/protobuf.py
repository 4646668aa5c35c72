"""Protocol buffers' wire format, as much as writing an ONNX file needs: numbers, texts, and messages in messages.

Source: Protocol Buffers, "Encoding". A message is its fields one after the other. A field begins with a key, its number
and the type of what follows: 0, a varint, or 2, a length in bytes and so many bytes. A varint has seven bits in each
byte, the lowest first, and the eighth says that there is another one.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.exports.parts import Part

VARINT, BYTES = 0, 2


def number(field: int, value: int) -> list[Part]:
    """A field with a whole number, which is not negative."""
    return [_varint(field << 3 | VARINT) + _varint(value)]


def message(field: int, parts: Iterable[Part]) -> list[Part]:
    """A field with a message, or with bytes."""
    parts = list(parts)
    return [_varint(field << 3 | BYTES) + _varint(sum(map(len, parts))), *parts]


def text(field: int, value: str) -> list[Part]:
    """A field with a text."""
    return message(field, [value.encode()])


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

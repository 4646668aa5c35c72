"""The Protocol Buffers wire format, limited to what an ONNX file needs: integers, strings and nested messages.

Source: Protocol Buffers, "Encoding". A message is a sequence of fields. A field starts with a key, which holds its
number and wire type: 0 is a varint; 2 is a length in bytes, then the bytes. A varint holds seven bits per byte, the
lowest first; the eighth bit is set if another byte follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.exports.parts import Part

VARINT, BYTES = 0, 2


def number(field: int, value: int) -> list[Part]:
    """Encode a field with a non-negative integer."""
    return [_varint(field << 3 | VARINT) + _varint(value)]


def message(field: int, parts: Iterable[Part]) -> list[Part]:
    """Encode a field with a message or bytes."""
    parts = list(parts)
    return [_varint(field << 3 | BYTES) + _varint(sum(map(len, parts))), *parts]


def text(field: int, value: str) -> list[Part]:
    """Encode a field with a string."""
    return message(field, [value.encode()])


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

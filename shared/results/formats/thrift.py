"""Apache Thrift's compact protocol, limited to what a Parquet file needs: integers, texts, lists and structs.

Source: Apache Thrift, "Thrift Compact protocol encoding". A struct is a sequence of fields that ends with a zero byte.
A field starts with a byte, which holds the difference to the previous field's number and the value's type. An integer
is a varint in zigzag encoding: seven bits per byte, the lowest first; the eighth bit is set if another byte follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
SHORT_LIST = 15  # lists of fewer elements have their length in the first byte


class Value(NamedTuple):
    """An encoded value and its type."""

    type: int
    content: bytes


def i32(number: int) -> Value:
    """Encode a 32-bit integer."""
    return Value(I32, varint(_zigzag(number)))


def i64(number: int) -> Value:
    """Encode a 64-bit integer."""
    return Value(I64, varint(_zigzag(number)))


def text(content: str) -> Value:
    """Encode a text in UTF-8."""
    encoded = content.encode()
    return Value(BINARY, varint(len(encoded)) + encoded)


def array(values: Sequence[Value]) -> Value:
    """Encode a list of at least one value, all of one type."""
    kind, count = values[0].type, len(values)
    head = bytes([count << 4 | kind]) if count < SHORT_LIST else bytes([0xF0 | kind]) + varint(count)
    return Value(LIST, head + b"".join(value.content for value in values))


def struct(fields: Mapping[int, Value]) -> Value:
    """Encode a struct from its fields by their numbers, which ascend and differ by less than 16."""
    parts: list[bytes] = []
    last = 0
    for number, value in fields.items():
        parts += [bytes([number - last << 4 | value.type]), value.content]
        last = number
    return Value(STRUCT, b"".join(parts) + b"\0")


def varint(value: int) -> bytes:
    """Encode a non-negative integer without zigzag."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1

"""A file's content as a list of parts, so that arrays are neither copied into one buffer nor held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.registry.stored import BLOCK, StoredArray

Block = bytes | memoryview


@dataclass(frozen=True)
class Stream:
    """Bytes that are read or computed whenever they are needed. `blocks` yields them, `length` of them in all."""

    length: int
    blocks: Callable[[], Iterable[Block]]

    def __len__(self) -> int:
        return self.length


Part = Block | Stream


def content_of(array: StoredArray) -> Stream:
    """Return an array's bytes in C order, little-endian, as both formats store them."""
    return Stream(array.nbytes, array.blocks)


def blocks_of(part: Part) -> Iterator[bytes]:
    """Yield a part's bytes in blocks."""
    for block in part.blocks() if isinstance(part, Stream) else (part,):
        for start in range(0, len(block), BLOCK):
            yield bytes(block[start : start + BLOCK])

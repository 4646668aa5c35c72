"""Reads of an object by pieces: each byte is requested once if it is read in order, and little more otherwise."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared.errors import Unavailable
from shared.runtime.settings import KiB, MiB
from shared.storage.objects.bucket import Bucket, StoredObject
from shared.storage.sources.stored import LARGEST_PIECE, LEAST_PIECE, PinnedObject, StoredBytes, coalesced

CONTENT = bytes(range(256)) * (160 * KiB)  # 40 MiB


class FakeBucket:
    """A bucket with one object, which notes the ranges that are read."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def read(self, _: StoredObject, start: int, stop: int) -> bytes:
        self.ranges.append((start, stop))
        return CONTENT[start:stop]

    @property
    def received(self) -> int:
        return sum(stop - start for start, stop in self.ranges)


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


def opened(bucket: FakeBucket, **options: Any) -> StoredBytes:
    return StoredBytes(PinnedObject("bucket", "key", len(CONTENT), '"1"'), cast("Bucket", bucket), **options)


def test_reads_in_order_request_each_byte_once_in_growing_pieces(bucket: FakeBucket) -> None:
    file = opened(bucket)
    for start in range(0, len(CONTENT), 64 * KiB):
        assert file.read_at(start, 64 * KiB, 64 * KiB) == CONTENT[start : start + 64 * KiB]
    assert bucket.received == len(CONTENT)
    assert max(stop - start for start, stop in bucket.ranges) == LARGEST_PIECE
    assert len(bucket.ranges) < 12


def test_reads_far_apart_request_little_more_than_they_need(bucket: FakeBucket) -> None:
    file = opened(bucket)
    for start in [*range(0, len(CONTENT), 10 * MiB), *range(30 * MiB, 0, -10 * MiB)]:
        assert file.read_at(start, 512, 512) == CONTENT[start : start + 512]
    assert bucket.received == 7 * LEAST_PIECE


def test_announced_ranges_are_read_at_once_and_not_beyond_their_end(bucket: FakeBucket) -> None:
    file = opened(bucket)
    file.expect([(100, 3 * MiB), (20 * MiB, 20 * MiB + 10)])
    for start in range(100, 3 * MiB - 1000, 1000):
        assert file.read_at(start, 1000, 256 * KiB)[:1000] == CONTENT[start : start + 1000]
    assert file.read_at(20 * MiB, 10, 256 * KiB) == CONTENT[20 * MiB : 20 * MiB + 10]
    assert bucket.ranges == [(100, 3 * MiB), (20 * MiB, 20 * MiB + 10)]


def test_reads_at_the_end_return_what_is_left(bucket: FakeBucket) -> None:
    assert opened(bucket).read_at(len(CONTENT) - 5, 100, 100) == CONTENT[-5:]
    assert opened(bucket).read_at(len(CONTENT), 100, 100) == b""


def test_reads_after_the_time_limit_are_refused(bucket: FakeBucket) -> None:
    with pytest.raises(Unavailable, match="GLASSBOX_SOURCE_SECONDS"):
        opened(bucket, seconds=-1.0).read_at(0, 10, 10)


def test_close_ranges_are_joined() -> None:
    assert coalesced([(0, 10), (10, 20), (MiB, 2 * MiB), (5 * MiB, 6 * MiB)]) == [(0, 2 * MiB), (5 * MiB, 6 * MiB)]

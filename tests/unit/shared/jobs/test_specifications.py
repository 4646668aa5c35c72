"""The specifications that are pinned when a job is submitted."""

from __future__ import annotations

import pytest

from shared.jobs.specifications import shard_size


@pytest.mark.parametrize(
    ("images", "most", "processes", "expected"),
    [
        (1_000_000, 4096, 1, 4096),  # the maximum
        (10_000, 4096, 0, 625),  # sixteen shards
        (10_001, 4096, 4, 626),  # not a seventeenth shard with one image
        (1000, 4096, 64, 256),  # not smaller than the minimum
        (3, 4096, 1, 256),
        (10_000, 4, 1, 4),  # the setting is not exceeded
        (100_000, 4096, 16, 1563),  # four shards for each process
    ],
)
def test_a_shard_is_smaller_if_the_archive_gives_too_few_shards(
    images: int, most: int, processes: int, expected: int
) -> None:
    assert shard_size(images, most, processes) == expected

"""The specifications that are pinned when a job is submitted."""

from __future__ import annotations

import pytest

from shared.jobs.specifications import shard_size


@pytest.mark.parametrize(
    ("images", "most", "expected"),
    [
        (1_000_000, 4096, 4096),  # the maximum
        (10_000, 4096, 625),  # sixteen shards
        (10_001, 4096, 626),  # not a seventeenth shard with one image
        (1000, 4096, 256),  # not smaller than the minimum
        (3, 4096, 256),
        (10_000, 4, 4),  # the setting is not exceeded
    ],
)
def test_a_shard_is_smaller_if_the_archive_gives_too_few_shards(images: int, most: int, expected: int) -> None:
    assert shard_size(images, most) == expected

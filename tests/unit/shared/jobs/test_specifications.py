"""What is pinned when a job is submitted."""

from __future__ import annotations

import pytest

from shared.jobs.specifications import shard_size


@pytest.mark.parametrize(
    ("images", "most", "expected"),
    [
        (1_000_000, 4096, 4096),  # as large as may be
        (10_000, 4096, 625),  # sixteen shards
        (10_001, 4096, 626),  # no seventeenth with one image
        (1000, 4096, 256),  # no shard smaller than its price
        (3, 4096, 256),
        (10_000, 4, 4),  # what the setting says is not exceeded
    ],
)
def test_a_shard_is_large_but_for_archives_that_would_give_too_few(images: int, most: int, expected: int) -> None:
    assert shard_size(images, most) == expected

"""Sizes in bytes as text for people."""

from __future__ import annotations

import pytest

from shared.runtime.sizes import in_words


@pytest.mark.parametrize(
    ("nbytes", "words"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (256 * 1024, "256.0 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (2**30, "1.0 GiB"),
        (4 * 2**30, "4.0 GiB"),
        (2**50, "1024.0 TiB"),
    ],
)
def test_a_size_has_the_unit_that_fits(nbytes: int, words: str) -> None:
    assert in_words(nbytes) == words

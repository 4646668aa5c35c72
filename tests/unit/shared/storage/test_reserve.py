"""The reserve: it is removed for a change that finds no space, and written again."""

from __future__ import annotations

import pytest

from shared.errors import Conflict, StorageFull
from shared.storage.reserve import SIZES, Reserve
from shared.storage.volume import Volume


def size(volume: Volume) -> int | None:
    return volume.reserve.stat().st_size if volume.reserve.exists() else None


def test_the_reserve_takes_space_that_cannot_be_compressed(volume: Volume) -> None:
    Reserve(volume).keep()

    assert size(volume) == max(SIZES)
    assert len(set(volume.reserve.read_bytes())) == 256


def test_a_reserve_that_is_too_small_is_completed(volume: Volume) -> None:
    volume.root.mkdir()
    volume.reserve.write_bytes(b"small")

    Reserve(volume).keep()

    assert size(volume) == max(SIZES)


def test_a_change_that_finds_space_keeps_the_reserve(volume: Volume) -> None:
    seen = []
    reserve = Reserve(volume)
    reserve.keep()

    reserve.spend(lambda: seen.append(size(volume)))

    assert seen == [max(SIZES)]


def test_a_change_that_finds_no_space_runs_again_without_the_reserve(volume: Volume) -> None:
    seen = []
    reserve = Reserve(volume)
    reserve.keep()

    def change() -> None:
        seen.append(size(volume))
        if volume.reserve.exists():
            raise StorageFull("storage_full", "no space")

    reserve.spend(change)

    assert seen == [max(SIZES), None]
    assert size(volume) == max(SIZES)


@pytest.mark.parametrize("error", [StorageFull("storage_full", "no space"), Conflict("version_in_use", "an alias")])
def test_an_error_of_the_change_is_raised(volume: Volume, error: Exception) -> None:
    def change() -> None:
        raise error

    with pytest.raises(type(error)):
        Reserve(volume).spend(change)

"""A training's checkpoints on the volume."""

from __future__ import annotations

import tracemalloc
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from shared.registry.checkpoints import Checkpoints, State
from tests.support.data.files import files_below
from tests.support.programs.forks import dies_before_change


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def state(number: int) -> State:
    return {"layer1.weights": np.arange(number, dtype=np.float32), "text": np.array("configuration")}


def number_of(loaded: State | None) -> int:
    assert loaded is not None
    return len(loaded["layer1.weights"])


def test_a_job_without_checkpoints_has_none(checkpoints: Checkpoints) -> None:
    assert checkpoints.load() == (None, [])


def test_a_state_is_loaded_bit_for_bit(checkpoints: Checkpoints) -> None:
    saved = {"x": np.array([0.1, -0.0, 1e-300]), "n": np.array([2**64 - 1], np.uint64), "t": np.array("ü")}
    checkpoints.save(saved, 1)

    loaded, _ = checkpoints.load()

    assert loaded is not None
    assert loaded.keys() == saved.keys()
    for name, array in saved.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].tobytes() == array.tobytes()


def test_the_newest_checkpoint_is_loaded(checkpoints: Checkpoints) -> None:
    for steps in (9, 10, 100):
        checkpoints.save(state(steps), steps)

    assert number_of(checkpoints.load()[0]) == 100


def test_two_checkpoints_are_kept(checkpoints: Checkpoints, tmp_path: Path) -> None:
    for steps in range(1, 6):
        checkpoints.save(state(steps), steps)

    assert files_below(tmp_path) == [
        "checkpoints/000000000004.checkpoint",
        "checkpoints/000000000005.checkpoint",
    ]


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "flipped bit":
        content[len(content) // 2] ^= 1
    elif how == "flipped bit in the digest":
        content[0] ^= 1
    kept = {"torn": len(content) - 1, "torn in the digest": 9, "empty": 0}.get(how, len(content))
    path.write_bytes(content[:kept])


@pytest.mark.parametrize("how", ["flipped bit", "flipped bit in the digest", "torn", "torn in the digest", "empty"])
def test_a_damaged_checkpoint_is_skipped_for_the_previous_one_and_named(
    checkpoints: Checkpoints, tmp_path: Path, how: str
) -> None:
    checkpoints.save(state(1), 1)
    checkpoints.save(state(2), 2)
    damage(tmp_path / "checkpoints" / "000000000002.checkpoint", how)

    loaded, damaged = checkpoints.load()

    assert number_of(loaded) == 1
    assert damaged == ["000000000002.checkpoint"]


def test_no_state_is_loaded_if_all_checkpoints_are_damaged(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(state(1), 1)
    checkpoints.save(state(2), 2)
    for path in (tmp_path / "checkpoints").iterdir():
        damage(path, "flipped bit")

    assert checkpoints.load() == (None, ["000000000002.checkpoint", "000000000001.checkpoint"])


def test_a_crash_during_a_save_leaves_the_previous_or_the_new_checkpoint_intact(tmp_path: Path) -> None:
    for change in count(1):
        checkpoints = Checkpoints(tmp_path / str(change))
        checkpoints.save(state(1), 1)
        checkpoints.save(state(2), 2)
        died = dies_before_change(change, partial(checkpoints.save, state(3), 3))

        loaded, damaged = checkpoints.load()

        assert number_of(loaded) in {2, 3}
        assert damaged == []
        if not died:
            break
    assert change > 2


def test_clear_removes_all_checkpoints(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(state(1), 1)
    checkpoints.clear()

    assert list(tmp_path.iterdir()) == []
    assert checkpoints.load() == (None, [])


def test_a_checkpoint_is_written_and_read_without_a_copy_in_memory(checkpoints: Checkpoints) -> None:
    large = {"weights": np.zeros(10_000_000), "slots": np.ones(10_000_000)}
    nbytes = sum(array.nbytes for array in large.values())

    tracemalloc.start()
    try:
        checkpoints.save(large, 1)
        saving = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        checkpoints.load()
        loading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert saving < nbytes / 3
    assert loading < 1.3 * nbytes

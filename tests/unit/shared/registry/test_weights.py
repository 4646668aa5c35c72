"""A version whose file is not what was published: found, refused, and listed without reading it each time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shared.errors import Damaged
from shared.registry import ModelVersion, Registry
from shared.storage import durable
from shared.storage.volume import Volume
from tests.support.objects.models import publish


@pytest.fixture
def version(registry: Registry) -> ModelVersion:
    return publish(registry)


@pytest.fixture
def weights(version: ModelVersion, volume: Volume) -> Path:
    return volume.version("toy", version.version) / "weights.npz"


def flip_a_bit(path: Path, *, unnoticed: bool = False) -> None:
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if unnoticed:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_version_as_it_was_published_is_not_damaged(registry: Registry, version: ModelVersion) -> None:
    assert not registry.is_damaged(version)


def test_a_flipped_bit_is_damage(registry: Registry, version: ModelVersion, weights: Path) -> None:
    flip_a_bit(weights)

    assert registry.is_damaged(version)


def test_damage_after_the_first_look_is_seen(registry: Registry, version: ModelVersion, weights: Path) -> None:
    registry.is_damaged(version)
    weights.write_bytes(weights.read_bytes()[:-1])

    assert registry.is_damaged(version)


def test_weights_that_are_gone_are_damage(registry: Registry, version: ModelVersion, weights: Path) -> None:
    registry.is_damaged(version)
    weights.unlink()

    assert registry.is_damaged(version)


def test_a_file_that_was_restored_is_whole_again(registry: Registry, version: ModelVersion, weights: Path) -> None:
    content = weights.read_bytes()
    weights.write_bytes(b"damaged")
    assert registry.is_damaged(version)

    weights.write_bytes(content)

    assert not registry.is_damaged(version)


def test_an_unchanged_file_is_read_once(
    registry: Registry, version: ModelVersion, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.is_damaged(version)
    monkeypatch.setattr(durable, "sha256_of", lambda _: pytest.fail("it was read again"))

    assert not registry.is_damaged(version)


def test_bits_that_change_by_themselves_are_met_when_the_version_is_loaded_and_listed_from_then_on(
    registry: Registry, version: ModelVersion, weights: Path
) -> None:
    registry.is_damaged(version)
    flip_a_bit(weights, unnoticed=True)

    with pytest.raises(Damaged):
        registry.load(version)

    assert registry.is_damaged(version)


def test_an_error_right_after_the_commit_leaves_a_version_that_is_whole(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is linked, and the `fsync` of its folder fails: the job is tried again, and finds it published."""
    fsync_folder = durable.fsync_folder

    def fails_for_commits(folder: Path) -> None:
        if folder.name == "by-job" and list(folder.glob("[!.]*")):
            raise OSError(errno.EIO, "the disk is tired")
        fsync_folder(folder)

    monkeypatch.setattr(durable, "fsync_folder", fails_for_commits)
    with pytest.raises(OSError, match="tired"):
        publish(registry)
    monkeypatch.undo()

    version = publish(registry)

    assert [found.version for found in registry.versions("toy")] == [version.version]
    assert registry.load(version)

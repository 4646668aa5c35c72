"""A damaged version is detected, refused, and listed without reading its file each time."""

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


def flip_a_bit(path: Path, *, keep_time: bool = False) -> None:
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_unchanged_version_is_not_damaged(registry: Registry, version: ModelVersion) -> None:
    assert not registry.is_damaged(version)


def test_a_flipped_bit_is_damage(registry: Registry, version: ModelVersion, weights: Path) -> None:
    flip_a_bit(weights)

    assert registry.is_damaged(version)


def test_damage_after_the_first_check_is_detected(registry: Registry, version: ModelVersion, weights: Path) -> None:
    registry.is_damaged(version)
    weights.write_bytes(weights.read_bytes()[:-1])

    assert registry.is_damaged(version)


def test_missing_weights_are_damage(registry: Registry, version: ModelVersion, weights: Path) -> None:
    registry.is_damaged(version)
    weights.unlink()

    assert registry.is_damaged(version)


def test_a_restored_file_is_not_damaged(registry: Registry, version: ModelVersion, weights: Path) -> None:
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


def test_bits_that_changed_without_a_write_are_detected_by_a_load_and_listed_afterwards(
    registry: Registry, version: ModelVersion, weights: Path
) -> None:
    registry.is_damaged(version)
    flip_a_bit(weights, keep_time=True)

    with pytest.raises(Damaged):
        registry.load(version)

    assert registry.is_damaged(version)


def test_an_error_after_the_commit_leaves_a_complete_version(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is linked, then the `fsync` of its folder fails; the retried job finds its version published."""
    fsync_folder = durable.fsync_folder

    def fails_for_commits(folder: Path) -> None:
        if folder.name == "by-job" and list(folder.glob("[!.]*")):
            raise OSError(errno.EIO, "the disk failed")
        fsync_folder(folder)

    monkeypatch.setattr(durable, "fsync_folder", fails_for_commits)
    with pytest.raises(OSError, match="failed"):
        publish(registry)
    monkeypatch.undo()

    version = publish(registry)

    assert [found.version for found in registry.versions("toy")] == [version.version]
    assert registry.load(version)

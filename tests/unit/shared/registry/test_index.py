"""The index of a model's versions: lists read it in place of the manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.registry import Registry
from shared.storage.volume import Volume
from tests.support.objects.models import publish


@pytest.fixture
def manifests_read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The manifests that this process reads."""
    paths: list[Path] = []
    read = Path.read_bytes

    def read_bytes(path: Path, *arguments: Any) -> bytes:
        if path.name == "manifest.json":
            paths.append(path)
        return read(path, *arguments)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return paths


def numbers(registry: Registry, model: str = "toy") -> list[int]:
    return [head.version for head in registry.heads(model)]


def publish_some(registry: Registry, count: int = 5) -> None:
    for number in range(count):
        publish(registry, job=f"job-{number}", dataset=f"sha256:{number:064d}")


def test_a_list_in_a_new_process_reads_no_manifest(
    registry: Registry, volume: Volume, manifests_read: list[Path]
) -> None:
    publish_some(registry)
    manifests_read.clear()
    another = Registry(volume)

    assert numbers(another) == [5, 4, 3, 2, 1]
    assert another.models() == ["toy"]
    assert another.number("toy") == 5
    assert another.trained_on(f"sha256:{3:064d}") == ["toy@4"]
    assert [head.weights for head in another.heads("toy")] == [
        another.get("toy", str(n)).weights for n in range(5, 0, -1)
    ]
    assert len(manifests_read) == 5  # those of `get`


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"versions": [1]}', b'{"versions": [{"format": 1}]}'])
def test_a_missing_or_damaged_index_changes_no_list(registry: Registry, volume: Volume, content: bytes | None) -> None:
    publish_some(registry)
    if content is None:
        volume.version_index("toy").unlink()
    else:
        volume.version_index("toy").write_bytes(content)

    assert numbers(Registry(volume)) == [5, 4, 3, 2, 1]


def test_a_version_that_the_index_lacks_is_listed(registry: Registry, volume: Volume) -> None:
    publish_some(registry, 2)
    old = volume.version_index("toy").read_bytes()
    publish(registry, job="another")
    volume.version_index("toy").write_bytes(old)

    assert numbers(Registry(volume)) == [3, 2, 1]


def test_the_next_publication_completes_the_index(
    registry: Registry, volume: Volume, manifests_read: list[Path]
) -> None:
    publish_some(registry, 3)
    volume.version_index("toy").unlink()  # as after an upgrade from a release without indices
    publish(Registry(volume), job="another")
    manifests_read.clear()

    assert numbers(Registry(volume)) == [4, 3, 2, 1]
    assert manifests_read == []


def test_a_deleted_version_in_the_index_is_not_listed(registry: Registry, volume: Volume) -> None:
    publish_some(registry, 3)
    registry.delete("toy", "2")

    assert numbers(Registry(volume)) == [3, 1]


def test_a_version_of_a_newer_format_is_read_from_its_manifest(registry: Registry, volume: Volume) -> None:
    publish_some(registry, 2)
    index = volume.version_index("toy")
    index.write_bytes(index.read_bytes().replace(b'"format":1', b'"format":99'))
    manifest = volume.version("toy", 2) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"classes"', b'"kinds"'))

    assert numbers(Registry(volume)) == [1]


def test_a_list_sees_the_publications_of_other_processes(registry: Registry, volume: Volume) -> None:
    publish_some(registry, 2)
    assert numbers(registry) == [2, 1]

    publish(Registry(volume), job="another")

    assert numbers(registry) == [3, 2, 1]

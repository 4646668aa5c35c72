"""Long histories and large evaluations: in files of their own, with small manifests."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from shared.errors import Damaged
from shared.json_types import JsonObject
from shared.registry import Registry
from shared.registry.details import HISTORY, SUMMARY
from shared.registry.manifest import VersionDraft
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.models import a_draft, a_prediction_for_each, publish, tiny_parameters

EPOCHS = 5000


def a_history(epochs: int) -> list[JsonObject]:
    return [
        {"epoch": epoch, "train_loss": 1 / epoch, "dead_units": [0.0] * (epoch % 3)} for epoch in range(1, epochs + 1)
    ]


def an_evaluation(classes: int) -> dict[str, Any]:
    return {
        "samples": classes,
        "loss": 0.5,
        "accuracy": 1.0,
        "top": {"1": 1.0},
        "classes": [{"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}] * classes,
        "confusion": [[int(row == column) for column in range(classes)] for row in range(classes)],
        "calibration": {"expected_error": 0.0, "bins": []},
    }


def test_a_long_history_has_a_file_and_its_manifest_a_summary(registry: Registry, volume: Volume) -> None:
    version = publish(registry, history=a_history(EPOCHS))

    assert (volume.version("toy", 1) / "manifest.json").stat().st_size < 60_000
    epochs = [report["epoch"] for report in version.history]
    assert (len(epochs), epochs[0], epochs[-1]) == (SUMMARY, 1, EPOCHS)
    assert max(later - earlier for earlier, later in itertools.pairwise(epochs)) <= EPOCHS // SUMMARY + 1
    assert version.epochs_trained == EPOCHS


@pytest.mark.parametrize("epochs", [3, SUMMARY, SUMMARY + 1, EPOCHS])
def test_a_history_is_read_in_pages(registry: Registry, epochs: int) -> None:
    history = a_history(epochs)
    version = publish(registry, history=history)

    pages = [registry.history(version, first, 700) for first in range(1, epochs + 1, 700)]

    assert [report for page in pages for report in page] == history
    assert registry.history(version, epochs + 1, 10) == []
    assert registry.history(version, 2, 1) == history[1:2]


def test_a_short_history_and_a_small_evaluation_are_in_the_manifest_alone(registry: Registry, volume: Volume) -> None:
    version = publish(registry, history=a_history(3), evaluation=an_evaluation(10))

    assert files_below(volume.version("toy", 1)) == ["manifest.json", "weights.npz"]
    assert registry.evaluation(version) == an_evaluation(10)


def test_a_large_evaluation_has_a_file(registry: Registry, volume: Volume) -> None:
    version = publish(registry, evaluation=an_evaluation(300))

    assert files_below(volume.version("toy", 1)) == ["evaluation.json", "manifest.json", "weights.npz"]
    assert (volume.version("toy", 1) / "manifest.json").stat().st_size < 20_000
    assert registry.evaluation(version) == an_evaluation(300)


def test_a_manifest_of_an_older_release_with_everything_inside_is_readable(registry: Registry, volume: Volume) -> None:
    publish(registry)
    path = volume.version("toy", 1) / "manifest.json"
    older = json.loads(path.read_bytes())
    for name in ("epochs", "files"):
        del older[name]
    path.write_text(json.dumps({**older, "history": a_history(1000), "evaluation": an_evaluation(300)}))

    version = Registry(volume).get("toy")

    assert version.epochs_trained == 1000
    assert registry.history(version, 991, 100) == a_history(1000)[990:]
    assert registry.evaluation(version) == an_evaluation(300)


def test_a_changed_file_is_refused(registry: Registry, volume: Volume) -> None:
    version = publish(registry, history=a_history(EPOCHS))
    path = volume.version("toy", 1) / HISTORY
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)

    with pytest.raises(Damaged, match=r"history\.jsonl of toy@1 has changed"):
        registry.history(version, 1, 10)


def test_a_deletion_removes_the_files(registry: Registry, volume: Volume) -> None:
    predictions = a_prediction_for_each((0, 1, 0.5))
    publish(registry, history=a_history(EPOCHS), evaluation=an_evaluation(300), predictions=predictions)
    assert len(files_below(volume.version("toy", 1))) == 5

    registry.delete("toy", "1")

    assert files_below(volume.version("toy", 1)) == ["manifest.json"]


def test_an_unconfirmed_publication_leaves_no_files(registry: Registry, volume: Volume) -> None:
    def refuse() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        registry.publish(draft_with(EPOCHS), tiny_parameters(), volume.job("job-1"), refuse)

    assert files_below(volume.version("toy", 1)) == ["manifest.json"]


def draft_with(epochs: int) -> VersionDraft:
    return a_draft(history=tuple(a_history(epochs)))

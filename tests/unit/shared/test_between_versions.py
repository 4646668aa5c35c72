"""Data that a newer version of the code has written must not break an older one after a rollback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from shared.errors import Damaged, Invalid, NotFound
from shared.jobs import JobStore, keys
from shared.jobs.files import JobFiles
from shared.jobs.specifications import BatchSpecification, TrainingSpecification
from shared.jobs.view import job_document
from shared.network import Configuration, ConfigurationError
from shared.registry import Registry
from shared.registry.classifier import Classifier
from shared.results.shard import read_header
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.volume import Volume
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_training
from tests.support.objects.models import publish, tiny_configuration

TRAINING = TrainingSpecification(model="toy", dataset="sha256:0", configuration={})


def add_to_json(path: Path, **fields: Any) -> None:
    durable.write_json(path, {**json.loads(path.read_bytes()), **fields})


def test_a_record_with_an_unknown_field_is_read(jobs: JobStore, redis: Redis) -> None:
    job = a_training()
    jobs.create(job)
    redis.hset(keys.job(job.id), "region", "north")

    assert jobs.get(job.id).id == job.id


def test_unknown_fields_of_a_records_results_are_kept_and_shown(jobs: JobStore, redis: Redis) -> None:
    job = a_training()
    jobs.create(job)
    written: dict[str, dict[str, Any]] = {
        "metrics": {"train_loss": "of another type", "gradient_norm": 0.5},
        "result": {"model": "toy", "version": 1, "carbon": {"grams": 3}},
        "error": {"code": "new"},
        "request": {"dataset": "digits", "class_weights": [1, 2]},
        "specification": {"unknown": None},
    }
    redis.hset(keys.job(job.id), mapping={name: json.dumps(value) for name, value in written.items()})

    read = jobs.get(job.id)
    shown = job_document(read)

    assert {name: json.loads(read.to_hash()[name]) for name in written} == written
    assert (shown["metrics"], shown["result"], shown["request"]) == (
        written["metrics"],
        written["result"],
        written["request"],
    )


def test_a_specification_of_another_version_can_be_shown() -> None:
    described = BatchSpecification.described_by({"model": "toy", "version": 2, "top_k": 3, "tiles": 4})

    assert (described.model, described.version, described.top_k, described.passed_over) == ("toy", 2, 3, 0)


def test_a_record_of_an_unknown_kind_is_skipped_in_lists(jobs: JobStore, redis: Redis) -> None:
    known, sweep = a_training(), a_training()
    for job in (known, sweep):
        jobs.create(job)
    redis.hset(keys.job(sweep.id), "kind", "sweep")
    redis.zadd(keys.DUE, {known.id: 1, sweep.id: 1})

    assert [job.id for job in jobs.due()] == [known.id]
    assert [job.id for job in jobs.newest_first()] == [known.id]


def test_reading_a_record_of_an_unknown_state_raises_damaged(jobs: JobStore, redis: Redis) -> None:
    job = a_training()
    jobs.create(job)
    redis.hset(keys.job(job.id), "state", "paused")

    with pytest.raises(Damaged, match="a newer version of Glassbox") as refused:
        jobs.get(job.id)
    assert refused.value.code == "record_unreadable"


def test_a_retry_keeps_the_jobs_fields_of_a_newer_version(volume: Volume) -> None:
    job, files = a_training(), JobFiles(volume)
    files.begin(job)
    add_to_json(volume.specification(job.id), region="north")

    files.reopen(job.model_copy(update={"retries": 1}))

    kept = json.loads(volume.specification(job.id).read_bytes())
    assert (kept["region"], kept["retries"]) == ("north", 1)


def test_a_specification_omits_defaults() -> None:
    assert TRAINING.pinned() == {"model": "toy", "dataset": "sha256:0", "configuration": {}}
    assert TrainingSpecification.of(TRAINING.pinned()) == TRAINING


@pytest.mark.parametrize("kind", [TrainingSpecification, BatchSpecification])
def test_a_specification_with_an_unknown_field_is_refused(
    kind: type[TrainingSpecification | BatchSpecification],
) -> None:
    with pytest.raises(Invalid, match="class_weights") as refused:
        kind.of({**TRAINING.pinned(), "class_weights": [1, 2]})
    assert refused.value.code == "specification_unknown"


@pytest.mark.parametrize("off", [None, False, 0, []])
def test_a_disabled_setting_of_a_newer_network_is_ignored(off: object) -> None:
    configuration = tiny_configuration()

    assert Configuration.from_dict({**configuration.to_dict(), "lookahead": off}) == configuration


def test_an_enabled_setting_of_a_newer_network_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lookahead is not a setting"):
        Configuration.from_dict({**tiny_configuration().to_dict(), "lookahead": 0.5})


def test_an_unsupported_job_fails_at_once_and_can_be_retried(settings: Settings) -> None:
    bench = WorkBench(settings)
    job = bench.a_training()
    pinned = {**job.specification, "configuration": {**job.specification["configuration"], "lookahead": 0.5}}
    bench.redis.hset(keys.job(job.id), "specification", json.dumps(pinned))

    ended = bench.run(job, bench.training())

    assert ended.error is not None
    assert (ended.state, ended.error["code"], ended.failures) == ("failed", "specification_unknown", 0)
    assert bench.jobs.retry(job.id) == "queued"


def test_a_manifest_with_an_unknown_field_is_read(registry: Registry, volume: Volume) -> None:
    publish(registry)
    add_to_json(volume.version("toy", 1) / "manifest.json", licence="MIT")

    assert registry.get("toy").version == 1


UNREADABLE = ({"image_shape": [6, 6, 4]}, {"image_shape": [2, 6, 6, 3]}, {"classes": {"0": "zero"}}, {"weights": None})


@pytest.mark.parametrize("fields", UNREADABLE)
class TestManifestOfANewerVersion:
    """The newest of two versions has a manifest that this version of the code cannot read."""

    @pytest.fixture(autouse=True)
    def newest(self, registry: Registry, volume: Volume, fields: dict[str, Any]) -> Path:
        for job in ("job-1", "job-2"):
            publish(registry, job=job)
        path = volume.version("toy", 2) / "manifest.json"
        add_to_json(path, **fields)
        return path

    def test_lists_and_latest_skip_it(self, volume: Volume) -> None:
        registry = Registry(volume)

        assert registry.models() == ["toy"]
        assert [version.version for version in registry.versions("toy")] == [1]
        assert [name for name, _ in registry.each()] == ["toy"]
        assert registry.get("toy").version == registry.number("toy", "latest") == 1
        assert registry.resolve("toy").version == 1

    def test_a_request_for_it_names_it_and_says_what_to_do(self, volume: Volume) -> None:
        registry = Registry(volume)
        registry.point("toy", "champion", 2)

        for reference in ("2", "champion"):
            with pytest.raises(Damaged, match=r"toy@2 cannot be read .*upgrade Glassbox") as refused:
                registry.get("toy", reference)
            assert refused.value.code == "version_unreadable"

    def test_lists_skip_a_model_without_a_readable_version(self, volume: Volume) -> None:
        registry = Registry(volume)
        publish(registry, "other", job="job-3")
        registry.delete("toy", "1")

        assert [name for name, _ in registry.each()] == ["other"]
        with pytest.raises(Damaged, match="toy@2"):
            registry.get("toy")

    def test_its_number_is_not_used_again_and_a_readable_version_becomes_the_latest(self, volume: Volume) -> None:
        registry = Registry(volume)

        assert publish(registry, job="job-3").version == 3
        assert registry.number("toy") == 3
        assert [version.version for version in registry.versions("toy")] == [3, 1]

    def test_its_data_set_is_in_use(self, volume: Volume) -> None:
        assert Registry(volume).trained_on("sha256:" + "0" * 64) == ["toy@2", "toy@1"]

    def test_it_can_be_deleted_and_keeps_its_fields(self, volume: Volume, newest: Path, fields: dict[str, Any]) -> None:
        registry = Registry(volume)

        registry.delete("toy", "2")

        assert registry.number("toy") == 1
        assert not (newest.parent / "weights.npz").exists()
        assert json.loads(newest.read_bytes()) | fields == json.loads(newest.read_bytes())


def test_a_manifest_that_is_not_json_is_skipped_and_can_be_deleted(registry: Registry, volume: Volume) -> None:
    for job in ("job-1", "job-2"):
        publish(registry, job=job)
    (volume.version("toy", 2) / "manifest.json").write_bytes(b'{"model": "toy", "ver')
    other = Registry(volume)

    assert [version.version for version in other.versions("toy")] == [1]
    assert other.number("toy") == 1
    other.delete("toy", "2")
    with pytest.raises(NotFound, match="deleted"):
        other.get("toy", "2")


def test_a_version_with_an_unsupported_network_is_refused_by_name(registry: Registry) -> None:
    version = publish(registry, configuration={**tiny_configuration().to_dict(), "lookahead": 0.5})

    with pytest.raises(Damaged, match=r"toy@1: lookahead .*upgrade Glassbox") as refused:
        Classifier.load(registry, version)
    assert refused.value.code == "version_unreadable"


def test_a_moved_alias_keeps_the_models_fields_of_a_newer_version(registry: Registry, volume: Volume) -> None:
    publish(registry)
    registry.point("toy", "champion", 1)
    publish(registry, job="job-2")
    add_to_json(volume.states("toy") / "1", owner="lab")

    Registry(volume).point("toy", "champion", 2)

    assert json.loads((volume.states("toy") / "2").read_bytes())["owner"] == "lab"


def test_a_shard_with_unknown_header_fields_is_read(tmp_path: Path) -> None:
    path = tmp_path / "000000.0.jsonl"
    path.write_bytes(b'{"rows": 1, "errors": 0, "rows_bytes": 3, "longest_path": 1, "seconds": 0.5}\n{}\n')

    assert read_header(path).rows == 1

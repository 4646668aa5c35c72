"""The model registry: versions count up from 1, each job publishes at most one, and publication is atomic."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from shared.errors import Damaged, NotFound
from shared.registry import ModelVersion, Registry
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.models import publish, tiny_parameters
from tests.support.programs.forks import dies_before_change, together


class TestPublishing:
    def test_versions_count_up_from_one(self, registry: Registry) -> None:
        versions = [publish(registry, job=f"job-{number}").version for number in range(3)]

        assert versions == [1, 2, 3]

    def test_each_model_has_its_own_numbers(self, registry: Registry) -> None:
        publish(registry, "one", job="a")

        assert publish(registry, "other", job="b").version == 1

    def test_a_version_is_published_once_per_job(self, registry: Registry, volume: Volume) -> None:
        first = publish(registry, job="job-1")
        files = files_below(volume.root)

        again = publish(registry, job="job-1", metrics={"test_accuracy": 0.1})

        assert again == first
        assert files_below(volume.root) == files

    def test_a_version_has_the_published_fields(self, registry: Registry) -> None:
        version = publish(registry, job="job-1", seed=7, metrics={"test_accuracy": 0.5})

        assert registry.get("toy") == version
        assert (version.job, version.seed, version.metrics) == ("job-1", 7, {"test_accuracy": 0.5})

    def test_a_manifest_has_its_fields_in_the_order_of_all_versions(self, registry: Registry, volume: Volume) -> None:
        publish(registry)

        text = (volume.version("toy", 1) / "manifest.json").read_text()

        assert list(json.loads(text)) == [
            "model", "version", "job", "dataset", "configuration", "seed", "blas_threads", "environment",
            "image_shape", "standardization", "brightness", "classes", "parameters", "metrics", "history", "evaluation",
            "selection", "accuracy_interval", "baselines", "diagnosis", "weights", "created_at", "epochs", "files",
        ]  # fmt: skip
        assert json.loads(text)["evaluation"] == {}

    def test_loaded_weights_have_the_published_bits(self, registry: Registry) -> None:
        loaded = registry.load(publish(registry))

        assert loaded.keys() == tiny_parameters().keys()
        for name, array in tiny_parameters().items():
            assert loaded[name].dtype == array.dtype
            assert np.array_equal(loaded[name], array)

    def test_weights_are_a_plain_npz_with_the_manifests_size_and_digest(
        self, registry: Registry, volume: Volume
    ) -> None:
        version = publish(registry)
        path = volume.version("toy", 1) / "weights.npz"

        with np.load(path, allow_pickle=False) as file:
            assert set(file.files) == set(tiny_parameters())
        assert registry.weights_path(version) == path
        assert version.weights.bytes == path.stat().st_size

    def test_a_publication_leaves_no_other_files(self, registry: Registry, volume: Volume) -> None:
        publish(registry, job="job-1")

        assert files_below(volume.root) == [
            "models/toy/1/manifest.json",
            "models/toy/1/weights.npz",
            "models/toy/by-job/job-1",
            "models/toy/index.json",
            "reserve",
        ]


class TestRacing:
    def test_publishers_in_several_processes_get_distinct_versions(self, registry: Registry) -> None:
        together([partial(publish_all, registry, [f"{process}-{number}" for number in range(6)]) for process in "abcd"])

        versions = registry.versions("toy")
        assert [version.version for version in versions] == list(range(24, 0, -1))
        assert len({version.job for version in versions}) == 24
        assert_complete(registry)

    def test_attempts_of_one_job_in_several_processes_publish_one_version(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        jobs = [f"job-{number}" for number in range(8)]

        together([partial(publish_and_record, registry, jobs, tmp_path / name) for name in "abcd"])

        versions = registry.versions("toy")
        assert sorted(version.job for version in versions) == jobs
        assert_complete(registry)
        for name in "abcd":  # every attempt returned the version that was published
            assert json.loads((tmp_path / name).read_bytes()) == {version.job: version.version for version in versions}

    def test_losing_attempts_do_not_affect_other_jobs(self, registry: Registry) -> None:
        shared_jobs = [f"job-{number}" for number in range(8)]
        own_jobs = [[f"{process}-{number}" for number in range(8)] for process in "ab"]

        together([partial(publish_all, registry, jobs) for jobs in [shared_jobs, shared_jobs, *own_jobs]])

        assert {version.job for version in registry.versions("toy")} == {*shared_jobs, *own_jobs[0], *own_jobs[1]}
        assert len(registry.versions("toy")) == 24
        assert_complete(registry)


class TestCrashing:
    def test_a_crash_at_any_step_leaves_at_most_one_version_and_a_retry_publishes_it(self, tmp_path: Path) -> None:
        for step in count(1):
            registry = Registry(Volume(tmp_path / str(step)))
            if not dies_before_change(step, partial(publish, registry)):
                break
            assert len(published(registry)) <= 1
            assert_complete(registry)

            retried = publish(registry)

            assert published(registry) == [retried]
            assert_complete(registry)
        assert step > 10

    def test_a_crash_at_any_step_keeps_the_earlier_versions(self, tmp_path: Path) -> None:
        for step in count(1):
            registry = Registry(Volume(tmp_path / str(step)))
            first = publish(registry, job="first")
            if not dies_before_change(step, partial(publish, registry, job="second")):
                break

            assert registry.get("toy", "1") == first
            third = publish(registry, job="third")

            assert registry.get("toy") == third
            assert_complete(registry)
        assert step > 5


class TestFinding:
    @pytest.mark.parametrize(
        ("reference", "version"), [("toy", 3), ("toy@latest", 3), ("toy@2", 2), ("toy@champion", 1)]
    )
    def test_a_reference_is_resolved_to_a_version(self, three: Registry, reference: str, version: int) -> None:
        assert three.resolve(reference).version == version

    @pytest.mark.parametrize(
        "reference", ["toy@4", "toy@0", "toy@-1", "toy@03", "toy@³", "toy@none", "toy@2@2", "toy@" + "9" * 5000]
    )
    def test_an_unknown_version_is_not_found(self, three: Registry, reference: str) -> None:
        with pytest.raises(NotFound) as caught:
            three.resolve(reference)

        assert caught.value.code == "version_not_found"

    @pytest.mark.parametrize("reference", ["", "other", "@1", "../toy", "..", "toy/1", "TOY", "toy\0"])
    def test_an_unknown_model_is_not_found(self, three: Registry, reference: str) -> None:
        with pytest.raises(NotFound) as caught:
            three.resolve(reference)

        assert caught.value.code == "model_not_found"

    def test_versions_are_listed_from_the_newest(self, three: Registry) -> None:
        assert [version.version for version in three.versions("toy")] == [3, 2, 1]

    def test_the_tenth_version_is_newer_than_the_ninth(self, registry: Registry) -> None:
        publish_all(registry, [f"job-{number}" for number in range(10)])

        assert registry.get("toy").version == 10

    def test_models_are_listed_by_name(self, registry: Registry) -> None:
        for name in ("b", "a", "c"):
            publish(registry, name, job=f"job-{name}")

        assert registry.models() == ["a", "b", "c"]

    def test_a_model_that_is_deleted_during_an_iteration_is_skipped(self, registry: Registry) -> None:
        for number, name in enumerate("abc"):
            publish(registry, name, job=f"job-{number}")
        models = registry.each()
        first, _ = next(models)
        registry.delete_model("b", force=False)

        assert [first, *(name for name, _ in models)] == ["a", "c"]

    def test_an_empty_volume_has_no_models(self, registry: Registry) -> None:
        assert registry.models() == []

    def test_a_reserved_number_without_a_commit_is_not_a_version(self, registry: Registry, volume: Volume) -> None:
        publish(registry)
        (volume.commit("toy", "job-1")).unlink()

        assert registry.models() == []
        assert publish(registry, job="job-2").version == 2
        assert [version.version for version in registry.versions("toy")] == [2]

    def test_a_version_is_found_by_its_job(self, registry: Registry) -> None:
        version = publish(registry, job="job-1")

        assert registry.version_of_job("toy", "job-1") == version
        assert registry.version_of_job("toy", "job-2") is None


class TestDamage:
    def test_a_flipped_bit_is_detected(self, registry: Registry, volume: Volume) -> None:
        version = publish(registry)
        path = volume.version("toy", 1) / "weights.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

        assert_damaged(registry, version)

    def test_truncated_weights_are_detected(self, registry: Registry, volume: Volume) -> None:
        version = publish(registry)
        path = volume.version("toy", 1) / "weights.npz"
        path.write_bytes(path.read_bytes()[:-1])

        assert_damaged(registry, version)

    def test_missing_weights_are_detected(self, registry: Registry, volume: Volume) -> None:
        version = publish(registry)
        (volume.version("toy", 1) / "weights.npz").unlink()

        assert_damaged(registry, version)

    def test_other_versions_stay_usable(self, three: Registry, volume: Volume) -> None:
        (volume.version("toy", 2) / "weights.npz").write_bytes(b"damaged")

        assert_damaged(three, three.get("toy", "2"))
        assert three.load(three.get("toy", "1"))
        assert three.load(three.get("toy", "3"))


@pytest.fixture
def three(registry: Registry) -> Registry:
    """A registry of three versions; the first is the champion."""
    publish_all(registry, ["job-1", "job-2", "job-3"])
    registry.point("toy", "champion", 1)
    return registry


def publish_all(registry: Registry, jobs: list[str]) -> None:
    for job in jobs:
        publish(registry, job=job)


def publish_and_record(registry: Registry, jobs: list[str], path: Path) -> None:
    path.write_text(json.dumps({job: publish(registry, job=job).version for job in jobs}))


def published(registry: Registry) -> list[ModelVersion]:
    return registry.versions("toy") if registry.models() else []


def assert_complete(registry: Registry) -> None:
    """Assert that every published version can be loaded and has its own number."""
    versions = published(registry)
    assert len({version.version for version in versions}) == len(versions)
    for version in versions:
        assert registry.load(version).keys() == tiny_parameters().keys()
        assert registry.version_of_job("toy", version.job) == version


def assert_damaged(registry: Registry, version: ModelVersion) -> None:
    with pytest.raises(Damaged) as caught:
        registry.load(version)
    assert caught.value.code == "version_damaged"

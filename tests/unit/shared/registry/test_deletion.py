"""Deleted versions: their space is freed, their numbers stay reserved, and no alias points to one."""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.errors import Conflict, NotFound
from shared.registry import Registry
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.models import publish
from tests.support.programs.forks import dies_before_change, together
from tests.support.stepwise import Stepwise


@pytest.fixture
def three(registry: Registry) -> Registry:
    """A registry of three versions; the first is the champion."""
    for job in ("job-1", "job-2", "job-3"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


def code_of(registry: Registry, reference: str) -> str:
    with pytest.raises(NotFound) as caught:
        registry.get("toy", reference)
    return caught.value.code


class TestVersions:
    def test_a_deleted_version_is_not_found_any_more(self, three: Registry) -> None:
        three.delete("toy", "2")

        assert code_of(three, "2") == "version_deleted"
        assert [version.version for version in three.versions("toy")] == [3, 1]
        assert three.is_deleted("toy", 2)

    def test_a_deletion_removes_the_weights_and_shortens_the_manifest(self, registry: Registry, volume: Volume) -> None:
        publish(registry, evaluation={"confusion": [[1] * 1000]}, history=({"epoch": 1},))
        publish(registry, job="job-2")

        registry.delete("toy", "1")

        assert "models/toy/1/weights.npz" not in files_below(volume.root)
        assert (volume.version("toy", 1) / "manifest.json").stat().st_size < 3000

    def test_the_version_before_a_deleted_newest_one_is_the_newest(self, three: Registry) -> None:
        three.delete("toy", "latest")

        assert three.number("toy", "latest") == 2

    def test_the_number_of_a_deleted_version_is_not_used_again(self, three: Registry, volume: Volume) -> None:
        three.delete("toy", "3")

        assert publish(three, job="job-4").version == 4
        assert publish(Registry(volume), job="job-5").version == 5

    def test_another_registry_does_not_return_a_cached_deleted_version(self, three: Registry, volume: Volume) -> None:
        other = Registry(volume)
        assert other.number("toy", "3") == other.number("toy") == 3

        three.delete("toy", "3")

        assert code_of(other, "3") == "version_deleted"
        assert other.number("toy") == 2

    def test_reading_the_weights_of_a_deleted_version_raises_version_deleted(self, three: Registry) -> None:
        version = three.get("toy", "2")
        three.delete("toy", "2")

        for read in (three.load, three.weights_path):
            with pytest.raises(NotFound) as caught:
                read(version)
            assert caught.value.code == "version_deleted"

    def test_the_job_of_a_deleted_version_does_not_publish_again(self, three: Registry) -> None:
        three.delete("toy", "3")

        with pytest.raises(NotFound) as caught:
            publish(three, job="job-3")

        assert caught.value.code == "version_deleted"
        assert [version.version for version in three.versions("toy")] == [2, 1]

    def test_a_version_cannot_be_deleted_twice(self, three: Registry) -> None:
        three.delete("toy", "2")

        with pytest.raises(NotFound):
            three.delete("toy", "2")


class TestGuard:
    @pytest.mark.parametrize("reference", ["1", "champion"])
    def test_a_version_with_aliases_is_not_deleted_and_the_error_has_their_names(
        self, three: Registry, reference: str
    ) -> None:
        three.point("toy", "stable", 1)

        with pytest.raises(Conflict) as caught:
            three.delete("toy", reference)

        assert caught.value.code == "version_in_use"
        assert "'champion'" in caught.value.detail
        assert "'stable'" in caught.value.detail
        assert three.load(three.get("toy", "1"))

    def test_a_forced_deletion_removes_the_aliases_too(self, three: Registry) -> None:
        three.point("toy", "challenger", 2)

        three.delete("toy", "1", force=True)

        assert three.aliases("toy") == {"challenger": 2}
        assert code_of(three, "champion") == "version_not_found"

    def test_an_alias_does_not_move_to_a_deleted_version(self, three: Registry) -> None:
        three.delete("toy", "2")

        with pytest.raises(NotFound) as caught:
            three.point("toy", "champion", 2)

        assert caught.value.code == "version_deleted"

    def test_concurrent_moves_and_deletions_leave_no_alias_without_its_version(self, registry: Registry) -> None:
        for number in range(12):
            publish(registry, job=f"job-{number}")

        together([partial(move_over_all, registry, name) for name in "ab"] + [partial(delete_all, registry)] * 2)

        left = {version.version for version in registry.versions("toy")}
        assert set(registry.aliases("toy").values()) <= left


class TestModels:
    def test_a_model_without_aliases_is_deleted_with_all_versions(self, registry: Registry) -> None:
        for job in ("a", "b"):
            publish(registry, job=job)

        registry.delete_model("toy")

        assert registry.models() == []
        with pytest.raises(NotFound) as caught:
            registry.get("toy")
        assert caught.value.code == "model_not_found"

    def test_a_model_with_aliases_is_deleted_only_by_force(self, three: Registry) -> None:
        with pytest.raises(Conflict):
            three.delete_model("toy")
        assert len(three.versions("toy")) == 3

        three.delete_model("toy", force=True)

        assert three.models() == []

    def test_the_numbers_continue_after_a_deleted_model_is_trained_again(self, three: Registry) -> None:
        three.delete_model("toy", force=True)

        again = publish(three, job="job-4")

        assert again.version == 4
        assert three.aliases("toy") == {}
        assert three.models() == ["toy"]

    def test_a_missing_model_cannot_be_deleted(self, registry: Registry) -> None:
        with pytest.raises(NotFound):
            registry.delete_model("toy")


class TestCrashing:
    def test_a_crash_at_any_step_leaves_the_version_whole_or_deleted(self, tmp_path: Path) -> None:
        for step in count(1):
            volume = Volume(tmp_path / str(step))
            registry = Registry(volume)
            for job in ("a", "b", "c"):
                publish(registry, job=job)
            if not dies_before_change(step, partial(registry.delete, "toy", "1")):
                break
            if not registry.is_deleted("toy", 1):
                assert registry.load(registry.get("toy", "1"))
                registry.delete("toy", "1")

            registry.delete("toy", "2")  # frees also the space of the deletion that crashed

            assert [version.version for version in registry.versions("toy")] == [3]
            assert [path for path in files_below(volume.root) if path.endswith(".npz")] == ["models/toy/3/weights.npz"]
        assert step > 5


class MoversAndDeleters(RuleBasedStateMachine):
    """Moves and deletions of three versions, interleaved between any two changes to the files, with crashes."""

    running = Bundle[Stepwise]("running")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.volume = Volume(Path(self._folder.name))
        self.registry = Registry(self.volume)
        self.all: list[Stepwise] = []
        for job in "abc":
            publish(self.registry, job=job)

    @rule(target=running, alias=st.sampled_from(["x", "y"]), version=st.integers(1, 3))
    def move(self, alias: str, version: int) -> Stepwise:
        return self._start(lambda: Registry(self.volume).point("toy", alias, version))

    @rule(target=running, version=st.integers(1, 3), force=st.booleans())
    def delete(self, version: int, force: bool) -> Stepwise:
        return self._start(lambda: Registry(self.volume).delete("toy", str(version), force=force))

    @rule(work=running, changes=st.integers(1, 12))
    def resume(self, work: Stepwise, changes: int) -> None:
        work.step(changes)

    @rule(work=running)
    def crash(self, work: Stepwise) -> None:
        work.crash()

    @invariant()
    def aliases_point_to_existing_versions(self) -> None:
        if self.registry.models():
            for version in self.registry.aliases("toy").values():
                assert self.registry.load(self.registry.get("toy", str(version)))

    @invariant()
    def operations_fail_only_if_they_are_refused(self) -> None:
        for work in self.all:
            assert work.error is None or isinstance(work.error, Conflict | NotFound) or work.crashed

    def _start(self, work: object) -> Stepwise:
        started = Stepwise(work)  # type: ignore[arg-type]
        self.all.append(started)
        return started

    def teardown(self) -> None:
        for work in self.all:
            work.crash()
        self._folder.cleanup()


def test_any_interleaving_of_moves_and_deletions_leaves_no_alias_without_its_version() -> None:
    run_state_machine_as_test(MoversAndDeleters, settings=settings(max_examples=40, stateful_step_count=20))


def move_over_all(registry: Registry, alias: str) -> None:
    for version in range(1, 13):
        try:
            registry.point("toy", alias, version)
        except NotFound:
            continue


def delete_all(registry: Registry) -> None:
    for version in range(1, 12):
        try:
            registry.delete("toy", str(version))
        except (Conflict, NotFound):
            continue

"""The fault matrix's rows about publishing: killed at each step, paused at the worst ones, cancelled in between."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shared.jobs import Job, State
from shared.jobs.files import rebuild
from shared.registry import Alias, Condition, ModelVersion, Registry
from shared.runtime.settings import Settings
from tests.chaos.zombie import Zombie
from tests.support.data.files import files_below
from tests.support.objects.bench import AtConfirm, WorkBench
from tests.support.programs.forks import dies_before_change


class SleepsAfterPublishing(Registry):
    """A registry whose process is stopped between the publication and the promotion."""

    def publish(self, *arguments: Any) -> ModelVersion:
        version = super().publish(*arguments)
        Zombie.sleep()
        return version


class SleepsBeforeMoving(Registry):
    """A registry whose process is stopped once, after it has checked that it may move the alias."""

    slept = False

    def point(
        self, name: str, alias: str, version: int, condition: Condition = lambda _: None, *, by: str | None = None
    ) -> Alias:
        def sleeping(before: Alias | None) -> None:
            condition(before)
            if not self.slept:
                self.slept = True
                Zombie.sleep()

        return super().point(name, alias, version, sleeping, by=by)


@pytest.fixture
def bench(settings: Settings) -> WorkBench:
    return WorkBench(settings)


def test_a_worker_killed_before_any_of_its_changes_to_the_volume_leaves_a_job_that_ends_with_one_version(
    settings: Settings, tmp_path: Path
) -> None:
    for change in count(1):
        bench = WorkBench(settings.model_copy(update={"volume": tmp_path / str(change)}))
        job = bench.a_training(epochs=1)
        died = dies_before_change(change, partial(attempt, bench.settings, job))
        assert len(published(bench)) <= 1
        assert_whole(bench)
        if not died:
            break

        bench.let_leases_expire()
        ended = bench.run(job, bench.training())

        assert ended.state is State.SUCCEEDED
        assert [version.job for version in published(bench)] == [job.id]
        assert_whole(bench)
        (version,) = published(bench)
        bench.redis.flushdb()
        rebuild(bench.jobs, bench.files)
        assert bench.run(job, bench.training()).result == ended.result
        assert published(bench) == [version]
    assert change > 20


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_whose_lease_expires_while_it_publishes_leaves_one_version(bench: WorkBench, moment: str) -> None:
    job = bench.a_training()
    zombie = Zombie(partial(attempt, bench.settings, job, sleeps=moment))
    bench.let_leases_expire()
    ended = bench.run(job, bench.training(), owner="another")
    before = (ended, published(bench), list(bench.files))

    zombie.wake()

    assert (bench.jobs.get(job.id), published(bench), list(bench.files)) == before
    assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)
    assert [version.job for version in published(bench)] == [job.id]
    assert_whole(bench)
    assert [name for name in files_below(bench.volume.models) if name.endswith("weights.npz")] == [
        f"toy/{published(bench)[0].version}/weights.npz"
    ]


def test_a_worker_that_sleeps_before_its_commit_and_wakes_first_has_published(bench: WorkBench) -> None:
    job = bench.a_training()
    zombie = Zombie(partial(attempt, bench.settings, job, sleeps="after"))
    bench.let_leases_expire()
    zombie.wake()
    (version,) = published(bench)

    ended = bench.run(job, bench.training(), owner="another")

    assert published(bench) == [version]
    assert ended.result is not None
    assert (ended.state, ended.result["version"]) == (State.SUCCEEDED, version.version)


@pytest.mark.parametrize("sleeps", [SleepsAfterPublishing, SleepsBeforeMoving])
def test_a_worker_that_sleeps_before_it_moves_an_alias_does_not_move_it_back(
    bench: WorkBench, sleeps: type[Registry]
) -> None:
    job = bench.a_training(promote="live")

    def attempt() -> None:
        fork = WorkBench(bench.settings)
        fork.run(job, fork.training(sleeps(fork.volume)), owner="a worker that sleeps")

    zombie = Zombie(attempt)
    assert len(published(bench)) == 1
    assert bench.registry.aliases("toy") == {}
    bench.let_leases_expire()
    ended = bench.run(job, bench.training(), owner="another")
    assert (ended.state, bench.registry.aliases("toy")) == (State.SUCCEEDED, {"live": 1})
    second = bench.a_training(seed=1)
    assert bench.run(second, bench.training()).state is State.SUCCEEDED
    bench.registry.point("toy", "live", 2)

    zombie.wake()

    assert bench.registry.aliases("toy") == {"live": 2}
    assert bench.jobs.get(job.id) == ended


def test_a_job_cancelled_before_its_publication_is_confirmed_publishes_nothing(bench: WorkBench) -> None:
    job = bench.a_training()

    ended = bench.run(job, bench.training(AtConfirm(bench.volume, before=lambda: bench.jobs.cancel(job.id))))

    assert ended.state is State.CANCELLED
    assert bench.registry.models() == []


def test_a_job_cancelled_after_its_publication_is_confirmed_succeeds(bench: WorkBench) -> None:
    job = bench.a_training()

    ended = bench.run(job, bench.training(AtConfirm(bench.volume, after=lambda: bench.jobs.cancel(job.id))))

    assert ended.state is State.SUCCEEDED
    assert [version.job for version in published(bench)] == [job.id]


def attempt(settings: Settings, job: Job, sleeps: str = "") -> None:
    """Run one attempt at the job, in its own process; it stops `before` or `after` it confirms, if `sleeps` is set."""
    bench = WorkBench(settings)
    registry = AtConfirm(bench.volume, **{sleeps: Zombie.sleep} if sleeps else {})
    bench.run(job, bench.training(registry), owner="a worker that dies")


def published(bench: WorkBench) -> list[ModelVersion]:
    return bench.registry.versions("toy") if bench.registry.models() else []


def assert_whole(bench: WorkBench) -> None:
    for version in published(bench):
        bench.registry.weights_path(version)

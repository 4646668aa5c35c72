"""Publishers of several jobs, interleaved between any two changes to the files, with crashes and resumed zombies."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.registry import ModelVersion, Registry
from shared.storage.volume import Volume
from tests.support.objects.models import a_draft
from tests.support.stepwise import Crashed, Stepwise
from worker.running.heartbeat import LeaseLost

JOBS = ("a", "b", "c")
ENOUGH = 60  # changes to files, more than a publication makes


class Publishers(RuleBasedStateMachine):
    """Only a job's newest attempt holds a valid lease; earlier attempts continue until they detect that it is lost."""

    attempts = Bundle[Stepwise]("attempts")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.volume = Volume(Path(self._folder.name))
        self.registry = Registry(self.volume)
        self.newest = dict.fromkeys(JOBS, 0)
        self.seen: dict[str, ModelVersion] = {}
        self.all: list[Stepwise] = []
        self.confirmed: list[Stepwise] = []

    @rule(target=attempts, job=st.sampled_from(JOBS))
    def begin(self, job: str) -> Stepwise:
        """A worker claims the job, so that all earlier attempts lose their lease."""
        return self.claim(job)

    def claim(self, job: str) -> Stepwise:
        self.newest[job] += 1
        attempt = Stepwise(partial(self.publish, job, self.newest[job], len(self.all)))
        self.all.append(attempt)
        return attempt

    @rule(attempt=attempts, changes=st.integers(1, ENOUGH))
    def resume(self, attempt: Stepwise, changes: int) -> None:
        attempt.step(changes)

    @rule(attempt=attempts, changes=st.integers(0, 3))
    def resume_after_the_confirmation(self, attempt: Stepwise, changes: int) -> None:
        """Suspend an attempt at the worst moment: after its lease was confirmed, before the commit."""
        while not attempt.ended and attempt not in self.confirmed:
            attempt.step()
        attempt.step(changes)

    @rule(attempt=attempts)
    def crash(self, attempt: Stepwise) -> None:
        attempt.crash()

    @invariant()
    def each_job_has_at_most_one_version_and_it_never_changes(self) -> None:
        versions = self.registry.versions("toy") if self.registry.models() else []
        by_job = {version.job: version for version in versions}
        assert len(by_job) == len(versions)
        assert len({version.version for version in versions}) == len(versions)
        assert self.seen.items() <= by_job.items()
        self.seen = by_job

    @invariant()
    def every_published_version_is_complete_and_its_jobs_own(self) -> None:
        for job, version in self.seen.items():
            assert self.registry.load(version)["layer1.weights"].tolist() == [JOBS.index(job)]
            assert self.registry.version_of_job("toy", job) == version

    @invariant()
    def attempts_fail_only_by_a_crash_or_a_lost_lease(self) -> None:
        for attempt in self.all:
            assert attempt.error is None or isinstance(attempt.error, Crashed | LeaseLost)

    def publish(self, job: str, attempt: int, place: int) -> None:
        def confirm() -> None:
            if self.newest[job] != attempt:
                raise LeaseLost
            self.confirmed.append(self.all[place])

        weights = {"layer1.weights": np.array([JOBS.index(job)])}
        self.registry.publish(a_draft(job=job), weights, self.volume.job(job), confirm)

    def teardown(self) -> None:
        """Run each job once more, then resume the zombies."""
        try:
            for job in JOBS:
                self.claim(job).to_its_end()
            self.each_job_has_at_most_one_version_and_it_never_changes()
            assert self.seen.keys() == set(JOBS)
            for attempt in self.all:
                attempt.step(ENOUGH)
                self.each_job_has_at_most_one_version_and_it_never_changes()
            self.every_published_version_is_complete_and_its_jobs_own()
            self.attempts_fail_only_by_a_crash_or_a_lost_lease()
        finally:
            for attempt in self.all:
                attempt.crash()
            self._folder.cleanup()


def test_any_interleaving_of_publishers_and_crashes_leaves_one_complete_version_per_job() -> None:
    run_state_machine_as_test(Publishers, settings=settings(max_examples=60, stateful_step_count=20))

"""A queued job's place in the line, and the estimates of its start and end."""

from __future__ import annotations

from typing import Any

import pytest

from shared.jobs import Job, JobStore, Kind, Progress, State
from shared.jobs.capacity.sharing.places import Place, Queued, in_order, places
from tests.support.objects.jobs import a_batch, a_training, claimed

RATE = 100  # images per second of one process


def queued(*names: str) -> list[Queued]:
    """Return the line of jobs such as `2a1`: the rank, the API key, a number."""
    return [Queued(name, rank=name[0], owner=name[1]) for name in sorted(names)]


def images(left: int, done: int = 0, **fields: Any) -> Job:
    progress = Progress(done=done, total=done + left, unit="images")
    return a_batch(progress=progress, served=1000 * done // RATE, **fields)


def epochs(eta_seconds: float | None) -> Job:
    return a_training(progress=Progress(total=9, unit="epochs", eta_seconds=eta_seconds), state=State.RUNNING)


class TestOrder:
    def test_priorities_come_first_and_keys_alternate(self) -> None:
        ordered = in_order(queued("2a1", "2a2", "2a3", "2b4", "1c5", "1c6"), {}, {})

        assert [job.id for job in ordered] == ["1c5", "1c6", "2a1", "2b4", "2a2", "2a3"]

    def test_a_key_that_has_used_less_comes_first(self) -> None:
        ordered = in_order(queued("2a1", "2a2", "2b3", "2b4"), {"a": 10.0, "b": 0.0}, dict.fromkeys(["2b3"], 5.0))

        assert [job.id for job in ordered] == ["2b3", "2b4", "2a1", "2a2"]


class TestEstimates:
    def of(self, job: Job, *running: Job, line: str = "2a1", processes: int = 1) -> Place:
        found = places(queued(line), {}, running, {line: job.model_copy(update={"id": line})}, processes)
        return found[line]

    def test_nothing_is_estimated_without_a_measured_rate(self) -> None:
        assert self.of(images(1000), images(5000)) == Place(1)

    def test_nothing_is_estimated_beside_a_job_whose_end_is_not_known(self) -> None:
        assert self.of(images(1000), images(5000, done=1000), epochs(5.0)) == Place(1)

    def test_a_retry_measures_no_rate(self) -> None:
        assert self.of(images(1000), images(5000, done=1000, retries=1)) == Place(1)

    def test_a_batch_starts_after_a_turn_of_the_running_one_and_shares_the_process_with_it(self) -> None:
        assert self.of(images(1000), images(5000, done=1000)) == Place(1, 2.0, 20.0)
        assert self.of(images(1000), images(100, done=1000)) == Place(1, 1.0, 11.0)

    def test_an_interactive_batch_does_not_wait_for_a_large_one(self) -> None:
        assert self.of(images(100), images(50_000, done=1000), line="1a1") == Place(1, 0.0, 1.0)

    def test_a_large_batch_waits_for_all_interactive_ones(self) -> None:
        assert self.of(images(100), images(500, done=1000, priority="interactive")) == Place(1, 5.0, 6.0)

    def test_a_small_batch_uses_no_more_processes_than_it_has_shards(self) -> None:
        found = self.of(images(512), images(5000, done=1000), processes=8)

        assert found.starts_in_seconds is not None
        assert found.ends_in_seconds is not None
        assert found.ends_in_seconds - found.starts_in_seconds == pytest.approx(512 / RATE / 2, abs=0.1)

    @pytest.mark.parametrize(
        ("etas", "processes", "expected"),
        [((30.0, 12.0), 2, 12.0), ((30.0, None), 2, None), ((30.0,), 2, 0.0), ((), 0, None)],
    )
    def test_a_training_starts_when_a_running_one_ends(
        self, etas: tuple[float | None, ...], processes: int, expected: float | None
    ) -> None:
        assert self.of(epochs(None), *map(epochs, etas), processes=processes) == Place(1, expected)

    def test_the_start_of_a_training_behind_another_queued_one_is_not_known(self) -> None:
        line = queued("2a1", "2a2")
        found = places(line, {}, [epochs(30.0)], {job.id: epochs(None) for job in line}, processes=1)

        assert found == {"2a1": Place(1, 30.0), "2a2": Place(2)}


def test_the_places_are_the_order_in_which_the_jobs_start(jobs: JobStore) -> None:
    submitted = [a_batch(key=key, priority=p) for p in ("batch", "interactive") for key in ("b", "a", "a", "b", "c")]
    for job in submitted:
        jobs.create(job)
    found = jobs.places(Kind.EVALUATION, processes=1)

    started = []
    for _ in submitted:
        claim = jobs.claim_next(submitted[0].id, "a worker")
        assert claim is not None
        started.append(claim.job.id)
        assert jobs.places(Kind.BATCH, processes=1).get(claim.job.id) is None
    assert found[started[0]].place == 1
    assert [job_id for job_id in started[:5] if (found[job_id].place or 9) > 5] == []
    assert sorted(place.place or 0 for place in found.values()) == list(range(1, 11))


def test_a_job_over_its_keys_processes_has_no_place(redis: Any) -> None:
    jobs = JobStore(redis, max_processes_per_key=1)
    first, second, other = (a_batch(key=key) for key in ("a", "a", "b"))
    for job in (first, second, other):
        jobs.create(job)
    claimed(jobs, first.id)

    assert set(jobs.places(Kind.BATCH, processes=1)) == {other.id}

"""The job records, in a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis, RedisError

from shared.errors import NotFound
from shared.jobs import JobStore, Progress, Pulse, State, keys
from shared.jobs.task_queue import connect
from shared.runtime.settings import Settings
from tests.support.objects.jobs import A_RESULT, a_training, claimed, events, move, recorded_states, running
from tests.support.servers.redis_server import RedisServer

HALF_WAY = Progress(done=1, total=2, unit="epochs", eta_seconds=3.5)
END_STATES = [state for state in State if state.is_terminal]


def milliseconds(redis: Redis) -> int:
    seconds, microseconds = redis.time()
    return seconds * 1000 + microseconds // 1000


def in_state(store: JobStore, state: State) -> str:
    """Create a job, bring it to `state` by legal transitions, and return its id."""
    paths: dict[State, Callable[[], Any]] = {
        State.QUEUED: lambda: move(store, claim.job.id, State.QUEUED),
        State.RUNNING: lambda: True,
        State.CANCELLING: lambda: move(store, claim.job.id, State.CANCELLING),
        State.CANCELLED: lambda: move(store, claim.job.id, State.CANCELLING) and store.finish(claim, State.CANCELLED),
    }
    claim = running(store)
    assert paths.get(state, lambda: store.finish(claim, state))()
    assert store.get(claim.job.id).state is state
    return claim.job.id


class TestCreating:
    def test_a_new_job_is_queued_with_its_fields(self, jobs: JobStore) -> None:
        job = a_training(request={"dataset": "digits"}, specification={"epochs": 3})
        jobs.create(job)

        stored = jobs.get(job.id)

        assert stored.state is State.QUEUED
        assert stored == job.model_copy(update={"created_at": stored.created_at})

    def test_creation_time_is_by_the_clock_of_redis(self, jobs: JobStore, redis: Redis) -> None:
        job = a_training()
        before = milliseconds(redis)
        jobs.create(job)

        assert before <= jobs.get(job.id).created_at <= milliseconds(redis)

    def test_a_rebuilt_record_keeps_its_times_and_its_state(self, jobs: JobStore) -> None:
        ended = jobs.get(in_state(jobs, State.SUCCEEDED))
        jobs.delete(ended.id)

        jobs.create(ended)

        assert jobs.get(ended.id) == ended
        assert jobs.due() == []

    def test_an_id_is_created_once(self, jobs: JobStore, redis: Redis) -> None:
        jobs.create(a_training(id="one", model="first"))
        jobs.create(a_training(id="one", model="second"))

        assert jobs.get("one").model == "first"
        assert len(events(redis, "one")) == 1

    def test_a_discarded_job_leaves_only_counters_and_events(self, jobs: JobStore, redis: Redis) -> None:
        job_id = in_state(jobs, State.RUNNING)

        jobs.discard(job_id)

        assert set(redis.keys("*")) == {keys.COUNTERS, keys.ALL_EVENTS}

    @pytest.mark.parametrize("job_id", ["", "unknown", "*"])
    def test_an_unknown_job_is_not_found(self, jobs: JobStore, job_id: str) -> None:
        with pytest.raises(NotFound) as caught:
            jobs.get(job_id)

        assert caught.value.code == "job_not_found"

    def test_no_id_leads_to_another_key(self, jobs: JobStore, redis: Redis) -> None:
        in_state(jobs, State.RUNNING)
        record_prefix = keys.job("")

        for key in cast("list[str]", redis.keys("*")):
            if key.startswith(record_prefix):
                assert jobs.get(key.removeprefix(record_prefix)).state is State.RUNNING


class TestClaiming:
    def test_a_claimed_job_is_running(self, jobs: JobStore, redis: Redis) -> None:
        jobs.create(a_training(id="one"))
        before = milliseconds(redis)

        claim = claimed(jobs, "one", owner="host:7")

        job = jobs.get("one")
        assert claim.job == job
        assert (job.state, job.attempt, job.owner) == (State.RUNNING, 1, "host:7")
        assert job.started_at is not None
        assert before <= job.started_at <= milliseconds(redis)

    def test_a_second_claim_is_refused_and_changes_nothing(self, jobs: JobStore) -> None:
        claim = running(jobs)

        assert jobs.claim(claim.job.id, "another") is None
        assert jobs.get(claim.job.id) == claim.job

    def test_one_of_many_simultaneous_claims_is_granted(self, jobs: JobStore) -> None:
        jobs.create(a_training(id="one"))

        with ThreadPoolExecutor(8) as pool:
            claims = list(pool.map(partial(jobs.claim, "one"), [f"worker {number}" for number in range(8)]))

        granted = [claim for claim in claims if claim is not None]
        assert len(granted) == 1
        assert jobs.get("one") == granted[0].job
        assert jobs.get("one").attempt == 1

    def test_an_unknown_job_cannot_be_claimed(self, jobs: JobStore, redis: Redis) -> None:
        assert jobs.claim("unknown", "a worker") is None
        assert redis.keys("*") == []

    @pytest.mark.parametrize("state", [state for state in State if state is not State.QUEUED])
    def test_only_a_queued_job_can_be_claimed(self, jobs: JobStore, state: State) -> None:
        assert jobs.claim(in_state(jobs, state), "a worker") is None

    def test_each_claim_has_its_own_token_and_keeps_the_first_start(self, jobs: JobStore) -> None:
        first = running(jobs)
        move(jobs, first.job.id, State.QUEUED)

        second = claimed(jobs, first.job.id)

        assert (first.token, second.token) == ("1@a worker", "2@a worker")
        assert second.job.started_at == first.job.started_at

    def test_a_claim_is_a_lease_by_the_clock_of_redis(self, redis: Redis) -> None:
        store = JobStore(redis, lease_seconds=30.0)
        before = milliseconds(redis)
        claim = running(store)

        end = redis.zscore(keys.LEASES, claim.job.id)

        assert isinstance(end, float)
        assert before + 30_000 <= end <= milliseconds(redis) + 30_000


class TestRenewing:
    def test_a_heartbeat_renews_the_lease(self, redis: Redis) -> None:
        claim = running(JobStore(redis, lease_seconds=1.0))
        before = milliseconds(redis)

        assert JobStore(redis, lease_seconds=60.0).renew(claim) is Pulse.HELD

        end = redis.zscore(keys.LEASES, claim.job.id)
        assert isinstance(end, float)
        assert end >= before + 60_000

    def test_a_heartbeat_stores_progress_and_metrics(self, jobs: JobStore) -> None:
        claim = running(jobs)

        jobs.renew(claim, HALF_WAY, {"train_loss": 0.25}, "epoch")

        job = jobs.get(claim.job.id)
        assert job.progress == HALF_WAY
        assert job.metrics == {"train_loss": 0.25}

    def test_a_heartbeat_logs_its_event(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)

        jobs.renew(claim, HALF_WAY, {"train_loss": 0.25}, "epoch")

        report = {"progress": HALF_WAY.model_dump(), "metrics": {"train_loss": 0.25}}
        assert events(redis, claim.job.id)[-1] == ("epoch", report)

    def test_a_heartbeat_without_a_report_changes_nothing(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        jobs.renew(claim, HALF_WAY, {"train_loss": 0.25}, "epoch")
        before, events_before = jobs.get(claim.job.id), events(redis, claim.job.id)

        jobs.renew(claim)

        assert jobs.get(claim.job.id).model_copy(update={"served": before.served}) == before
        assert events(redis, claim.job.id) == events_before

    def test_a_heartbeat_of_a_cancelled_job_returns_the_cancellation(self, jobs: JobStore) -> None:
        claim = running(jobs)
        move(jobs, claim.job.id, State.CANCELLING)

        assert jobs.renew(claim, HALF_WAY) is Pulse.CANCEL
        assert jobs.get(claim.job.id).progress == HALF_WAY

    def test_a_heartbeat_of_an_earlier_attempt_is_lost_and_writes_nothing(self, jobs: JobStore, redis: Redis) -> None:
        old = running(jobs)
        move(jobs, old.job.id, State.QUEUED)
        new = claimed(jobs, old.job.id, "another worker")
        lease, events_before = redis.zscore(keys.LEASES, old.job.id), events(redis, old.job.id)

        assert jobs.renew(old, HALF_WAY, {"train_loss": 9.0}, "epoch") is Pulse.LOST

        assert jobs.get(old.job.id) == new.job
        assert redis.zscore(keys.LEASES, old.job.id) == lease
        assert events(redis, old.job.id) == events_before

    @pytest.mark.parametrize("state", [State.QUEUED, *END_STATES])
    def test_a_heartbeat_of_a_job_that_does_not_run_is_lost(self, jobs: JobStore, redis: Redis, state: State) -> None:
        job = jobs.get(in_state(jobs, state))
        claim = running(jobs).__class__(job)

        assert jobs.renew(claim, HALF_WAY) is Pulse.LOST

        assert jobs.get(job.id) == job
        assert redis.zscore(keys.LEASES, job.id) is None

    def test_a_heartbeat_of_a_deleted_job_is_lost_and_writes_nothing(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        redis.flushdb()

        assert jobs.renew(claim, HALF_WAY, {}, "progress") is Pulse.LOST
        assert redis.keys("*") == []


class TestFinishing:
    def test_a_finished_job_has_its_result(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        before = milliseconds(redis)

        assert jobs.finish(claim, State.SUCCEEDED, result=A_RESULT, progress=HALF_WAY)

        job = jobs.get(claim.job.id)
        assert (job.state, job.result, job.progress) == (State.SUCCEEDED, A_RESULT, HALF_WAY)
        assert job.owner is None
        assert job.finished_at is not None
        assert before <= job.finished_at <= milliseconds(redis)

    def test_the_lease_ends_with_the_job(self, jobs: JobStore, redis: Redis) -> None:
        jobs.finish(running(jobs), State.FAILED)

        assert redis.zcard(keys.LEASES) == 0

    def test_an_old_token_cannot_end_the_job(self, jobs: JobStore, redis: Redis) -> None:
        old = running(jobs)
        move(jobs, old.job.id, State.QUEUED)
        new = claimed(jobs, old.job.id)
        events_before = events(redis, old.job.id)

        assert not jobs.finish(old, State.SUCCEEDED, result=A_RESULT)

        assert jobs.get(old.job.id) == new.job
        assert events(redis, old.job.id) == events_before

    def test_a_lost_lease_cannot_end_the_job(self, jobs: JobStore) -> None:
        claim = running(jobs)
        move(jobs, claim.job.id, State.QUEUED)

        assert not jobs.finish(claim, State.SUCCEEDED)
        assert jobs.get(claim.job.id).state is State.QUEUED

    def test_a_deleted_job_cannot_be_ended(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        jobs.discard(claim.job.id)

        assert not jobs.finish(claim, State.SUCCEEDED)
        assert set(redis.keys("*")) == {keys.COUNTERS, keys.ALL_EVENTS}

    def test_a_job_in_state_cancelling_may_succeed(self, jobs: JobStore) -> None:
        claim = running(jobs)
        move(jobs, claim.job.id, State.CANCELLING)

        assert jobs.finish(claim, State.SUCCEEDED)

    def test_a_running_job_cannot_end_as_cancelled(self, jobs: JobStore) -> None:
        claim = running(jobs)

        assert not jobs.finish(claim, State.CANCELLED)
        assert jobs.get(claim.job.id).state is State.RUNNING

    @pytest.mark.parametrize("state", END_STATES)
    def test_a_terminal_state_never_changes(self, jobs: JobStore, redis: Redis, state: State) -> None:
        job = jobs.get(in_state(jobs, state))
        events_before = events(redis, job.id)

        assert not move(jobs, job.id, State.QUEUED)
        assert not move(jobs, job.id, State.CANCELLING)
        assert jobs.claim(job.id, "a worker") is None

        assert jobs.get(job.id) == job
        assert events(redis, job.id) == events_before

    def test_a_job_of_a_lost_worker_has_neither_owner_nor_lease(self, jobs: JobStore, redis: Redis) -> None:
        job_id = in_state(jobs, State.QUEUED)

        assert jobs.get(job_id).owner is None
        assert jobs.get(job_id).finished_at is None
        assert redis.zcard(keys.LEASES) == 0

    def test_a_job_in_state_cancelling_keeps_its_owner_and_its_lease(self, jobs: JobStore, redis: Redis) -> None:
        job_id = in_state(jobs, State.CANCELLING)

        assert jobs.get(job_id).owner == "a worker"
        assert redis.zscore(keys.LEASES, job_id) is not None


class TestEvents:
    def test_each_transition_is_logged_once_and_in_order(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        jobs.renew(claim, HALF_WAY, None, "progress")
        move(jobs, claim.job.id, State.QUEUED)
        second = claimed(jobs, claim.job.id)
        jobs.finish(second, State.SUCCEEDED)

        assert events(redis, claim.job.id) == [
            ("state", {"state": "queued", "attempt": 0}),
            ("state", {"state": "running", "attempt": 1}),
            ("progress", {"progress": HALF_WAY.model_dump()}),
            ("state", {"state": "queued", "attempt": 1, "lease": "expired"}),
            ("state", {"state": "running", "attempt": 2}),
            ("state", {"state": "succeeded", "attempt": 2}),
        ]

    def test_a_refused_transition_is_not_logged(self, jobs: JobStore, redis: Redis) -> None:
        claim = running(jobs)
        jobs.claim(claim.job.id, "another")
        jobs.finish(claim, State.CANCELLED)

        assert recorded_states(redis, claim.job.id) == ["queued", "running"]


class TestListing:
    def test_jobs_are_listed_from_the_newest(self, jobs: JobStore) -> None:
        for job_id in ("b", "a", "c"):
            jobs.create(a_training(id=job_id))

        assert [job.id for job in jobs.newest_first()] == ["c", "b", "a"]

    def test_a_listing_continues_after_a_job(self, jobs: JobStore) -> None:
        for job_id in ("a", "b", "c", "d"):
            jobs.create(a_training(id=job_id))

        assert [job.id for job in jobs.newest_first(before="c")] == ["b", "a"]
        assert [job.id for job in jobs.newest_first(before="a")] == []

    def test_a_listing_continues_after_a_deleted_job(self, jobs: JobStore) -> None:
        for job_id in ("a", "b", "c"):
            jobs.create(a_training(id=job_id))
        jobs.discard("b")

        assert [job.id for job in jobs.newest_first(before="b")] == ["a"]

    def test_a_long_listing_has_each_job_once(self, jobs: JobStore) -> None:
        ids = [f"{number:03d}" for number in range(250)]
        for job_id in ids:
            jobs.create(a_training(id=job_id))

        assert [job.id for job in jobs.newest_first()] == ids[::-1]

    @pytest.mark.parametrize("state", list(State))
    def test_a_listing_by_state_has_the_jobs_in_that_state(self, jobs: JobStore, state: State) -> None:
        ids = {each: in_state(jobs, each) for each in State}

        assert [job.id for job in jobs.newest_first(state)] == [ids[state]]
        assert jobs.count(state) == 1

    def test_an_empty_listing_is_empty(self, jobs: JobStore) -> None:
        assert list(jobs.newest_first()) == []
        assert jobs.count(State.QUEUED) == 0


def test_a_redis_that_is_not_running_raises_an_error(tmp_path: Path) -> None:
    with connect(Settings(redis_url=f"unix://{tmp_path}/no.sock")) as redis, pytest.raises(RedisError):
        JobStore(redis, 30.0).create(a_training())


def test_records_survive_a_killed_redis(own_redis_server: RedisServer) -> None:
    """The shipped configuration writes each change to the disk before it answers."""
    with own_redis_server.client() as redis:
        store = JobStore(redis, 30.0)
        claim = running(store)
        store.finish(claim, State.SUCCEEDED, result=A_RESULT)
        before = store.get(claim.job.id)

    own_redis_server.kill()
    with RedisServer(own_redis_server.folder) as restarted, restarted.client() as redis:
        assert JobStore(redis, 30.0).get(claim.job.id) == before

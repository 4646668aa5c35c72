"""Any sequence of steps by workers, users and maintenance leaves the records as a simple model predicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis import Redis

from shared.errors import Conflict, NotFound
from shared.jobs import Claim, JobStore, Kind, Progress, Pulse, State, keys
from shared.jobs.states import TRANSITIONS
from tests.support.objects.jobs import a_batch, a_training, recorded_states

MAX_CRASHES = 3
HELD = {State.RUNNING, State.CANCELLING}
ENDS = [state for state in State if state.is_terminal]


@dataclass
class Expected:
    """The expected state of a job."""

    state: State = State.QUEUED
    attempt: int = 0
    owner: str = ""
    done: int = 0
    crashes: int = 0
    reached: int = 0
    crash_reached: int = 0
    lost: tuple[int, str] | None = None  # attempt and owner of the crash that was counted last
    failures: int = 0
    retries: int = 0
    logged: tuple[State, ...] = (State.QUEUED,)

    def enter(self, state: State) -> None:
        self.state = state
        self.logged += (state,)

    def holds(self, claim: Claim) -> bool:
        return (claim.job.attempt, claim.job.owner) == (self.attempt, self.owner) and self.state in HELD


class Records(RuleBasedStateMachine):
    """Random steps, also with old claims and with jobs that do not exist."""

    redis: Redis
    job_ids = Bundle[str]("job_ids")
    claims = Bundle[Claim]("claims")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        self.store = JobStore(self.redis, max_crashes=MAX_CRASHES)
        self.expected: dict[str, Expected] = {}
        self.owners = 0

    @rule(target=job_ids, job_id=st.sampled_from(["a", "b", "c"]))
    def create(self, job_id: str) -> str:
        job = a_training(id=job_id) if job_id == "a" else a_batch(id=job_id)
        assert self.store.create(job) == (job_id not in self.expected)
        self.expected.setdefault(job_id, Expected())
        return job_id

    @rule(target=claims, job_id=job_ids)
    def claim(self, job_id: str) -> Claim:
        expected = self.expected.get(job_id)
        self.owners += 1  # each claim of a rebuilt job is another process's
        claim = self.store.claim(job_id, f"worker {self.owners}")
        assert (claim is not None) == (expected is not None and expected.state is State.QUEUED)
        if claim is None or expected is None:
            return Claim(a_training(id=job_id, attempt=1, owner="made up"))
        expected.attempt += 1
        expected.owner = f"worker {self.owners}"
        expected.enter(State.RUNNING)
        assert (claim.job.attempt, claim.job.owner) == (expected.attempt, expected.owner)
        return claim

    @rule(claim=claims, done=st.integers(0, 9), reached=st.none() | st.integers(0, 9))
    def renew(self, claim: Claim, done: int, reached: int | None) -> None:
        expected = self.expected.get(claim.job.id)
        pulse = self.store.renew(claim, Progress(done=done, total=9, unit="epochs"), reached=reached)
        if expected is None or not expected.holds(claim):
            assert pulse is Pulse.LOST
            return
        assert pulse is (Pulse.CANCEL if expected.state is State.CANCELLING else Pulse.HELD)
        expected.done = done
        expected.reached = expected.reached if reached is None else reached

    @rule(claim=claims, state=st.sampled_from(ENDS))
    def finish(self, claim: Claim, state: State) -> None:
        expected = self.expected.get(claim.job.id)
        allowed = expected is not None and expected.holds(claim) and state in TRANSITIONS[expected.state]
        assert self.store.finish(claim, state, error={"code": "x", "detail": "y"}) == allowed
        if allowed and expected is not None:
            expected.enter(state)

    @rule(claim=claims, failures=st.integers(0, 1))
    def release(self, claim: Claim, failures: int) -> None:
        expected = self.expected.get(claim.job.id)
        state = self.store.release(claim, failures=failures)
        if expected is None or not expected.holds(claim):
            assert state is None
            active = expected is not None and not expected.state.is_terminal
            if expected is not None and active and expected.lost == (claim.job.attempt, claim.job.owner):
                expected.crashes -= 1
                expected.lost = None
            return
        if expected.state is State.RUNNING:
            expected.failures += failures
        expected.enter(State.CANCELLED if expected.state is State.CANCELLING else State.QUEUED)
        assert state is expected.state

    @rule(job_id=job_ids)
    def rescue(self, job_id: str) -> None:
        """The lease expires, if there is one, and maintenance runs."""
        expected = self.expected.get(job_id)
        self.redis.zadd(keys.LEASES, {job_id: 1}, xx=True)
        rescued = [job.id for job in self.store.rescue_expired()]
        if expected is None or expected.state not in HELD:
            assert rescued == []
            return
        assert rescued == [job_id]
        if expected.state is State.CANCELLING:
            expected.enter(State.CANCELLED)
            return
        if expected.reached > expected.crash_reached:
            expected.crashes, expected.crash_reached = 0, expected.reached
        expected.crashes += 1
        expected.lost = (expected.attempt, expected.owner)
        expected.enter(State.FAILED if expected.crashes >= MAX_CRASHES else State.QUEUED)

    @rule()
    def rescue_without_an_expired_lease(self) -> None:
        assert self.store.rescue_expired() == []

    @rule(job_id=job_ids)
    def cancel(self, job_id: str) -> None:
        expected = self.expected.get(job_id)
        if expected is None:
            with pytest.raises(NotFound):
                self.store.cancel(job_id)
        elif expected.state in {State.QUEUED, State.RUNNING}:
            expected.enter(State.CANCELLED if expected.state is State.QUEUED else State.CANCELLING)
            assert self.store.cancel(job_id) is expected.state
        elif expected.state is State.CANCELLING:
            assert self.store.cancel(job_id) is expected.state
        else:
            with pytest.raises(Conflict, match=f"is {expected.state} "):
                self.store.cancel(job_id)

    @rule(job_id=job_ids)
    def retry(self, job_id: str) -> None:
        expected = self.expected.get(job_id)
        if expected is None:
            with pytest.raises(NotFound):
                self.store.retry(job_id)
        elif expected.state in {State.FAILED, State.CANCELLED, State.COMPLETED_WITH_ERRORS}:
            expected.crashes = expected.failures = expected.reached = expected.crash_reached = 0
            expected.lost = None
            expected.retries += 1
            expected.enter(State.QUEUED)
            assert self.store.retry(job_id) is State.QUEUED
        else:
            with pytest.raises(Conflict, match=f"is {expected.state} "):
                self.store.retry(job_id)

    @rule(job_id=job_ids)
    def remove(self, job_id: str) -> None:
        expected = self.expected.get(job_id)
        if expected is None:
            with pytest.raises(NotFound):
                self.store.delete(job_id)
        elif expected.state.is_terminal:
            self.store.delete(job_id)
            del self.expected[job_id]
        else:
            with pytest.raises(Conflict, match=f"is {expected.state} "):
                self.store.delete(job_id)

    @invariant()
    def records_are_as_expected(self) -> None:
        assert {job.id for job in self.store.newest_first()} == self.expected.keys()
        for job_id, expected in self.expected.items():
            job = self.store.get(job_id)
            assert (job.state, job.attempt, job.progress.done) == (expected.state, expected.attempt, expected.done)
            assert (job.crashes, job.failures) == (expected.crashes, expected.failures)
            assert job.retries == expected.retries
            assert job.owner == (expected.owner if expected.state in HELD else None)
            assert (job.finished_at is not None) == expected.state.is_terminal
            assert recorded_states(self.redis, job_id) == list(expected.logged)

    @invariant()
    def indexes_agree_with_the_records(self) -> None:
        def ids(*states: State) -> set[str]:
            return {job_id for job_id, expected in self.expected.items() if expected.state in states}

        for state in State:
            assert {job.id for job in self.store.newest_first(state)} == ids(state)
        assert set(self.redis.zrange(keys.LEASES, 0, -1)) == ids(*HELD)
        assert set(self.redis.zrange(keys.DUE, 0, -1)) == ids(State.QUEUED)
        assert set(self.redis.zrange(keys.ENDED, 0, -1)) == ids(*ENDS)
        assert set(self.redis.zrange(keys.WAITING, 0, -1)) == ids(State.QUEUED) - {"a"}  # "a" is a training
        assert self.store.waiting(Kind.TRAINING) == len(ids(State.QUEUED) & {"a"})
        assert self.store.waiting(Kind.BATCH) == len(ids(State.QUEUED) - {"a"})


@pytest.fixture
def records(redis: Redis) -> Iterator[type[Records]]:
    Records.redis = redis
    yield Records
    del Records.redis


def test_any_sequence_of_steps_keeps_the_records_consistent(records: type[Records]) -> None:
    run_state_machine_as_test(records, settings=settings(max_examples=60, stateful_step_count=30))

"""Any sequence of steps leaves the records as a plain model of them says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis import Redis

from shared.jobs import Claim, Job, JobStore, Progress, Pulse, State, keys
from shared.jobs.states import TRANSITIONS
from tests.support.jobs import a_training, move, states_told


@dataclass
class Expected:
    """A job as it should be."""

    state: State = State.QUEUED
    attempt: int = 0
    done: int = 0
    told: list[State] = field(default_factory=lambda: [State.QUEUED])

    def go(self, state: State) -> None:
        self.state = state
        self.told.append(state)

    def holds(self, claim: Claim) -> bool:
        return claim.fence == self.attempt and self.state in {State.RUNNING, State.CANCELLING}


class Records(RuleBasedStateMachine):
    """Workers, users and the reaper, in any order; old claims are used again and again."""

    redis: Redis
    job_ids = Bundle[str]("job_ids")
    claims = Bundle[Claim]("claims")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        self.store = JobStore(self.redis, 30.0)
        self.expected: dict[str, Expected] = {}

    @rule(target=job_ids, job_id=st.sampled_from(["a", "b", "c"]))
    def create(self, job_id: str) -> str:
        self.store.create(a_training(id=job_id))
        self.expected.setdefault(job_id, Expected())
        return job_id

    @rule(target=claims, job_id=job_ids)
    def claim(self, job_id: str) -> Claim:
        expected = self.expected[job_id]
        claim = self.store.claim(job_id, "a worker")
        assert (claim is not None) == (expected.state is State.QUEUED)
        if claim is None:
            return Claim(self.store.get(job_id))  # as if somebody had made it up
        expected.attempt += 1
        assert claim.fence == expected.attempt
        expected.go(State.RUNNING)
        return claim

    @rule(claim=claims, done=st.integers(0, 9))
    def renew(self, claim: Claim, done: int) -> None:
        expected = self.expected[claim.job.id]
        pulse = self.store.renew(claim, Progress(done=done, total=9, unit="epochs"))
        if not expected.holds(claim):
            assert pulse is Pulse.LOST
            return
        assert pulse is (Pulse.CANCEL if expected.state is State.CANCELLING else Pulse.HELD)
        expected.done = done

    @rule(claim=claims, state=st.sampled_from([state for state in State if state.is_terminal]))
    def finish(self, claim: Claim, state: State) -> None:
        expected = self.expected[claim.job.id]
        allowed = claim.fence == expected.attempt and state in TRANSITIONS[expected.state]
        assert self.store.finish(claim, state) == allowed
        if allowed:
            expected.go(state)

    @rule(job_id=job_ids, state=st.sampled_from([State.QUEUED, State.CANCELLING, State.CANCELLED]))
    def move(self, job_id: str, state: State) -> None:
        expected = self.expected[job_id]
        allowed = state in TRANSITIONS[expected.state]
        assert move(self.store, job_id, state) == allowed
        if allowed:
            expected.go(state)

    @invariant()
    def records_and_indexes_are_as_expected(self) -> None:
        with self.redis.pipeline(transaction=False) as pipe:  # one round trip for all: this runs after every step
            for job_id in self.expected:
                pipe.hgetall(keys.job(job_id))
            for state in State:
                pipe.zrange(keys.in_state(state), 0, -1)
            pipe.zrange(keys.LEASES, 0, -1)
            answers = pipe.execute()
        records, (*by_state, leased) = answers[: len(self.expected)], answers[len(self.expected) :]
        for fields, expected in zip(records, self.expected.values(), strict=True):
            job = Job.from_hash(fields)
            assert (job.state, job.attempt, job.progress.done) == (expected.state, expected.attempt, expected.done)
            assert (job.finished_at is not None) == expected.state.is_terminal
        for state, listed in zip(State, by_state, strict=True):
            assert set(listed) == self.jobs_in(state)
        assert set(leased) == self.jobs_in(State.RUNNING) | self.jobs_in(State.CANCELLING)

    def jobs_in(self, state: State) -> set[str]:
        return {job_id for job_id, expected in self.expected.items() if expected.state is state}

    def teardown(self) -> None:
        for job_id, expected in self.expected.items():
            assert states_told(self.redis, job_id) == expected.told


@pytest.fixture
def records(redis: Redis) -> Iterator[type[Records]]:
    Records.redis = redis
    yield Records
    del Records.redis


def test_any_sequence_of_steps_keeps_the_records_right(records: type[Records]) -> None:
    run_state_machine_as_test(records, settings=settings(max_examples=40, stateful_step_count=25))

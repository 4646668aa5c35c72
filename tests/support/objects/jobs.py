"""Job records for tests, and forced changes of state."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, cast

from redis import Redis

from shared.errors import Conflict
from shared.jobs import Claim, Job, JobStore, Kind, Progress, State, keys
from shared.jobs.outcome import BatchResult, EvaluationResult, ReproductionResult, TrainingResult
from shared.storage.names import new_id

A_RESULT: TrainingResult = {"model": "toy", "version": 3, "test_accuracy": 1.0, "weights_sha256": "0" * 64}


def a_batch_result(succeeded: int, failed: int) -> BatchResult:
    """Return the result of a batch with these numbers of rows and errors."""
    total = succeeded + failed
    counts = {"total": total, "succeeded": succeeded, "failed": failed, "passed_over": 0}
    return cast("BatchResult", {"model": "toy", "version": 1, **counts, "images_per_second": 1.0})


def training_result(job: Job) -> TrainingResult:
    """Return the result of a training that has one."""
    assert job.kind is Kind.TRAINING
    assert job.result is not None
    return cast("TrainingResult", job.result)


def batch_result(job: Job) -> BatchResult:
    """Return the result of a batch that has one."""
    assert job.kind is Kind.BATCH
    assert job.result is not None
    return cast("BatchResult", job.result)


def reproduction_result(job: Job) -> ReproductionResult:
    """Return the result of a reproduction that has one."""
    assert job.kind is Kind.REPRODUCTION
    assert job.result is not None
    return cast("ReproductionResult", job.result)


def evaluation_result(job: Job) -> EvaluationResult:
    """Return the result of an evaluation that has one."""
    assert job.kind is Kind.EVALUATION
    assert job.result is not None
    return cast("EvaluationResult", job.result)


def a_training(**fields: Any) -> Job:
    """Return a training job without storing it."""
    progress = Progress(total=2, unit="epochs")
    return _job({"kind": Kind.TRAINING, "model": "toy", "progress": progress} | fields)


def a_batch(**fields: Any) -> Job:
    """Return a batch job without storing it."""
    progress = Progress(total=10, unit="images")
    return _job({"kind": Kind.BATCH, "model": "toy", "progress": progress} | fields)


def _job(fields: dict[str, Any]) -> Job:
    return Job.model_validate({"id": new_id(), "request": {}, "specification": {}} | fields)


def claimed(store: JobStore, job_id: str, owner: str = "a worker") -> Claim:
    """Claim a queued job."""
    claim = store.claim(job_id, owner)
    assert claim is not None, f"the job {job_id} is not queued"
    return claim


def running(store: JobStore, **fields: Any) -> Claim:
    """Create and claim a training."""
    job = a_training(**fields)
    store.create(job)
    return claimed(store, job.id)


def move(store: JobStore, job_id: str, state: State) -> bool:
    """Move a claimed job to `queued`, as after the loss of its worker, or to `cancelling`, as a user does."""
    if state is State.QUEUED:
        while not store.get(job_id).state.is_terminal:
            store._redis.zadd(keys.LEASES, {job_id: 0})  # its lease expired long ago
            if job_id in {job.id for job in store.rescue_expired()}:  # unless a heartbeat came between the two
                break
    else:
        with suppress(Conflict):
            store.cancel(job_id)
    return store.get(job_id).state is state


def events(redis: Redis, job_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the type and data of each event in the job's log."""
    entries: Any = redis.xrange(keys.events(job_id))
    return [(fields["type"], json.loads(fields["data"])) for _, fields in entries]


def recorded_states(redis: Redis, job_id: str) -> list[str]:
    """Return the states in the job's log, in order."""
    return [data["state"] for kind, data in events(redis, job_id) if kind == "state"]


def messages(redis: Redis, queue: str) -> list[dict[str, Any]]:
    """Return the messages in a queue as Redis has them, the oldest first."""
    texts: Any = redis.lrange(f"{keys.PREFIX}broker:{queue}", 0, -1)
    return [json.loads(text) for text in reversed(texts)]

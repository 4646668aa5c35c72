"""The invariants after every fault: each accepted job has ended, none is lost, each has done its work exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from shared.errors import Damaged
from shared.jobs import Job, Kind, State
from shared.registry import ModelVersion
from shared.results.files import ShardFiles
from shared.results.lines import parsed_errors, parsed_rows
from shared.results.shard import read_shard
from tests.chaos.stack import Stack
from tests.support.objects.jobs import batch_result, training_result

GOOD = {State.SUCCEEDED, State.COMPLETED_WITH_ERRORS}


def assert_sound(stack: Stack, accepted: Iterable[str], within: float = 60.0) -> list[Job]:
    """Wait until every accepted job has ended; fail if one is lost, done twice, or wrong."""
    ids = list(accepted)
    jobs = [stack.until_over(job_id, within) for job_id in ids]
    assert duplicate_versions(published(stack)) == []
    assert damaged(stack) == []
    by_job = {version.job: version for version in published(stack)}
    for job in jobs:
        if job.kind is Kind.TRAINING:
            assert_published_if_succeeded(job, by_job)
        elif job.kind is Kind.BATCH and job.state in GOOD:
            assert_each_file_has_one_row(stack, job)
    return jobs


def published(stack: Stack) -> list[ModelVersion]:
    """Return every published version of every model."""
    return [version for model in stack.registry.models() for version in stack.registry.versions(model)]


def duplicate_versions(versions: Iterable[ModelVersion]) -> list[str]:
    """Return the jobs that published twice, and the versions that two jobs published; none is expected."""
    versions = list(versions)
    jobs = Counter(version.job for version in versions)
    numbers = Counter(f"{version.model}@{version.version}" for version in versions)
    return [name for counts in (jobs, numbers) for name, count in counts.items() if count > 1]


def damaged(stack: Stack) -> list[str]:
    """Return the versions whose weights do not match their manifest; none is expected."""
    found = []
    for version in published(stack):
        try:
            stack.registry.weights_path(version)
        except Damaged as error:
            found.append(str(error))
    return found


def assert_published_if_succeeded(job: Job, by_job: dict[str, ModelVersion]) -> None:
    """Check that a training that succeeded has one version, and any other has none."""
    version = by_job.get(job.id)
    assert (version is not None) == (job.state is State.SUCCEEDED), f"job {job.id} is {job.state}, published {version}"
    if version is not None:
        assert job.result is not None
        assert (job.result["version"], training_result(job)["weights_sha256"]) == (
            version.version,
            version.weights.sha256,
        )


def assert_each_file_has_one_row(stack: Stack, job: Job) -> None:
    """Check that a batch has one row or error for each of its files, and that its result counts them."""
    paths = batch_paths(stack, job.id)
    assert job.result is not None
    assert len(paths) == len(set(paths)) == batch_result(job)["total"] == job.progress.done == job.progress.total


def batch_paths(stack: Stack, job_id: str) -> list[str]:
    """Return the paths of a batch's rows and errors, from its finished shards: for each shard the rows first."""
    shards = map(read_shard, ShardFiles(stack.volume, job_id, 0).in_order())
    return [line["path"] for shard in shards for line in (*parsed_rows(shard.rows), *parsed_errors(shard.errors))]

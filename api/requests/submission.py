"""Submission of jobs: write the files, then the Redis record, then send the task. All three must succeed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kombu.exceptions import OperationalError
from redis import RedisError

from api.requests.waiting import WaitingReasons
from shared.archives import ArchiveIndex
from shared.errors import Invalid, NotFound, TooLarge, TooMany, Unavailable
from shared.jobs import Job, JobStore, Kind, OverQuota, Quota
from shared.jobs.files import JobFiles
from shared.jobs.outcome import Waiting
from shared.jobs.record import compact_json
from shared.jobs.task_queue import QUEUES, TaskQueue
from shared.runtime import log_context
from shared.runtime.redis_faults import FULL, fault_of
from shared.runtime.settings import KiB
from shared.runtime.sizes import in_words

FULL_SECONDS = 10  # Retry-After if a queue is full
QUOTA_SECONDS = 30  # Retry-After if a key has its most jobs


class Submission:
    """Accepts jobs; a rejected job leaves no files and no record."""

    def __init__(
        self,
        jobs: JobStore,
        task_queue: TaskQueue,
        files: JobFiles,
        max_queued_jobs: int = 0,
        max_record_bytes: int = 64 * KiB,
        max_jobs_per_key: int = 0,
        max_archive_bytes_per_key: int = 0,
        reasons: WaitingReasons | None = None,
    ) -> None:
        self._reasons = reasons
        self._jobs = jobs
        self._task_queue = task_queue
        self._files = files
        self._max_queued = max_queued_jobs
        self._max_record = max_record_bytes
        self._quota = Quota(max_jobs_per_key, max_archive_bytes_per_key)

    def waiting(self, job: Job) -> Waiting | None:
        """Return why the accepted job cannot start now; None if it can, or if Redis cannot be read."""
        with suppress(RedisError):
            return None if self._reasons is None else self._reasons.of(job)
        return None

    def processes(self, kind: Kind) -> int:
        """Return how many processes are online for this kind of job."""
        return self._task_queue.processes_online(kind)

    def reject_if_full(self, kind: Kind) -> None:
        """Raise `TooMany` if the queue or the API key has its most jobs, or `Unavailable` if Redis is full.

        Call it before receiving an upload, too.
        """
        if self._max_queued and self._jobs.waiting(kind) >= self._max_queued:
            detail = f"the queue {QUEUES[kind]!r} is full with {self._max_queued} jobs; try again later"
            raise TooMany("queue_full", detail, FULL_SECONDS)
        self._reject_over_quota()
        fault = self._reasons and self._reasons.new_job_fault()
        if fault and fault.code == FULL.code:  # other faults end the request when it writes
            raise Unavailable(fault.code, f"{fault.detail}; then send the request again", fault.retry_after)

    def _reject_over_quota(self) -> None:
        key = origin().get("key")
        if self._quota.jobs and self._jobs.count_of_key(key) >= self._quota.jobs:
            raise self._too_many_jobs(key)

    def _too_many_jobs(self, key: str | None) -> TooMany:
        whose = f"the API key {key!r} has" if key else "there are"
        detail = (
            f"{whose} {self._quota.jobs} or more queued and running jobs, and may have at most {self._quota.jobs}"
            " (GLASSBOX_MAX_JOBS_PER_KEY); try again when one has ended, or cancel one"
        )
        return TooMany("job_quota_exceeded", detail, QUOTA_SECONDS)

    def retry(self, job: Job) -> None:
        """Requeue a job that has ended; raises what `reject_if_full` and `JobStore.retry` raise."""
        if job.state.is_terminal:  # else it is queued already, or `retry` rejects its state
            self.reject_if_full(job.kind)
        try:
            self._jobs.retry(job.id, self._quota)
        except OverQuota:
            raise self._too_many_jobs(job.key) from None

    def submit(self, job: Job, archive: Path | None = None, index: ArchiveIndex | None = None) -> tuple[Job, list[str]]:
        """Accept the job, with its archive and index if it is a batch; return its record and warnings.

        If a request crashed before its response, its job exists with the same id. Then that job is returned.
        """
        self._reject_if_large(job)
        warnings = self._warnings(job)
        if (known := self._known(job.id)) is not None:
            return known, warnings
        self.reject_if_full(job.kind)
        job = job.model_copy(update=origin())
        if archive is not None:
            size = size_of(archive)
            self.reject_archive(size)
            job = job.model_copy(update={"archive_bytes": size})
        try:
            self._files.prepare(job, archive, index)
            if not self._create(job):  # an earlier request with this id died before it accepted the job
                self._jobs.discard(job.id)
                self._create(job)
            accepted = self._jobs.get(job.id)
            self._files.accept(job.id)  # from now on the job survives a loss of Redis
            self._task_queue.send(job.kind, job.id)  # last, so that no failure can follow it
        except BaseException as error:
            self._files.remove(job.id)  # workers never run a job without files, even if Redis holds its record
            silent = isinstance(error, RedisError | OperationalError) and not fault_of(error).refuses
            if not silent:  # an unreachable Redis would delay the error response again
                with suppress(RedisError):
                    self._jobs.discard(job.id)
            raise
        return accepted, warnings

    def _create(self, job: Job) -> bool:
        """Create the record; raises `TooMany` or `TooLarge` if other requests have just used the rest of a quota."""
        try:
            return self._jobs.create(job, quota=self._quota)
        except OverQuota as over:
            if over.part == "jobs":
                raise self._too_many_jobs(job.key) from None
            raise self._too_large_archives(job.key) from None

    def reject_archive(self, size: int) -> None:
        """Raise `TooLarge` if the API key's archives would take more than allowed. Call it before an upload, too."""
        most, key = self._quota.archive_bytes, origin().get("key")
        if most and self._jobs.archive_bytes_of_key(key) + size > most:
            self._jobs.recount_archive_bytes()
            if self._jobs.archive_bytes_of_key(key) + size > most:
                raise self._too_large_archives(key)

    def _too_large_archives(self, key: str | None) -> TooLarge:
        whose = f"of the batches of the API key {key!r} take" if key else "of all batches take"
        kept, most = (in_words(size) for size in (self._jobs.archive_bytes_of_key(key), self._quota.archive_bytes))
        detail = (
            f"the archives {whose} {kept}, and may take at most {most} (GLASSBOX_MAX_ARCHIVE_BYTES_PER_KEY), with"
            " this one; delete ended batches with their archives"
        )
        return TooLarge("archive_quota_exceeded", detail)

    def _reject_if_large(self, job: Job) -> None:
        size = sum(len(compact_json(part).encode()) for part in (job.request, job.specification))
        if size > self._max_record:
            detail = (
                f"the job's request needs {in_words(size)} in its record, but may need at most"
                f" {in_words(self._max_record)} (GLASSBOX_MAX_RECORD_BYTES); send fewer or shorter settings and texts"
            )
            raise Invalid("record_too_large", detail)

    def _known(self, job_id: str) -> Job | None:
        if not self._files.has(job_id):
            return None
        try:
            return self._jobs.get(job_id)
        except NotFound:
            return None

    def _warnings(self, job: Job) -> list[str]:
        warnings = []
        if not self._task_queue.workers_online(job.kind):
            warnings.append(f"no worker is online for the queue {QUEUES[job.kind]!r}; the job waits for one")
        if job.webhook is not None and not self._task_queue.dispatchers_online():
            warnings.append("no webhook dispatcher is online; the webhook is delivered once one is")
        return warnings


def size_of(archive: Path) -> int:
    """Return the bytes of an archive, or of several in a folder."""
    files = archive.iterdir() if archive.is_dir() else [archive]
    return sum(file.stat().st_size for file in files)


def origin() -> dict[str, str]:
    """Return the request's id, key name and trace, which the job's record holds so that worker logs include them."""
    context = log_context.current()
    return {name: context[name] for name in ("request_id", "key", "traceparent") if name in context}

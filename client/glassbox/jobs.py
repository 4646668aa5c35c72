"""`client.jobs`: what was accepted, how far it is, how it ended; a batch's rows and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from glassbox.errors import GlassboxError
from glassbox.files.formats import Format, format_of
from glassbox.http import downloads, events
from glassbox.http.bodies import OnBytes
from glassbox.http.events import TERMINAL, Event
from glassbox.http.reading import read
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.records.rows import Row, RowError

Kind = Literal["training", "batch", "reproduction"]
State = Literal["queued", "running", "cancelling", "succeeded", "completed_with_errors", "failed", "cancelled"]

SUCCESS = frozenset({"succeeded", "completed_with_errors"})


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: `done` of `total`, and how many seconds the rest may take, None where that is not known."""

    done: int
    total: int
    unit: str
    eta_seconds: float | None


@dataclass(frozen=True)
class TrainingResult:
    """The version that a training made, and the share of the test images that it gets right."""

    model: str
    version: int
    test_accuracy: float
    weights_sha256: str


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch's images; `passed_over` entries of its archive were no files to classify."""

    model: str
    version: int
    total: int
    succeeded: int
    failed: int
    images_per_second: float
    passed_over: int = 0


@dataclass(frozen=True)
class FirstDifference:
    """The first number that is another one: `index` in the array `parameter`; None where that has another shape."""

    parameter: str
    index: tuple[int, ...] | None
    expected: float | None
    got: float | None


@dataclass(frozen=True)
class Changed:
    """What was so when a version was trained, None where that is not known, and is so now."""

    then: str | None
    now: str


@dataclass(frozen=True)
class ReproductionResult:
    """Whether a version's training gave the same bits again, with so many threads, and if not, what differs.

    environment: what has changed since then of what the bits depend on; empty where they agree.
    """

    model: str
    version: int
    reproduced: bool
    weights_sha256_expected: str
    weights_sha256_got: str
    threads: int
    differing_numbers: int
    first_difference: FirstDifference | None
    environment: dict[str, Changed]


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a stable code for programs, a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True)
class Waiting:
    """Why a queued job cannot start: a stable code for programs, a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True)
class Job:
    """A job as it was when it was asked for. Its methods ask the server; `wait` gives the job as it is in the end."""

    id: str
    kind: str
    state: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempt: int
    progress: JobProgress
    metrics: dict[str, Any]
    request: dict[str, Any]
    result: TrainingResult | BatchResult | ReproductionResult | None
    error: JobError | None
    links: dict[str, str]
    warnings: tuple[str, ...] = ()
    waiting: Waiting | None = None
    _jobs: Jobs = field(kw_only=True, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in TERMINAL

    @property
    def has_succeeded(self) -> bool:
        """Whether it is over and has a result, perhaps without some images that could not be read."""
        return self.state in SUCCESS

    def refresh(self) -> Job:
        """The job as it is now."""
        return self._jobs.get(self.id)

    def wait(self, timeout: float | None = None, on_event: Callable[[Event], None] | None = None) -> Job:
        """The job as it is in the end; see `Jobs.wait`."""
        return self._jobs.wait(self.id, timeout, on_event)

    def events(self, after: str | None = None) -> Iterator[Event]:
        """Its log, from the first event to that of its end, as it happens."""
        return self._jobs.events(self.id, after)

    def cancel(self) -> Job:
        """Ask it to stop at its next stopping point."""
        return self._jobs.cancel(self.id)

    def retry(self) -> Job:
        """Let it go on after it failed or was cancelled; a batch tries its errors again."""
        return self._jobs.retry(self.id)

    def delete(self) -> None:
        """Remove its record and its files; a version that it made stays."""
        self._jobs.delete(self.id)

    def rows(self) -> Iterator[Row]:
        """A batch's rows, in the archive's order; as far as it is, while it runs."""
        return self._jobs.rows(self.id)

    def errors(self) -> Iterator[RowError]:
        """The images of a batch that could not be read."""
        return self._jobs.errors(self.id)

    def save(self, path: Path | str, format: Format | None = None, on_bytes: OnBytes | None = None) -> Path:  # noqa: A002
        """Write a batch's rows to a file; see `Jobs.save`."""
        return self._jobs.save(self.id, path, format, on_bytes)


class Jobs:
    """The server's jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, kind: Kind | None = None, state: State | None = None, model: str | None = None, limit: int | None = None
    ) -> Iterator[Job]:
        """The jobs of that kind, in that state, of that model; the newest first, `limit` of them at the most."""
        found = self._transport.pages(path_to("jobs"), size=limit, kind=kind, state=state, model=model)
        return (self.made(item) for item in found)

    def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return self.made(self._transport.get(path_to("jobs", job_id)))

    def wait(self, job_id: str, timeout: float | None = None, on_event: Callable[[Event], None] | None = None) -> Job:
        """Follow the job to its end, and give it as it is then. `on_event` is told of each event.

        Raises `JobFailed` where it ends without success, and `StillRunning` after `timeout` seconds.
        """
        for event in events.follow(self._transport, job_id, timeout=timeout):
            if on_event:
                on_event(event)
        job = self.get(job_id)
        if not job.has_succeeded:
            raise JobFailed(job)
        return job

    def events(self, job_id: str, after: str | None = None) -> Iterator[Event]:
        """The job's log, as it happens: each event once, also where the connection breaks, to that of its end."""
        return events.follow(self._transport, job_id, after)

    def cancel(self, job_id: str) -> Job:
        """Ask the job to stop at its next stopping point; what is finished of it is kept."""
        return self.made(self._transport.change("POST", path_to("jobs", job_id, "cancel")))

    def retry(self, job_id: str) -> Job:
        """Let a failed or cancelled job go on where it was; a batch tries its errors again."""
        return self.made(self._transport.change("POST", path_to("jobs", job_id, "retry")))

    def delete(self, job_id: str) -> None:
        """Remove the job's record and its files; a version that it made stays."""
        self._transport.change("DELETE", path_to("jobs", job_id))

    def rows(self, job_id: str) -> Iterator[Row]:
        """A batch's rows, in the archive's order."""
        return map(Row.read, self._transport.lines(path_to("jobs", job_id, "results")))

    def errors(self, job_id: str) -> Iterator[RowError]:
        """The images of a batch that could not be read."""
        return (read(RowError, line) for line in self._transport.lines(path_to("jobs", job_id, "errors")))

    def save(
        self,
        job_id: str,
        path: Path | str,
        format: Format | None = None,  # noqa: A002 - the API's word
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Write a batch's rows to a file, whole or not at all. Without a `format` the file's ending says which."""
        params = {"format": format or format_of(str(path))}
        return downloads.download(
            self._transport, path_to("jobs", job_id, "results"), Path(path), params=params, on_bytes=on_bytes
        )

    def copy_rows(self, job_id: str, output: IO[bytes], format: Format = "jsonl") -> None:  # noqa: A002
        """Write a batch's rows to a stream that is open."""
        downloads.copy(self._transport, path_to("jobs", job_id, "results"), output, {"format": format})

    def made(self, values: Any) -> Job:
        """A job from the server's JSON."""
        return read(Job, values, _jobs=self)


class JobFailed(GlassboxError):
    """A job ended without success: it failed or was cancelled."""

    def __init__(self, job: Job) -> None:
        told = f": {job.error.detail}" if job.error else ""
        super().__init__(f"job {job.id} is {job.state}{told}")
        self.job = job

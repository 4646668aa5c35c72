"""`client.jobs`: jobs, their progress and results; a batch's rows and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from glassbox.errors import GlassboxError
from glassbox.files.formats import Format, format_of
from glassbox.http import downloads, events
from glassbox.http.bodies import OnBytes
from glassbox.http.events import TERMINAL, Event
from glassbox.http.predictions import compared_images, comparison, predicted_images
from glassbox.http.reading import read
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.records.evaluations import Evaluation
from glassbox.records.images import Images, images_of
from glassbox.records.predictions import Cell, ComparedImage, Comparison, PredictedImage, PredictionOrder
from glassbox.records.rows import EVERY_ROW, BatchSummary, IndexedRow, Row, RowError, RowFilter
from glassbox.records.skipped import SkippedFiles
from glassbox.records.versions import Baselines, Finding
from glassbox.records.weights import WeightHistograms

if TYPE_CHECKING:
    from glassbox.files.sorting import SortedImages

Kind = Literal["training", "batch", "reproduction", "evaluation"]
State = Literal["queued", "running", "cancelling", "succeeded", "completed_with_errors", "failed", "cancelled"]

WeightsFormat = Literal["safetensors", "npz", "npy"]
RowOrder = Literal["archive", "least_confident", "most_confident"]

SUCCESS = frozenset({"succeeded", "completed_with_errors"})


@dataclass(frozen=True)
class JobProgress:
    """A job's progress. eta_seconds: estimated remaining time, or None if it is unknown.

    place: of a queued job, 1 if it is next in its queue; None if it cannot start now. starts_in_seconds: the estimated
    time until its start, or None if it is unknown.
    """

    done: int
    total: int
    unit: str
    eta_seconds: float | None
    place: int | None = None
    starts_in_seconds: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """The version that a training published, and its accuracy on the test images.

    accuracy_interval: the accuracy's 95 % confidence interval. diagnosis: what is wrong with the result; empty if
    nothing was found. They and the baselines are None for jobs of older releases.
    """

    model: str
    version: int
    test_accuracy: float
    weights_sha256: str
    accuracy_interval: tuple[float, ...] | None = None
    baselines: Baselines | None = None
    diagnosis: tuple[Finding, ...] | None = None


@dataclass(frozen=True)
class SinkResult:
    """What a batch has written to its sink. complete: whether all of it is there; then `manifest` is its list.

    parts, bytes: of the files of results and of errors.
    """

    url: str
    format: str
    complete: bool
    parts: int
    bytes: int
    manifest: str | None = None


@dataclass(frozen=True)
class BatchResult:
    """Counts of a batch's images.

    passed_over: number of the archive's entries that are not files to classify, with the folders. skipped: the files
    among them, by the reason's code; empty for jobs of older releases. look_inverted: number of classified images in
    which light and dark are exchanged against the training images, before any inversion; None if it is not known.
    almost_black: number of those without a gray level above 1 of 255; 0 for jobs of older releases. sink: what was
    written to it; None without one.
    """

    model: str
    version: int
    total: int
    succeeded: int
    failed: int
    images_per_second: float
    passed_over: int = 0
    skipped: dict[str, SkippedFiles] = field(default_factory=dict)
    look_inverted: int | None = None
    almost_black: int = 0
    sink: SinkResult | None = None


@dataclass(frozen=True)
class FirstDifference:
    """The first number that differs. index: its index in the array `parameter`, or None if the shapes differ."""

    parameter: str
    index: tuple[int, ...] | None
    expected: float | None
    got: float | None


@dataclass(frozen=True)
class Changed:
    """A change of the environment. then: the value at the training, None if it is unknown. now: the current value."""

    then: str | None
    now: str


@dataclass(frozen=True)
class ReproductionResult:
    """The result of a repeated training: whether the weights agree bit for bit, and if not, what differs.

    threads: number of BLAS threads. environment: changes since the training that can change the bits; empty if the
    weights agree.
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
class EvaluationResult:
    """A version's measures on a split of a data set; `Jobs.evaluation` has all of them.

    accuracy_interval: the accuracy's 95 % confidence interval. calibration_error: the expected calibration error.
    look_inverted: number of images in which light and dark are exchanged against the training images; None if it is not
    known.
    """

    model: str
    version: int
    dataset: str
    split: str
    samples: int
    accuracy: float
    accuracy_interval: tuple[float, ...]
    loss: float
    calibration_error: float
    look_inverted: int | None = None


@dataclass(frozen=True)
class JobError:
    """The error of a failed job. code: stable, for programs. detail: a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True)
class Waiting:
    """The reason why a queued job waits. code: stable, for programs. detail: a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True)
class Epoch:
    """The report of an epoch of a training; None or empty for what was not measured.

    dead_units: the share in each hidden layer. layer_gradient_norms: the norm of each layer's gradient.
    predicted_classes: how many classes the network predicts for a sample of the training images.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    gradient_norm: float | None
    dead_units: tuple[float, ...]
    learning_rate: float | None
    seconds: float | None
    layer_gradient_norms: tuple[float, ...] = ()
    predicted_classes: int | None = None


@dataclass(frozen=True)
class Job:
    """A snapshot of a job. Its methods send requests; `wait` returns the job after its end.

    warnings: of the submission, and what makes the result doubtful. diagnosis: of a training, what is wrong with it
    while it runs, then with its result; None for other jobs and those of older releases. skipped: after the submission
    of a batch, the archive's files that are not classified, by the reason's code. priority: `interactive` jobs start
    first.
    """

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
    result: TrainingResult | BatchResult | ReproductionResult | EvaluationResult | None
    error: JobError | None
    links: dict[str, str]
    warnings: tuple[str, ...] = ()
    diagnosis: tuple[Finding, ...] | None = None
    waiting: Waiting | None = None
    skipped: dict[str, SkippedFiles] = field(default_factory=dict)
    priority: str = "batch"
    _jobs: Jobs = field(kw_only=True, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.state in TERMINAL

    @property
    def has_succeeded(self) -> bool:
        """Whether the job has ended with a result; some images of a batch may have errors."""
        return self.state in SUCCESS

    def refresh(self) -> Job:
        """Return the job's current state."""
        return self._jobs.get(self.id)

    def wait(self, timeout: float | None = None, on_event: Callable[[Event], None] | None = None) -> Job:
        """Wait for the job and return it; see `Jobs.wait`."""
        return self._jobs.wait(self.id, timeout, on_event)

    def events(self, after: str | None = None) -> Iterator[Event]:
        """Return the job's events as they happen, up to its end; see `Jobs.events`."""
        return self._jobs.events(self.id, after)

    def cancel(self) -> Job:
        """Cancel the job; it ends after its current step."""
        return self._jobs.cancel(self.id)

    def retry(self) -> Job:
        """Resume the job after it failed or was cancelled; a batch reads its failed images again."""
        return self._jobs.retry(self.id)

    def delete(self) -> None:
        """Delete the job's record and files; a version that it published stays."""
        self._jobs.delete(self.id)

    def rows(self) -> Iterator[Row]:
        """Return a batch's rows in the archive's order; while it runs, those that exist."""
        return self._jobs.rows(self.id)

    def errors(self) -> Iterator[RowError]:
        """Return the images of a batch that could not be read."""
        return self._jobs.errors(self.id)

    def sort_into(
        self, folder: Path | str, images: Path | str, *, link: bool = False, min_confidence: float | None = None
    ) -> SortedImages:
        """Sort the local images that a batch has classified into a folder for each label; see `Jobs.sort_into`."""
        return self._jobs.sort_into(self.id, folder, images, link=link, min_confidence=min_confidence)

    def evaluation(self) -> Evaluation:
        """Return the metrics that an evaluation job has measured."""
        return self._jobs.evaluation(self.id)

    def save(self, path: Path | str, format: Format | None = None, on_bytes: OnBytes | None = None) -> Path:  # noqa: A002
        """Write a batch's rows to a file; see `Jobs.save`."""
        return self._jobs.save(self.id, path, format, on_bytes)


class Jobs:
    """The server's jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        kind: Kind | None = None,
        state: State | None = None,
        model: str | None = None,
        limit: int | None = None,
        *,
        label: str | None = None,
    ) -> Iterator[Job]:
        """Return the jobs of a kind, in a state, of a model, with a label; newest first, at most `limit`.

        label: its name, a colon and its value, such as `team:vision`.
        """
        items = self._transport.pages(path_to("jobs"), size=limit, kind=kind, state=state, model=model, label=label)
        return (self.job_of(item) for item in items)

    def get(self, job_id: str) -> Job:
        """Return a job in its current state."""
        return self.job_of(self._transport.get(path_to("jobs", job_id)))

    def wait(self, job_id: str, timeout: float | None = None, on_event: Callable[[Event], None] | None = None) -> Job:
        """Wait until the job ends, and return it. on_event: called with each event.

        Raises `JobFailed` if the job fails or is cancelled, and `StillRunning` after `timeout` seconds.
        """
        for event in events.follow(self._transport, job_id, timeout=timeout):
            if on_event:
                on_event(event)
        job = self.get(job_id)
        if not job.has_succeeded:
            raise JobFailed(job)
        return job

    def events(self, job_id: str, after: str | None = None) -> Iterator[Event]:
        """Return the job's events as they happen, up to its end: each once, also after broken connections."""
        return events.follow(self._transport, job_id, after)

    def history(self, job_id: str) -> Iterator[Epoch]:
        """Return the report of each epoch of a training; while it runs, of those that have ended."""
        return (read(Epoch, item) for item in self._transport.pages(path_to("jobs", job_id, "history")))

    def save_weights(
        self,
        job_id: str,
        path: Path | str,
        *,
        tensor: str | None = None,
        format: WeightsFormat = "safetensors",  # noqa: A002 - the API's word
    ) -> Path:
        """Write the weights of a running training's newest checkpoint to a file, atomically.

        tensor: only this one, such as `layer1.weights`; needed for the format `npy`. Raises `NotFound` before the first
        checkpoint, and after the version is published.
        """
        params = {"format": format, "tensor": tensor}
        return downloads.download(self._transport, path_to("jobs", job_id, "weights"), Path(path), params=params)

    def weight_histograms(self, job_id: str, bins: int | None = None) -> WeightHistograms:
        """Return how the weights of a training are distributed: of its newest checkpoint, or of its version.

        bins: by default 50. Raises `NotFound` before the first checkpoint.
        """
        found = self._transport.get(path_to("jobs", job_id, "weights", "histogram"), bins=bins)
        return read(WeightHistograms, found)

    def cancel(self, job_id: str) -> Job:
        """Cancel the job; it ends after its current step, and its finished work is kept."""
        return self.job_of(self._transport.change("POST", path_to("jobs", job_id, "cancel")))

    def retry(self, job_id: str) -> Job:
        """Resume a failed or cancelled job; a batch reads its failed images again."""
        return self.job_of(self._transport.change("POST", path_to("jobs", job_id, "retry")))

    def delete(self, job_id: str) -> None:
        """Delete the job's record and files; a version that it published stays."""
        self._transport.change("DELETE", path_to("jobs", job_id))

    def rows(self, job_id: str) -> Iterator[Row]:
        """Return a batch's rows in the archive's order."""
        return map(Row.read, self._transport.lines(path_to("jobs", job_id, "results")))

    def sort_into(
        self,
        job_id: str,
        folder: Path | str,
        images: Path | str,
        *,
        link: bool = False,
        min_confidence: float | None = None,
    ) -> SortedImages:
        """Copy the local images that a batch has classified into `folder`/<label>, and return the counts.

        images: the folder or archive that was sent; an archive's images are extracted. link: make symbolic links to the
        images of a folder. min_confidence: images below it are in `folder`/_unsure. Existing files are not overwritten;
        images without a row are left out. Raises `LocalFileError` or `WrongArgument`.
        """
        from glassbox.files.classified import classified_files  # noqa: PLC0415 - a command starts faster without them
        from glassbox.files.sorting import prepare_folder, sort_images  # noqa: PLC0415

        folder = Path(folder)
        prepare_folder(folder)
        with classified_files(Path(images), link=link) as files:
            return sort_images(self.rows(job_id), files, folder, link=link, min_confidence=min_confidence)

    def find_rows(
        self,
        job_id: str,
        *,
        label: str | None = None,
        above: float | None = None,
        below: float | None = None,
        path: str | None = None,
        order: RowOrder = "archive",
        limit: int | None = None,
    ) -> Iterator[IndexedRow]:
        """Return a batch's rows that match, page by page, at most `limit`.

        label: of the row. above, below: its confidence is at least `above` and less than `below`. path: a text in its
        path.
        """
        query = {"label": label, "above": above, "below": below, "path": path, "order": order}
        return map(IndexedRow.read, self._transport.pages(path_to("jobs", job_id, "results", "rows"), limit, **query))

    def summary(self, job_id: str) -> BatchSummary:
        """Return the numbers of a batch's rows by label and confidence, and of its errors by code."""
        return read(BatchSummary, self._transport.get(path_to("jobs", job_id, "results", "summary")))

    def evaluation(self, job_id: str) -> Evaluation:
        """Return the metrics that an evaluation job has measured."""
        return read(Evaluation, self._transport.get(path_to("jobs", job_id, "evaluation")))

    def predictions(
        self,
        job_id: str,
        *,
        label: str | None = None,
        predicted: str | None = None,
        wrong: bool | None = None,
        above: float | None = None,
        below: float | None = None,
        order: PredictionOrder = "index",
        limit: int | None = None,
    ) -> Iterator[PredictedImage]:
        """Return an evaluation job's predictions that match, at most `limit`; see `Models.predictions`."""
        query = {"label": label, "predicted": predicted, "wrong": wrong, "above": above, "below": below, "order": order}
        return predicted_images(self._transport, path_to("jobs", job_id), limit, query)

    def compare(self, job_id: str, other: str) -> Comparison:
        """Compare an evaluation job with another one, or with a version's own evaluation, `digits@champion`."""
        return comparison(self._transport, path_to("jobs", job_id), other)

    def compared_images(
        self,
        job_id: str,
        other: str,
        cell: Cell | None = None,
        *,
        label: str | None = None,
        predicted: str | None = None,
        order: PredictionOrder = "index",
        limit: int | None = None,
    ) -> Iterator[ComparedImage]:
        """Return the images that both, one or none of two evaluations get right; see `Models.compared_images`."""
        query = {"cell": cell, "label": label, "predicted": predicted, "order": order}
        return compared_images(self._transport, path_to("jobs", job_id), other, limit, query)

    def images(
        self, job_id: str, *, start: int | None = None, count: int | None = None, indices: Iterable[int] | None = None
    ) -> Images:
        """Return images of a batch as the network saw them, 100 by default, at most 2,000; not those with an error.

        start, count: the range in the archive. indices: the images at these indices of the archive, at most 500.
        `Images.next` is the `start` of the next call.
        """
        listed = None if indices is None else ",".join(map(str, indices))
        params = {"from": start, "count": count, "indices": listed}
        return images_of(self._transport.content(path_to("jobs", job_id, "images"), **params))

    def errors(self, job_id: str) -> Iterator[RowError]:
        """Return the images of a batch that could not be read."""
        return (read(RowError, line) for line in self._transport.lines(path_to("jobs", job_id, "errors")))

    def save(
        self,
        job_id: str,
        path: Path | str,
        format: Format | None = None,  # noqa: A002 - the API's word
        on_bytes: OnBytes | None = None,
        *,
        rows: RowFilter = EVERY_ROW,
    ) -> Path:
        """Write a batch's rows, all or `rows`, to a file, atomically. format: by default that of the file's ending."""
        params = {"format": format or format_of(str(path)), **rows.query()}
        return downloads.download(
            self._transport, path_to("jobs", job_id, "results"), Path(path), params=params, on_bytes=on_bytes
        )

    def copy_rows(
        self,
        job_id: str,
        output: IO[bytes],
        format: Format = "jsonl",  # noqa: A002
        *,
        rows: RowFilter = EVERY_ROW,
    ) -> None:
        """Write a batch's rows to an open stream. rows: only these."""
        params = {"format": format, **rows.query()}
        downloads.copy(self._transport, path_to("jobs", job_id, "results"), output, params)

    def job_of(self, values: Any) -> Job:
        """Return a job from the server's JSON."""
        return read(Job, values, _jobs=self)


class JobFailed(GlassboxError):
    """A job failed or was cancelled."""

    def __init__(self, job: Job) -> None:
        reason = f": {job.error.detail}" if job.error else ""
        super().__init__(f"job {job.id} is {job.state}{reason}")
        self.job = job

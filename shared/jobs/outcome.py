"""What a job's record says about its work: the metrics while it runs, then its result or its error."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class Metrics(TypedDict, total=False):
    """A training's metrics: those of its newest epoch, and when it has ended, those on the test images."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float
    test_accuracy: float
    training_seconds: float


class TrainingResult(TypedDict):
    """The version that a training made, and the share of the test images that it gets right."""

    model: str
    version: int
    test_accuracy: float
    weights_sha256: str


class BatchResult(TypedDict):
    """What became of a batch's images; `passed_over` entries of its archive were no files to classify."""

    model: str
    version: int
    total: int
    succeeded: int
    failed: int
    passed_over: NotRequired[int]
    images_per_second: float


class FirstDifference(TypedDict):
    """The first number that is another one: `index` in the array `parameter`; null where that has another shape."""

    parameter: str
    index: list[int] | None
    expected: float | None
    got: float | None


class Changed(TypedDict):
    """What was so when the version was trained, null where that is not known, and is so now."""

    then: str | None
    now: str


class ReproductionResult(TypedDict):
    """Whether a version's training gave the same bits again, with so many threads, and if not, what differs.

    `environment` has what has changed since then of what the bits depend on, the BLAS and the processor for example; it
    is empty where the bits agree.
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


Result = TrainingResult | BatchResult | ReproductionResult


class JobError(TypedDict):
    """Why a job failed: a stable code for programs, a sentence for people."""

    code: str
    detail: str


class Waiting(TypedDict):
    """Why a queued job cannot start: a stable code for programs, a sentence for people.

    `volume_full` and `redis_full` among the codes, other faults of Redis and the volume, and `no_workers`.
    """

    code: str
    detail: str

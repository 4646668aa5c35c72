"""The parts of a job's record about its work: metrics while it runs, then the result or the error."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from shared.json_types import Skipped


class Metrics(TypedDict, total=False):
    """A training's metrics: those of its newest epoch, and after its end, those on the test images.

    gradient_norm, layer_gradient_norms, predicted_classes, dead_units, learning_rate and seconds are those of
    `EpochReport`, after the end of an epoch only. images_per_second, cores (the mean number of busy cores) and
    memory_bytes of the process are there after an epoch, and after the end of the training: the median of all epochs,
    the mean while it trained, and the peak. load_seconds is the time to read the data set, evaluation_seconds that of
    the evaluation on the test images with the baselines; like cores and memory_bytes, of the last attempt.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    gradient_norm: float
    layer_gradient_norms: tuple[float, ...]
    predicted_classes: int
    dead_units: tuple[float, ...]
    learning_rate: float
    seconds: float
    images_per_second: float
    cores: float
    memory_bytes: int
    test_loss: float
    test_accuracy: float
    test_calibration_error: float
    training_seconds: float
    load_seconds: float
    evaluation_seconds: float


Interval = tuple[float, float]
"""The lower and the upper end of a confidence interval."""


class Baselines(TypedDict):
    """Accuracies on the test images without a network, from 0 to 1.

    linear: of a softmax regression on the same training images. majority_class: of a constant prediction, that is, the
    share of the most frequent class.
    """

    linear: float
    majority_class: float


class Finding(TypedDict):
    """A finding about a training: a stable code for programs and a message for people.

    epoch: of a running training, the epoch after which it was found.
    """

    code: str
    message: str
    epoch: NotRequired[int | None]


class LiveFinding(TypedDict):
    """A finding in the record of a running training: as `Finding`, and whether it holds after the newest epoch."""

    code: str
    message: str
    epoch: int
    holds: bool


class TrainingResult(TypedDict):
    """The version that a training published, and its accuracy on the test images, from 0 to 1.

    accuracy_interval: the 95 % confidence interval (Wilson) of the accuracy. diagnosis: what is wrong with the result;
    empty if nothing was found. Jobs of older releases have neither them nor the baselines.
    """

    model: str
    version: int
    test_accuracy: float
    weights_sha256: str
    accuracy_interval: NotRequired[Interval | None]
    baselines: NotRequired[Baselines | None]
    diagnosis: NotRequired[tuple[Finding, ...] | None]


class SinkResult(TypedDict):
    """What a batch has written to its sink. `complete`: whether all of it is there; then `manifest` is its list.

    `parts` and `bytes` count the files of results and of errors.
    """

    url: str
    format: str
    complete: bool
    parts: int
    bytes: int
    manifest: NotRequired[str | None]


class BatchResult(TypedDict):
    """The counts of a batch's images.

    `passed_over` counts the archive's other entries, with the folders. `skipped` has the files among them, by the
    reason's code, with the first names. `look_inverted` counts the classified images in which light and dark are
    exchanged against the training images, before any inversion; it is null or missing if the version does not describe
    them. `almost_black` counts those without a gray level above 1 of 255; it is missing in jobs of older releases.
    `sink` is missing if the request names none.
    """

    model: str
    version: int
    total: int
    succeeded: int
    failed: int
    passed_over: NotRequired[int]
    skipped: NotRequired[Skipped]
    look_inverted: NotRequired[int | None]
    almost_black: NotRequired[int]
    images_per_second: float
    sink: NotRequired[SinkResult | None]


class FirstDifference(TypedDict):
    """The first number that differs: `index` in the array `parameter`; null if the array has a different shape."""

    parameter: str
    index: list[int] | None
    expected: float | None
    got: float | None


class Changed(TypedDict):
    """A value when the version was trained, null if it is not recorded, and the value now."""

    then: str | None
    now: str


class ReproductionResult(TypedDict):
    """Whether a repeated training gave the same bits as the version, with `threads` BLAS threads, and what differs.

    `environment` has what the bits depend on and has changed since the version was trained, for example the BLAS and
    the processor. It is empty if the bits agree.
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


class EvaluationResult(TypedDict):
    """A version's measures on a split of a data set. The whole evaluation is at `/v1/jobs/{id}/evaluation`.

    accuracy_interval: the 95 % confidence interval (Wilson) of the accuracy. loss: the mean cross-entropy, in nats.
    calibration_error: the expected calibration error. look_inverted: the number of images in which light and dark are
    exchanged against the version's training images; null if the version does not describe them.
    """

    model: str
    version: int
    dataset: str
    split: str
    samples: int
    accuracy: float
    accuracy_interval: Interval
    loss: float
    calibration_error: float
    look_inverted: int | None


Result = TrainingResult | BatchResult | ReproductionResult | EvaluationResult


class JobError(TypedDict):
    """Why a job failed: a stable code for programs and a sentence for people."""

    code: str
    detail: str


class Waiting(TypedDict):
    """Why a queued job cannot start: a stable code for programs and a sentence for people.

    The codes are `no_workers`, `volume_full`, `redis_full`, and those of other faults of Redis and the volume.
    """

    code: str
    detail: str

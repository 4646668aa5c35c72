"""The handler of training jobs: loads the pinned data, trains, evaluates on the test images, publishes the version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import TypeAlias

from threadpoolctl import threadpool_limits

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.errors import Invalid
from shared.images.inversion import measured
from shared.jobs import Job, Progress, State
from shared.jobs.capacity.training_memory import check_memory, threads_that_fit
from shared.jobs.outcome import LiveFinding, Metrics
from shared.jobs.specifications import TrainingSpecification, unknown
from shared.network import (
    AutoTraining,
    Configuration,
    ConfigurationError,
    EpochReport,
    Network,
    Training,
    TrainingDiverged,
)
from shared.network import Progress as StepReport
from shared.network import State as TrainingState
from shared.network.layers.checks import no_check
from shared.network.selection.report import Selection
from shared.registry import ModelVersion, Registry
from shared.registry.checkpoints import Checkpoints
from shared.registry.manifest import VersionDraft
from shared.registry.mistakes import stored_mistakes
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.running.heartbeat import ShutdownRequested
from worker.running.lease import REPORT_SECONDS, Cancelled, Lease
from worker.running.runner import JobOutcome
from worker.training.assessment import assess, log_findings, training_result
from worker.training.environment import blas_threads, environment
from worker.training.live_diagnosis import JobDiagnosis
from worker.training.promotion import Promotion
from worker.training.selection_events import SelectionEvents
from worker.training.usage import Usage

AnyTraining: TypeAlias = Training | AutoTraining


@dataclass(frozen=True)
class Trained:
    """A finished training, with its data. `selection` says how the preset `auto` chose the configuration."""

    manifest: Manifest
    arrays: Arrays
    training: AnyTraining
    selection: Selection | None
    blas_threads: int
    usage: Usage


class TrainingHandler:
    """Handles jobs of the kind `training`."""

    def __init__(self, volume: Volume, datasets: DatasetStore, registry: Registry, settings: Settings) -> None:
        self._volume = volume
        self._datasets = datasets
        self._registry = registry
        self._settings = settings

    def __call__(self, job: Job, lease: Lease) -> JobOutcome:
        """Train and publish; if an earlier attempt has published a version, return that version as the result."""
        specification = TrainingSpecification.of(job.specification)
        promotion = None
        if specification.promote is not None:
            promotion = Promotion(job, specification.promote, self._registry, self._volume)
            promotion.begin()
        version = self._registry.version_of_job(specification.model, job.id)
        checkpoints = Checkpoints(self._volume.checkpoints(job.id))
        if version is None:
            known = job.diagnosis
            trained = load_and_train(specification, self._datasets, checkpoints, lease, self._settings, known)
            with saved_if_stopped(trained.training, checkpoints, lease):
                version = self._publish(job, trained, lease)
        checkpoints.clear()  # an earlier attempt may have died before this step
        log_findings(version.diagnosis or (), lease)
        result = training_result(version)
        if promotion is not None and (finding := promotion.move(version, lease)) is not None:
            log_findings((finding,), lease)
            result["diagnosis"] = (*(version.diagnosis or ()), finding)
        epochs = int(version.configuration["epochs"])
        return JobOutcome(
            State.SUCCEEDED,
            progress=Progress(done=version.epochs_trained, total=epochs, unit="epochs", eta_seconds=0.0),
            metrics=version.metrics,
            result=result,
        )

    def _publish(self, job: Job, trained: Trained, lease: Lease) -> ModelVersion:
        manifest, arrays, training = trained.manifest, trained.arrays, trained.training
        network, configuration = training.network, training.network.configuration
        evaluation, predictions = network.evaluate_each(training.parameters, arrays.x_test, arrays.y_test, lease.check)
        assessment = assess(training, arrays, evaluation, manifest, lease.check)
        brightness = measured(arrays.x_train, lease.check)
        trained.usage.end("evaluate")
        draft = VersionDraft(
            model=job.model,
            job=job.id,
            dataset=manifest.id,
            configuration=configuration.to_dict(),
            seed=configuration.seed,
            blas_threads=trained.blas_threads,
            environment=environment(),
            image_shape=manifest.image_shape,
            standardization=standardization(training),
            brightness=brightness,
            classes=manifest.classes,
            parameters=network.parameter_count,
            metrics={
                **job_metrics(training.history[-1]),
                "test_loss": evaluation.loss,
                "test_accuracy": evaluation.accuracy,
                "test_calibration_error": evaluation.calibration.expected_error,
                "training_seconds": round(sum(report.seconds for report in training.history), 3),
                **trained.usage.summary(training.history, training.samples),
            },
            history=tuple(asdict(report) for report in training.history),
            evaluation={**evaluation.to_dict(), "mistakes": stored_mistakes(predictions, arrays.x_test)},
            selection=trained.selection,
            **assessment,
        )
        folder = self._volume.job(job.id)
        return self._registry.publish(draft, training.parameters, folder, lease.confirm, lease.check, predictions)


def load_and_train(
    specification: TrainingSpecification,
    datasets: DatasetStore,
    checkpoints: Checkpoints,
    lease: Lease,
    settings: Settings,
    findings: Sequence[LiveFinding] | None = None,
) -> Trained:
    """Load the data set, build the network, and train it to the end, from the newest checkpoint if one exists.

    findings: those of earlier attempts, if the training is diagnosed while it runs.
    Raises `Invalid` if this version of the code does not support the configuration, if the training would exceed the
    limit of this process's memory, or if it diverges; also what `DatasetStore.load` and `Lease.check` raise.
    """
    usage = Usage()
    manifest, arrays = datasets.load(specification.dataset, lease.check)
    usage.end("load")
    try:
        networks = [
            Network(manifest.image_shape, len(manifest.classes), Configuration.from_dict(configuration))
            for configuration in specification.configurations
        ]
        for network in networks:
            network.configuration.check(manifest.splits["train"], manifest.splits.get("validation", 0))
    except ConfigurationError as error:
        raise unknown(error) from error
    limit = settings.trainer_memory_bytes
    check_memory(networks, manifest, limit)  # the limit of the API that accepted the job may have been larger
    selects, threads = bool(specification.candidates), threads_that_fit(networks, manifest, limit, settings.cores)

    def begin(state: TrainingState | None) -> AnyTraining:
        return begun(networks, arrays, state, selects=selects, threads=threads, check=lease.check_in_step)

    # The threads of a convolutional network share its chunks; threads of the BLAS would only slow its small products.
    with threadpool_limits(1, user_api="blas") if any(each.architecture for each in networks) else nullcontext():
        training = resumed(begin, checkpoints, lease)
        try:
            diagnosis = None if findings is None else JobDiagnosis(manifest, arrays, findings)
            train(training, lease, checkpoints, settings, diagnosis, usage)
        except TrainingDiverged as error:
            raise Invalid("training_diverged", str(error)) from error
        selection = training.selection if isinstance(training, AutoTraining) else None
        usage.end("train")
        return Trained(manifest, arrays, training, selection, blas_threads(), usage)


def standardization(training: AnyTraining) -> dict[str, list[float]] | None:
    """Return each channel's mean and deviation that the network subtracts and divides by, or None."""
    measured = training.network.standardization(training.parameters)
    return None if measured is None else {name: array.tolist() for name, array in measured._asdict().items()}


def begun(
    networks: list[Network],
    arrays: Arrays,
    state: TrainingState | None,
    *,
    selects: bool,
    threads: int = 1,
    check: Callable[[], None] = no_check,
) -> AnyTraining:
    """Return a new training, or one that continues from the state.

    It trains the only network; if it `selects`, it first chooses one of the networks. Raises ValueError for the state
    of another training. check: as in `Training`.
    """
    x, y, validation = arrays.x_train, arrays.y_train, arrays.validation
    if selects:
        if state is None:
            return AutoTraining(networks, x, y, validation=validation, threads=threads, check=check)
        return AutoTraining.resume(networks, x, y, state, validation=validation, threads=threads, check=check)
    if state is None:
        return Training(networks[0], x, y, validation=validation, threads=threads, check=check)
    return Training.resume(networks[0], x, y, state, validation=validation, threads=threads, check=check)


def resumed(
    begin: Callable[[TrainingState | None], AnyTraining], checkpoints: Checkpoints, lease: Lease
) -> AnyTraining:
    """Return the training in the state of the newest intact checkpoint, or a new one if none exists.

    begin: returns the training in a state, or a new one without a state.
    """
    state, damaged = checkpoints.load(lease.check)
    if damaged:
        lease.log("checkpoint_damaged", {"passed_over": damaged})
    if state is None:
        return begin(None)
    try:
        training = begin(state)
    except ValueError as error:  # another version of the code has written it
        lease.log("checkpoint_refused", {"detail": str(error)})
        return begin(None)
    lease.log("resumed", {"epochs": len(training.history)})
    return training


def train(
    training: AnyTraining,
    lease: Lease,
    checkpoints: Checkpoints,
    settings: Settings,
    diagnosis: JobDiagnosis | None = None,
    usage: Usage | None = None,
) -> None:
    """Train to the end; check the lease after each mini-batch; report each epoch, and progress several times a second.

    Saves a checkpoint after each epoch unless one was just saved, every `checkpoint_seconds`, and before it stops for
    a graceful shutdown or a cancellation.
    Raises `TrainingDiverged`, or what `Lease.check` raises.
    """
    reported_epochs = len(training.history)
    selection = SelectionEvents(training, lease) if isinstance(training, AutoTraining) else None
    started = next_report = last_saved = time.monotonic()
    begun = training.share_done  # by an earlier attempt
    usage = usage or Usage()
    for step in training:
        if selection:
            selection.log()
        try:
            lease.check()
        except (Cancelled, ShutdownRequested):
            save(training, checkpoints, lease)
            raise
        now = time.monotonic()
        ended_epoch = len(training.history) > reported_epochs
        pause = settings.checkpoint_pause_seconds if ended_epoch else settings.checkpoint_seconds
        if now - last_saved >= pause:
            save(training, checkpoints, lease)
            last_saved = now
        if not ended_epoch and now < next_report:
            continue
        reported_epochs = len(training.history)
        next_report = now + REPORT_SECONDS
        fraction = training.share_done
        progress = Progress(
            done=reported_epochs,
            total=training.epochs,
            unit="epochs",
            eta_seconds=round((now - started) * (1 - fraction) / (fraction - begun), 1),
        )
        if ended_epoch:
            report = training.history[-1]
            metrics: Metrics = {**epoch_metrics(report), **usage.metrics(report, training.samples)}
            findings = diagnosis.update(training, lease) if diagnosis else ()
            lease.report(progress, metrics, "epoch", findings)
        else:
            lease.report(progress, None if selection and selection.racing else job_metrics(step), "progress")


@contextmanager
def saved_if_stopped(training: AnyTraining, checkpoints: Checkpoints, lease: Lease) -> Iterator[None]:
    """Save a checkpoint if a graceful shutdown or a cancellation ends the block."""
    try:
        yield
    except (Cancelled, ShutdownRequested):
        save(training, checkpoints, lease)
        raise


def save(training: AnyTraining, checkpoints: Checkpoints, lease: Lease) -> None:
    """Save a checkpoint, and report how far a later attempt can resume."""
    checkpoints.save(training.state(), training.steps, lease.step)
    lease.reach(training.steps)


def job_metrics(report: EpochReport | StepReport) -> Metrics:
    """Return a job's metrics after an epoch, or during one."""
    shown: Metrics = {
        "epoch": report.epoch,
        "train_loss": report.train_loss,
        "train_accuracy": report.train_accuracy,
    }
    if isinstance(report, EpochReport) and report.validation_accuracy is not None:
        shown["validation_loss"] = report.validation_loss
        shown["validation_accuracy"] = report.validation_accuracy
    return shown


def epoch_metrics(report: EpochReport) -> Metrics:
    """Return the metrics of the event `epoch`: the whole report; what is None or empty is missing."""
    shown = job_metrics(report)
    if report.gradient_norm is not None:
        shown["gradient_norm"] = report.gradient_norm
    if report.layer_gradient_norms:  # Redis's Lua has no empty list
        shown["layer_gradient_norms"] = report.layer_gradient_norms
    if report.dead_units:
        shown["dead_units"] = report.dead_units
    if report.learning_rate is not None:
        shown["learning_rate"] = report.learning_rate
    if report.predicted_classes is not None:
        shown["predicted_classes"] = report.predicted_classes
    shown["seconds"] = round(report.seconds, 6)
    return shown

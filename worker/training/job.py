"""The handler of training jobs: loads the pinned data, trains, evaluates on the test images, publishes the version."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.errors import Invalid
from shared.images.thumbnails import data_uri
from shared.jobs import Job, Progress, State
from shared.jobs.outcome import Metrics
from shared.jobs.specifications import TrainingSpecification, unknown
from shared.json_types import JsonObject
from shared.network import Configuration, ConfigurationError, EpochReport, Network, Training, TrainingDiverged
from shared.network import Progress as StepReport
from shared.network.inspection.mistakes import most_confident_errors
from shared.registry import ModelVersion, Registry
from shared.registry.manifest import StoredMistake, VersionDraft
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.running.heartbeat import ShutdownRequested
from worker.running.lease import REPORT_SECONDS, Cancelled, Lease
from worker.running.runner import JobOutcome
from worker.training.checkpoints import Checkpoints
from worker.training.environment import blas_threads, environment

MISTAKES = 24  # that an evaluation shows


@dataclass(frozen=True)
class Trained:
    """A finished training, with its data."""

    manifest: Manifest
    arrays: Arrays
    training: Training


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
        version = self._registry.version_of_job(specification.model, job.id)
        if version is None:
            checkpoints = Checkpoints(self._volume.checkpoints(job.id))
            trained = load_and_train(
                specification.dataset, specification.configuration, self._datasets, checkpoints, lease, self._settings
            )
            version = self._publish(job, trained, lease)
            checkpoints.clear()
        if specification.promote is not None:
            self._registry.point(specification.model, specification.promote, version.version)
        epochs = int(version.configuration["epochs"])
        return JobOutcome(
            State.SUCCEEDED,
            progress=Progress(done=len(version.history), total=epochs, unit="epochs", eta_seconds=0.0),
            metrics=version.metrics,
            result={
                "model": version.model,
                "version": version.version,
                "test_accuracy": version.metrics["test_accuracy"],
                "weights_sha256": version.weights.sha256,
            },
        )

    def _publish(self, job: Job, trained: Trained, lease: Lease) -> ModelVersion:
        manifest, arrays, training = trained.manifest, trained.arrays, trained.training
        network, configuration = training.network, training.network.configuration
        evaluation = network.evaluate(training.parameters, arrays.x_test, arrays.y_test)
        draft = VersionDraft(
            model=job.model,
            job=job.id,
            dataset=manifest.id,
            configuration=configuration.to_dict(),
            seed=configuration.seed,
            blas_threads=blas_threads(),
            environment=environment(),
            image_shape=manifest.image_shape,
            classes=manifest.classes,
            parameters=network.parameter_count,
            metrics={
                **job_metrics(training.history[-1]),
                "test_loss": evaluation.loss,
                "test_accuracy": evaluation.accuracy,
                "training_seconds": round(sum(report.seconds for report in training.history), 3),
            },
            history=tuple(asdict(report) for report in training.history),
            evaluation={**evaluation.to_dict(), "mistakes": mistakes(training, arrays)},
        )
        return self._registry.publish(draft, training.parameters, self._volume.job(job.id), lease.confirm)


def mistakes(training: Training, arrays: Arrays) -> list[StoredMistake]:
    """Return the most confident errors on the test images, each with its thumbnail."""
    most_confident = most_confident_errors(
        training.network, training.parameters, arrays.x_test, arrays.y_test, MISTAKES
    )
    return [
        {
            "index": mistake.index,
            "label": mistake.label,
            "predicted": mistake.predicted,
            "confidence": mistake.confidence,
            "image": data_uri(arrays.x_test[mistake.index]),
        }
        for mistake in most_confident
    ]


def load_and_train(
    dataset: str,
    configuration: JsonObject,
    datasets: DatasetStore,
    checkpoints: Checkpoints,
    lease: Lease,
    settings: Settings,
) -> Trained:
    """Load the data set, build the network, and train it to the end, from the newest checkpoint if one exists.

    configuration: as `Configuration.to_dict` returns it.
    Raises `Invalid` if this version of the code does not support the configuration, or if the training diverges; also
    what `DatasetStore.load` and `Lease.check` raise.
    """
    manifest, arrays = datasets.load(dataset)
    try:
        network = Network(manifest.image_shape, len(manifest.classes), Configuration.from_dict(configuration))
    except ConfigurationError as error:
        raise unknown(error) from error
    training = resumed(network, arrays, checkpoints, lease)
    try:
        train(training, lease, checkpoints, settings)
    except TrainingDiverged as error:
        raise Invalid("training_diverged", str(error)) from error
    return Trained(manifest, arrays, training)


def resumed(network: Network, arrays: Arrays, checkpoints: Checkpoints, lease: Lease) -> Training:
    """Return the training in the state of the newest intact checkpoint, or a new one if none exists."""
    state, damaged = checkpoints.load()
    if damaged:
        lease.log("checkpoint_damaged", {"passed_over": damaged})
    if state is None:
        return Training(network, arrays.x_train, arrays.y_train)
    try:
        training = Training.resume(network, arrays.x_train, arrays.y_train, state)
    except ValueError as error:  # another version of the code has written it
        lease.log("checkpoint_refused", {"detail": str(error)})
        return Training(network, arrays.x_train, arrays.y_train)
    lease.log("resumed", {"epochs": len(training.history)})
    return training


def train(training: Training, lease: Lease, checkpoints: Checkpoints, settings: Settings) -> None:
    """Train to the end; check the lease after each mini-batch; report each epoch, and progress several times a second.

    Saves a checkpoint after each epoch unless one was just saved, every `checkpoint_seconds`, and before it stops for
    a graceful shutdown or a cancellation.
    Raises `TrainingDiverged`, or what `Lease.check` raises.
    """
    epochs = training.network.configuration.epochs
    reported_epochs = len(training.history)
    started = next_report = last_saved = time.monotonic()
    begun = reported_epochs / epochs  # the fraction done by an earlier attempt
    for step in training:
        steps = (step.epoch - 1) * step.steps_per_epoch + step.step
        try:
            lease.check()
        except (Cancelled, ShutdownRequested):
            checkpoints.save(training.state(), steps)
            raise
        now = time.monotonic()
        ended_epoch = len(training.history) > reported_epochs
        pause = settings.checkpoint_pause_seconds if ended_epoch else settings.checkpoint_seconds
        if now - last_saved >= pause:
            checkpoints.save(training.state(), steps)
            last_saved = now
        if not ended_epoch and now < next_report:
            continue
        reported_epochs = len(training.history)
        next_report = now + REPORT_SECONDS
        fraction = (step.epoch - 1 + step.step / step.steps_per_epoch) / epochs
        progress = Progress(
            done=reported_epochs,
            total=epochs,
            unit="epochs",
            eta_seconds=round((now - started) * (1 - fraction) / (fraction - begun), 1),
        )
        metrics = job_metrics(training.history[-1]) if ended_epoch else job_metrics(step)
        lease.report(progress, metrics, "epoch" if ended_epoch else "progress")


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

"""The training step: load the pinned data, train, evaluate on the test images, publish the version."""

from __future__ import annotations

import os
import time
from dataclasses import asdict

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.errors import Invalid
from shared.jobs import Job, Progress, State
from shared.network import Configuration, Network, Training, TrainingDiverged
from shared.registry import ModelVersion, Registry
from shared.specifications import TrainingSpecification
from shared.volume import Volume
from worker.lease import REPORT_SECONDS, Lease
from worker.runner import Outcome


class TrainingStep:
    """Does jobs of the kind `training`."""

    def __init__(self, volume: Volume, datasets: DatasetStore, registry: Registry) -> None:
        self._volume = volume
        self._datasets = datasets
        self._registry = registry

    def __call__(self, job: Job, lease: Lease) -> Outcome:
        """Train and publish; what was published by an attempt before this one is the result as it stands."""
        specification = TrainingSpecification.model_validate(job.specification)
        version = self._registry.version_of_job(specification.model, job.id)
        if version is None:
            manifest, arrays = self._datasets.load(specification.dataset)
            configuration = Configuration.from_dict(specification.configuration)
            network = Network(manifest.image_shape, len(manifest.classes), configuration)
            training = Training(network, arrays.x_train, arrays.y_train)
            started = time.monotonic()
            try:
                train(training, lease)
            except TrainingDiverged as error:
                raise Invalid("training_diverged", str(error)) from error
            seconds = time.monotonic() - started
            lease.check()
            version = self._publish(job, manifest, arrays, training, seconds)
        if specification.promote is not None:
            self._registry.point(specification.model, specification.promote, version.version)
        epochs = int(version.configuration["epochs"])
        return Outcome(
            State.SUCCEEDED,
            progress=Progress(done=epochs, total=epochs, unit="epochs", eta_seconds=0.0),
            metrics=version.metrics,
            result={
                "model": version.model,
                "version": version.version,
                "test_accuracy": version.metrics["test_accuracy"],
                "weights_sha256": version.weights.sha256,
            },
        )

    def _publish(
        self, job: Job, manifest: Manifest, arrays: Arrays, training: Training, seconds: float
    ) -> ModelVersion:
        network, configuration = training.network, training.network.configuration
        evaluation = network.evaluate(training.parameters, arrays.x_test, arrays.y_test)
        last = training.history[-1]
        draft = {
            "model": job.model,
            "job": job.id,
            "dataset": manifest.id,
            "configuration": configuration.to_dict(),
            "seed": configuration.seed,
            "blas_threads": int(os.environ["OPENBLAS_NUM_THREADS"]),
            "image_shape": manifest.image_shape,
            "classes": manifest.classes,
            "parameters": network.parameter_count,
            "metrics": {
                "epoch": last.epoch,
                "train_loss": last.train_loss,
                "train_accuracy": last.train_accuracy,
                "test_loss": evaluation.loss,
                "test_accuracy": evaluation.accuracy,
                "training_seconds": round(seconds, 3),
            },
            "history": [asdict(report) for report in training.history],
        }
        return self._registry.publish(draft, training.parameters, self._volume.job(job.id))


def train(training: Training, lease: Lease) -> None:
    """Train to the end, looking at the lease after each mini-batch; reports each epoch, and several times a second.

    Raises `TrainingDiverged`, `LeaseLost` or `Cancelled`.
    """
    epochs = training.network.configuration.epochs
    started = next_report = time.monotonic()
    reported_epochs = 0
    for step in training:
        lease.check()
        if len(training.history) > reported_epochs:
            reported_epochs = len(training.history)
            event = "epoch"
        elif time.monotonic() >= next_report:
            event = "progress"
        else:
            continue
        now = time.monotonic()
        next_report = now + REPORT_SECONDS
        share = (step.epoch - 1 + step.step / step.steps_per_epoch) / epochs
        progress = Progress(
            done=reported_epochs,
            total=epochs,
            unit="epochs",
            eta_seconds=round((now - started) * (1 - share) / share, 1),
        )
        metrics = {"epoch": step.epoch, "train_loss": step.train_loss, "train_accuracy": step.train_accuracy}
        lease.report(progress, metrics, event)

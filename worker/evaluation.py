"""The handler of evaluation jobs: evaluates a version on a split of a data set, and keeps the prediction of each image.

It starts anew in each attempt: nothing is kept before the whole evaluation, whose second publication is harmless.
"""

from __future__ import annotations

import time

import numpy as np

from shared.datasets import DatasetStore
from shared.images.inversion import count_inverted
from shared.jobs import Job, Progress, State
from shared.jobs.outcome import EvaluationResult
from shared.jobs.specifications import EvaluationSpecification
from shared.network.assessment.intervals import wilson
from shared.registry.classifier import ClassifierCache
from shared.registry.evaluations import EvaluationDraft, JobEvaluation, JobEvaluations
from shared.registry.mistakes import stored_mistakes
from shared.storage.volume import Volume
from worker.running.lease import REPORT_SECONDS, Lease
from worker.running.runner import JobOutcome


class EvaluationHandler:
    """Handles jobs of the kind `evaluation`."""

    def __init__(self, volume: Volume, datasets: DatasetStore, classifiers: ClassifierCache) -> None:
        self._evaluations = JobEvaluations(volume)
        self._datasets = datasets
        self._classifiers = classifiers

    def __call__(self, job: Job, lease: Lease) -> JobOutcome:
        """Evaluate, and publish the evaluation; if an earlier attempt has published one, return it as the result."""
        specification = EvaluationSpecification.of(job.specification)
        found = self._evaluations.intact(job.id) or self._evaluate(job, specification, lease)
        samples = found.evaluation["samples"]
        return JobOutcome(
            State.SUCCEEDED,
            progress=Progress(done=samples, total=samples, unit="images", eta_seconds=0.0),
            result=result_of(found),
        )

    def _evaluate(self, job: Job, specification: EvaluationSpecification, lease: Lease) -> JobEvaluation:
        manifest, arrays = self._datasets.load(specification.dataset, lease.check)
        classifier = self._classifiers.get(specification.model, specification.version)
        version, network = classifier.version, classifier.network
        images, labels = arrays.splits[specification.split]
        numbers = np.array([version.classes.index(name) for name in manifest.classes])  # by the data set's number
        block = network.inference(classifier.parameters, len(images)).size
        steps = _Steps(lease, len(images), block)
        evaluation, predictions = network.evaluate_each(classifier.parameters, images, numbers[labels], steps.check)
        draft = EvaluationDraft(
            model=version.model,
            version=version.version,
            dataset=manifest.id,
            split=specification.split,
            classes=version.classes,
            look_inverted=count_inverted(images, version.brightness, lease.check) if version.brightness else None,
            accuracy_interval=wilson(int(evaluation.confusion.trace()), evaluation.samples),
            evaluation={**evaluation.to_dict(), "mistakes": stored_mistakes(predictions, images)},
        )
        lease.confirm()
        return self._evaluations.publish(job.id, draft, predictions, lease.check)


class _Steps:
    """Counts the blocks of images that are done, checks the lease, and reports the progress several times a second."""

    def __init__(self, lease: Lease, total: int, block: int) -> None:
        self._lease = lease
        self._total = total
        self._block = block
        self._done = 0
        self._started = self._reported = time.monotonic()

    def check(self) -> None:
        """Count a block. Raises what `Lease.check` raises."""
        self._lease.check()
        self._done = min(self._total, self._done + self._block)
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            left = (now - self._started) * (self._total - self._done) / self._done
            progress = Progress(done=self._done, total=self._total, unit="images", eta_seconds=round(left, 1))
            self._lease.report(progress)


def result_of(found: JobEvaluation) -> EvaluationResult:
    """Return the result of the job that made an evaluation."""
    measures = found.evaluation
    return {
        "model": found.model,
        "version": found.version,
        "dataset": found.dataset,
        "split": found.split,
        "samples": measures["samples"],
        "accuracy": measures["accuracy"],
        "accuracy_interval": found.accuracy_interval,
        "loss": measures["loss"],
        "calibration_error": measures["calibration"]["expected_error"],
        "look_inverted": found.look_inverted,
    }

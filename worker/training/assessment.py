"""The assessment of a finished training: what its version's manifest and its job say about the accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TypedDict, cast

from threadpoolctl import threadpool_limits

from shared.datasets import Arrays, Manifest
from shared.jobs.outcome import Baselines, Finding, Interval, TrainingResult
from shared.network import Evaluation, Training
from shared.network.assessment.diagnosis import diagnose
from shared.network.assessment.evidence import ColourEvidence, gather
from shared.network.selection.auto_training import AutoTraining
from shared.registry import ModelVersion
from worker.running.lease import Lease


class Assessment(TypedDict):
    """The fields of a version's draft that an assessment determines."""

    baselines: Baselines
    accuracy_interval: Interval
    diagnosis: tuple[Finding, ...]


def assess(
    training: Training | AutoTraining,
    arrays: Arrays,
    evaluation: Evaluation,
    manifest: Manifest,
    check: Callable[[], None],
) -> Assessment:
    """Assess a finished training, by its evaluation on the test images. The same inputs give the same result.

    check: called between the parts of the work.
    """
    with threadpool_limits(1, user_api="blas"):  # small products, whose bits then do not depend on the number of cores
        evidence = gather(
            training.network,
            training.parameters,
            training.history,
            evaluation,
            (arrays.x_train, arrays.y_train),
            (arrays.x_test, arrays.y_test),
            ColourEvidence(**dict(manifest.colour_check)) if manifest.colour_check else None,
            check,
        )
    return {
        "baselines": {"linear": evidence.linear.test_accuracy, "majority_class": evidence.majority[1]},
        "accuracy_interval": (evidence.test_interval.low, evidence.test_interval.high),
        "diagnosis": tuple(cast("Finding", asdict(finding)) for finding in diagnose(evidence, manifest.classes)),
    }


def training_result(version: ModelVersion) -> TrainingResult:
    """Return the result of the job that published a version."""
    return {
        "model": version.model,
        "version": version.version,
        "test_accuracy": version.metrics["test_accuracy"],
        "weights_sha256": version.weights.sha256,
        "accuracy_interval": version.accuracy_interval,
        "baselines": version.baselines,
        "diagnosis": version.diagnosis,
    }


def log_findings(findings: Iterable[Finding], lease: Lease) -> None:
    """Append an event `warning` to the job's log for each finding."""
    for finding in findings:
        lease.log("warning", dict(finding))

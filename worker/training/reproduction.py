"""The handler of reproduction jobs: trains a version again from its manifest and compares the bits.

It publishes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shared.datasets import DatasetStore
from shared.jobs import Job, Progress, State
from shared.jobs.outcome import Changed, FirstDifference, ReproductionResult
from shared.jobs.specifications import ReproductionSpecification, TrainingSpecification
from shared.registry import ModelVersion, Registry
from shared.registry.checkpoints import Checkpoints
from shared.registry.weights import digest_of
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.running.lease import Lease
from worker.running.runner import JobOutcome
from worker.training.environment import blas_threads, environment
from worker.training.job import job_metrics, load_and_train

Parameters = Mapping[str, NDArray[Any]]


class ReproductionHandler:
    """Handles jobs of the kind `reproduction`."""

    def __init__(self, volume: Volume, datasets: DatasetStore, registry: Registry, settings: Settings) -> None:
        self._volume = volume
        self._datasets = datasets
        self._registry = registry
        self._settings = settings

    def __call__(self, job: Job, lease: Lease) -> JobOutcome:
        """Train to the end; the result says whether the bits agree. A difference is not an error."""
        specification = ReproductionSpecification.of(job.specification)
        version = self._registry.get(specification.model, str(specification.version))
        published = self._registry.load(version)
        lease.check()
        checkpoints = Checkpoints(self._volume.checkpoints(job.id))
        with threadpool_limits(version.blas_threads, user_api="blas"):
            threads = blas_threads()
            training = load_and_train(
                TrainingSpecification(
                    model=version.model, dataset=version.dataset, configuration=version.configuration
                ),
                self._datasets,
                checkpoints,
                lease,
                self._settings,
            ).training
        checkpoints.clear()
        epochs = training.epochs
        return JobOutcome(
            State.SUCCEEDED,
            progress=Progress(done=len(training.history), total=epochs, unit="epochs", eta_seconds=0.0),
            metrics=job_metrics(training.history[-1]),
            result=comparison(version, published, training.parameters, threads),
        )


def comparison(version: ModelVersion, published: Parameters, trained: Parameters, threads: int) -> ReproductionResult:
    """Return a reproduction's result: whether the parameters agree bit for bit, and if not, the likely causes."""
    differing, first = differences(published, trained)
    return {
        "model": version.model,
        "version": version.version,
        "reproduced": first is None,
        "weights_sha256_expected": version.weights.sha256,
        "weights_sha256_got": digest_of(trained),
        "threads": threads,
        "differing_numbers": differing,
        "first_difference": first,
        "environment": {} if first is None else _changed_since(version),
    }


def _changed_since(version: ModelVersion) -> dict[str, Changed]:
    """Return what has changed in the environment since the version was trained; None for values not in its manifest."""
    then = version.environment
    return {
        name: {"then": then.get(name), "now": value} for name, value in environment().items() if then.get(name) != value
    }


def differences(published: Parameters, trained: Parameters) -> tuple[int, FirstDifference | None]:
    """Return the count of numbers whose bits differ, and the first; an array of another shape differs as a whole."""
    count = 0
    first: FirstDifference | None = None
    for name in dict.fromkeys([*published, *trained]):
        expected, got = published.get(name), trained.get(name)
        if expected is None or got is None or (expected.shape, expected.dtype) != (got.shape, got.dtype):
            count += max(0 if array is None else array.size for array in (expected, got))
            first = first or {"parameter": name, "index": None, "expected": None, "got": None}
            continue
        places = np.argwhere(_bits(expected) != _bits(got))  # -0.0 and 0.0 are equal, but their bits differ
        count += len(places)
        if len(places) and first is None:
            index = tuple(places[0].tolist())
            first = {
                "parameter": name,
                "index": list(index),
                "expected": float(expected[index]),
                "got": float(got[index]),
            }
    return count, first


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    return array.view(f"u{array.itemsize}")

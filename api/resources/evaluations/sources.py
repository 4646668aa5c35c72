"""Where predictions for the images of a split are: with a version, or with an evaluation job."""

from __future__ import annotations

from dataclasses import dataclass

from shared.datasets import DatasetStore
from shared.datasets.paths import ImagePaths
from shared.errors import Conflict, NotFound
from shared.jobs import Job, JobStore, Kind
from shared.registry import ModelVersion, Registry
from shared.registry.evaluations import JobEvaluation, JobEvaluations
from shared.registry.predictions.stored import StoredPredictions
from shared.storage.volume import Volume


@dataclass(frozen=True)
class Source:
    """The predictions of a version for the images of a split: its name, and the paths of the data set's images."""

    name: str
    dataset: str
    split: str
    stored: StoredPredictions
    paths: ImagePaths


class Sources:
    """Finds the predictions of versions and evaluation jobs."""

    def __init__(self, registry: Registry, datasets: DatasetStore, jobs: JobStore, volume: Volume) -> None:
        self._registry = registry
        self._datasets = datasets
        self._jobs = jobs
        self._evaluations = JobEvaluations(volume)

    def version(self, version: ModelVersion) -> Source:
        """Return a version's predictions for its own test images. Raises `NotFound` if it has none, or `Damaged`."""
        name = f"{version.model}@{version.version}"
        stored = self._registry.predictions(version)
        if stored is None:
            raise NotFound(
                "predictions_not_found",
                f"{name} has no predictions for its test images, because an older release published it; submit an"
                f" evaluation job for {name} on {version.dataset} (POST /v1/evaluation-jobs), which has them",
            )
        return Source(name, version.dataset, "test", stored, self._datasets.paths(version.dataset))

    def job(self, job_id: str) -> Source:
        """Return the predictions of an evaluation job; raises as `evaluation` does."""
        job, found = self.evaluation(job_id)
        name = f"{found.model}@{found.version}"
        stored = self._evaluations.predictions(job.id, found)
        return Source(name, found.dataset, found.split, stored, self._datasets.paths(found.dataset))

    def evaluation(self, job_id: str) -> tuple[Job, JobEvaluation]:
        """Return an evaluation job and its evaluation.

        Raises `NotFound` if the job does not exist or has no evaluation yet, `Conflict` if it is of another kind, or
        `Damaged`.
        """
        job = self._jobs.get(job_id)
        if job.kind is not Kind.EVALUATION:
            raise Conflict(
                "not_an_evaluation", f"job {job.id} is a {job.kind} job; read its result at /v1/jobs/{job.id}"
            )
        found = self._evaluations.find(job.id)
        if found is None:
            raise NotFound("evaluation_not_found", f"job {job.id} is {job.state} and has no evaluation")
        return job, found


def require_same_images(this: Source, other: Source) -> None:
    """Raise `Conflict` if the predictions are for different images."""
    if (this.dataset, this.split) != (other.dataset, other.split):
        raise Conflict(
            "datasets_differ",
            f"{this.name} was evaluated on the {this.split} images of {this.dataset}, {other.name} on the {other.split}"
            f" images of {other.dataset}: only predictions for the same images can be compared; submit an evaluation"
            " job for one of the versions on the other's data set (POST /v1/evaluation-jobs)",
        )

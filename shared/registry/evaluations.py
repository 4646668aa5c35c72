"""The evaluations of evaluation jobs: a folder of the job on the volume with the measures and the predictions.

The folder is published by one rename, so that it is complete or missing. The first attempt that publishes it wins.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Damaged
from shared.jobs.outcome import Interval
from shared.json_types import AS_WRITTEN
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.manifest import StoredEvaluation, StoredFile
from shared.registry.predictions.stored import PREDICTIONS, StoredPredictions, encode
from shared.storage import durable
from shared.storage.digests import FileDigests
from shared.storage.volume import Volume

EVALUATION = "evaluation.json"


class EvaluationDraft(BaseModel):
    """The evaluation of a version on a split of a data set. `classes` are those of the version.

    `look_inverted` counts the images that look inverted against the version's training images, None if it does not
    describe these.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    dataset: str
    split: str
    classes: tuple[str, ...]
    accuracy_interval: Interval
    look_inverted: int | None = None
    evaluation: Annotated[StoredEvaluation, AS_WRITTEN]


class JobEvaluation(EvaluationDraft):
    """An evaluation as it is stored in `evaluation.json`, with the size and digest of the file of predictions."""

    predictions: StoredFile


class JobEvaluations:
    """The evaluations of the jobs of one volume."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._digests = FileDigests()

    def publish(
        self,
        job_id: str,
        draft: EvaluationDraft,
        predictions: PredictionColumns,
        check: Callable[[], None] = lambda: None,
    ) -> JobEvaluation:
        """Write a job's evaluation, unless it has one; return that which it then has.

        check: called between the parts of the work. Raises `FileNotFoundError` if the job was deleted.
        """
        target = self._volume.evaluation(job_id)
        folder = durable.temporary_beside(target)
        folder.mkdir()  # without parents, so that a late worker does not recreate a deleted job
        try:
            with durable.fsynced(folder / PREDICTIONS, check) as file:
                file.write(encode(predictions))
            stored = StoredFile(
                bytes=(folder / PREDICTIONS).stat().st_size, sha256=durable.sha256_of(folder / PREDICTIONS)
            )
            content = JobEvaluation(**dict(draft), predictions=stored).model_dump_json().encode()
            with durable.fsynced(folder / EVALUATION, check) as file:
                file.write(content)
            durable.publish_folder(folder, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        found = self.find(job_id)
        assert found is not None
        return found

    def find(self, job_id: str) -> JobEvaluation | None:
        """Return the job's evaluation, None if it has none; raises `Damaged` if it cannot be read."""
        try:
            content = (self._volume.evaluation(job_id) / EVALUATION).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return JobEvaluation.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise _damaged(job_id, EVALUATION, first["msg"]) from error

    def predictions(self, job_id: str, evaluation: JobEvaluation) -> StoredPredictions:
        """Return the predictions of a job's evaluation; raises `Damaged` if their file has changed."""
        path = self._volume.evaluation(job_id) / PREDICTIONS
        if self._digests.of(path) != evaluation.predictions.sha256:
            raise _damaged(job_id, PREDICTIONS, "it has changed")
        return StoredPredictions.of(path, evaluation.classes)

    def intact(self, job_id: str) -> JobEvaluation | None:
        """Return the job's evaluation; None if it has none, or one that is damaged, which is removed."""
        try:
            found = self.find(job_id)
            if found is not None:
                self.predictions(job_id, found)
        except Damaged:
            durable.remove_tree(self._volume.evaluation(job_id))
            return None
        return found


def _damaged(job_id: str, name: str, reason: str) -> Damaged:
    return Damaged(
        "evaluation_damaged",
        f"{name} of job {job_id} is damaged ({reason}); restore the file from a backup, or evaluate the version again",
    )

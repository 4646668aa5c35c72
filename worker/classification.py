"""The batch step: classify an archive shard by shard; a shard is finished when its rows are on the volume."""

from __future__ import annotations

import json
import time
import zipfile
from dataclasses import dataclass

import numpy as np

from shared import durable
from shared.errors import Malformed
from shared.images.archive import Archive, describe, shards
from shared.images.decoding import decode_into, invert
from shared.inference import Classifier, ClassifierCache
from shared.jobs import Job, Progress, State
from shared.settings import Settings
from shared.specifications import BatchSpecification
from shared.volume import Volume
from worker.lease import Lease
from worker.runner import Outcome


@dataclass(frozen=True)
class Shard:
    """One shard's outcome: a JSON line for each image that was classified, and one for each that was not."""

    rows: list[str]
    errors: list[str]


class Classification:
    """Does jobs of the kind `batch`."""

    def __init__(self, volume: Volume, classifiers: ClassifierCache, settings: Settings) -> None:
        self._volume = volume
        self._classifiers = classifiers
        self._settings = settings

    def __call__(self, job: Job, lease: Lease) -> Outcome:
        """Classify what no earlier attempt has finished, in the archive's order."""
        specification = BatchSpecification.model_validate(job.specification)
        classifier = self._classifiers.get(specification.model, specification.version)
        started = time.monotonic()
        succeeded = failed = done_before = 0
        with Archive(self._volume.archive(job.id), self._settings) as archive:
            entries = archive.plan().entries
            for number, part in shards(entries, self._settings.shard_images):
                lease.check()
                rows, errors = self._volume.rows(job.id, number), self._volume.errors(job.id, number)
                if rows.exists():
                    good = rows.read_bytes().count(b"\n")
                    done_before += len(part)
                else:
                    shard = classify(archive, part, classifier, specification, self._settings.max_image_pixels)
                    lease.check()
                    durable.write_bytes(errors, "".join(shard.errors).encode())
                    durable.write_bytes(rows, "".join(shard.rows).encode())  # last: it marks the shard as finished
                    good = len(shard.rows)
                succeeded += good
                failed += len(part) - good
                lease.report(_progress(succeeded + failed, len(entries), done_before, started))
        seconds = time.monotonic() - started
        return _outcome(job, specification, succeeded, failed, (succeeded + failed - done_before) / seconds)


def classify(
    archive: Archive,
    entries: tuple[zipfile.ZipInfo, ...],
    classifier: Classifier,
    specification: BatchSpecification,
    max_pixels: int,
) -> Shard:
    """Decode the entries and run the network over those that are images, in one block."""
    images = np.empty((len(entries), *classifier.version.image_shape), np.uint8)
    paths: list[str] = []
    errors: list[str] = []
    for entry in entries:
        try:
            decode_into(images[len(paths)], archive.read(entry), max_pixels)
        except Malformed as error:
            errors.append(json.dumps(describe(error, entry.filename), ensure_ascii=False) + "\n")
        else:
            paths.append(entry.filename)
    images = images[: len(paths)]
    invert(images, specification.invert)
    return Shard(_rows(paths, classifier, images, specification.top_k), errors)


def _rows(paths: list[str], classifier: Classifier, images: np.ndarray, top_k: int) -> list[str]:
    """Write the answers as JSON lines. Put together by hand: this is what most of a row's time would go to."""
    if not paths:
        return []
    answers = classifier.classify(images, top_k)
    names = [json.dumps(name, ensure_ascii=False) for name in classifier.version.classes]
    rows = []
    for path, labels, probabilities in zip(paths, answers.labels.tolist(), answers.probabilities.tolist(), strict=True):
        top = ", ".join(
            f'{{"label": {names[label]}, "probability": {probability:.7g}}}'
            for label, probability in zip(labels, probabilities, strict=True)
        )
        rows.append(
            f'{{"path": {json.dumps(path, ensure_ascii=False)}, "label": {names[labels[0]]},'
            f' "confidence": {probabilities[0]:.7g}, "top": [{top}]}}\n'
        )
    return rows


def _progress(done: int, total: int, done_before: int, started: float) -> Progress:
    elapsed = time.monotonic() - started
    fresh = max(1, done - done_before)
    return Progress(done=done, total=total, unit="images", eta_seconds=round(elapsed * (total - done) / fresh, 1))


def _outcome(
    job: Job, specification: BatchSpecification, succeeded: int, failed: int, images_per_second: float
) -> Outcome:
    total = succeeded + failed
    result = {
        "model": specification.model,
        "version": specification.version,
        "total": total,
        "succeeded": succeeded,
        "failed": failed,
        "passed_over": specification.passed_over,
        "images_per_second": round(images_per_second, 1),
    }
    progress = Progress(done=total, total=total, unit="images", eta_seconds=0.0)
    if failed == 0:
        return Outcome(State.SUCCEEDED, progress, result=result)
    if succeeded and failed <= specification.error_threshold * total:
        return Outcome(State.COMPLETED_WITH_ERRORS, progress, result=result)
    detail = f"{failed} of {total} files could not be classified; /v1/jobs/{job.id}/errors names each"
    return Outcome(State.FAILED, progress, result=result, error={"code": "too_many_errors", "detail": detail})

"""The batch step: classify an archive shard by shard; a shard is finished when its rows are on the volume."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared import durable
from shared.archives import Contents, Plan
from shared.errors import GlassboxError, Malformed
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


@dataclass(frozen=True)
class Entries:
    """A run of an archive's entries."""

    contents: Contents
    plan: Plan
    start: int
    stop: int


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
        plan = Plan.load(self._volume.plan(job.id))
        shards = plan.shards(self._settings.shard_images, self._settings.max_expanded_bytes)
        with Contents(self._volume.archive(job.id), plan, self._settings) as contents:
            for number, (start, stop) in enumerate(shards):
                lease.check()
                rows, errors = self._volume.rows(job.id, number), self._volume.errors(job.id, number)
                if rows.exists():
                    good = rows.read_bytes().count(b"\n")
                    done_before += stop - start
                else:
                    entries = Entries(contents, plan, start, stop)
                    shard = classify(entries, classifier, specification, self._settings.max_image_pixels)
                    lease.check()
                    durable.write_bytes(errors, "".join(shard.errors).encode())
                    durable.write_bytes(rows, "".join(shard.rows).encode())  # last: it marks the shard as finished
                    good = len(shard.rows)
                succeeded += good
                failed += stop - start - good
                lease.report(_progress(succeeded + failed, len(plan), done_before, started))
        seconds = time.monotonic() - started
        return _outcome(job, specification, succeeded, failed, (succeeded + failed - done_before) / seconds)


def classify(entries: Entries, classifier: Classifier, specification: BatchSpecification, max_pixels: int) -> Shard:
    """Decode the entries and run the network over those that are images, in one block."""
    if entries.plan.image_shape:
        images = _resized(entries.contents.images(entries.start, entries.stop), classifier.version.image_shape)
        invert(images, specification.invert)
        names = entries.plan.paths(entries.start, entries.stop)
        return Shard(_rows(names, classifier, images, specification.top_k), [])
    images = np.empty((entries.stop - entries.start, *classifier.version.image_shape), np.uint8)
    paths: list[str] = []
    errors: list[str] = []
    for index, path in enumerate(entries.plan.paths(entries.start, entries.stop), entries.start):
        try:
            decode_into(images[len(paths)], entries.contents.read(index), max_pixels)
        except Malformed as error:
            errors.append(json.dumps(_described(error, path), ensure_ascii=False) + "\n")
        else:
            paths.append(path)
    images = images[: len(paths)]
    invert(images, specification.invert)
    return Shard(_rows(paths, classifier, images, specification.top_k), errors)


def _resized(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The images (n, H, W) in another height and width, by area."""
    if images.shape[1:] == shape:
        return images
    size = (shape[1], shape[0])
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)) for image in images])


def _described(error: GlassboxError, path: str) -> dict[str, str]:
    return {"path": path, "code": error.code, "detail": error.detail}


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

"""The processing of a batch's shards, from the archive to the results on the volume, one at a time in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.archives import Contents
from shared.archives import load as load_index
from shared.errors import Malformed
from shared.images.decoding import decode_into, resize_into
from shared.images.inversion import invert
from shared.images.number_range import almost_black
from shared.jobs import Job
from shared.jobs.specifications import BatchSpecification
from shared.registry.classifier import ClassifierCache, ForwardPass
from shared.results.columns import Columns, columns_of_lines
from shared.results.files import ShardFiles
from shared.results.lines import RowWriter, error_line, parsed_errors
from shared.results.shard import Header, Shard
from shared.runtime.settings import Settings
from shared.storage.volume import Volume

Best = tuple[NDArray[np.integer], NDArray[np.floating]]
"""The class indices (n,) and the probabilities (n,) of the most probable classes."""

CHECK_SECONDS = 1.0  # between two checks of the lease: some images take long


class ShardWork:
    """The shards of one job. Use it in a `with` block.

    Any number of processes may work on one job, even on one shard: all compute the same results, and the first ones to
    be published are kept.
    """

    def __init__(self, job: Job, volume: Volume, classifiers: ClassifierCache, settings: Settings) -> None:
        specification = BatchSpecification.of(job.specification)
        classifier = classifiers.get(specification.model, specification.version)
        self.files = ShardFiles(volume, job.id, job.retries)
        self.index = load_index(volume.archive_index(job.id))
        self._shards = self.index.shards(specification.shard_images, specification.shard_bytes)
        self._pass = ForwardPass(classifier, max(stop - start for start, stop in self._shards))
        self._classes = classifier.version.classes
        self._writer = RowWriter(self._classes, specification.top_k)
        self._specification = specification
        compares = specification.invert != "auto" or specification.compares_with_training
        self._training = classifier.version.brightness if compares else None
        self._max_pixels, self._seconds = settings.max_image_pixels, settings.max_image_seconds
        self._exits = ExitStack()
        self._contents = self._exits.enter_context(Contents(volume.archive(job.id), self.index, settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def __len__(self) -> int:
        """Return the number of shards of the archive."""
        return len(self._shards)

    @property
    def compares(self) -> bool:
        """Whether images are compared with the training images, because the version's manifest describes them."""
        return self._training is not None

    def do(self, number: int, check: Callable[[], None]) -> Header:
        """Process a shard, unless it is finished; after a retry, process only the images that had failed.

        check: called every second, and before the results are written; if it raises, nothing is written.
        Raises FileNotFoundError if the job was deleted.
        """
        finished = self.files.finished(number)
        if finished is not None:
            return finished
        start, stop = self._shards[number]
        self._contents.expect(start, stop)
        paths = self.index.paths(start, stop)
        before = self.files.before(number)
        failed = [] if before is None else _positions(paths, before)
        only_failed = before is not None and len(paths) == before.header.rows + len(failed)
        positions = failed if only_failed else range(len(paths))
        good, errors = self._decode(start, positions, paths, check)
        self._contents.check()
        rows, predictions, look_inverted, dark = self._rows([paths[position] for position in good], check)
        still_failed = sorted(set(positions) - set(good))
        if before is not None and only_failed:
            rows = _merged(before, len(paths), set(failed), dict(zip(good, rows, strict=True)))
            look_inverted += before.header.look_inverted
            dark += before.header.almost_black
            columns = columns_of_lines((row.encode() for row in rows), map(str.encode, errors), still_failed)
        else:
            labels, confidences = predictions
            columns = Columns.of(self._classes, labels, confidences, still_failed, errors)
        check()
        shard = Shard.of(rows, errors, max(map(len, paths)), look_inverted, dark, columns)
        return self.files.publish(number, shard)

    def _decode(
        self, start: int, positions: Sequence[int], paths: list[str], check: Callable[[], None]
    ) -> tuple[Sequence[int], list[str]]:
        """Decode the entries at these positions after `start`; return the good positions and the others' errors."""
        images = self._pass.images
        if self.index.shape_of(start):
            resize_into(images[: len(paths)], self._contents.images(start, start + len(paths)))
            return positions, []
        good: list[int] = []
        errors: list[str] = []
        next_check = time.monotonic() + CHECK_SECONDS
        for position in positions:
            try:
                content = self._contents.read(start + position)
                decode_into(images[len(good)], content, self._max_pixels, seconds=self._seconds, check=check)
            except Malformed as error:
                errors.append(error_line(paths[position], error))
            else:
                good.append(position)
            if time.monotonic() > next_check:
                check()
                next_check = time.monotonic() + CHECK_SECONDS
        return good, errors

    def _rows(self, paths: list[str], check: Callable[[], None]) -> tuple[list[str], Best, int, int]:
        """Classify the images that were decoded last.

        Returns a row for each path, the class and its probability, how many images look inverted, and how many are
        almost black.
        """
        if not paths:
            return [], (np.empty(0, np.int64), np.empty(0, np.float32)), 0, 0
        images = self._pass.images[: len(paths)]
        dark = int(almost_black(images).sum())
        look_inverted = invert(images, self._specification.invert, self._training)
        predictions = self._pass.classify(len(paths), self._specification.top_k, check)
        rows = self._writer.rows(paths, predictions.labels, predictions.probabilities)
        best = predictions.labels[:, 0].copy(), predictions.probabilities[:, 0].copy()
        return rows, best, look_inverted, dark


def _positions(paths: list[str], before: Shard) -> list[int]:
    """Return the positions of the images that failed before."""
    failed = {error["path"] for error in parsed_errors(before.errors)}
    return [position for position, path in enumerate(paths) if path in failed]


def _merged(before: Shard, count: int, retried: set[int], new: dict[int, str]) -> list[str]:
    """Return the earlier rows and the new ones in the archive's order; `retried` are the positions processed again."""
    kept = (line.decode() for line in before.rows.splitlines(keepends=True))
    rows = [new.get(position) if position in retried else next(kept) for position in range(count)]
    return [row for row in rows if row is not None]

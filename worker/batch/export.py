"""The export of a batch's results to a sink: parts of whole shards, then a manifest, which says that all are there.

It begins when all shards have their files. These never change, so an attempt that repeats it writes the same bytes
under the same names. A manifest of an earlier run of the job is deleted before the first part changes.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from typing_extensions import TypedDict

from shared.errors import Unavailable
from shared.jobs import Job
from shared.jobs.outcome import SinkResult
from shared.jobs.specifications import BatchSpecification, SinkFormat
from shared.results.chosen_rows import ChosenRows
from shared.results.formats.csv_rows import as_csv, errors_as_csv
from shared.results.formats.parquet import as_parquet, errors_as_parquet
from shared.results.shard import Header, error_blocks, read_header
from shared.storage import durable
from shared.storage.sinks.sink import Sink, claim

log = logging.getLogger(__name__)

T = TypeVar("T")

PART_IMAGES = 65_536  # a part ends with the shard that reaches this number of images, or this number of bytes of rows
PART_BYTES = 64 * 1024 * 1024
MANIFEST = "manifest.json"
OWN = re.compile(rf"(results|errors)/(part-\d+\.(jsonl|csv|parquet)|{re.escape(durable.TEMPORARY)}.*)")
PAUSES = (1.0, 5.0)  # seconds before the further tries to write a part
CHECK_SECONDS = 0.25  # between two checks of the lease in a pause


class Part(TypedDict):
    """A file in the manifest: its name, its rows or errors, its bytes and its digest."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Export:
    """The export of one job's results to its sink. `result` says what has been written.

    check: called often, also while a part is written; what it raises ends the export.
    """

    def __init__(self, job: Job, sink: Sink, check: Callable[[], None]) -> None:
        self._job_id = job.id
        self._specification = BatchSpecification.of(job.specification)
        self._sink = sink
        self._check = check
        self._results: list[Part] = []
        self._errors: list[Part] = []
        self.result: SinkResult = {
            "url": sink.url,
            "format": self._specification.sink_format,
            "complete": False,
            "parts": 0,
            "bytes": 0,
        }

    def run(self, shards: Sequence[Path], confirm: Callable[[], None]) -> None:
        """Write the parts of these shards, then the manifest. confirm: called directly before the manifest is written.

        Raises the errors of `Sink`, and `Conflict` if the sink is another job's.
        """
        self._retried(partial(claim, self._sink, self._job_id))
        self._retried(partial(delete_manifest, self._sink))
        form, top_k = self._specification.sink_format, self._specification.top_k
        for number, (paths, headers) in enumerate(parts_of(shards)):
            rows, errors = sum(header.rows for header in headers), sum(header.errors for header in headers)
            name = f"part-{number:05d}.{form}"
            self._results.append(self._written(f"results/{name}", rows, partial(rows_as, form, paths, top_k)))
            if errors:
                self._errors.append(self._written(f"errors/{name}", errors, partial(errors_as, form, paths)))
        self._delete_others()
        manifest = durable.encode_json(self._manifest())
        confirm()
        self._retried(partial(self._sink.write, MANIFEST, lambda: iter([manifest])))
        self.result["complete"] = True
        self.result["manifest"] = f"{self._sink.url.removesuffix('/')}/{MANIFEST}"

    def _written(self, name: str, rows: int, chunks: Callable[[], Iterator[bytes]]) -> Part:
        """Write a part, and return its description."""

        def write() -> Content:
            content = Content(chunks, self._check)
            try:
                with collection_paused():
                    self._sink.write(name, content.chunks)
            except Exception as error:
                if content.error is not None:  # reading failed, not writing
                    raise content.error from error
                raise
            return content

        content = self._retried(write)
        self.result["parts"] += 1
        self.result["bytes"] += content.size
        return {"name": name, "rows": rows, "bytes": content.size, "sha256": content.digest.hexdigest()}

    def _delete_others(self) -> None:
        """Delete parts of an earlier run that this one has not written, and unfinished files of killed processes."""
        written = {part["name"] for part in (*self._results, *self._errors)}
        for folder in ("results/", "errors/"):
            for name in self._retried(partial(self._names, folder)):
                if name not in written and OWN.fullmatch(name):
                    self._retried(partial(self._sink.delete, name))

    def _names(self, folder: str) -> list[str]:
        return list(self._sink.names(folder))

    def _manifest(self) -> dict[str, object]:
        specification = self._specification
        return {
            "job": self._job_id,
            "model": specification.model,
            "version": specification.version,
            "format": specification.sink_format,
            "rows": sum(part["rows"] for part in self._results),
            "errors": sum(part["rows"] for part in self._errors),
            "parts": {"results": self._results, "errors": self._errors},
        }

    def _retried(self, operation: Callable[[], T]) -> T:
        """Repeat an operation on the sink while it is unavailable, a few times."""
        for pause in PAUSES:
            self._check()
            try:
                return operation()
            except Unavailable as error:
                log.warning("%s; trying again in %g s", error.detail, pause)
            until = time.monotonic() + pause
            while (left := until - time.monotonic()) > 0:
                self._check()
                time.sleep(min(left, CHECK_SECONDS))
        return operation()


class Content:
    """The content of one file while it is written: its size and digest, and the error that ended its iteration."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]], check: Callable[[], None]) -> None:
        self._chunks = chunks
        self._check = check
        self.size = 0
        self.digest = hashlib.sha256()
        self.error: BaseException | None = None

    def chunks(self) -> Iterator[bytes]:
        """Iterate over the content from its beginning."""
        self.size, self.digest = 0, hashlib.sha256()
        try:
            for chunk in self._chunks():
                self._check()
                self.size += len(chunk)
                self.digest.update(chunk)
                yield chunk
        except Exception as error:
            self.error = error
            raise


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the collection of cyclic garbage. It would take as long as the conversion of the rows, which makes none."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()


def delete_manifest(sink: Sink) -> None:
    """Delete the manifest of an earlier run. Only this and the removal of other parts need the right to delete."""
    if sink.read(MANIFEST, 1) is not None:
        sink.delete(MANIFEST)


def parts_of(shards: Sequence[Path]) -> Iterator[tuple[list[Path], list[Header]]]:
    """Group successive shards to parts; yield the files and headers of each. At least one part, which may be empty."""
    paths: list[Path] = []
    headers: list[Header] = []
    for path in shards:
        header = read_header(path)
        paths.append(path)
        headers.append(header)
        images = sum(each.rows + each.errors for each in headers)
        if images >= PART_IMAGES or sum(each.rows_bytes for each in headers) >= PART_BYTES:
            yield paths, headers
            paths, headers = [], []
    if paths or not shards:
        yield paths, headers


def rows_as(form: SinkFormat, shards: Sequence[Path], top_k: int) -> Iterator[bytes]:
    """Return the rows of these shards in a format."""
    rows = ChosenRows(shards)
    match form:
        case "csv":
            return as_csv(rows, top_k)
        case "parquet":
            return as_parquet(rows, top_k)
    return rows.blocks()


def errors_as(form: SinkFormat, shards: Sequence[Path]) -> Iterator[bytes]:
    """Return the errors of these shards in a format."""
    match form:
        case "csv":
            return errors_as_csv(shards)
        case "parquet":
            return errors_as_parquet(shards)
    return (block for path in shards for block in error_blocks(path))

"""The files of a batch's shards: which shards are finished, which are missing, and the files in the archive's order.

The name of a shard's file contains the shard's number and the retry that wrote it; the file never changes. A retry on a
user's request classifies the shards with errors again and adds new files. The newest file of a shard is valid.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.results.shard import Header, Shard, read_header, read_shard
from shared.storage import durable
from shared.storage.volume import Volume


@dataclass(frozen=True)
class Survey:
    """The state of a batch's shards on the volume: the numbers of the `missing` ones, and the counts of the others.

    `kept` counts the rows of the shards that are missing only because of their errors. `look_inverted` counts images
    that look inverted against the training images, `almost_black` those without a gray level above 1.
    """

    missing: list[int]
    succeeded: int
    failed: int
    kept: int
    look_inverted: int = 0
    almost_black: int = 0


class ShardFiles:
    """The files of one job's shards in one of its retries; 0 is the job's first run."""

    def __init__(self, volume: Volume, job_id: str, retry: int) -> None:
        self._volume = volume
        self._job_id = job_id
        self._retry = retry

    def prepare(self) -> None:
        """Create the shards' folder; raises FileNotFoundError if the job's folder was deleted."""
        folder = self._volume.shards(self._job_id)
        with suppress(FileExistsError), durable.translated_errors():
            folder.mkdir()
            durable.fsync_folder(folder.parent)

    def survey(self, count: int, check: Callable[[], None] = lambda: None) -> Survey:
        """Return which of the shards from 0 to `count` - 1 are finished. `check` is called for each of them."""
        newest = self._newest()
        missing: list[int] = []
        succeeded = failed = kept = look_inverted = almost_black = 0
        for number in range(count):
            check()
            if number not in newest:
                missing.append(number)
                continue
            header = read_header(self._path(number, newest[number]))
            if self._is_to_be_retried(header, newest[number]):
                missing.append(number)
                kept += header.rows
            else:
                succeeded += header.rows
                failed += header.errors
                look_inverted += header.look_inverted
                almost_black += header.almost_black
        return Survey(missing, succeeded, failed, kept, look_inverted, almost_black)

    def finished(self, number: int) -> Header | None:
        """Return the header of a finished shard; None if the shard is missing or is to be retried."""
        header = self._header(number)
        return None if header is None or self._is_to_be_retried(*header) else header[0]

    def before(self, number: int) -> Shard | None:
        """Read the newest file of a shard, None if there is none; a retry keeps its rows and retries its errors."""
        header = self._header(number)
        return None if header is None else read_shard(self._path(number, header[1]))

    def publish(self, number: int, shard: Shard) -> Header:
        """Write a shard's file unless another process has written it; returns the header of the file that exists then.

        Raises FileNotFoundError if the job was deleted, and does not recreate its folder.
        """
        path = self._path(number, self._retry)
        return shard.header if durable.add(path, shard.parts()) else read_header(path)

    def settle(self) -> None:
        """Make the names of all published files durable."""
        durable.fsync_folder(self._volume.shards(self._job_id))

    def in_order(self) -> list[Path]:
        """Return the newest file of each shard in order, up to the first missing shard."""
        newest = self._newest()
        paths: list[Path] = []
        while len(paths) in newest:
            paths.append(self._path(len(paths), newest[len(paths)]))
        return paths

    def _newest(self) -> dict[int, int]:
        newest: dict[int, int] = {}
        for number, retry in self._volume.shard_files(self._job_id):
            newest[number] = max(retry, newest.get(number, 0))
        return newest

    def _header(self, number: int) -> tuple[Header, int] | None:
        for retry in range(self._retry, -1, -1):
            with suppress(FileNotFoundError):
                return read_header(self._path(number, retry)), retry
        return None

    def _is_to_be_retried(self, header: Header, retry: int) -> bool:
        return header.errors > 0 and retry < self._retry

    def _path(self, number: int, retry: int) -> Path:
        return self._volume.shard(self._job_id, number, retry)

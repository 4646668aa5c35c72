"""The files of a batch's shards: which are finished, which are to be done, and all of them in the archive's order.

A shard's file is named for the shard and for the retry under which it was written, and never changes. A person's retry
does those shards again that have errors, beside the files from before; of a shard the newest counts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.results.shard import Header, Shard, read_header, read_shard
from shared.storage import durable
from shared.storage.volume import Volume


@dataclass(frozen=True)
class Survey:
    """What the volume says about a batch: the numbers of the shards that are `missing`, and what those there hold.

    `kept` are the rows of shards that are to be done again for the sake of their errors.
    """

    missing: list[int]
    succeeded: int
    failed: int
    kept: int


class ShardFiles:
    """The files of one job's shards, as a retry of it sees them: 0 is the job's first time."""

    def __init__(self, volume: Volume, job_id: str, retry: int) -> None:
        self._volume = volume
        self._job_id = job_id
        self._retry = retry

    def prepare(self) -> None:
        """Make their folder; raises FileNotFoundError where the job's own is gone."""
        folder = self._volume.shards(self._job_id)
        with suppress(FileExistsError), durable.translated_errors():
            folder.mkdir()
            durable.fsync_folder(folder.parent)

    def survey(self, count: int) -> Survey:
        """Look which of the shards from 0 to `count` - 1 are there."""
        newest = self._newest()
        missing: list[int] = []
        succeeded = failed = kept = 0
        for number in range(count):
            if number not in newest:
                missing.append(number)
                continue
            header = read_header(self._path(number, newest[number]))
            if self._is_to_be_done_again(header, newest[number]):
                missing.append(number)
                kept += header.rows
            else:
                succeeded += header.rows
                failed += header.errors
        return Survey(missing, succeeded, failed, kept)

    def finished(self, number: int) -> Header | None:
        """The header of a shard that is finished already; None where it is to be done."""
        header = self._header(number)
        return None if header is None or self._is_to_be_done_again(*header) else header[0]

    def before(self, number: int) -> Shard | None:
        """What is there of a shard that is to be done: its rows are kept, its errors are tried again."""
        header = self._header(number)
        return None if header is None else read_shard(self._path(number, header[1]))

    def publish(self, number: int, shard: Shard) -> Header:
        """Write a shard down, unless somebody else was quicker; gives the header of what is there then.

        Raises FileNotFoundError where the job was deleted: the folder does not come back.
        """
        path = self._path(number, self._retry)
        return shard.header if durable.add(path, shard.parts()) else read_header(path)

    def settle(self) -> None:
        """Make the names of all that was published durable."""
        durable.fsync_folder(self._volume.shards(self._job_id))

    def in_order(self) -> list[Path]:
        """The newest files of the shards from the first on, up to the first that is not there."""
        newest = self._newest()
        paths: list[Path] = []
        while len(paths) in newest:
            paths.append(self._path(len(paths), newest[len(paths)]))
        return paths

    def _newest(self) -> dict[int, int]:
        newest: dict[int, int] = {}
        for number, retry in self._volume.shards_there(self._job_id):
            newest[number] = max(retry, newest.get(number, 0))
        return newest

    def _header(self, number: int) -> tuple[Header, int] | None:
        for retry in range(self._retry, -1, -1):
            with suppress(FileNotFoundError):
                return read_header(self._path(number, retry)), retry
        return None

    def _is_to_be_done_again(self, header: Header, retry: int) -> bool:
        return header.errors > 0 and retry < self._retry

    def _path(self, number: int, retry: int) -> Path:
        return self._volume.shard(self._job_id, number, retry)

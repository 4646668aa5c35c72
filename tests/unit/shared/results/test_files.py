"""The files of a batch's shards."""

from __future__ import annotations

import pytest

from shared.errors import Damaged
from shared.results.files import ShardFiles, Survey
from shared.results.shard import read_shard
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.objects.results import error, row, shard_of

ROW = row("a.png", ("cat", 0.75))


@pytest.fixture
def files(volume: Volume) -> ShardFiles:
    """The files of a job in its first run."""
    volume.job("job").mkdir(parents=True)
    files = ShardFiles(volume, "job", 0)
    files.prepare()
    return files


@pytest.fixture
def retried(files: ShardFiles, volume: Volume) -> ShardFiles:
    """The same files in the job's first retry."""
    return ShardFiles(volume, "job", 1)


class TestPublishing:
    def test_a_published_shard_is_one_complete_file(self, files: ShardFiles, volume: Volume) -> None:
        shard = shard_of([ROW, ROW], [error("b.txt")])

        assert files.publish(3, shard) == shard.header

        assert files_below(volume.shards("job")) == ["000003.0.jsonl"]
        assert read_shard(volume.shard("job", 3, 0)) == shard

    def test_a_second_publication_changes_nothing_and_returns_the_first_header(
        self, files: ShardFiles, volume: Volume
    ) -> None:
        first = shard_of([ROW], [error("b.txt")])
        files.publish(0, first)

        assert files.publish(0, shard_of([ROW, ROW])) == first.header

        assert read_shard(volume.shard("job", 0, 0)) == first
        assert files_below(volume.shards("job")) == ["000000.0.jsonl"]

    def test_a_deleted_folder_is_not_recreated(self, files: ShardFiles, volume: Volume) -> None:
        volume.shards("job").rmdir()
        volume.job("job").rmdir()

        with pytest.raises(FileNotFoundError):
            files.publish(0, shard_of([ROW]))
        with pytest.raises(FileNotFoundError):
            files.prepare()

        assert not volume.job("job").exists()

    def test_a_file_that_is_not_a_shard_is_damaged(self, files: ShardFiles, volume: Volume) -> None:
        volume.shard("job", 0, 0).write_bytes(b'{"path": "a.png"}\n')

        with pytest.raises(Damaged, match=r"000000\.0\.jsonl"):
            files.survey(1)


class TestSurveying:
    def test_all_shards_are_missing_without_a_folder(self, volume: Volume) -> None:
        assert ShardFiles(volume, "job", 0).survey(3) == Survey([0, 1, 2], succeeded=0, failed=0, kept=0)

    def test_finished_shards_are_counted_with_their_errors(self, files: ShardFiles) -> None:
        files.publish(0, shard_of([ROW], [error("b.txt")]))
        files.publish(2, shard_of([ROW, ROW]))

        assert files.survey(4) == Survey([1, 3], succeeded=3, failed=1, kept=0)

    def test_shards_with_errors_are_missing_in_a_retry(self, files: ShardFiles, retried: ShardFiles) -> None:
        files.publish(0, shard_of([ROW], [error("b.txt")]))
        files.publish(1, shard_of([ROW, ROW]))

        assert retried.survey(3) == Survey([0, 2], succeeded=2, failed=0, kept=1)
        assert retried.finished(0) is None
        assert retried.finished(1) is not None

    def test_a_shard_that_the_retry_has_finished_is_not_missing_despite_errors(
        self, files: ShardFiles, retried: ShardFiles
    ) -> None:
        files.publish(0, shard_of([], [error("a.png"), error("b.txt")]))
        retried.publish(0, shard_of([ROW], [error("b.txt")]))

        assert retried.survey(1) == Survey([], succeeded=1, failed=1, kept=0)

    def test_files_with_other_names_are_skipped(self, files: ShardFiles, volume: Volume) -> None:
        (volume.shards("job") / ".tmp-1234-000000.0.jsonl").write_bytes(b"half")

        assert files.survey(1).missing == [0]
        assert files.in_order() == []

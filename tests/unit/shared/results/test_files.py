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
    """The files of a job at its first time."""
    volume.job("job").mkdir(parents=True)
    files = ShardFiles(volume, "job", 0)
    files.prepare()
    return files


@pytest.fixture
def retried(files: ShardFiles, volume: Volume) -> ShardFiles:
    """The same files, as the job's first retry sees them."""
    return ShardFiles(volume, "job", 1)


class TestPublishing:
    def test_what_is_published_is_there_whole_and_alone(self, files: ShardFiles, volume: Volume) -> None:
        shard = shard_of([ROW, ROW], [error("b.txt")])

        assert files.publish(3, shard) == shard.header

        assert files_below(volume.shards("job")) == ["000003.0.jsonl"]
        assert read_shard(volume.shard("job", 3, 0)) == shard

    def test_who_comes_second_changes_nothing_and_learns_what_is_there(self, files: ShardFiles, volume: Volume) -> None:
        first = shard_of([ROW], [error("b.txt")])
        files.publish(0, first)

        assert files.publish(0, shard_of([ROW, ROW])) == first.header

        assert read_shard(volume.shard("job", 0, 0)) == first
        assert files_below(volume.shards("job")) == ["000000.0.jsonl"]

    def test_a_folder_that_was_removed_is_not_brought_back(self, files: ShardFiles, volume: Volume) -> None:
        volume.shards("job").rmdir()
        volume.job("job").rmdir()

        with pytest.raises(FileNotFoundError):
            files.publish(0, shard_of([ROW]))
        with pytest.raises(FileNotFoundError):
            files.prepare()

        assert not volume.job("job").exists()

    def test_a_file_that_is_no_shard_is_damaged(self, files: ShardFiles, volume: Volume) -> None:
        volume.shard("job", 0, 0).write_bytes(b'{"path": "a.png"}\n')

        with pytest.raises(Damaged, match=r"000000\.0\.jsonl"):
            files.survey(1)


class TestSurveying:
    def test_without_a_folder_all_is_missing(self, volume: Volume) -> None:
        assert ShardFiles(volume, "job", 0).survey(3) == Survey([0, 1, 2], succeeded=0, failed=0, kept=0)

    def test_what_is_there_is_counted_with_its_errors(self, files: ShardFiles) -> None:
        files.publish(0, shard_of([ROW], [error("b.txt")]))
        files.publish(2, shard_of([ROW, ROW]))

        assert files.survey(4) == Survey([1, 3], succeeded=3, failed=1, kept=0)

    def test_a_retry_misses_the_shards_that_have_errors(self, files: ShardFiles, retried: ShardFiles) -> None:
        files.publish(0, shard_of([ROW], [error("b.txt")]))
        files.publish(1, shard_of([ROW, ROW]))

        assert retried.survey(3) == Survey([0, 2], succeeded=2, failed=0, kept=1)
        assert retried.finished(0) is None
        assert retried.finished(1) is not None

    def test_a_shard_that_the_retry_has_done_is_done_though_it_has_errors(
        self, files: ShardFiles, retried: ShardFiles
    ) -> None:
        files.publish(0, shard_of([], [error("a.png"), error("b.txt")]))
        retried.publish(0, shard_of([ROW], [error("b.txt")]))

        assert retried.survey(1) == Survey([], succeeded=1, failed=1, kept=0)

    def test_files_that_are_none_of_ours_are_passed_over(self, files: ShardFiles, volume: Volume) -> None:
        (volume.shards("job") / ".tmp-1234-000000.0.jsonl").write_bytes(b"half")

        assert files.survey(1).missing == [0]
        assert files.in_order() == []

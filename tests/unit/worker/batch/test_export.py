"""Exports: the results of batches in folders, written once whatever happens meanwhile."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pyarrow import parquet

from shared.errors import GlassboxError, StorageFull, Unavailable
from shared.jobs import Job, State
from shared.jobs.outcome import SinkResult
from shared.registry import Registry
from shared.runtime.settings import MiB, Settings
from shared.storage.objects.bucket import Bucket
from shared.storage.sinks.folder import FolderSink
from shared.storage.sinks.sink import Chunks
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.batches import Batches, paths
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import batch_result
from tests.support.objects.models import publish
from tests.support.objects.sinks import settings_of
from tests.support.servers.object_store import Fault, ObjectStore, Proxy, access_to, proxy_before
from worker.batch import export
from worker.batch.export import rows_as

IMAGES, _ = easy_images(10, seed=3)
FILES = {f"{number:02d}.png": png(image) for number, image in enumerate(IMAGES)}
DAMAGED = {"03.png": b"", "08.png": b""}


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(settings: Settings, exports: Path) -> Settings:
    return settings.model_copy(update={"export_folders": (exports,), "shard_images": 4, "max_tries": 1})


@pytest.fixture
def batches(settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Batches:
    """Batches with two shards, of four images, in a part."""
    publish(registry)
    monkeypatch.setattr(export, "PART_IMAGES", 8)
    monkeypatch.setattr(export, "PAUSES", (0.0, 0.0))
    return Batches(WorkBench(settings))


def sink_of(job: Job) -> SinkResult:
    found = batch_result(job)["sink"]
    assert found is not None
    return found


def manifest(folder: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((folder / "manifest.json").read_bytes()))


class TestParts:
    def test_parts_have_the_rows_and_errors_in_order(self, batches: Batches, exports: Path) -> None:
        ended = batches.run(zip_of(FILES | DAMAGED), sink=f"file://{exports}/run/")

        assert ended.state is State.COMPLETED_WITH_ERRORS
        names = ["errors/part-00000.jsonl", "errors/part-00001.jsonl"]
        names += ["results/part-00000.jsonl", "results/part-00001.jsonl"]
        assert files_below(exports / "run") == ["_job.json", *names[:2], "manifest.json", *names[2:]]
        rows = [json.loads(line) for name in names[2:] for line in (exports / "run" / name).read_text().splitlines()]
        errors = [json.loads(line) for name in names[:2] for line in (exports / "run" / name).read_text().splitlines()]
        assert (rows, errors) == (batches.rows(ended), batches.errors(ended))
        assert (len(rows), len(errors)) == (8, 2)

    def test_manifest_lists_the_parts_with_their_digests(self, batches: Batches, exports: Path) -> None:
        ended = batches.run(zip_of(FILES | DAMAGED), sink=f"file://{exports}/run", sink_format="parquet")

        found = manifest(exports / "run")
        assert (found["job"], found["format"], found["rows"], found["errors"]) == (ended.id, "parquet", 8, 2)
        for part in found["parts"]["results"] + found["parts"]["errors"]:
            content = (exports / "run" / part["name"]).read_bytes()
            assert (part["bytes"], part["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
            assert parquet.read_metadata(io.BytesIO(content)).num_rows == part["rows"]
        assert sink_of(ended) == {
            "url": f"file://{exports}/run",
            "format": "parquet",
            "complete": True,
            "parts": 4,
            "bytes": sum(part["bytes"] for part in found["parts"]["results"] + found["parts"]["errors"]),
            "manifest": f"file://{exports}/run/manifest.json",
        }

    def test_parquet_parts_are_one_table_with_the_columns_of_the_csv(self, batches: Batches, exports: Path) -> None:
        ended = batches.run(zip_of(FILES | DAMAGED), sink=f"file://{exports}/run/", sink_format="parquet", top_k=2)

        rows = batches.rows(ended)
        table = parquet.read_table(exports / "run/results")
        assert table["path"].to_pylist() == paths(rows)
        assert table["confidence_2"].to_pylist() == pytest.approx([row["top"][1]["probability"] for row in rows])
        assert parquet.read_table(exports / "run/errors").to_pylist() == batches.errors(ended)

    def test_each_csv_part_has_a_header(self, batches: Batches, exports: Path) -> None:
        batches.run(zip_of(FILES), sink=f"file://{exports}/run/", sink_format="csv")

        parts = [
            list(csv.reader(path.read_text().splitlines())) for path in sorted((exports / "run/results").iterdir())
        ]
        assert [part[0] for part in parts] == [["path", "label", "confidence"]] * 2
        assert [row[0] for part in parts for row in part[1:]] == sorted(FILES)
        assert not (exports / "run/errors").exists()

    def test_part_ends_at_its_bytes_too(self, batches: Batches, exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "PART_BYTES", 1)

        batches.run(zip_of(FILES), sink=f"file://{exports}/run/")

        assert [part["rows"] for part in manifest(exports / "run")["parts"]["results"]] == [4, 4, 2]


class TestAttempts:
    def test_attempt_after_a_killed_one_writes_the_same_bytes(
        self, batches: Batches, exports: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        killed = batches.submit(zip_of(FILES | DAMAGED), sink=f"file://{exports}/run/", sink_format="parquet")
        with monkeypatch.context() as patch:
            patch.setattr(FolderSink, "write", failing(3, KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                batches.run_attempt(killed)
        before = contents(exports)
        assert sorted(before) == ["_job.json", "errors/part-00000.parquet", "results/part-00000.parquet"]
        batches.bench.let_leases_expire()

        ended = batches.run_attempt(batches.bench.jobs.get(killed.id))

        after = contents(exports)
        assert ended.state is State.COMPLETED_WITH_ERRORS
        assert sink_of(ended)["complete"]
        assert {name: after[name] for name in before} == before

    def test_retry_replaces_the_parts_and_removes_those_of_errors(self, batches: Batches, exports: Path) -> None:
        strict = WorkBench(batches.bench.settings.model_copy(update={"max_image_pixels": 100}))
        large = png(np.kron(IMAGES[0], np.ones((4, 4), np.uint8)).astype(np.uint8))
        first = Batches(strict).run(zip_of(FILES | {"03.png": large}), sink=f"file://{exports}/run/")
        assert (first.state, sink_of(first)["parts"]) == (State.COMPLETED_WITH_ERRORS, 3)
        (exports / "run/results/notes.txt").write_text("of a user")
        (exports / "run/results/.tmp-1").write_text("of a killed process")

        ended = batches.retry(first)

        assert (ended.state, sink_of(ended)["parts"]) == (State.SUCCEEDED, 2)
        expected = ["_job.json", "manifest.json", "results/notes.txt", *map("results/part-0000{}.jsonl".format, (0, 1))]
        assert files_below(exports / "run") == expected
        assert manifest(exports / "run")["rows"] == 10

    def test_cancellation_leaves_parts_without_a_manifest(
        self, batches: Batches, exports: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "PAUSES", (60.0,))
        submitted = batches.submit(zip_of(FILES), sink=f"file://{exports}/run/")
        down = Unavailable("sink_unavailable", "it is down")
        cancel = partial(batches.bench.jobs.cancel, submitted.id)
        monkeypatch.setattr(FolderSink, "write", failing(2, down, at_failure=cancel))

        ended = batches.run_attempt(submitted)

        assert files_below(exports / "run") == ["_job.json", "results/part-00000.jsonl"]
        assert sink_of(ended) == {
            "url": f"file://{exports}/run/",
            "format": "jsonl",
            "complete": False,
            "parts": 1,
            "bytes": (exports / "run/results/part-00000.jsonl").stat().st_size,
        }
        assert ended.state is State.CANCELLED


class TestFaults:
    @pytest.mark.parametrize("error", [Unavailable("sink_unavailable", "it is down"), StorageFull("sink_full", "full")])
    def test_failing_sink_keeps_the_rows_and_a_retry_writes_them(
        self, batches: Batches, exports: Path, monkeypatch: pytest.MonkeyPatch, error: GlassboxError
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(FolderSink, "write", failing(2, *[error] * 3))
            failed = batches.run(zip_of(FILES), sink=f"file://{exports}/run/")
        assert (failed.state, batch_result(failed)["succeeded"]) == (State.FAILED, 10)
        assert failed.error is not None
        assert failed.error["code"] == error.code
        assert f"The rows are at /v1/jobs/{failed.id}/results" in failed.error["detail"]
        assert not (exports / "run/manifest.json").exists()

        ended = batches.retry(failed)

        assert (ended.state, sink_of(ended)["complete"]) == (State.SUCCEEDED, True)

    def test_short_outage_is_waited_for(self, batches: Batches, exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(FolderSink, "write", failing(1, *[Unavailable("sink_unavailable", "it is down")] * 2))

        ended = batches.run(zip_of(FILES), sink=f"file://{exports}/run/")

        assert (ended.state, sink_of(ended)["parts"]) == (State.SUCCEEDED, 2)

    def test_batch_of_a_sink_that_has_vanished_does_not_begin(self, batches: Batches, exports: Path) -> None:
        submitted = batches.submit(zip_of(FILES), sink=f"file://{exports}/run/")
        exports.rmdir()

        ended = batches.run_attempt(submitted)

        assert ended.error is not None
        assert (ended.state, ended.error["code"]) == (State.FAILED, "sink_not_found")
        assert batches.files(ended).in_order() == []

    def test_sink_of_another_job_is_not_touched(self, batches: Batches, exports: Path) -> None:
        first = batches.run(zip_of(FILES), sink=f"file://{exports}/run/")
        before = contents(exports)

        second = batches.run(zip_of(FILES), sink=f"file://{exports}/run/")

        assert second.error is not None
        assert second.error["code"] == "sink_not_empty"
        assert repr(first.id) in second.error["detail"]
        assert contents(exports) == before

    def test_batch_with_too_many_errors_writes_nothing(self, batches: Batches, exports: Path) -> None:
        ended = batches.run(zip_of(FILES | DAMAGED), sink=f"file://{exports}/run/", error_threshold=0.0)

        assert ended.state is State.FAILED
        assert files_below(exports / "run") == ["_job.json"]
        assert sink_of(ended)["parts"] == 0


class TestStores:
    @pytest.fixture
    def proxy(self, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
        monkeypatch.setattr("shared.storage.objects.bucket.FIRST_PAUSE", 0.01)
        monkeypatch.setattr("shared.storage.objects.bucket.LONGEST_PAUSE", 0.02)
        with proxy_before(object_store.port) as proxy:
            yield proxy

    @pytest.fixture
    def stored(self, batches: Batches, proxy: Proxy) -> Batches:
        settings = batches.bench.settings.model_copy(update=settings_of(proxy.url, "sinks-worker"))
        return Batches(WorkBench(settings))

    @pytest.fixture
    def bucket(self, object_store: ObjectStore) -> Bucket:
        bucket = Bucket("sinks-worker", access_to(object_store.url))
        bucket.put("other", b"1")
        return bucket

    def names(self, bucket: Bucket, prefix: str) -> list[str]:
        return [found.key.removeprefix(prefix) for page in bucket.pages(prefix) for found in page]

    def test_results_are_written_below_a_prefix(self, stored: Batches, bucket: Bucket) -> None:
        ended = stored.run(zip_of(FILES | DAMAGED), sink="s3://sinks-worker/a/run", sink_format="parquet")

        assert ended.state is State.COMPLETED_WITH_ERRORS
        parts = [f"{kind}/part-0000{number}.parquet" for kind in ("errors", "results") for number in (0, 1)]
        assert self.names(bucket, "a/run/") == ["_job.json", *parts[:2], "manifest.json", *parts[2:]]
        found = json.loads(bucket.read(bucket.stat("a/run/manifest.json"), 0, MiB))
        for part in found["parts"]["results"]:
            content = bucket.read(bucket.stat(f"a/run/{part['name']}"), 0, MiB)
            assert hashlib.sha256(content).hexdigest() == part["sha256"]
        assert sink_of(ended).get("manifest") == "s3://sinks-worker/a/run/manifest.json"

    def test_store_that_fails_in_the_middle_fails_the_job_and_a_retry_continues(
        self, stored: Batches, bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*arguments: Any) -> Iterator[bytes]:
            proxy.always = Fault(status=503)
            return rows_as(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(export, "rows_as", fails)
            failed = stored.run(zip_of(FILES), sink="s3://sinks-worker/b/run/")
        assert failed.error is not None
        assert (failed.state, failed.error["code"]) == (State.FAILED, "sink_unavailable")
        assert "the store answers 503 (SlowDown)" in failed.error["detail"]
        assert self.names(bucket, "b/run/") == ["_job.json"]
        proxy.always = None

        ended = stored.retry(failed)

        assert (ended.state, sink_of(ended)["complete"]) == (State.SUCCEEDED, True)

    def test_right_that_was_taken_away_fails_the_job_before_it_begins(self, stored: Batches, proxy: Proxy) -> None:
        proxy.always = Fault(status=403)

        failed = stored.run(zip_of(FILES), sink="s3://sinks-worker/c/run/")

        assert failed.error is not None
        assert (failed.error["code"], stored.files(failed).in_order()) == ("sink_refused", [])


def failing(after: int, *errors: BaseException, at_failure: Callable[[], object] = lambda: None) -> Callable[..., None]:
    """Return a replacement of `FolderSink.write` that writes this number of files, then raises these errors in turn."""
    write, left, faults = FolderSink.write, count(after, -1), iter(errors)

    def replacement(self: FolderSink, name: str, chunks: Chunks) -> None:
        if next(left) <= 0 and (error := next(faults, None)) is not None:
            at_failure()
            raise error
        write(self, name, chunks)

    return replacement


def contents(exports: Path) -> dict[str, bytes]:
    return {name: (exports / "run" / name).read_bytes() for name in files_below(exports / "run")}

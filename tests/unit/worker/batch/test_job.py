"""The handler of batch jobs: it turns an archive into rows and errors, shard by shard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared.images.inversion import measured
from shared.jobs import Job, JobStore, Progress, State
from shared.jobs.view import job_document
from shared.registry import Registry
from shared.results.shard import read_header
from shared.runtime.settings import MiB, Settings
from shared.storage.volume import Volume
from tests.support.data.archives import Written, zip_as_written, zip_of, zip_of_images
from tests.support.data.costly_images import ARITHMETIC, jpeg_of_scans
from tests.support.data.files import files_below
from tests.support.data.images import encoded, png
from tests.support.data.npz import easy_images, npy
from tests.support.data.tars import gzip_of, tar_of
from tests.support.objects.batches import Batches, paths
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import batch_result, events, move
from tests.support.objects.models import (
    CLASSES,
    SIDE,
    colour_network,
    colour_parameters,
    publish,
    publish_colour,
    tiny_network,
    tiny_parameters,
)
from tests.support.waiting import eventually
from worker.batch import shard
from worker.batch.shard import ShardWork
from worker.running.lease import Cancelled, Lease
from worker.running.runner import JobOutcome

IMAGES, _ = easy_images(10, seed=3)


@pytest.fixture
def bench(settings: Settings) -> WorkBench:
    return WorkBench(settings.model_copy(update={"max_tries": 1}))


@pytest.fixture
def batches(bench: WorkBench, registry: Registry) -> Batches:
    publish(registry)
    return Batches(bench)


def probabilities(images: NDArray[np.uint8]) -> NDArray[Any]:
    return tiny_network().probabilities(tiny_parameters(), images)


class TestInversion:
    """Images on the opposite ground, for a version whose manifest describes the training images."""

    INVERTED = zip_of_images(np.concatenate([255 - IMAGES, IMAGES[:2]]))

    @pytest.fixture
    def drawn(self, batches: Batches, registry: Registry) -> Batches:
        publish(registry, "drawn", "job-drawn", brightness=measured(easy_images(300)[0]))
        return batches

    def labels(self, batches: Batches, job: Job) -> list[str]:
        return [row["label"] for row in batches.rows(job)]

    @pytest.mark.parametrize("shard_images", [1, 5, 100])
    def test_dark_on_light_is_inverted_for_a_model_of_light_on_dark(self, drawn: Batches, shard_images: int) -> None:
        job = drawn.run(
            self.INVERTED, model="drawn", invert="auto", compares_with_training=True, shard_images=shard_images
        )

        expected = probabilities(np.concatenate([IMAGES, IMAGES[:2]]))
        assert self.labels(drawn, job) == [CLASSES[label] for label in expected.argmax(axis=1)]
        assert batch_result(job)["look_inverted"] == 10
        assert "warnings" not in job_document(job)

    def test_arrays_are_inverted_too(self, drawn: Batches) -> None:
        job = drawn.run(npy(255 - IMAGES), model="drawn", invert="auto", compares_with_training=True)

        assert self.labels(drawn, job) == [CLASSES[label] for label in probabilities(IMAGES).argmax(axis=1)]

    def test_mode_never_warns_of_images_that_look_inverted(self, drawn: Batches) -> None:
        job = drawn.run(self.INVERTED, model="drawn", invert="never", shard_images=5)

        expected = probabilities(np.concatenate([255 - IMAGES, IMAGES[:2]]))
        assert self.labels(drawn, job) == [CLASSES[label] for label in expected.argmax(axis=1)]
        [warning] = job_document(job)["warnings"]
        assert warning.startswith("10 of 12 images look inverted against the training images of drawn@1: ")

    def test_a_retry_keeps_the_count_of_the_rows_that_it_keeps(self, drawn: Batches) -> None:
        archive = {f"{number}.png": png(255 - image) for number, image in enumerate(IMAGES)} | {"3.png": b""}
        job = drawn.retry(drawn.run(zip_of(archive), model="drawn", error_threshold=0.0))

        assert batch_result(job)["look_inverted"] == 9

    def test_a_job_of_an_older_release_keeps_its_rule(self, drawn: Batches) -> None:
        """The mean of the border's gray levels, also for a version that describes its training images."""
        image = np.full((SIDE, SIDE), 20, np.uint8)
        image[0, :], image[:, 0], image[:, -1] = 255, 200, 200
        job = drawn.run(zip_of_images(image[np.newaxis]), model="drawn", invert="auto")

        expected = probabilities(255 - image[np.newaxis])
        assert [row["confidence"] for row in drawn.rows(job)] == pytest.approx(expected.max(axis=1).tolist(), abs=1e-6)
        assert "look_inverted" not in batch_result(job)


class TestAlmostBlackImages:
    MASKS = tuple((image > 100).astype(np.uint8) for image in IMAGES[:3])

    def test_images_without_a_level_above_1_are_counted_with_a_warning(self, batches: Batches) -> None:
        archive = {f"{number}.png": png(image) for number, image in enumerate((*self.MASKS, 0 * IMAGES[0], IMAGES[0]))}

        job = batches.run(zip_of(archive), shard_images=2)

        assert batch_result(job)["almost_black"] == 3
        [warning] = job_document(job)["warnings"]
        assert warning.startswith("3 of 5 images have no gray level above 1 of 255")

    def test_images_of_an_array_are_counted_before_they_are_inverted(self, batches: Batches) -> None:
        job = batches.run(npy(np.concatenate([self.MASKS, IMAGES])), invert="always")

        assert batch_result(job)["almost_black"] == 3

    def test_a_retry_keeps_the_count(self, batches: Batches) -> None:
        archive = {f"{number}.png": png(image) for number, image in enumerate(self.MASKS)} | {"9.png": b""}

        job = batches.retry(batches.run(zip_of(archive), error_threshold=0.0))

        assert batch_result(job)["almost_black"] == 3


class TestRows:
    def test_rows_are_the_networks_results_in_the_archives_order(self, batches: Batches) -> None:
        job = batches.run(zip_of_images(IMAGES))

        P = probabilities(IMAGES)
        assert job.state is State.SUCCEEDED
        assert [row["path"] for row in batches.rows(job)] == [f"{number:05d}.png" for number in range(10)]
        assert [row["label"] for row in batches.rows(job)] == [CLASSES[label] for label in P.argmax(axis=1)]
        assert np.allclose([row["confidence"] for row in batches.rows(job)], P.max(axis=1), atol=1e-6)
        assert batches.errors(job) == []

    def test_the_archives_order_is_not_that_of_the_names(self, batches: Batches) -> None:
        names = ["z.png", "a.png", "m/b.png", "m/a.png", "0.png"]

        job = batches.run(zip_of({name: png(IMAGES[0]) for name in names}))

        assert [row["path"] for row in batches.rows(job)] == names

    @pytest.mark.parametrize("top_k", [1, 2, 3])
    def test_each_row_has_the_best_classes(self, batches: Batches, top_k: int) -> None:
        job = batches.run(zip_of_images(IMAGES), top_k=top_k)

        for row, P in zip(batches.rows(job), probabilities(IMAGES), strict=True):
            best = np.argsort(-P)[:top_k]
            assert [each["label"] for each in row["top"]] == [CLASSES[label] for label in best]
            assert np.allclose([each["probability"] for each in row["top"]], P[best], atol=1e-6)
            assert (row["label"], row["confidence"]) == (row["top"][0]["label"], row["top"][0]["probability"])

    def test_images_may_be_inverted(self, batches: Batches) -> None:
        job = batches.run(zip_of_images(255 - IMAGES), invert="always")

        assert [row["label"] for row in batches.rows(job)] == [
            CLASSES[label] for label in probabilities(IMAGES).argmax(axis=1)
        ]

    def test_images_of_another_size_are_resized(self, batches: Batches) -> None:
        large = np.kron(IMAGES, np.ones((1, 3, 3), np.uint8)).astype(np.uint8)

        job = batches.run(zip_of_images(large))

        assert [row["confidence"] for row in batches.rows(job)] == pytest.approx(
            probabilities(IMAGES).max(axis=1).tolist(), abs=1e-6
        )

    @pytest.mark.parametrize("scale", [1, 3])
    def test_an_array_of_images_is_an_archive_too(self, batches: Batches, scale: int) -> None:
        images = np.kron(IMAGES, np.ones((1, scale, scale), np.uint8)).astype(np.uint8)

        job = batches.run(npy(255 - images), invert="always")

        P = probabilities(IMAGES)
        assert [row["path"] for row in batches.rows(job)] == [str(number) for number in range(10)]
        assert [row["label"] for row in batches.rows(job)] == [CLASSES[label] for label in P.argmax(axis=1)]

    def test_a_compressed_tar_is_an_archive_too(self, batches: Batches) -> None:
        names = ["b.png", "a.png", "notes.txt"]

        job = batches.run(gzip_of(tar_of({name: png(IMAGES[0]) for name in names[:2]} | {"notes.txt": b"text"})))

        assert [row["path"] for row in batches.rows(job)] == names[:2]
        assert [error["path"] for error in batches.errors(job)] == names[2:]

    @pytest.mark.parametrize("path", ['say "cheese".png', "ü/数.png", "tab\there.png", "new\nline.png", "{}.png"])
    def test_any_path_makes_a_row(self, batches: Batches, path: str) -> None:
        job = batches.run(zip_of({path: png(IMAGES[0]), f"broken {path}": b""}))

        assert [row["path"] for row in batches.rows(job)] == [path]
        assert [error["path"] for error in batches.errors(job)] == [f"broken {path}"]

    def test_class_names_may_be_any_text(self, batches: Batches, registry: Registry) -> None:
        names = ('the "one"', "zwölf", "\\")
        publish(registry, job="job-2", classes=names)

        job = batches.run(zip_of_images(IMAGES), version=2)

        assert {row["label"] for row in batches.rows(job)} <= set(names)


COLOUR = np.random.default_rng(4).integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)


class TestColour:
    @pytest.fixture(autouse=True)
    def painted(self, registry: Registry) -> None:
        publish_colour(registry)

    def confidences(self, batches: Batches, archive: bytes, **options: Any) -> list[float]:
        job = batches.run(archive, **options)
        assert (job.state, batches.errors(job)) == (State.SUCCEEDED, [])
        return [row["confidence"] for row in batches.rows(job)]

    def assert_in_colour(self, found: list[float], images: NDArray[np.uint8]) -> None:
        P = colour_network().probabilities(colour_parameters(), images)
        assert np.allclose(found, P.max(axis=1), atol=1e-6)

    def test_files_are_converted_to_colour_for_a_model_in_colour(self, batches: Batches) -> None:
        gray = np.ascontiguousarray(COLOUR[..., 0])
        archive = zip_of({f"{number}.png": png(image) for number, image in enumerate([*COLOUR, *gray])})

        found = self.confidences(batches, archive, model="painted")

        self.assert_in_colour(found, np.concatenate([COLOUR, np.repeat(gray[..., np.newaxis], 3, axis=3)]))

    def test_files_are_converted_to_luma_for_a_grayscale_model(self, batches: Batches) -> None:
        luma = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in COLOUR])

        found = self.confidences(batches, zip_of({f"{number}.png": png(one) for number, one in enumerate(COLOUR)}))

        assert np.allclose(found, probabilities(luma).max(axis=1), atol=1e-6)

    @pytest.mark.parametrize("scale", [1, 3])
    @pytest.mark.parametrize("invert", ["never", "always"])
    def test_an_array_in_colour_is_resized_and_inverted_by_channel(
        self, batches: Batches, scale: int, invert: str
    ) -> None:
        images = np.kron(COLOUR, np.ones((1, scale, scale, 1), np.uint8)).astype(np.uint8)

        found = self.confidences(batches, npy(images), model="painted", invert=invert)

        self.assert_in_colour(found, COLOUR if invert == "never" else 255 - COLOUR)

    @pytest.mark.parametrize(("model", "images"), [("toy", COLOUR), ("painted", COLOUR[..., 0])])
    def test_an_array_of_other_channels_fails_the_job(
        self, batches: Batches, model: str, images: NDArray[np.uint8]
    ) -> None:
        job = batches.run(npy(np.ascontiguousarray(images)), model=model)

        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error["code"] == "image_channels"


MIXED = {
    "good-1.png": png(IMAGES[0]),
    "notes.txt": b"not an image",
    "good-2.png": png(IMAGES[1]),
    "truncated.png": png(np.zeros((60, 60), np.uint8))[:-30],
    "empty.png": b"",
    "animated.png": encoded(Image.fromarray(IMAGES[0]), save_all=True, append_images=[Image.fromarray(IMAGES[1])]),
    "costly.jpg": jpeg_of_scans(100, 4000),
    "good-3.jpg": encoded(Image.fromarray(IMAGES[2]), "JPEG", quality=95),
}


class TestErrors:
    def test_broken_files_are_errors_and_good_ones_rows(self, batches: Batches) -> None:
        job = batches.run(zip_of(MIXED))

        assert job.state is State.COMPLETED_WITH_ERRORS
        assert [row["path"] for row in batches.rows(job)] == ["good-1.png", "good-2.png", "good-3.jpg"]
        assert [(error["path"], error["code"]) for error in batches.errors(job)] == [
            ("notes.txt", "not_an_image"),
            ("truncated.png", "image_damaged"),
            ("empty.png", "not_an_image"),
            ("animated.png", "image_animated"),
            ("costly.jpg", "image_too_costly"),
        ]
        assert all(error["detail"] for error in batches.errors(job))

    def test_a_broken_file_does_not_shift_the_rows_after_it(self, batches: Batches) -> None:
        archive = {f"{number}.png": png(image) for number, image in enumerate(IMAGES)} | {"1.png": b"", "6.png": b""}

        job = batches.run(zip_of(archive))

        kept = np.delete(IMAGES, [1, 6], axis=0)
        assert [row["confidence"] for row in batches.rows(job)] == pytest.approx(
            probabilities(kept).max(axis=1).tolist(), abs=1e-6
        )

    def test_a_cancellation_ends_the_decoding_of_an_image(self, settings: Settings, registry: Registry) -> None:
        publish(registry)
        batches = Batches(WorkBench(settings.model_copy(update={"max_image_pixels": 1_000_000_000})))
        jobs = batches.bench.jobs
        job = batches.submit(zip_of({"slow.jpg": jpeg_of_scans(4000, 4000, ARITHMETIC)}))

        def cancel() -> None:
            eventually(lambda: jobs.get(job.id).state is State.RUNNING)
            jobs.cancel(job.id)

        thread = threading.Thread(target=cancel)
        thread.start()
        began = time.monotonic()
        ended = batches.run_attempt(job)
        thread.join()

        assert ended.state is State.CANCELLED
        assert time.monotonic() - began < 6  # of about a minute

    def test_the_result_counts_rows_and_errors(self, batches: Batches) -> None:
        job = batches.run(zip_of(MIXED))

        result = batch_result(job)
        counts = {"model": "toy", "version": 1, "total": 8, "succeeded": 3, "failed": 5, "passed_over": 0}
        assert result == counts | {
            "skipped": {}, "almost_black": 0, "images_per_second": result["images_per_second"],
        }  # fmt: skip
        assert result["images_per_second"] > 0
        assert job.progress == Progress(done=8, total=8, unit="images", eta_seconds=0.0)

    @pytest.mark.parametrize("pack", [partial(zip_of, method=ZIP_DEFLATED), tar_of], ids=["zip", "tar"])
    def test_an_entry_over_the_size_limit_is_one_error(
        self, batches: Batches, pack: Callable[[dict[str, bytes]], bytes]
    ) -> None:
        job = batches.run(pack({"huge.bmp": bytes(20 * MiB + 1), "b.png": png(IMAGES[0])}))

        assert [(error["path"], error["code"]) for error in batches.errors(job)] == [("huge.bmp", "entry_too_large")]
        assert [row["path"] for row in batches.rows(job)] == ["b.png"]

    def test_skipped_files_are_in_the_result(self, batches: Batches) -> None:
        job = batches.run(zip_of({"b.png": png(IMAGES[0]), "LICENSE.txt": b"", "__MACOSX/._b.png": b""}))

        assert batch_result(job).get("skipped") == {
            "side_file": {"count": 1, "names": ["LICENSE.txt"]},
            "system_file": {"count": 1, "names": ["__MACOSX/._b.png"]},
        }

    @pytest.mark.parametrize("name", ["cafe\u0301\\1.png".encode(), "café\\1.png".encode("cp850")])
    def test_the_path_of_a_row_is_in_one_spelling(self, batches: Batches, name: bytes) -> None:
        job = batches.run(zip_as_written([Written(name, png(IMAGES[0]))]))

        assert [row["path"] for row in batches.rows(job)] == ["café/1.png"]

    def test_an_entry_with_a_wrong_checksum_is_one_error(self, batches: Batches) -> None:
        archive = zip_of({"a.png": b"first", "b.png": png(IMAGES[0])}).replace(b"first", b"fi_st")

        job = batches.run(archive)

        assert [(error["path"], error["code"]) for error in batches.errors(job)] == [("a.png", "entry_damaged")]
        assert [row["path"] for row in batches.rows(job)] == ["b.png"]

    def test_a_batch_without_any_good_image_fails(self, batches: Batches) -> None:
        job = batches.run(zip_of({f"{number}.txt": b"text" for number in range(6)}))

        assert job.state is State.FAILED
        assert job.error is not None
        assert job.error["code"] == "too_many_errors"
        assert f"/v1/jobs/{job.id}/errors" in job.error["detail"]
        assert len(batches.errors(job)) == 6

    @pytest.mark.parametrize(
        ("threshold", "state"),
        [
            (1.0, State.COMPLETED_WITH_ERRORS),
            (0.5, State.COMPLETED_WITH_ERRORS),
            (0.49, State.FAILED),
            (0, State.FAILED),
        ],
    )
    def test_more_errors_than_the_threshold_allows_fail_the_job(
        self, batches: Batches, threshold: float, state: State
    ) -> None:
        archive = zip_of({"a.png": png(IMAGES[0]), "b.png": png(IMAGES[1]), "c.png": b"", "d.png": b""})

        job = batches.run(archive, error_threshold=threshold)

        assert job.state is state
        assert len(batches.rows(job)) == 2

    def test_a_threshold_of_zero_allows_a_batch_without_errors(self, batches: Batches) -> None:
        assert batches.run(zip_of_images(IMAGES), error_threshold=0).state is State.SUCCEEDED

    def test_a_model_that_is_damaged_fails_the_job(self, batches: Batches, volume: Volume) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"damaged")

        job = batches.run(zip_of_images(IMAGES))

        assert job.error is not None
        assert (job.state, job.error["code"]) == (State.FAILED, "version_damaged")

    def test_a_missing_model_fails_the_job(self, batches: Batches) -> None:
        job = batches.run(zip_of_images(IMAGES), version=7)

        assert job.error is not None
        assert job.error["code"] == "version_not_found"


class TestShards:
    def test_a_batch_is_written_in_shards(self, batches: Batches, volume: Volume) -> None:
        job = batches.run(zip_of_images(IMAGES))

        assert files_below(volume.shards(job.id)) == [f"{number:06d}.0.jsonl" for number in range(3)]
        assert [read_header(path).rows for path in batches.files(job).in_order()] == [4, 4, 2]

    def test_a_shard_exceeds_its_byte_limit_only_for_one_large_image(self, batches: Batches, volume: Volume) -> None:
        archive = zip_of_images(IMAGES)
        size = len(png(IMAGES[0]))

        assert len(files_below(volume.shards(batches.run(archive, shard_bytes=3 * size).id))) >= 4
        assert len(files_below(volume.shards(batches.run(archive, shard_bytes=1).id))) == 10

    def test_finished_shards_are_not_processed_again(self, batches: Batches) -> None:
        job = batches.submit(zip_of_images(IMAGES))
        line = '{"path": "from the attempt before"}\n'
        batches.finish(job, 1, [line] * 3, ['{"path": "its error"}\n'])

        job = batches.run_attempt(job)

        assert paths(batches.rows(job))[4:7] == ["from the attempt before"] * 3
        assert paths(batches.errors(job)) == ["its error"]
        assert job.state is State.COMPLETED_WITH_ERRORS
        assert (batch_result(job)["succeeded"], batch_result(job)["failed"]) == (9, 1)

    def test_settings_changed_between_attempts_do_not_change_the_shards(
        self, batches: Batches, settings: Settings
    ) -> None:
        job = batches.submit(zip_of_images(IMAGES))
        other = Batches(WorkBench(settings.model_copy(update={"shard_images": 3})))

        job = other.run_attempt(job)

        assert [read_header(path).rows for path in batches.files(job).in_order()] == [4, 4, 2]

    def test_all_shards_may_be_finished_already(self, batches: Batches, jobs: JobStore) -> None:
        job = batches.submit(zip_of_images(IMAGES))
        first = batches.run_attempt(job)
        jobs.discard(job.id)
        jobs.create(job)

        again = batches.run_attempt(job)

        assert again.state is State.SUCCEEDED
        assert batch_result(again)["succeeded"] == batch_result(first)["succeeded"] == 10
        assert batch_result(again)["images_per_second"] == 0

    def test_a_cancellation_keeps_the_finished_shards_and_starts_no_other(
        self, batches: Batches, jobs: JobStore, volume: Volume
    ) -> None:
        def cancelled_first(job: Job, lease: Lease) -> JobOutcome:
            move(jobs, job.id, State.CANCELLING)
            eventually(lambda: is_cancelled(lease))
            return batches.handler(job, lease)

        job = batches.submit(zip_of_images(IMAGES))
        batches.finish(job, 0, ['{"path": "from the attempt before"}\n'])

        job = batches.bench.run(job, cancelled_first)

        assert job.state is State.CANCELLED
        assert files_below(volume.shards(job.id)) == ["000000.0.jsonl"]

    def test_a_batch_whose_files_were_deleted_writes_none(self, batches: Batches, volume: Volume) -> None:
        def deleted_first(job: Job, lease: Lease) -> JobOutcome:
            batches.bench.files.remove(job.id)
            return batches.handler(job, lease)

        job = batches.submit(zip_of_images(IMAGES))

        batches.bench.run(job, deleted_first)

        assert not volume.job(job.id).exists()

    def test_the_lease_is_checked_within_a_shard(
        self, batches: Batches, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shard, "CHECK_SECONDS", 0.0)
        checks = []
        with ShardWork(
            batches.submit(zip_of_images(IMAGES)), volume, batches.classifiers, batches.bench.settings
        ) as work:
            work.files.prepare()
            work.do(0, lambda: checks.append(1))

        assert len(checks) == 6  # after each image, after the network's pass, and before the results are written

    def test_progress_counts_images_towards_all_of_them(self, batches: Batches, redis: Any) -> None:
        job = batches.run(zip_of_images(IMAGES))

        reported = [data["progress"] for kind, data in events(redis, job.id) if kind == "progress"]
        assert reported[-1]["done"] == 10
        assert {each["total"] for each in reported} == {10}
        assert [each["done"] for each in reported] == sorted(each["done"] for each in reported)
        assert job.progress.done == 10


def is_cancelled(lease: Lease) -> bool:
    try:
        lease.check()
    except Cancelled:
        return True
    return False

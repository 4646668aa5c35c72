"""`POST /v1/batch-jobs`."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from redis import Redis
from werkzeug.test import TestResponse

from api.app import create_app
from shared.archives import ArchiveIndex
from shared.images.inversion import measured
from shared.jobs import JobStore
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.uploads import space
from shared.storage.volume import Volume
from tests.support.data.archives import with_central, zip_of, zip_of_images
from tests.support.data.files import files_below, left_behind
from tests.support.data.hostile import zip_bomb
from tests.support.data.images import png
from tests.support.data.npz import easy_images, npy, npz
from tests.support.objects.jobs import messages
from tests.support.objects.models import publish, publish_colour
from tests.support.problems import assert_problem, parameters

PATH = "/v1/batch-jobs"
ARCHIVE = zip_of_images(easy_images(4)[0])
COLOUR = np.random.default_rng(4).integers(0, 256, (4, 9, 7, 3), np.uint8)
GRAY = np.ascontiguousarray(COLOUR[..., 0])

pytestmark = pytest.mark.usefixtures("model")


def submit(client: FlaskClient, archive: bytes = ARCHIVE, model: str = "toy", **options: Any) -> TestResponse:
    return client.post(PATH, data=archive, query_string={"model": model, **options})


class TestSubmitting:
    def test_batch_job_is_accepted_and_queued(self, client: FlaskClient) -> None:
        response = submit(client)

        assert response.status_code == 202
        job: Any = response.json
        assert (job["kind"], job["state"], job["attempt"]) == ("batch", "queued", 0)
        assert job["progress"] == {"done": 0, "total": 4, "unit": "images", "eta_seconds": None}
        assert response.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
        assert job["links"]["results"] == f"/v1/jobs/{job['id']}/results"
        assert job["links"]["errors"] == f"/v1/jobs/{job['id']}/errors"

    def test_a_small_batch_is_interactive_and_a_large_one_is_not(self, settings: Settings) -> None:
        larger = create_app(settings.model_copy(update={"interactive_images": 3})).test_client()
        small = create_app(settings).test_client()

        jobs: Any = [submit(small).json, submit(larger).json, submit(small, priority="batch").json]

        assert [job["priority"] for job in jobs] == ["interactive", "batch", "batch"]

    def test_an_unknown_priority_is_rejected(self, client: FlaskClient) -> None:
        assert "interactive" in str(assert_problem(submit(client, priority="urgent"), 422, "validation_failed"))

    def test_submission_writes_the_files_and_sends_one_message(
        self, client: FlaskClient, redis: Redis, volume: Volume, jobs: JobStore
    ) -> None:
        job: Any = submit(client).json

        assert volume.archive(job["id"]).read_bytes() == ARCHIVE
        index = ArchiveIndex.load(volume.archive_index(job["id"]))
        assert index.paths(0, 9) == [f"{number:05d}.png" for number in range(4)]
        written = json.loads(volume.specification(job["id"]).read_bytes())
        assert written["specification"] == jobs.get(job["id"]).specification
        assert len(messages(redis, "inference")) == 1
        assert messages(redis, "training") == []
        assert files_below(volume.incoming) == []

    def test_equal_archives_are_stored_once_until_the_last_job_is_deleted(
        self, client: FlaskClient, volume: Volume
    ) -> None:
        pixels = npy(np.arange(8192, dtype=np.uint8).reshape(2, 64, 64))
        first, second = (volume.archive(submit(client, pixels).get_json()["id"]) for _ in range(2))
        other = volume.archive(submit(client, pixels[:-1] + b"\0").get_json()["id"])

        assert first.samefile(second)
        assert not first.samefile(other)
        durable.remove_tree(first.parent)
        assert second.read_bytes() == pixels
        assert (second.stat().st_nlink, other.stat().st_nlink) == (1, 1)

    def test_form_is_accepted_too(self, client: FlaskClient) -> None:
        form = {"archive": (io.BytesIO(ARCHIVE), "images.zip"), "model": "toy", "top_k": "2"}

        response = client.post(PATH, data=form, content_type="multipart/form-data")

        assert response.status_code == 202
        assert response.json is not None
        assert response.json["request"]["top_k"] == 2

    def test_incomplete_model_reference_is_rejected(self, client: FlaskClient) -> None:
        problem = assert_problem(submit(client, model="toy@"), 422, "invalid_reference")

        assert "toy@3" in problem["detail"]

    def test_model_reference_is_resolved_on_submission(
        self, client: FlaskClient, jobs: JobStore, registry: Registry
    ) -> None:
        publish(registry, job="job-2")
        registry.point("toy", "champion", 1)

        pinned = {
            reference: jobs.get(submit(client, model=reference).get_json()["id"]).specification["version"]
            for reference in ("toy", "toy@latest", "toy@1", "toy@champion")
        }
        publish(registry, job="job-3")

        assert pinned == {"toy": 2, "toy@latest": 2, "toy@1": 1, "toy@champion": 1}

    def test_batch_options_have_defaults(self, client: FlaskClient) -> None:
        request = submit(client).get_json()["request"]

        assert request == {"model": "toy", "top_k": 1, "invert": "never", "error_threshold": 1.0}

    def test_images_are_compared_with_the_training_images_by_default_if_the_version_describes_them(
        self, client: FlaskClient, jobs: JobStore, registry: Registry
    ) -> None:
        publish(registry, job="job-2", brightness=measured(easy_images(30)[0]))

        submitted = [
            submit(client, model="toy@2").get_json(),
            submit(client, model="toy@2", invert="auto").get_json(),
            submit(client, model="toy@2", invert="never").get_json(),
            submit(client, model="toy@1", invert="auto").get_json(),
        ]

        assert [job["request"]["invert"] for job in submitted] == ["auto", "auto", "never", "auto"]
        pinned = [jobs.get(job["id"]).specification for job in submitted]
        assert [each["invert"] for each in pinned] == ["auto", "auto", "never", "auto"]
        assert [each.get("compares_with_training", False) for each in pinned] == [True, True, False, False]

    def test_skipped_entries_are_counted(self, client: FlaskClient, jobs: JobStore) -> None:
        job = submit(client, zip_of({"folder/": b"", "folder/a.png": b"?", "__MACOSX/._a.png": b""})).get_json()

        assert job["progress"]["total"] == 1
        assert jobs.get(job["id"]).specification["passed_over"] == 2
        assert job["skipped"] == {"system_file": {"count": 1, "names": ["__MACOSX/._a.png"]}}

    def test_a_batch_without_skipped_files_says_so(self, client: FlaskClient) -> None:
        assert submit(client).get_json()["skipped"] == {}

    def test_images_are_not_decoded_on_submission(self, client: FlaskClient) -> None:
        assert submit(client, zip_of({"notes.txt": b"no image"})).status_code == 202

    def test_job_without_an_online_worker_has_a_warning(self, client: FlaskClient) -> None:
        assert "inference" in submit(client).get_json()["warnings"][0]


class TestColour:
    @pytest.fixture(autouse=True)
    def painted(self, registry: Registry) -> None:
        publish_colour(registry)

    @pytest.mark.parametrize("name", ["toy", "painted"])
    def test_image_files_of_any_colours_are_accepted(self, client: FlaskClient, name: str) -> None:
        archive = zip_of({"gray.png": png(GRAY[0]), "colour.png": png(COLOUR[0])})

        assert submit(client, archive, name).status_code == 202

    @pytest.mark.parametrize(("name", "images"), [("toy", GRAY), ("painted", COLOUR)])
    def test_an_array_with_the_models_channels_is_accepted(
        self, client: FlaskClient, name: str, images: NDArray[np.uint8]
    ) -> None:
        assert submit(client, npy(images), name).status_code == 202
        assert submit(client, npz({"x": images}), name).status_code == 202

    @pytest.mark.parametrize(
        ("name", "images", "given", "expected"),
        [
            ("toy", COLOUR, "[9, 7, 3]", "toy@1 have the shape [6, 6]"),
            ("painted", GRAY, "[9, 7]", "painted@1 have the shape [6, 6, 3]"),
        ],
    )
    def test_an_array_with_other_channels_is_rejected_with_both_shapes(
        self, client: FlaskClient, volume: Volume, name: str, images: NDArray[np.uint8], given: str, expected: str
    ) -> None:
        for archive in (npy(images), npz({"x": images})):
            problem = assert_problem(submit(client, archive, name), 422, "image_channels")

            assert f"the array's images have the shape {given}, but those of {expected}" in problem["detail"]
        assert files_below(volume.incoming) == []


class TestRejections:
    @pytest.mark.parametrize(
        ("archive", "status", "code"),
        [
            (b"text", 415, "archive_expected"),
            (ARCHIVE[:-30], 415, "archive_expected"),
            (zip_of({}), 422, "archive_empty"),
            (zip_of({"folder/": b""}), 422, "archive_empty"),
            (zip_of({"../a.png": b""}), 422, "archive_path"),
            (zip_of([("a.png", b""), ("a.png", b"")]), 422, "archive_duplicate"),
            (zip_bomb(300), 422, "archive_ratio"),
            (zip_of({"inner.zip": ARCHIVE}), 422, "archive_nested"),
            (zip_of({"a.png": b"x"}, zipfile.ZIP_LZMA), 422, "archive_method"),
            (with_central(ARCHIVE, entry=0, flags=1), 422, "archive_encrypted"),
            (with_central(ARCHIVE, entry=1, header_offset=0), 422, "archive_overlap"),
            (with_central(zip_of({"a.png": b"x"}), entry=0, size=30 * 2**20), 413, "archive_entry_too_large"),
        ],
        ids=[
            "text", "cut short", "empty", "folders", "path", "duplicate", "bomb", "nested", "method",
            "encrypted", "overlap", "large entry",
        ],
    )  # fmt: skip
    def test_rejected_archive_leaves_no_files(
        self, client: FlaskClient, volume: Volume, redis: Redis, archive: bytes, status: int, code: str
    ) -> None:
        before = left_behind(volume)

        assert_problem(submit(client, archive), status, code)

        assert left_behind(volume) == before
        assert files_below(volume.incoming) == []
        assert redis.keys("*") == []

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"top_k": "0"}, "top_k"),
            ({"top_k": "4"}, "top_k"),
            ({"top_k": "many"}, "top_k"),
            ({"invert": "sometimes"}, "invert"),
            ({"error_threshold": "1.1"}, "error_threshold"),
            ({"error_threshold": "-0.1"}, "error_threshold"),
            ({"error_threshold": "nan"}, "error_threshold"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_invalid_option_is_reported_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, options: dict[str, Any], named: str
    ) -> None:
        problem = assert_problem(submit(client, **options), 422, "validation_failed")

        assert parameters(problem) == [named]
        assert files_below(volume.incoming) == []

    def test_missing_model_is_reported(self, client: FlaskClient) -> None:
        assert parameters(assert_problem(client.post(PATH, data=ARCHIVE), 422, "validation_failed")) == ["model"]

    @pytest.mark.parametrize(
        ("reference", "code"),
        [
            ("unknown", "model_not_found"),
            ("", "model_not_found"),
            ("../toy", "model_not_found"),
            ("toy@2", "version_not_found"),
            ("toy@champion", "version_not_found"),
            ("toy@" + "9" * 5000, "version_not_found"),
        ],
    )
    def test_unknown_model_is_not_found_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, reference: str, code: str
    ) -> None:
        assert_problem(submit(client, model=reference), 404, code)
        assert files_below(volume.incoming) == []

    def test_truncated_body_leaves_no_files(self, client: FlaskClient, volume: Volume, redis: Redis) -> None:
        before = left_behind(volume)

        response = client.post(
            f"{PATH}?model=toy",
            input_stream=io.BytesIO(ARCHIVE),
            environ_overrides={"CONTENT_LENGTH": str(len(ARCHIVE) + 1)},
        )

        assert_problem(response, 400, "body_cut_short")
        assert left_behind(volume) == before
        assert redis.keys("*") == []


def test_an_upload_that_does_not_fit_on_the_volume_is_refused_before_it_is_received(
    client: FlaskClient, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "KEPT_FREE", 2**62)

    problem = assert_problem(submit(client), 507, "storage_full")

    assert f"needs {len(ARCHIVE):,} bytes" in problem["detail"]
    assert f"{len(ARCHIVE):,} bytes are missing" in problem["detail"]
    assert not volume.incoming.exists() or list(volume.incoming.iterdir()) == []


def test_submission_without_redis_fails_and_leaves_no_files(client_without_redis: FlaskClient, volume: Volume) -> None:
    before = left_behind(volume)

    response = submit(client_without_redis)

    assert_problem(response, 503, "redis_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert [path for path in left_behind(volume) if path not in before] == []


class TestSizeOfRows:
    """Three classes with names of 200 bytes, as in data sets of long folder names."""

    @pytest.fixture(autouse=True)
    def _long_names(self, registry: Registry) -> None:
        publish(registry, "wide", classes=tuple(str(number) * 200 for number in range(3)))

    def test_rows_have_as_many_classes_as_fit_and_the_response_says_so(
        self, settings: Settings, jobs: JobStore
    ) -> None:
        client = create_app(settings.model_copy(update={"max_row_bytes": 800})).test_client()

        job: Any = submit(client, model="wide", top_k=3).json

        assert jobs.get(job["id"]).specification["top_k"] == 2
        assert job["request"]["top_k"] == 3
        assert "2 most probable classes instead of 3" in job["warnings"][-1]
        assert "GLASSBOX_MAX_ROW_BYTES" in job["warnings"][-1]

    def test_rows_that_could_take_too_many_bytes_are_refused(self, settings: Settings) -> None:
        client = create_app(settings.model_copy(update={"max_results_bytes": 2000})).test_client()

        problem = assert_problem(submit(client, model="wide", top_k=3), 422, "results_too_large")

        assert "GLASSBOX_MAX_RESULTS_BYTES" in problem["detail"]
        assert parameters(problem) == ["top_k"]
        assert submit(client, zip_of_images(easy_images(2)[0]), model="wide", top_k=1).status_code == 202

    def test_long_names_of_classes_fit_by_default(self, client: FlaskClient, jobs: JobStore) -> None:
        job: Any = submit(client, model="wide", top_k=3).json

        assert jobs.get(job["id"]).specification["top_k"] == 3

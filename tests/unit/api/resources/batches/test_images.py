"""`GET /v1/jobs/{id}/images`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from safetensors.numpy import load

from api.resources import image_selection
from api.resources.batches import images as batch_images
from shared.jobs import Job, JobStore
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import easy_images, npy
from tests.support.data.safetensors import metadata_of
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.objects.jobs import a_training
from tests.support.objects.models import SIDE, publish, publish_colour
from tests.support.problems import assert_problem, parameters

IMAGES, _ = easy_images(10, seed=3)
LARGE = np.kron(IMAGES[2], np.ones((4, 4), np.uint8)).astype(np.uint8)
ARCHIVE = {f"{number}.png": png(image) for number, image in enumerate(IMAGES)}
ARCHIVE |= {"1.png": b"no image", "2.png": png(LARGE)}
SEEN = [0, *range(2, 10)]


@pytest.fixture
def batches(settings: Settings, registry: Registry) -> Batches:
    publish(registry)
    return Batches(WorkBench(settings))


def read(client: FlaskClient, job: Job, **query: Any) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    response = client.get(f"/v1/jobs/{job.id}/images", query_string=query)
    assert response.status_code == 200, response.text
    return load(response.data), metadata_of(response.data)


def test_images_are_decoded_and_resized_without_those_that_failed(client: FlaskClient, batches: Batches) -> None:
    page, metadata = read(client, batches.submit(zip_of(ARCHIVE)))

    assert page["indices"].tolist() == SEEN
    assert np.array_equal(page["images"], IMAGES[SEEN])
    assert metadata == {"total": "10"}


def test_pages_and_indices_select_entries_of_the_archive(client: FlaskClient, batches: Batches) -> None:
    job = batches.submit(zip_of(ARCHIVE))

    page, metadata = read(client, job, **{"from": 1, "count": 3})
    assert (page["indices"].tolist(), metadata) == ([2, 3], {"total": "10", "next": "4"})
    page, metadata = read(client, job, indices="9,1,3")
    assert (page["indices"].tolist(), metadata) == ([9, 3], {"total": "3"})
    assert np.array_equal(page["images"], IMAGES[[9, 3]])


def test_inverted_images_are_shown_inverted(client: FlaskClient, batches: Batches) -> None:
    page, _ = read(client, batches.submit(zip_of(ARCHIVE), invert="always"))

    assert np.array_equal(page["images"], 255 - IMAGES[SEEN])


def test_arrays_of_images_are_read(client: FlaskClient, batches: Batches) -> None:
    page, _ = read(client, batches.submit(npy(IMAGES)), indices="7,2")

    assert np.array_equal(page["images"], IMAGES[[7, 2]])


def test_images_of_a_model_in_colour_have_three_channels(
    client: FlaskClient, batches: Batches, registry: Registry
) -> None:
    publish_colour(registry)

    page, _ = read(client, batches.submit(zip_of(ARCHIVE), model="painted"))

    assert page["images"].shape == (9, SIDE, SIDE, 3)
    assert np.array_equal(page["images"][..., 1], IMAGES[SEEN])


def test_response_ends_when_decoding_has_taken_its_time(
    client: FlaskClient, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_images, "SECONDS", 0.0)

    page, metadata = read(client, batches.submit(zip_of(ARCHIVE)))

    assert (page["indices"].tolist(), metadata) == ([0], {"total": "10", "next": "1"})


def test_response_is_limited_in_bytes(client: FlaskClient, batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_selection, "MOST_BYTES", 4 * SIDE * SIDE)

    page, metadata = read(client, batches.submit(zip_of(ARCHIVE)))

    assert (page["indices"].tolist(), metadata) == ([0, 2, 3], {"total": "10", "next": "4"})


@pytest.mark.parametrize(("query", "named"), [({"indices": "10"}, "indices"), ({"count": "0"}, "count")])
def test_invalid_parameter_is_named(client: FlaskClient, batches: Batches, query: dict[str, str], named: str) -> None:
    job = batches.submit(zip_of(ARCHIVE))

    response = client.get(f"/v1/jobs/{job.id}/images", query_string=query)

    assert parameters(assert_problem(response, 422, "validation_failed")) == [named]


def test_job_without_images_is_reported(client: FlaskClient, batches: Batches, jobs: JobStore, volume: Volume) -> None:
    training, batch = a_training(), batches.submit(zip_of(ARCHIVE))
    jobs.create(training)
    volume.archive(batch.id).unlink()

    assert_problem(client.get(f"/v1/jobs/{training.id}/images"), 409, "not_a_batch")
    assert_problem(client.get(f"/v1/jobs/{batch.id}/images"), 404, "archive_not_found")
    assert_problem(client.get("/v1/jobs/01k8z4y6w9m3n5p7q1r2s4t6v8/images"), 404, "job_not_found")

"""The main job on real MNIST, through the gateway: train, then classify an archive."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.servers.deployment import DATA, OURS, SERVICES, Deployment, Json

HEALTHY_SECONDS = 30


@pytest.fixture(scope="module")
def rows(deployment: Deployment, training: Json) -> list[Json]:
    batch = deployment.classify(DATA / "mnist-test-png.zip")
    return [json.loads(line) for line in deployment.request("GET", f"/v1/jobs/{batch['id']}/results").splitlines()]


@pytest.mark.parametrize("service", SERVICES)
def test_up_waits_until_each_service_is_healthy(deployment: Deployment, service: str) -> None:
    assert deployment.inspect(service)["State"]["Health"]["Status"] == "healthy"


def test_up_with_built_images_is_healthy_soon(deployment: Deployment) -> None:
    assert deployment.seconds_to_healthy < HEALTHY_SECONDS


def test_the_api_is_ready_and_reports_a_worker_on_each_queue(deployment: Deployment) -> None:
    ready = deployment.get("/readyz")
    assert ready["status"] == "ready"
    assert ready["workers"] == {"training": 1, "inference": 1}


def test_a_training_publishes_the_first_version_of_its_model(training: Json) -> None:
    assert training["result"]["model"] == "digits"
    assert training["result"]["version"] == 1


def test_every_image_of_the_archive_gets_a_row_in_the_archives_order(rows: list[Json]) -> None:
    assert [row["path"] for row in rows] == [f"mnist-test/{index:05d}.png" for index in range(10_000)]


def test_the_predicted_labels_agree_with_the_true_labels(rows: list[Json]) -> None:
    with np.load(DATA / "mnist.npz") as mnist:
        truth = mnist["y_test"]
    labels = np.array([int(row["label"]) for row in rows])
    assert np.mean(labels == truth) > 0.93


@pytest.mark.parametrize("service", OURS)
def test_an_operator_finds_neither_errors_nor_warnings_in_the_log(
    deployment: Deployment, rows: list[Json], service: str
) -> None:
    lines = deployment.logs(service)
    assert lines
    assert [line for line in lines if line["level"] not in {"debug", "info"}] == []


def test_redis_has_refused_no_command_of_the_services(deployment: Deployment, rows: list[Json]) -> None:
    assert deployment.redis("ACL", "LOG") == ""

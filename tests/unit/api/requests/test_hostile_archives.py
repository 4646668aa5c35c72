"""Hostile archives over HTTP: each is rejected with its status and code, and leaves no files."""

from __future__ import annotations

import numpy as np
import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.files import files_below, left_behind
from tests.support.data.hostile import CORPUS, LYING, TAR, ZIP, Hostile, Lying, empties
from tests.support.data.npz import npy
from tests.support.data.tars import gzip_of, tar_of, zstd_of
from tests.support.problems import assert_problem

PATH = "/v1/batch-jobs?model=toy"
ARRAY = npy(np.zeros((2, 3, 3), np.uint8))
PACKED = gzip_of(tar_of({"a.png": np.random.default_rng(0).bytes(3_000_000)})) + gzip_of(bytes(1_000_000)) * 270

pytestmark = pytest.mark.usefixtures("model")


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)
def test_hostile_archive_is_rejected_with_its_code_and_leaves_no_files(
    client: FlaskClient, volume: Volume, redis: Redis, hostile: Hostile
) -> None:
    before = left_behind(volume)

    assert_problem(client.post(PATH, data=hostile.build()), hostile.status, hostile.code)

    assert left_behind(volume) == before
    assert files_below(volume.incoming) == []
    assert redis.keys("*") == []
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("lying", LYING, ids=lambda lying: lying.name)
def test_archive_with_single_false_entries_is_accepted(client: FlaskClient, lying: Lying) -> None:
    assert client.post(PATH, data=lying.build()).status_code == 202


def test_archive_of_a_hundred_thousand_empty_entries_is_accepted(client: FlaskClient) -> None:
    response = client.post(PATH, data=empties(100_000))

    assert response.status_code == 202
    assert response.get_json()["progress"]["total"] == 100_000


@pytest.mark.parametrize(
    ("setting", "value", "archive", "status", "code"),
    [
        ("max_body_bytes", len(ZIP) - 1, ZIP, 413, "body_too_large"),
        ("max_archive_entries", 1, ZIP, 413, "archive_too_large"),
        ("max_archive_entries", 1, TAR, 413, "archive_too_large"),
        ("max_archive_entries", 1, ARRAY, 413, "archive_too_large"),
        ("max_expanded_bytes", 100, ZIP, 413, "archive_too_large"),
        ("max_expanded_bytes", 100, TAR, 413, "archive_too_large"),
        ("max_expanded_bytes", 100, gzip_of(TAR), 413, "archive_too_large"),
        ("max_expanded_bytes", 17, ARRAY, 413, "archive_too_large"),
        ("max_entry_bytes", 50, ZIP, 413, "archive_entry_too_large"),
        ("max_entry_bytes", 50, TAR, 413, "archive_entry_too_large"),
        ("max_names_bytes", 9, ZIP, 413, "archive_too_large"),
        ("max_name_bytes", 4, ZIP, 422, "archive_path"),
        ("max_name_bytes", 4, TAR, 422, "archive_path"),
        ("max_compression_ratio", 10, PACKED, 422, "archive_ratio"),
        ("max_zstd_window_bytes", 1 << 20, zstd_of(TAR, window_log=21), 413, "archive_window_too_large"),
        ("max_image_pixels", 8, ARRAY, 413, "npz_too_large"),
    ],
)
def test_each_archive_limit_is_a_setting(
    settings: Settings, volume: Volume, setting: str, value: int, archive: bytes, status: int, code: str
) -> None:
    stricter = settings.model_copy(update={setting: value})
    usual, strict = create_app(settings).test_client(), create_app(stricter).test_client()

    assert_problem(strict.post(PATH, data=archive), status, code)

    assert files_below(volume.incoming) == []
    assert usual.post(PATH, data=archive).status_code == 202

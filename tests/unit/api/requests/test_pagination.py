"""Pagination of every list, stable under additions and deletions between pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.requests import pagination
from shared.datasets import DatasetStore
from shared.datasets.arrays.npz import read_npz
from shared.jobs import JobStore
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.volume import Volume
from tests.support.data.npz import easy_arrays, npz
from tests.support.objects.jobs import a_training
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, parameters


@pytest.fixture
def upload(volume: Volume, datasets: DatasetStore, limits: Settings) -> Callable[[int], str]:
    """A function that adds a distinct data set for each number and returns its id."""

    def make(number: int) -> str:
        file = volume.incoming / "easy.npz"
        durable.write_bytes(file, npz(easy_arrays(seed=number)))
        return datasets.add(read_npz(file, limits, 0.1, 0), f"data-{number}", "upload")[0].id

    return make


def read(client: FlaskClient, path: str, key: str, between: Callable[[Any], object] = print, **query: str) -> list[Any]:
    """Return a whole list, read in pages of two; call `between` after the first page."""
    page: Any = client.get(path, query_string={"limit": 2, **query}).json
    items = [item[key] for item in page["items"]]
    between(items)
    while page["next"]:
        page = client.get(path, query_string={"limit": 2, "after": page["next"], **query}).json
        assert 1 <= len(page["items"]) <= 2
        items += [item[key] for item in page["items"]]
    return items


LISTS = ["/v1/datasets", "/v1/jobs", "/v1/models", "/v1/models/toy/versions", "/v1/models/toy/aliases"]


@pytest.mark.parametrize("after", ["", "\0", "a\0b", "../etc", "ü", "😀", "~", "x" * 1000, "a b"])
@pytest.mark.parametrize("path", LISTS)
def test_invalid_cursor_is_reported(client: FlaskClient, registry: Registry, path: str, after: str) -> None:
    publish(registry)

    problem = assert_problem(client.get(path, query_string={"after": after}), 422, "validation_failed")

    assert parameters(problem) == ["after"]
    assert "must be the `next` of a page of this list" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "after"),
    [("/v1/datasets", "easy"), ("/v1/models/toy/versions", "latest"), ("/v1/models/toy/versions", "3")],
)
def test_cursor_of_another_list_is_rejected(client: FlaskClient, registry: Registry, path: str, after: str) -> None:
    publish(registry)

    assert_problem(client.get(path, query_string={"after": after}), 422, "validation_failed")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models"])
def test_cursor_of_a_deleted_item_keeps_its_position(client: FlaskClient, path: str) -> None:
    assert client.get(f"{path}?after=nothing").json == {"items": [], "next": None}


class TestDataSets:
    def test_all_data_sets_are_listed(self, client: FlaskClient, upload: Callable[[int], str]) -> None:
        ids = [upload(number) for number in range(5)]

        assert sorted(read(client, "/v1/datasets", "id")) == sorted(ids)

    def test_data_set_added_between_pages_shifts_no_others(
        self, client: FlaskClient, upload: Callable[[int], str]
    ) -> None:
        for number in range(5):
            upload(number)
        before = read(client, "/v1/datasets", "id")

        assert read(client, "/v1/datasets", "id", lambda _: upload(9)) == before

    def test_data_set_deleted_between_pages_hides_no_others(
        self, client: FlaskClient, upload: Callable[[int], str], volume: Volume
    ) -> None:
        for number in range(5):
            upload(number)
        before = read(client, "/v1/datasets", "id")

        def delete(items: list[str]) -> None:
            shutil.rmtree(volume.dataset(items[-1].removeprefix("sha256:")))

        assert read(client, "/v1/datasets", "id", delete) == before


class TestModels:
    def test_models_are_listed_by_name_despite_changes(
        self, client: FlaskClient, registry: Registry, volume: Volume
    ) -> None:
        for name in "bdfhk":
            publish(registry, name)

        def change(items: list[str]) -> None:
            assert items == ["b", "d"]
            publish(registry, "a")
            publish(registry, "e")
            shutil.rmtree(volume.model("d"))

        assert read(client, "/v1/models", "name", change) == ["b", "d", "e", "f", "h", "k"]

    def test_versions_are_listed_newest_first_despite_changes(self, client: FlaskClient, registry: Registry) -> None:
        for number in range(11):
            publish(registry, job=f"job-{number}")

        def change(items: list[int]) -> None:
            publish(registry, job="another")

        assert read(client, "/v1/models/toy/versions", "version", change) == list(range(11, 0, -1))


class TestJobs:
    def test_jobs_are_listed_newest_first_despite_changes(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in "abcdef":
            jobs.create(a_training(id=job_id))

        def change(items: list[str]) -> None:
            jobs.create(a_training(id="g"))
            jobs.discard(items[-1])

        assert read(client, "/v1/jobs", "id", change) == list("fedcba")

    def test_filtered_list_is_complete(self, client: FlaskClient, jobs: JobStore) -> None:
        for number in range(250):
            jobs.create(a_training(id=f"{number:03d}", model="rare" if number % 50 == 0 else "common"))

        assert read(client, "/v1/jobs", "id", model="rare") == ["200", "150", "100", "050", "000"]


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/models", "/v1/jobs"])
@pytest.mark.parametrize("limit", ["0", "-1", "501", "1.5", "many", "", "9" * 5000])
def test_invalid_limit_is_rejected(client: FlaskClient, path: str, limit: str) -> None:
    response = client.get(path, query_string={"limit": limit})

    assert parameters(assert_problem(response, 422, "validation_failed")) == ["limit"]


def test_page_of_large_items_ends_early(client: FlaskClient, jobs: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MOST_BYTES", 30_000)
    for _ in range(7):
        jobs.create(a_training(request={"labels": {"a": "x" * 10_000}}))

    page: Any = client.get("/v1/jobs?limit=500").json
    rest: Any = client.get("/v1/jobs", query_string={"limit": 500, "after": page["next"]}).json

    assert len(page["items"]) == 3
    assert [job["id"] for job in page["items"] + rest["items"]] == list(jobs.ids())[:6]

"""Every list can be read page by page, whatever is added or deleted meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.datasets import DatasetStore
from shared.datasets.npz import read_npz
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
    """Makes a data set of its own for each number, and gives its id."""

    def make(number: int) -> str:
        file = volume.incoming / "easy.npz"
        durable.write_bytes(file, npz(easy_arrays(seed=number)))
        return datasets.add(read_npz(file, limits, 0.1, 0), f"data-{number}", "upload")[0].id

    return make


def read(client: FlaskClient, path: str, key: str, between: Callable[[Any], object] = print, **query: str) -> list[Any]:
    """All of a list, in pages of two; `between` happens behind the first one."""
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
def test_what_is_no_cursor_of_a_list_is_named(client: FlaskClient, registry: Registry, path: str, after: str) -> None:
    publish(registry)

    problem = assert_problem(client.get(path, query_string={"after": after}), 422, "validation_failed")

    assert parameters(problem) == ["after"]
    assert "is not a cursor that this list gave" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "after"),
    [("/v1/datasets", "easy"), ("/v1/models/toy/versions", "latest"), ("/v1/models/toy/versions", "3")],
)
def test_nor_is_one_of_another_list(client: FlaskClient, registry: Registry, path: str, after: str) -> None:
    publish(registry)

    assert_problem(client.get(path, query_string={"after": after}), 422, "validation_failed")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models"])
def test_one_of_something_that_is_gone_marks_its_place(client: FlaskClient, path: str) -> None:
    assert client.get(f"{path}?after=nothing").json == {"items": [], "next": None}


class TestDataSets:
    def test_they_are_all_read_from_the_newest(self, client: FlaskClient, upload: Callable[[int], str]) -> None:
        ids = [upload(number) for number in range(5)]

        assert sorted(read(client, "/v1/datasets", "id")) == sorted(ids)

    def test_one_that_comes_meanwhile_moves_nothing(self, client: FlaskClient, upload: Callable[[int], str]) -> None:
        for number in range(5):
            upload(number)
        before = read(client, "/v1/datasets", "id")

        assert read(client, "/v1/datasets", "id", lambda _: upload(9)) == before

    def test_one_that_goes_meanwhile_hides_no_others(
        self, client: FlaskClient, upload: Callable[[int], str], volume: Volume
    ) -> None:
        for number in range(5):
            upload(number)
        before = read(client, "/v1/datasets", "id")

        def delete(items: list[str]) -> None:
            shutil.rmtree(volume.dataset(items[-1].removeprefix("sha256:")))

        assert read(client, "/v1/datasets", "id", delete) == before


class TestModels:
    def test_they_are_read_by_name_whatever_comes_and_goes(
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

    def test_versions_are_read_from_the_newest_whatever_comes(self, client: FlaskClient, registry: Registry) -> None:
        for number in range(11):
            publish(registry, job=f"job-{number}")

        def change(items: list[int]) -> None:
            publish(registry, job="another")

        assert read(client, "/v1/models/toy/versions", "version", change) == list(range(11, 0, -1))


class TestJobs:
    def test_they_are_read_from_the_newest_whatever_comes_and_goes(self, client: FlaskClient, jobs: JobStore) -> None:
        for job_id in "abcdef":
            jobs.create(a_training(id=job_id))

        def change(items: list[str]) -> None:
            jobs.create(a_training(id="g"))
            jobs.discard(items[-1])

        assert read(client, "/v1/jobs", "id", change) == list("fedcba")

    def test_a_choice_is_read_to_its_end(self, client: FlaskClient, jobs: JobStore) -> None:
        for number in range(250):
            jobs.create(a_training(id=f"{number:03d}", model="rare" if number % 50 == 0 else "common"))

        assert read(client, "/v1/jobs", "id", model="rare") == ["200", "150", "100", "050", "000"]


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/models", "/v1/jobs"])
@pytest.mark.parametrize("limit", ["0", "-1", "501", "1.5", "many", "", "9" * 5000])
def test_a_limit_that_cannot_be_is_refused(client: FlaskClient, path: str, limit: str) -> None:
    response = client.get(path, query_string={"limit": limit})

    assert parameters(assert_problem(response, 422, "validation_failed")) == ["limit"]
